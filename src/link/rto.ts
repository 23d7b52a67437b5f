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
  let variation = 0;

  // Fields and no accessors: V8 keeps objects with accessors of their own in slow mode.
  const estimator: { -readonly [Key in keyof RtoEstimator]: RtoEstimator[Key] } = {
    rttMs: undefined,
    rtoMs: initialMs,
    sample(rttMs) {
      const r = Math.max(0, rttMs);
      let smoothed = estimator.rttMs;
      if (smoothed === undefined) {
        smoothed = r;
        variation = r / 2;
      } else {
        variation = (1 - beta) * variation + beta * Math.abs(smoothed - r);
        smoothed = (1 - alpha) * smoothed + alpha * r;
      }
      estimator.rttMs = smoothed;
      const computed = Math.ceil(smoothed + Math.max(1, 4 * variation));
      estimator.rtoMs = Math.min(limits.link.maximumRtoMs, Math.max(minimumMs, computed));
    },
  };
  return estimator;
}
