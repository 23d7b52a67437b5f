/**
 * The life of one simulated process: running, stalled (as by SIGSTOP) or dead. Its timers and what
 * arrives for it go through here; a stalled process finds everything waiting when it goes on.
 */
import { createPrng } from '../base/prng.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { World } from './world.ts';

export interface SimulatedHost {
  readonly index: number;
  /** Counts the runs of the process; what belongs to an earlier run is void. */
  readonly run: number;
  readonly state: 'running' | 'stalled' | 'dead';
  /** Simulated time of the last death. */
  readonly diedMs: number;
  readonly clock: Clock;
  readonly random: Random;
  /** Sets its clocks; best before its first start. */
  drift(by: Drift): void;
  /** Runs `work` as this process: now, when it goes on, or never. */
  enter(work: () => void): void;
  /** Runs `work` after a delay, as this process. */
  later(delayMs: number, work: () => void): void;
  start(): void;
  stall(): void;
  resume(): void;
  die(): void;
}

/** How the clock of a host differs from simulated time. */
export interface Drift {
  /** Wall clock ahead of the others (ms). */
  readonly offsetMs: number;
  /** Runs faster by that many parts per million; both clocks and all timers. */
  readonly ppm: number;
}

/** Wall clock of all hosts at the start of a simulation: 2026-01-01T00:00:00Z. */
export const epochMs = 1_767_225_600_000;

/** A shorter wait may be lost in the rounding of the time, so that time would stand still. */
const leastMs = 0.001;

export function createSimulatedHost(world: World, index: number): SimulatedHost {
  const prng = createPrng(`${world.seed}/${index}`);
  let waiting: (() => void)[] = [];
  let offsetMs = 0;
  let rate = 1;

  function enterRun(of: number, work: () => void): void {
    if (of !== host.run || host.state === 'dead') return;
    if (host.state === 'stalled') waiting.push(() => enterRun(of, work));
    else work();
  }

  // Fields and no accessors: V8 keeps objects with accessors of their own in slow mode.
  const host: { -readonly [Key in keyof SimulatedHost]: SimulatedHost[Key] } = {
    index,
    run: 0,
    state: 'dead',
    diedMs: 0,
    clock: {
      monotonicMs: () => world.nowMs * rate,
      wallMs: () => epochMs + Math.floor(world.nowMs * rate + offsetMs),
      after(_name, delayMs, fire) {
        const of = host.run;
        let live = true;
        const withdraw = world.after(delayMs > 0 ? Math.max(leastMs, delayMs / rate) : 0, () => {
          enterRun(of, () => {
            if (!live) return;
            live = false;
            fire();
          });
        });
        return {
          cancel() {
            live = false;
            withdraw();
          },
        };
      },
    },
    random: { bytes: (length) => prng.bytes(length), u32: () => prng.u32() },
    drift(by) {
      offsetMs = by.offsetMs;
      rate = 1 + by.ppm / 1e6;
    },
    enter: (work) => enterRun(host.run, work),
    later(delayMs, work) {
      const of = host.run;
      world.after(delayMs, () => enterRun(of, work));
    },
    start() {
      host.run++;
      host.state = 'running';
      waiting = [];
    },
    stall() {
      if (host.state === 'running') host.state = 'stalled';
    },
    resume() {
      if (host.state !== 'stalled') return;
      host.state = 'running';
      const held = waiting;
      waiting = [];
      for (const work of held) work();
    },
    die() {
      host.state = 'dead';
      host.diedMs = world.nowMs;
      waiting = [];
    },
  };
  return host;
}
