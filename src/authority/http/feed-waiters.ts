/** Followers of the account feed that wait for the next change (long polling). */
import { limits } from '../../base/limits.ts';

export interface FeedWaiters {
  /** Calls `wake` once: after the next change or when the time is over; the result gives up. `undefined` when too many wait. */
  wait(waitMs: number, wake: () => void): (() => void) | undefined;
  /** To be called after each change that is durable. */
  wakeAll(): void;
}

export function createFeedWaiters(): FeedWaiters {
  const waiting = new Map<() => void, NodeJS.Timeout>();

  function end(wake: () => void): boolean {
    clearTimeout(waiting.get(wake));
    return waiting.delete(wake);
  }

  return {
    wait(waitMs, wake) {
      if (waiting.size >= limits.authorityHttp.feedWaiters) return undefined;
      const once = (): void => {
        if (end(once)) wake();
      };
      waiting.set(once, setTimeout(once, waitMs));
      return () => {
        end(once);
      };
    },
    wakeAll() {
      for (const wake of [...waiting.keys()]) wake();
    },
  };
}
