/** Regular nomination: the controlling agent waits for the best pair, but not for long. RFC 8445 §8.1.1. */
import { limits } from '../../base/limits.ts';
import { pairPriority, type Pair } from './check-list.ts';
import type { IceRole } from './types.ts';

/** Of a pair that a check proved; both agents come to the same number. */
export function validPriority(role: IceRole, pair: Pair): bigint {
  return pair.valid === undefined ? -1n : pairPriority(role, pair.valid.local, pair.remote);
}

/** The best pair that may be used, `undefined` when none is valid. */
export function bestValid(role: IceRole, pairs: readonly Pair[]): Pair | undefined {
  let best: Pair | undefined;
  for (const pair of pairs) {
    if (pair.valid === undefined) continue;
    if (best === undefined || validPriority(role, pair) > validPriority(role, best)) best = pair;
  }
  return best;
}

/**
 * How long a better pair is still waited for (ms), counted from the first valid one: not at all when
 * none could become better; longer while there are only relayed ones.
 */
export function nominationWaitMs(role: IceRole, best: Pair, pairs: readonly Pair[]): number {
  const own = pairPriority(role, best.local, best.remote);
  const better = pairs.some(
    (pair) =>
      pair.valid === undefined &&
      pair.state !== 'failed' &&
      pairPriority(role, pair.local, pair.remote) > own,
  );
  if (!better) return 0;
  return isRelayed(best) ? limits.ice.nominateRelayedMs : limits.ice.nominateDirectMs;
}

/** True when a TURN server is on the way. */
export function isRelayed({ local, remote }: Pair): boolean {
  return local.base.relayed || remote.type === 'relay';
}
