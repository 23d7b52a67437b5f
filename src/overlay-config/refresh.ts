/**
 * Fetches the configuration again at a random time before it expires, and after its expiration until
 * that succeeds. RFC 6940 §11.1; reading A-54.
 */
import type { Outcome } from '../base/outcome.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { OverlayConfig } from '../ports/overlay-config.ts';
import { randomUnit } from '../ports/random.ts';
import type { Random } from '../ports/random.ts';
import type { Trace } from '../ports/trace.ts';

export interface ConfigurationRefresh {
  start(): void;
  stop(): void;
}

/** The part of a configuration's remaining life in which its refetch falls. */
const earliest = 0.5;
const latest = 0.9;
const dayMs = 86_400_000;
/** Rest after an attempt that brought nothing newer. */
const retryMinMs = 60_000;
const retryMaxMs = dayMs;

export function createConfigurationRefresh(deps: {
  readonly clock: Clock;
  readonly random: Random;
  readonly trace: Trace;
  readonly current: () => OverlayConfig;
  /** Asks the configuration server and offers what it gives; `done` once, later: whether it was taken over. */
  readonly fetch: (done: (outcome: Outcome<void>) => void) => void;
}): ConfigurationRefresh {
  const { clock, random, trace, current } = deps;
  let timer: Timer | undefined;
  let stopped = true;
  /** For which configuration the time was drawn. */
  let planned: OverlayConfig | undefined;
  let dueMs = 0;
  let retryMs = retryMinMs;

  function plan(): void {
    if (stopped) return;
    const config = current();
    const { expirationMs } = config;
    if (planned !== config) {
      planned = config;
      retryMs = retryMinMs;
      const remainingMs = Math.max(0, (expirationMs ?? 0) - clock.wallMs());
      const part = earliest + (latest - earliest) * randomUnit(random);
      dueMs = clock.wallMs() + remainingMs * part;
    }
    // In steps of a day at most: the clock may be set, and another way may bring a new document.
    const delayMs = expirationMs === undefined ? dayMs : Math.min(dayMs, dueMs - clock.wallMs());
    timer = clock.after('configuration-refresh', Math.max(0, delayMs), fire);
  }

  function fire(): void {
    const isDue = planned === current() && planned.expirationMs !== undefined;
    if (!isDue || clock.wallMs() < dueMs) {
      plan();
      return;
    }
    deps.fetch((outcome) => {
      if (stopped) return;
      if (!outcome.ok) {
        trace.log('warn', 'configuration-not-refreshed', { reason: outcome.error });
        dueMs = clock.wallMs() + retryMs * (0.5 + randomUnit(random));
        retryMs = Math.min(retryMs * 2, retryMaxMs);
      }
      plan();
    });
  }

  return {
    start() {
      if (!stopped) return;
      stopped = false;
      plan();
    },
    stop() {
      stopped = true;
      timer?.cancel();
    },
  };
}
