/**
 * Time as the pure core sees it. Within one event both readings stand still only in the simulator;
 * the core must not depend on that.
 */
export interface Clock {
  /** Milliseconds from an arbitrary origin; never goes back. For time-outs and round-trip times. */
  monotonicMs(): number;
  /** Milliseconds since 1970-01-01T00:00:00Z; may jump. For storage times and certificate validity. */
  wallMs(): number;
  /** Calls `fire` once, `delayMs` from now (at the earliest). The name appears in traces. */
  after(name: string, delayMs: number, fire: () => void): Timer;
}

/** A pending one-shot timer. */
export interface Timer {
  /** Idempotent; no effect after the timer has fired. */
  cancel(): void;
}
