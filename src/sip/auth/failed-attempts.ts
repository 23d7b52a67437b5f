import { limits } from '../../base/limits.ts';

/** Failed logins by source address, bounded: the source not seen for longest makes room. */
export interface FailedAttempts {
  /** Counts one more and returns the count of this source. */
  add(address: string): number;
  /** A login succeeded: the count starts again. */
  clear(address: string): void;
  count(address: string): number;
  readonly sources: number;
}

export function createFailedAttempts(
  capacity: number = limits.sipRoles.failureSources,
): FailedAttempts {
  const counts = new Map<string, number>();
  return {
    add(address) {
      const count = (counts.get(address) ?? 0) + 1;
      counts.delete(address);
      if (counts.size >= capacity) {
        for (const oldest of counts.keys()) {
          counts.delete(oldest);
          break;
        }
      }
      counts.set(address, count);
      return count;
    },
    clear(address) {
      if (counts.size > 0) counts.delete(address);
    },
    count: (address) => counts.get(address) ?? 0,
    get sources() {
      return counts.size;
    },
  };
}
