/** Work by due time with one timer and a bound on what runs at once: bursts are spread, nothing is lost. */
import type { Heap } from '../base/heap.ts';
import { createHeap } from '../base/heap.ts';
import type { Clock, Timer } from '../ports/clock.ts';

export interface DueQueue<T> {
  /** (Re)plans an item; the former time of the item no longer counts. */
  plan(item: T, delayMs: number): void;
  forget(item: T): void;
  /** A slot taken by `run` is free again. */
  release(): void;
  readonly size: number;
  stop(): void;
}

interface Planned<T> {
  readonly item: T;
  readonly dueMs: number;
}

/** `run` returns true when it took a slot that `release` gives back. */
export function createDueQueue<T>(
  clock: Clock,
  name: string,
  slots: number,
  run: (item: T) => boolean,
): DueQueue<T> {
  let heap: Heap<Planned<T>> = createHeap((a, b) => a.dueMs < b.dueMs);
  const due = new Map<T, number>();
  let timer: Timer | undefined;
  let timerDueMs = Infinity;
  let taken = 0;
  let stopped = false;

  function arm(): void {
    const next = heap.peek();
    if (next === undefined || stopped || taken >= slots || timerDueMs <= next.dueMs) return;
    timer?.cancel();
    timerDueMs = next.dueMs;
    timer = clock.after(name, Math.max(0, next.dueMs - clock.monotonicMs()), fire);
  }

  function fire(): void {
    timer = undefined;
    timerDueMs = Infinity;
    const nowMs = clock.monotonicMs();
    while (taken < slots) {
      const next = heap.peek();
      if (next === undefined || next.dueMs > nowMs) break;
      heap.pop();
      if (due.get(next.item) !== next.dueMs) continue;
      due.delete(next.item);
      if (run(next.item)) taken++;
    }
    arm();
  }

  /** Replanned items leave their former entries behind; they are thrown out when they outnumber the rest. */
  function compact(): void {
    if (heap.size < 64 || heap.size < due.size * 3) return;
    heap = createHeap((a, b) => a.dueMs < b.dueMs);
    for (const [item, dueMs] of due) heap.push({ item, dueMs });
  }

  return {
    plan(item, delayMs) {
      const dueMs = clock.monotonicMs() + Math.max(0, delayMs);
      due.set(item, dueMs);
      heap.push({ item, dueMs });
      compact();
      arm();
    },
    forget: (item) => void due.delete(item),
    release() {
      taken--;
      arm();
    },
    get size() {
      return due.size;
    },
    stop() {
      stopped = true;
      timer?.cancel();
    },
  };
}
