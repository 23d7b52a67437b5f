/** The host's clock: many cheap timers on one timer of the platform. */
import type { Clock, Timer } from '../ports/clock.ts';

export interface HostClock extends Clock {
  /** Drops all timers; later ones never fire. */
  close(): void;
}

/** Granularity of timers; a timer fires at its time or up to this much after it. */
const tickMs = 4;
const slotCount = 8192;
const slotMask = slotCount - 1;
const wordCount = slotCount / 32;

/**
 * An entry of a doubly linked list per slot. A class, because a server holds a hundred thousand of
 * them and a closure for each would double their size.
 */
class WheelTimer implements Timer {
  previous: WheelTimer | undefined = undefined;
  next: WheelTimer | undefined = undefined;
  readonly wheel: Wheel;
  readonly tick: number;
  fire: (() => void) | undefined;

  constructor(wheel: Wheel, tick: number, fire: () => void) {
    this.wheel = wheel;
    this.tick = tick;
    this.fire = fire;
  }

  cancel(): void {
    if (this.fire === undefined) return;
    this.fire = undefined;
    this.wheel.unlink(this);
  }
}

interface Wheel {
  unlink(timer: WheelTimer): void;
}

/** Adding and cancelling cost the same however many timers there are. A delay of 0 means the next turn of the event loop. */
export function createClock(): HostClock {
  const slots = new Array<WheelTimer | undefined>(slotCount).fill(undefined);
  const occupied = new Uint32Array(wordCount);
  const origin = performance.now();
  /** All slots before this tick were served. */
  let served = 0;
  let armedTick = Infinity;
  let armed: NodeJS.Timeout | undefined;
  let soon: WheelTimer[] = [];
  let closed = false;

  function mark(slot: number, holdsTimers: boolean): void {
    const word = occupied[slot >>> 5] ?? 0;
    const bit = 1 << (slot & 31);
    occupied[slot >>> 5] = holdsTimers ? word | bit : word & ~bit;
  }

  const wheel: Wheel = {
    unlink(timer) {
      const { previous, next } = timer;
      if (next !== undefined) next.previous = previous;
      if (previous !== undefined) {
        previous.next = next;
      } else {
        const slot = timer.tick & slotMask;
        if (slots[slot] !== timer) return;
        slots[slot] = next;
        if (next === undefined) mark(slot, false);
      }
      timer.previous = undefined;
      timer.next = undefined;
    },
  };

  function link(timer: WheelTimer): void {
    const slot = timer.tick & slotMask;
    const head = slots[slot];
    timer.next = head;
    if (head !== undefined) head.previous = timer;
    slots[slot] = timer;
    mark(slot, true);
  }

  function arm(tick: number): void {
    if (tick >= armedTick) return;
    clearTimeout(armed);
    armedTick = tick;
    const waitMs = origin + tick * tickMs - performance.now();
    armed = setTimeout(turn, Math.max(1, Math.ceil(waitMs)));
  }

  /** The first tick from `served` on whose slot holds timers, within one round. */
  function nextOccupied(): number | undefined {
    for (let distance = 0; distance <= slotCount;) {
      const slot = (served + distance) & slotMask;
      const word = (occupied[slot >>> 5] ?? 0) >>> (slot & 31);
      if (word !== 0) {
        distance += 31 - Math.clz32(word & -word);
        return distance < slotCount ? served + distance : undefined;
      }
      distance += 32 - (slot & 31);
    }
    return undefined;
  }

  function serve(tick: number): void {
    let timer = slots[tick & slotMask];
    let due: WheelTimer[] | undefined;
    for (; timer !== undefined; timer = timer.next) {
      if (timer.tick <= tick) (due ??= []).push(timer);
    }
    if (due === undefined) return;
    // The list runs from the newest to the oldest; equal times fire in the order of their creation.
    for (let i = due.length - 1; i >= 0; i--) {
      const next = due[i];
      const fire = next?.fire;
      if (next === undefined || fire === undefined) continue;
      next.fire = undefined;
      wheel.unlink(next);
      fire();
    }
  }

  function turn(): void {
    armed = undefined;
    armedTick = Infinity;
    const now = Math.floor((performance.now() - origin) / tickMs);
    for (;;) {
      const tick = nextOccupied();
      if (closed || tick === undefined) return;
      if (tick > now) {
        arm(tick);
        return;
      }
      served = tick;
      serve(tick);
      served = tick + 1;
    }
  }

  function turnSoon(): void {
    const batch = soon;
    soon = [];
    for (const timer of batch) {
      const { fire } = timer;
      timer.fire = undefined;
      fire?.();
    }
  }

  return {
    monotonicMs: () => performance.now(),
    wallMs: () => Date.now(),
    after(_name, delayMs, fire) {
      if (delayMs <= 0) {
        const timer = new WheelTimer(wheel, -1, fire);
        if (!closed && soon.push(timer) === 1) setImmediate(turnSoon);
        return timer;
      }
      const due = Math.ceil((performance.now() - origin + delayMs) / tickMs);
      const timer = new WheelTimer(wheel, Math.max(due, served), fire);
      if (closed) return timer;
      link(timer);
      arm(timer.tick);
      return timer;
    },
    close() {
      closed = true;
      clearTimeout(armed);
      slots.fill(undefined);
      occupied.fill(0);
      soon = [];
    },
  };
}
