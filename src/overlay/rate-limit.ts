/** A token bucket: so much at once, so much per second. */
export interface RateLimit {
  /** True, and one token fewer, when there is one. `nowMs` never goes back. */
  take(nowMs: number): boolean;
}

export function createRateLimit(options: {
  readonly perSecond: number;
  readonly burst: number;
}): RateLimit {
  const { perSecond, burst } = options;
  let tokens = burst;
  let filledMs = -Infinity;
  return {
    take(nowMs) {
      if (tokens < burst) {
        tokens = Math.min(burst, tokens + ((nowMs - filledMs) * perSecond) / 1000);
      }
      filledMs = nowMs;
      if (tokens < 1) return false;
      tokens--;
      return true;
    },
  };
}
