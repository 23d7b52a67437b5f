/** How late the event loop is: the measure of whether this process keeps up with its work. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Trace } from '../ports/trace.ts';

export interface LoadMeter {
  /** Average delay of the last whole second. */
  delayMs(): number;
  stop(): void;
}

const resolutionMs = 20;

export function createLoadMeter(trace: Trace): LoadMeter {
  const histogram = monitorEventLoopDelay({ resolution: resolutionMs });
  histogram.enable();
  let delayMs = 0;
  const timer = setInterval(() => {
    // The histogram holds whole intervals; without any tick in a second there is no mean.
    const meanMs = histogram.count === 0 ? 1000 : histogram.mean / 1e6;
    delayMs = Math.max(0, meanMs - resolutionMs);
    histogram.reset();
  }, 1000);
  timer.unref();
  trace.gauge('event_loop_delay_ms', () => delayMs);
  return {
    delayMs: () => delayMs,
    stop() {
      clearInterval(timer);
      histogram.disable();
    },
  };
}
