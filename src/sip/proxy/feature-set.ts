/**
 * Feature parameters of Contact, Accept-Contact and Reject-Contact as sets of values, one for each
 * feature tag: the conjunctions of RFC 3840 §5 and RFC 3841 §8, and when two of them match (RFC 2533).
 */
import { limits } from '../../base/limits.ts';
import { parseParams } from '../message/scan.ts';

/** Alternatives for each feature tag, tags without the `sip.` prefix and in lower case. */
export type FeatureSet = ReadonlyMap<string, readonly FeatureValue[]>;

export type FeatureValue =
  /** Compared without regard to case; lower case. `TRUE` and `FALSE` are tokens. */
  | { readonly kind: 'token'; readonly negated: boolean; readonly text: string }
  /** `<text>`, compared with regard to case. */
  | { readonly kind: 'string'; readonly text: string }
  /** `#=4`, `#>=4`, `#<=4` or `#1:5`, bounds included. */
  | {
      readonly kind: 'range';
      readonly negated: boolean;
      readonly low: number;
      readonly high: number;
    };

/** RFC 3840 §9 and RFC 3841 §7.2.1; any other feature tag is written with a plus. */
const baseTags: ReadonlySet<string> = new Set([
  'audio',
  'automata',
  'class',
  'duplex',
  'data',
  'control',
  'mobility',
  'description',
  'events',
  'priority',
  'methods',
  'extensions',
  'schemes',
  'application',
  'video',
  'language',
  'type',
  'isfocus',
  'actor',
  'text',
]);

const implied: readonly FeatureValue[] = [{ kind: 'token', negated: false, text: 'true' }];

/**
 * The feature set among header parameters that begin at the first `;` of `text`; empty when there is
 * none. A tag counts once: the first of equal ones. Malformed values state nothing.
 */
export function parseFeatureSet(text: string): FeatureSet {
  const start = text.indexOf(';');
  const params = start < 0 ? undefined : parseParams(text, start);
  const found = new Map<string, readonly FeatureValue[]>();
  if (params === undefined) return found;
  for (const [name, value] of params) {
    if (found.size >= limits.sipRoles.featureTags) break;
    const tag = tagOf(name);
    if (tag === undefined || found.has(tag)) continue;
    // The plus form never stands beside the base form (RFC 3841 §7.2.3).
    if (name.startsWith('+') && params.has(tag)) continue;
    const values = value === undefined ? implied : parseValues(value);
    if (values.length > 0) found.set(tag, values);
  }
  return found;
}

function tagOf(name: string): string | undefined {
  if (baseTags.has(name)) return name;
  if (!name.startsWith('+')) return undefined;
  return name.startsWith('+sip.') ? name.slice(5) : name.slice(1);
}

function parseValues(text: string): readonly FeatureValue[] {
  const trimmed = text.trim();
  if (trimmed.startsWith('<') && trimmed.endsWith('>')) {
    return [{ kind: 'string', text: trimmed.slice(1, -1) }];
  }
  const values: FeatureValue[] = [];
  for (const item of trimmed.split(',', limits.sipRoles.featureValues)) {
    const value = parseValue(item.trim());
    if (value !== undefined) values.push(value);
  }
  return values;
}

function parseValue(item: string): FeatureValue | undefined {
  const negated = item.startsWith('!');
  const rest = negated ? item.slice(1) : item;
  if (rest.startsWith('#')) return parseRange(rest, negated);
  return rest === '' ? undefined : { kind: 'token', negated, text: rest.toLowerCase() };
}

const number = String.raw`([+-]?\d{1,12}(?:\.\d{1,12})?)`;
const rangePattern = new RegExp(`^#(?:(=|>=|<=)${number}|${number}:${number})$`);

function parseRange(text: string, negated: boolean): FeatureValue | undefined {
  const match = rangePattern.exec(text);
  if (match === null) return undefined;
  const [, operator, bound, from, to] = match;
  if (operator === undefined) {
    return { kind: 'range', negated, low: Number(from), high: Number(to) };
  }
  const value = Number(bound);
  const low = operator === '<=' ? -Infinity : value;
  const high = operator === '>=' ? Infinity : value;
  return { kind: 'range', negated, low, high };
}

/** True when something can have both sets of features: each tag that both name has a common value. */
export function featuresMatch(a: FeatureSet, b: FeatureSet): boolean {
  for (const [tag, wanted] of a) {
    const stated = b.get(tag);
    if (stated === undefined) continue;
    if (!wanted.some((one) => stated.some((other) => valuesMeet(one, other)))) return false;
  }
  return true;
}

/** True when `set` says something about every tag of `tags`. */
export function statesAll(set: FeatureSet, tags: FeatureSet): boolean {
  for (const tag of tags.keys()) if (!set.has(tag)) return false;
  return true;
}

/** How many of the tags of `tags` the set says something about, as a share of all: 0..1. */
export function shareStated(set: FeatureSet, tags: FeatureSet): number {
  if (tags.size === 0) return 1;
  let stated = 0;
  for (const tag of tags.keys()) if (set.has(tag)) stated++;
  return stated / tags.size;
}

function valuesMeet(a: FeatureValue, b: FeatureValue): boolean {
  if (a.kind === 'string') return b.kind === 'string' && a.text === b.text;
  if (b.kind === 'string') return false;
  if (a.negated && b.negated) return true;
  if (a.negated) return !isWithin(b, a);
  if (b.negated) return !isWithin(a, b);
  if (a.kind === 'range' && b.kind === 'range') return a.low <= b.high && b.low <= a.high;
  return a.kind === 'token' && b.kind === 'token' && a.text === b.text;
}

/** True when every value of `inner` lies in what `outer` excludes. */
function isWithin(inner: FeatureValue, outer: FeatureValue): boolean {
  if (inner.kind === 'range' && outer.kind === 'range') {
    return inner.low >= outer.low && inner.high <= outer.high;
  }
  return inner.kind === 'token' && outer.kind === 'token' && inner.text === outer.text;
}
