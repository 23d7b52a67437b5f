/**
 * Simulated time: one queue of events ordered by (time, sequence number). Nothing else in a
 * simulation may decide what happens next, so a seed gives the same run on every machine.
 */
import { createPrng, type Prng } from '../base/prng.ts';
import { createEventQueue, type SimulatedEvent } from './event-queue.ts';

export interface World {
  readonly seed: string;
  /** Chance for the network and the scenario; peers have generators of their own. */
  readonly prng: Prng;
  readonly nowMs: number;
  /** Runs `fire` at now + `delayMs`; the returned function withdraws it. */
  after(delayMs: number, fire: () => void): () => void;
  /** Lets `forMs` of simulated time pass. */
  run(forMs: number): void;
  /** Lets time pass until the condition holds (looked at every `stepMs`); false after `limitMs`. */
  runUntil(holds: () => boolean, limitMs: number, stepMs?: number): boolean;
  /** Adds numbers (32 bits are used of each) to the trace of the run. */
  record(...values: readonly number[]): void;
  /** Sixteen hexadecimal digits that stand for everything recorded so far. */
  traceHash(): string;
  readonly events: number;
}

export function createWorld(seed: string | number): World {
  const queue = createEventQueue();
  let nowMs = 0;
  let seq = 0;
  let events = 0;
  let hashA = 0x811c9dc5;
  let hashB = 0x9e3779b9;

  function run(forMs: number): void {
    const untilMs = nowMs + forMs;
    for (;;) {
      const next = queue.next(untilMs);
      if (next === undefined) break;
      nowMs = next.atMs;
      events++;
      next.fire?.();
    }
    nowMs = untilMs;
  }

  return {
    seed: String(seed),
    prng: createPrng(seed),
    get nowMs() {
      return nowMs;
    },
    get events() {
      return events;
    },
    after(delayMs, fire) {
      const event: SimulatedEvent = { atMs: nowMs + Math.max(0, delayMs), seq: seq++, fire };
      queue.push(event);
      return () => {
        event.fire = undefined;
      };
    },
    run,
    runUntil(holds, limitMs, stepMs = 50) {
      const limit = nowMs + limitMs;
      while (!holds()) {
        if (nowMs >= limit) return false;
        run(Math.min(stepMs, limit - nowMs));
      }
      return true;
    },
    record(...values) {
      for (const value of values) {
        hashA = Math.imul(hashA ^ (value | 0), 0x01000193);
        hashB = (Math.imul(hashB ^ (value | 0), 0x85ebca6b) + (hashA >>> 7)) | 0;
      }
    },
    traceHash: () =>
      [hashA, hashB].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join(''),
  };
}
