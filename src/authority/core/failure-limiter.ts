/** Slows down guessing: each source has a bounded stock of failures that time refills. */
import { limits } from '../../base/limits.ts';

export interface FailureLimiter {
  /** True when the source has to wait; nothing of its request may be looked at then. */
  isBlocked(source: string, nowMs: number): boolean;
  failed(source: string, nowMs: number): void;
}

export function createFailureLimiter(): FailureLimiter {
  const { failureSources, failureBurst, failureRefillMs } = limits.authority;
  /** When the stock of a source will be full again; the oldest entry goes first when there are too many. */
  const fullAtMs = new Map<string, number>();

  function debtMs(source: string, nowMs: number): number {
    return Math.max(0, (fullAtMs.get(source) ?? 0) - nowMs);
  }

  return {
    isBlocked: (source, nowMs) => debtMs(source, nowMs) > (failureBurst - 1) * failureRefillMs,
    failed(source, nowMs) {
      const debt = debtMs(source, nowMs);
      fullAtMs.delete(source);
      fullAtMs.set(
        source,
        nowMs + Math.min(debt + failureRefillMs, failureBurst * failureRefillMs),
      );
      if (fullAtMs.size <= failureSources) return;
      const oldest = fullAtMs.keys().next();
      if (oldest.done !== true) fullAtMs.delete(oldest.value);
    },
  };
}
