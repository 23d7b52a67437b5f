import type { Clock, Timer } from '../../ports/clock.ts';

/**
 * Timers for a handful of different delays and very many at once: one queue per delay, in order of
 * expiry by construction, with one host timer each. Starting and cancelling cost a few pointers.
 */
export interface DelayQueues {
  /** Calls `fire` once, `delayMs` from now at the earliest, never inside this call. */
  after(delayMs: number, fire: () => void): Timer;
}

interface Entry extends Timer {
  readonly dueMs: number;
  fire: (() => void) | undefined;
  next: Entry | undefined;
}

interface Queue {
  head: Entry | undefined;
  tail: Entry | undefined;
  armed: boolean;
}

/**
 * A queue that is not empty wakes up at most this often within its delay, so that ten thousand
 * transactions a second end in a few turns; a timer may be late by that part of its delay.
 */
const slack = 256;

/** Delays come from {@link TimerValues} and their doublings, so there are few queues. */
export function createDelayQueues(clock: Clock): DelayQueues {
  const queues = new Map<number, Queue>();

  function arm(delayMs: number, queue: Queue, waitMs: number): void {
    queue.armed = true;
    clock.after('sip-transaction', waitMs, () => {
      queue.armed = false;
      expire(delayMs, queue);
    });
  }

  function expire(delayMs: number, queue: Queue): void {
    const nowMs = clock.monotonicMs();
    let entry = queue.head;
    while (entry !== undefined && (entry.fire === undefined || entry.dueMs <= nowMs)) {
      queue.head = entry.next;
      if (queue.head === undefined) queue.tail = undefined;
      const { fire } = entry;
      entry.fire = undefined;
      fire?.();
      entry = queue.head;
    }
    if (entry !== undefined && !queue.armed) {
      arm(delayMs, queue, Math.max(entry.dueMs - nowMs, delayMs / slack));
    }
  }

  return {
    after(delayMs, fire) {
      let queue = queues.get(delayMs);
      if (queue === undefined) {
        queue = { head: undefined, tail: undefined, armed: false };
        queues.set(delayMs, queue);
      }
      const entry: Entry = {
        dueMs: clock.monotonicMs() + delayMs,
        fire,
        next: undefined,
        cancel,
      };
      if (queue.tail === undefined) queue.head = entry;
      else queue.tail.next = entry;
      queue.tail = entry;
      if (!queue.armed) arm(delayMs, queue, delayMs);
      return entry;
    },
  };
}

/** The entry stays in its queue, empty, until its time. */
function cancel(this: Entry): void {
  this.fire = undefined;
}
