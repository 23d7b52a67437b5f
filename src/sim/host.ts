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

export function createSimulatedHost(world: World, index: number): SimulatedHost {
  const prng = createPrng(`${world.seed}/${index}`);
  let state: SimulatedHost['state'] = 'dead';
  let run = 0;
  let waiting: (() => void)[] = [];
  let diedMs = 0;
  let offsetMs = 0;
  let rate = 1;

  function enterRun(of: number, work: () => void): void {
    if (of !== run || state === 'dead') return;
    if (state === 'stalled') waiting.push(() => enterRun(of, work));
    else work();
  }

  const host: SimulatedHost = {
    index,
    get run() {
      return run;
    },
    get state() {
      return state;
    },
    get diedMs() {
      return diedMs;
    },
    clock: {
      monotonicMs: () => world.nowMs * rate,
      wallMs: () => epochMs + Math.floor(world.nowMs * rate + offsetMs),
      after(_name, delayMs, fire) {
        const of = run;
        let live = true;
        const withdraw = world.after(delayMs / rate, () => {
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
    enter: (work) => enterRun(run, work),
    later(delayMs, work) {
      const of = run;
      world.after(delayMs, () => enterRun(of, work));
    },
    start() {
      run++;
      state = 'running';
      waiting = [];
    },
    stall() {
      if (state === 'running') state = 'stalled';
    },
    resume() {
      if (state !== 'stalled') return;
      state = 'running';
      const held = waiting;
      waiting = [];
      for (const work of held) work();
    },
    die() {
      state = 'dead';
      diedMs = world.nowMs;
      waiting = [];
    },
  };
  return host;
}
