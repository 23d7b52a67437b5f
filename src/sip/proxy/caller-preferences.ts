/** What a caller asks of the phones it reaches: Accept-Contact and Reject-Contact. RFC 3841 §7.2. */
import { createBoundedCache } from '../../base/bounded-cache.ts';
import { limits } from '../../base/limits.ts';
import type { SipRequest } from '../message/message.ts';
import {
  type FeatureSet,
  featuresMatch,
  parseFeatureSet,
  shareStated,
  statesAll,
} from './feature-set.ts';
import type { ProxyTarget } from './targets.ts';

/** As the request states them, else as they follow from its method and event package (§7.2.2). */
export interface CallerPreferences {
  readonly reject: readonly FeatureSet[];
  readonly accept: readonly AcceptRule[];
}

interface AcceptRule {
  readonly features: FeatureSet;
  readonly require: boolean;
  readonly explicit: boolean;
}

/** Matching costs time for each rule, so their number has a bound (§11). */
export function hasTooManyRules(request: SipRequest): boolean {
  if (!statesPreferences(request)) return false;
  const rules = request.values('Accept-Contact').length + request.values('Reject-Contact').length;
  return rules > limits.sipRoles.preferenceRules;
}

export function statesPreferences(request: SipRequest): boolean {
  return request.has('Accept-Contact') || request.has('Reject-Contact');
}

export function readPreferences(request: SipRequest): CallerPreferences {
  if (!statesPreferences(request)) return { reject: [], accept: [impliedRule(request)] };
  const wanted = request.values('Accept-Contact');
  const unwanted = request.values('Reject-Contact');
  return {
    reject: unwanted.map(parseFeatureSet).filter((features) => features.size > 0),
    accept: wanted.map((value) => ({
      features: parseFeatureSet(value),
      require: /;[ \t]*require[ \t]*(?:;|$)/i.test(value),
      explicit: /;[ \t]*explicit[ \t]*(?:;|$)/i.test(value),
    })),
  };
}

/** The method, and the event package of a SUBSCRIBE. §7.2.2.1, §7.2.2.2. */
function impliedRule(request: SipRequest): AcceptRule {
  const event = request.method === 'SUBSCRIBE' ? request.header('Event') : undefined;
  const features = new Map([['methods', [token(request.method)]]]);
  if (event !== undefined) features.set('events', [token(event.split(';', 1)[0] ?? '')]);
  return { features, require: true, explicit: false };
}

function token(text: string): { kind: 'token'; negated: boolean; text: string } {
  return { kind: 'token', negated: false, text: text.trim().toLowerCase() };
}

/** The features of a target; `undefined` where it states none. */
export type FeatureReader = (target: ProxyTarget) => FeatureSet | undefined;

/** Remembers the feature sets of Contacts: the phones of a site register the same few. */
export function createFeatureReader(): FeatureReader {
  const known = createBoundedCache<string, FeatureSet>(limits.sipRoles.knownFeatureSets);
  return ({ features }) => {
    if (features === undefined || features === '') return undefined;
    let set = known.get(features);
    if (set === undefined) {
      set = parseFeatureSet(features);
      known.set(features, set);
    }
    return set.size === 0 ? undefined : set;
  };
}

/**
 * Qa of a target with those features, 0..1: its place among targets of equal q. `undefined` when the
 * preferences drop it. §7.2.4.
 */
export function rate(
  preferences: CallerPreferences,
  features: FeatureSet | undefined,
): number | undefined {
  // Who states no features is immune (§7.2.3).
  if (features === undefined) return 1;
  for (const rule of preferences.reject) {
    if (statesAll(features, rule) && featuresMatch(rule, features)) return undefined;
  }
  let matching = 0;
  let sum = 0;
  for (const rule of preferences.accept) {
    if (!featuresMatch(rule.features, features)) {
      if (rule.require) return undefined;
      continue;
    }
    const score = shareStated(features, rule.features);
    if (score < 1 && rule.explicit && rule.require) return undefined;
    matching++;
    sum += score < 1 && rule.explicit ? 0 : score;
  }
  return matching === 0 ? 0 : sum / matching;
}
