/** The 32 most recently received sequence numbers of one connection. RFC 6940 §6.6.2. */
export interface AckWindow {
  /**
   * Notes one received sequence number (u32) and returns the `received` mask of its acknowledgement:
   * the bit `1 << (N - M - 1)` stands for an earlier M among the 32 most recent (u32).
   */
  note(sequence: number): number;
}

const windowSize = 32;

export function createAckWindow(): AckWindow {
  return new Window();
}

/** A class, because every link of every peer has one: functions are shared, and memory is the fields. */
class Window implements AckWindow {
  /** Absent while numbers come in order: then they are the `used` last ones up to `previous`. */
  #recent: Uint32Array | undefined;
  #used = 0;
  #next = 0;
  #previous = 0;
  #previousMask = 0;

  note(sequence: number): number {
    const follows = this.#used === 0 || sequence === (this.#previous + 1) >>> 0;
    if (this.#recent === undefined && !follows) this.#recent = this.#listed();
    const inOrder = this.#recent === undefined && this.#used > 0;
    const mask = inOrder ? ((this.#previousMask << 1) | 1) >>> 0 : this.#search(sequence);
    if (this.#recent !== undefined) {
      this.#recent[this.#next] = sequence;
      this.#next = (this.#next + 1) % windowSize;
    }
    if (this.#used < windowSize) this.#used++;
    this.#previous = sequence;
    this.#previousMask = mask;
    return mask;
  }

  /** The numbers that came in order, oldest first. */
  #listed(): Uint32Array {
    const recent = new Uint32Array(windowSize);
    for (let i = 0; i < this.#used; i++) recent[i] = this.#previous - this.#used + 1 + i;
    this.#next = this.#used % windowSize;
    return recent;
  }

  #search(sequence: number): number {
    let mask = 0;
    for (let i = 0; i < this.#used; i++) {
      const behind = (sequence - (this.#recent?.[i] ?? 0)) >>> 0;
      if (behind >= 1 && behind <= windowSize) mask |= 1 << (behind - 1);
    }
    return mask >>> 0;
  }
}
