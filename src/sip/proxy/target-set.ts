import { limits } from '../../base/limits.ts';
import { normalizeEscapes } from '../message/uri.ts';
import type { ProxyTarget } from './targets.ts';

/**
 * Targets that wait for their turn: highest rank first, in order of arrival among equals; each place at
 * most once. RFC 3261 §16.5, §16.6.
 */
export interface TargetSet {
  /**
   * False for a place that was there before. The rank is the q of the callee and, behind the point, what
   * the caller prefers among equals (RFC 3841 §7.2.4).
   */
  add(target: ProxyTarget, rank?: number): boolean;
  /** Rank of the next target; `undefined` when none waits. */
  readonly nextRank: number | undefined;
  /** How many wait with that rank. */
  countOf(rank: number): number;
  take(): ProxyTarget | undefined;
  clear(): void;
}

interface Waiting {
  readonly target: ProxyTarget;
  readonly rank: number;
}

export function createTargetSet(): TargetSet {
  const seen = new Set<string>();
  let waiting: Waiting[] = [];
  return {
    add(target, rank = target.q) {
      const key = `${target.side} ${canonical(target.uri)} ${target.route.join(' ')} ${target.label}`;
      if (seen.has(key) || seen.size >= limits.sipRoles.targets) return false;
      seen.add(key);
      let at = waiting.length;
      while (at > 0 && (waiting[at - 1] as Waiting).rank < rank) at--;
      waiting.splice(at, 0, { target, rank });
      return true;
    },
    get nextRank() {
      return waiting[0]?.rank;
    },
    countOf(rank) {
      let count = 0;
      for (const other of waiting) if (other.rank === rank) count++;
      return count;
    },
    take: () => waiting.shift()?.target,
    clear() {
      waiting = [];
    },
  };
}

/** One spelling for URIs that differ in escapes or in the case of the host only. RFC 3261 §19.1.4. */
function canonical(uri: string): string {
  const at = uri.lastIndexOf('@');
  return normalizeEscapes(uri.slice(0, at + 1)) + uri.slice(at + 1).toLowerCase();
}
