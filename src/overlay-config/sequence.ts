/** Sequence numbers of configuration documents: 0..65534, compared modulo 65535. RFC 6940 §6.3.2.1, §11.1. */
export const sequenceModulus = 65535;

/** True when `a` is newer than `b`: at most half the number circle ahead of it. */
export function isNewerSequence(a: number, b: number): boolean {
  const ahead = (((a - b) % sequenceModulus) + sequenceModulus) % sequenceModulus;
  return ahead > 0 && ahead <= (sequenceModulus - 1) / 2;
}

/** The sequence number of the next document. */
export function nextSequence(sequence: number): number {
  return (sequence + 1) % sequenceModulus;
}
