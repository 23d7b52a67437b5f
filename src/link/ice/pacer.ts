/**
 * One pace for all agents of a process: however many run at once, their transactions do not leave
 * more often than once in 5 ms. RFC 8445 §14.2.
 */
import { limits } from '../../base/limits.ts';
import type { Clock } from '../../ports/clock.ts';

export interface IcePacer {
  /** Books the next free slot; returns how long to wait for it (ms), 0 when it is now. */
  book(): number;
}

export function createIcePacer(clock: Clock): IcePacer {
  let nextMs = 0;
  return {
    book() {
      const now = clock.monotonicMs();
      const at = Math.max(now, nextMs);
      nextMs = at + limits.ice.globalPaceMs;
      return at - now;
    },
  };
}
