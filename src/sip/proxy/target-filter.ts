/** Caller preferences applied to targets as they become known. RFC 3841 §7.2. */
import type { SipRequest } from '../message/message.ts';
import {
  type CallerPreferences,
  type FeatureReader,
  rate,
  readPreferences,
  statesPreferences,
} from './caller-preferences.ts';
import type { ProxyTarget } from './targets.ts';

export interface TargetFilter {
  /** Highest rank a target can have. */
  readonly highestRank: number;
  /** Place of the target among all, by q and preference; `undefined` when it is dropped. */
  rank(target: ProxyTarget): number | undefined;
  /**
   * What was dropped, to be used where nothing else is left: only when the request itself states no
   * preferences.
   */
  spared(): readonly ProxyTarget[];
}

/** The caller's order among targets of equal q stays behind the point. */
const share = 0.999;

export function createTargetFilter(request: SipRequest, read: FeatureReader): TargetFilter {
  const explicit = statesPreferences(request);
  let preferences: CallerPreferences | undefined;
  let dropped: ProxyTarget[] = [];
  return {
    highestRank: explicit ? 1000 + share : 1000,
    rank(target) {
      const features = read(target);
      if (features === undefined && !explicit) return target.q;
      preferences ??= readPreferences(request);
      const preference = rate(preferences, features);
      if (preference !== undefined) return explicit ? target.q + preference * share : target.q;
      if (!explicit) dropped.push(target);
      return undefined;
    },
    spared() {
      const spared = dropped;
      dropped = [];
      return spared;
    },
  };
}

/** For requests whose targets are not chosen here (§7.2: only the owner of the domain does that). */
export const noFilter: TargetFilter = {
  highestRank: 1000,
  rank: (target) => target.q,
  spared: () => [],
};
