/**
 * What is going to happen, in the order of (time, sequence number). Most events are due within
 * seconds, and many are withdrawn before: they lie in lists of one millisecond each, which are put
 * in order when their time has come. Only what is due later goes through a large heap.
 */
import { createHeap } from '../base/heap.ts';

export interface SimulatedEvent {
  readonly atMs: number;
  readonly seq: number;
  /** Absent: withdrawn. */
  fire: (() => void) | undefined;
}

export interface EventQueue {
  /** Not before the event taken last. */
  push(event: SimulatedEvent): void;
  /** Takes out the next event that is due until then and has not been withdrawn. */
  next(untilMs: number): SimulatedEvent | undefined;
}

/** Lists of one millisecond; a power of two. */
const slots = 8192;

const before = (a: SimulatedEvent, b: SimulatedEvent): boolean =>
  a.atMs === b.atMs ? a.seq < b.seq : a.atMs < b.atMs;

export function createEventQueue(): EventQueue {
  /** The millisecond being worked on, and its events. */
  let nowSlot = 0;
  const due = createHeap<SimulatedEvent>(before);
  /** Those of the next `slots - 1` milliseconds. */
  const soon = Array.from({ length: slots }, (): SimulatedEvent[] => []);
  let soonCount = 0;
  const later = createHeap<SimulatedEvent>(before);

  function push(event: SimulatedEvent): void {
    const slot = Math.floor(event.atMs);
    if (slot <= nowSlot) due.push(event);
    else if (slot < nowSlot + slots) {
      soon[slot % slots]?.push(event);
      soonCount++;
    } else later.push(event);
  }

  /** Goes on to a millisecond; those between have no events. */
  function goTo(slot: number): void {
    nowSlot = slot;
    for (let first = later.peek(); first !== undefined; first = later.peek()) {
      if (Math.floor(first.atMs) >= nowSlot + slots) break;
      later.pop();
      if (first.fire !== undefined) push(first);
    }
    const events = soon[slot % slots];
    if (events === undefined || events.length === 0) return;
    soonCount -= events.length;
    for (const event of events) if (event.fire !== undefined) due.push(event);
    soon[slot % slots] = [];
  }

  return {
    push,
    next(untilMs) {
      const last = Math.floor(untilMs);
      for (;;) {
        const event = due.peek();
        if (event !== undefined) {
          if (event.atMs > untilMs) return undefined;
          due.pop();
          if (event.fire !== undefined) return event;
        } else if (nowSlot >= last) return undefined;
        else if (soonCount > 0) goTo(nowSlot + 1);
        else goTo(Math.min(last, Math.floor(later.peek()?.atMs ?? last)));
      }
    },
  };
}
