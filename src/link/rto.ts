/** Round-trip estimation of one connection. RFC 6298 §2, RFC 6940 §6.6.3.1. */
import { limits } from '../base/limits.ts';

export interface RtoEstimator {
  /** Smoothed round-trip time; `undefined` before the first sample. */
  readonly rttMs: number | undefined;
  /** Retransmission time-out: whole milliseconds, within the bounds of `limits.link`. */
  readonly rtoMs: number;
  /** One measured round trip, milliseconds with fraction; negative values count as 0. */
  sample(rttMs: number): void;
}

const alpha = 1 / 8;
const beta = 1 / 4;

/** `initialMs`: before the first sample; `minimumMs`: floor of the RTO. Those of stream links by default. */
export function createRtoEstimator(
  { initialMs, minimumMs }: { readonly initialMs: number; readonly minimumMs: number } = {
    initialMs: limits.link.initialRtoMs,
    minimumMs: limits.link.minimumRtoMs,
  },
): RtoEstimator {
  return new Estimator(initialMs, minimumMs);
}

/** A class, because every link of every peer has one: functions are shared, and memory is the fields. */
class Estimator implements RtoEstimator {
  rttMs: number | undefined = undefined;
  rtoMs: number;
  readonly #minimumMs: number;
  #variation = 0;

  constructor(initialMs: number, minimumMs: number) {
    this.rtoMs = initialMs;
    this.#minimumMs = minimumMs;
  }

  sample(rttMs: number): void {
    const r = Math.max(0, rttMs);
    let smoothed = this.rttMs;
    if (smoothed === undefined) {
      smoothed = r;
      this.#variation = r / 2;
    } else {
      this.#variation = (1 - beta) * this.#variation + beta * Math.abs(smoothed - r);
      smoothed = (1 - alpha) * smoothed + alpha * r;
    }
    this.rttMs = smoothed;
    const computed = Math.ceil(smoothed + Math.max(1, 4 * this.#variation));
    this.rtoMs = Math.min(limits.link.maximumRtoMs, Math.max(this.#minimumMs, computed));
  }
}
