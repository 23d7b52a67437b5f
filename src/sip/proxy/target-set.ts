import { limits } from '../../base/limits.ts';
import type { ProxyTarget } from './targets.ts';

/**
 * Targets that wait for their turn: highest q first, in order of arrival among equals; each place at
 * most once. RFC 3261 §16.5, §16.6.
 */
export interface TargetSet {
  /** How many were new. */
  add(targets: readonly ProxyTarget[]): number;
  /** q of the next target; `undefined` when none waits. */
  readonly nextQ: number | undefined;
  /** How many wait with that q. */
  countOf(q: number): number;
  take(): ProxyTarget | undefined;
  clear(): void;
}

export function createTargetSet(): TargetSet {
  const seen = new Set<string>();
  let waiting: ProxyTarget[] = [];
  return {
    add(targets) {
      let added = 0;
      for (const target of targets) {
        const key = `${target.side} ${target.uri} ${target.route.join(' ')} ${target.label}`;
        if (seen.has(key) || seen.size >= limits.sipRoles.targets) continue;
        seen.add(key);
        let at = waiting.length;
        while (at > 0 && (waiting[at - 1] as ProxyTarget).q < target.q) at--;
        waiting.splice(at, 0, target);
        added++;
      }
      return added;
    },
    get nextQ() {
      return waiting[0]?.q;
    },
    countOf(q) {
      let count = 0;
      for (const target of waiting) if (target.q === q) count++;
      return count;
    },
    take: () => waiting.shift(),
    clear() {
      waiting = [];
    },
  };
}
