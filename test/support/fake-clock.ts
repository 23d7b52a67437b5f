import assert from 'node:assert/strict';
import type { Clock, Timer } from '../../src/ports/clock.ts';
import { createHeap } from '../../src/base/heap.ts';

interface Entry {
  readonly atMs: number;
  readonly order: number;
  readonly fire: () => void;
  cancelled: boolean;
}

/** Time that passes only when a test says so. */
export interface FakeClock extends Clock {
  /** Fires everything due within the span, in order of time and creation. */
  advance(spanMs: number): void;
  /** Advances in small steps until the condition holds; false after `atMostMs`. */
  advanceUntil(condition: () => boolean, atMostMs: number): boolean;
  /** Moves the wall clock alone. */
  jump(ms: number): void;
  /** Timers that are neither fired nor cancelled. */
  readonly pending: number;
}

export function createFakeClock(wallStartMs = 1_700_000_000_000): FakeClock {
  let now = 0;
  let jumpedMs = 0;
  let order = 0;
  let pending = 0;
  const queue = createHeap<Entry>((a, b) =>
    a.atMs === b.atMs ? a.order < b.order : a.atMs < b.atMs,
  );

  function advance(spanMs: number): void {
    const end = now + spanMs;
    for (;;) {
      const next = queue.peek();
      if (next === undefined || next.atMs > end) break;
      queue.pop();
      if (next.cancelled) continue;
      now = Math.max(now, next.atMs);
      next.cancelled = true;
      pending--;
      next.fire();
    }
    now = end;
  }

  return {
    monotonicMs: () => now,
    wallMs: () => wallStartMs + now + jumpedMs,
    after(name, delayMs, fire): Timer {
      assert.ok(delayMs >= 0, `${name} does not go back in time`);
      const entry: Entry = { atMs: now + delayMs, order: order++, fire, cancelled: false };
      queue.push(entry);
      pending++;
      return {
        cancel: () => {
          if (!entry.cancelled) pending--;
          entry.cancelled = true;
        },
      };
    },
    advance,
    jump(ms) {
      jumpedMs += ms;
    },
    get pending() {
      return pending;
    },
    advanceUntil(condition, atMostMs) {
      const end = now + atMostMs;
      while (!condition() && now < end) advance(5);
      return condition();
    },
  };
}
