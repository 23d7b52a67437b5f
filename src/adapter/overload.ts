/** When a box has too much to do: it then refuses new calls and registrations, never established ones. */
import type { Clock } from '../ports/clock.ts';
import type { Trace } from '../ports/trace.ts';

export interface OverloadSettings {
  /** Lasting delay of the event loop above which new work is refused; 0: no limit. */
  readonly maxDelayMs: number;
  /** Transactions alive above which new work is refused; 0: no limit. */
  readonly maxTransactions: number;
}

export interface OverloadDeps {
  readonly clock: Clock;
  readonly trace: Trace;
  readonly settings: OverloadSettings;
  /** Of the event loop: what the last seconds had in common, not their peaks. */
  delayMs(): number;
  transactions(): number;
}

/** How long a verdict holds: the figures move slowly, and every request asks. */
const verdictMs = 100;
/** Share of a limit that has to be reached again before new work is taken. */
const relief = 0.7;

/** Asked for every request that would begin something. */
export function createOverload(deps: OverloadDeps): () => boolean {
  const { clock, settings, trace } = deps;
  const begun = trace.counter('sip_overloads_total');
  let overloaded = false;
  let untilMs = -1;
  trace.gauge('sip_overloaded', () => (overloaded ? 1 : 0));

  function isAbove(share: number): boolean {
    const { maxDelayMs, maxTransactions } = settings;
    return (
      (maxDelayMs > 0 && deps.delayMs() > maxDelayMs * share) ||
      (maxTransactions > 0 && deps.transactions() > maxTransactions * share)
    );
  }

  return () => {
    const nowMs = clock.monotonicMs();
    if (nowMs < untilMs) return overloaded;
    untilMs = nowMs + verdictMs;
    const now = isAbove(overloaded ? relief : 1);
    if (now !== overloaded) {
      trace.log('warn', now ? 'overload-begins' : 'overload-ends', {
        delayMs: Math.round(deps.delayMs()),
        transactions: deps.transactions(),
      });
      if (now) begun.add();
    }
    overloaded = now;
    return overloaded;
  };
}
