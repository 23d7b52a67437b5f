/**
 * Media feature set expressions of RFC 2533 §4.1 as RFC 3840 §5 uses them: the text of `contact_prefs`.
 * Reading is linear, with a bound on nesting.
 */
import { limits } from '../../base/limits.ts';

/** One filter: a comparison, or a combination of filters; `params` are those after it (`;q=0.5`). */
export type FeatureFilter =
  | {
      readonly kind: 'feature';
      /** Lower case. */
      readonly tag: string;
      readonly operator: '=' | '<=' | '>=';
      /** As written, without the quotes or angle brackets of a string. */
      readonly value: string;
      readonly params: FilterParams;
    }
  | {
      readonly kind: 'and' | 'or' | 'not';
      readonly items: readonly FeatureFilter[];
      readonly params: FilterParams;
    };

export type FilterParams = ReadonlyMap<string, string>;

const noParams: FilterParams = new Map();

/** Parses one expression; `undefined` when the text is none, or is nested beyond the bound. */
export function parseFeatures(text: string): FeatureFilter | undefined {
  const cursor = { text, at: 0 };
  skipBlanks(cursor);
  const filter = parseFilter(cursor, 0);
  skipBlanks(cursor);
  return cursor.at === text.length ? filter : undefined;
}

interface Cursor {
  readonly text: string;
  at: number;
}

function parseFilter(cursor: Cursor, depth: number): FeatureFilter | undefined {
  if (depth > limits.usagesSip.featureDepth || cursor.text[cursor.at] !== '(') return undefined;
  cursor.at++;
  skipBlanks(cursor);
  const mark = cursor.text[cursor.at];
  if (mark !== '&' && mark !== '|' && mark !== '!') return parseComparison(cursor);
  cursor.at++;
  const items: FeatureFilter[] = [];
  skipBlanks(cursor);
  while (cursor.text[cursor.at] === '(') {
    const item = parseFilter(cursor, depth + 1);
    if (item === undefined) return undefined;
    items.push(item);
    skipBlanks(cursor);
  }
  if (cursor.text[cursor.at] !== ')' || (mark === '!' && items.length !== 1)) return undefined;
  cursor.at++;
  const kind = mark === '&' ? 'and' : mark === '|' ? 'or' : 'not';
  return { kind, items, params: parseParams(cursor) };
}

const comparison = /([A-Za-z][A-Za-z0-9:/.-]*)[ \t]*(<=|>=|=)[ \t]*("[^"]*"|<[^>]*>|[^()"<>]*)\)/y;

function parseComparison(cursor: Cursor): FeatureFilter | undefined {
  comparison.lastIndex = cursor.at;
  const match = comparison.exec(cursor.text);
  if (match === null) return undefined;
  cursor.at = comparison.lastIndex;
  const raw = (match[3] ?? '').trim();
  return {
    kind: 'feature',
    tag: (match[1] ?? '').toLowerCase(),
    operator: match[2] as '=' | '<=' | '>=',
    value: /^["<]/.test(raw) ? raw.slice(1, -1) : raw,
    params: parseParams(cursor),
  };
}

const parameter = /[ \t]*;[ \t]*([A-Za-z][A-Za-z0-9.-]*)[ \t]*=[ \t]*([^;()\s]+)/y;

function parseParams(cursor: Cursor): FilterParams {
  let params: Map<string, string> | undefined;
  for (;;) {
    parameter.lastIndex = cursor.at;
    const match = parameter.exec(cursor.text);
    if (match === null) return params ?? noParams;
    cursor.at = parameter.lastIndex;
    params ??= new Map();
    params.set((match[1] ?? '').toLowerCase(), match[2] ?? '');
  }
}

function skipBlanks(cursor: Cursor): void {
  while (/^[ \t\r\n]$/.test(cursor.text[cursor.at] ?? '')) cursor.at++;
}

/**
 * Whether something with the feature `tag`=`value` and nothing else known may satisfy the filter;
 * `undefined` = cannot be said.
 */
export function mayMatch(filter: FeatureFilter, tag: string, value: string): boolean | undefined {
  switch (filter.kind) {
    case 'feature':
      if (filter.tag !== tag || filter.operator !== '=') return undefined;
      return filter.value.toLowerCase() === value.toLowerCase();
    case 'not': {
      const inner = filter.items[0];
      const match = inner === undefined ? undefined : mayMatch(inner, tag, value);
      return match === undefined ? undefined : !match;
    }
    case 'and':
    case 'or': {
      const decisive = filter.kind === 'or';
      let open = false;
      for (const item of filter.items) {
        const match = mayMatch(item, tag, value);
        if (match === decisive) return decisive;
        if (match === undefined) open = true;
      }
      return open ? undefined : !decisive;
    }
  }
}

/** Calls `visit` for every comparison that is not under a negation. */
export function eachFeature(
  filter: FeatureFilter,
  visit: (tag: string, value: string) => void,
): void {
  if (filter.kind === 'feature') {
    if (filter.operator === '=') visit(filter.tag, filter.value);
  } else if (filter.kind !== 'not') {
    for (const item of filter.items) eachFeature(item, visit);
  }
}
