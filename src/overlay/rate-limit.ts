/** A token bucket: so much at once, so much per second. */
export interface RateLimit {
  /** True, and one token fewer, when there is one. `nowMs` never goes back. */
  take(nowMs: number): boolean;
}

export function createRateLimit(rate: {
  readonly perSecond: number;
  readonly burst: number;
}): RateLimit {
  return new TokenBucket(rate);
}

/** A class, because every link of every peer has one: functions are shared, and memory is the fields. */
class TokenBucket implements RateLimit {
  readonly #rate: { readonly perSecond: number; readonly burst: number };
  #tokens: number;
  #filledMs = -Infinity;

  constructor(rate: { readonly perSecond: number; readonly burst: number }) {
    this.#rate = rate;
    this.#tokens = rate.burst;
  }

  take(nowMs: number): boolean {
    const { perSecond, burst } = this.#rate;
    if (this.#tokens < burst) {
      const filled = ((nowMs - this.#filledMs) * perSecond) / 1000;
      this.#tokens = Math.min(burst, this.#tokens + filled);
    }
    this.#filledMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
