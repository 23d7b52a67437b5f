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
  const recent = new Uint32Array(windowSize);
  let used = 0;
  let next = 0;
  /** While numbers come in order, the mask of the previous acknowledgement gives the next one. */
  let previous = 0;
  let previousMask = 0;
  let ordered = true;

  function search(sequence: number): number {
    let mask = 0;
    for (let i = 0; i < used; i++) {
      const behind = (sequence - (recent[i] ?? 0)) >>> 0;
      if (behind >= 1 && behind <= windowSize) mask |= 1 << (behind - 1);
    }
    return mask >>> 0;
  }

  return {
    note(sequence) {
      const follows = used > 0 && sequence === (previous + 1) >>> 0;
      const mask = ordered && follows ? ((previousMask << 1) | 1) >>> 0 : search(sequence);
      ordered = ordered && (follows || used === 0);
      recent[next] = sequence;
      next = (next + 1) % windowSize;
      if (used < windowSize) used++;
      previous = sequence;
      previousMask = mask;
      return mask;
    },
  };
}
