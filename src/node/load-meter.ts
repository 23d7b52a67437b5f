/** How late the event loop is: the measure of whether this process keeps up with its work. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Trace } from '../ports/trace.ts';

export interface LoadMeter {
  /**
   * What every one of the last three seconds had at least, on average. One pause, whoever caused it, is no
   * overload: what came in meanwhile is worked off, and refusing it would make a short wait a failed call.
   */
  delayMs(): number;
  stop(): void;
}

const resolutionMs = 20;
const secondsInARow = 3;

export function createLoadMeter(trace: Trace): LoadMeter {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs });
  histogram.enable();
  const sustained = createSustained(secondsInARow);
  let delayMs = 0;
  let lastingMs = 0;
  const timer = setInterval(() => {
    // The histogram holds whole intervals; without any tick in a second there is no mean.
    const meanMs = histogram.count === 0 ? 1000 : histogram.mean / 1e6;
    delayMs = Math.max(0, meanMs - resolutionMs);
    lastingMs = sustained(delayMs);
    histogram.reset();
  }, 1000);
  timer.unref();
  trace.gauge('event_loop_delay_ms', () => delayMs);
  return {
    delayMs: () => lastingMs,
    stop() {
      clearInterval(timer);
      histogram.disable();
    },
  };
}

/** The lowest of the last `count` readings; 0 until there are so many. */
export function createSustained(count: number): (reading: number) => number {
  const readings: number[] = Array.from({ length: count }, () => 0);
  let at = 0;
  return (reading) => {
    readings[at] = reading;
    at = (at + 1) % count;
    return Math.min(...readings);
  };
}
