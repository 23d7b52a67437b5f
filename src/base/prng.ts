/** A small seeded generator (sfc32) for simulations and tests. Not for keys or nonces. */
export interface Prng {
  /** Uniform in 0 .. 2^32-1. */
  u32(): number;
  /** Uniform in [0, 1). */
  unit(): number;
  /** Uniform integer in 0 .. bound-1; bound at least 1. */
  below(bound: number): number;
  bytes(length: number): Uint8Array;
}

/** The same seed gives the same sequence on every machine. */
export function createPrng(seed: number | string): Prng {
  let [a, b, c, counter] = seedState(String(seed));

  function u32(): number {
    const t = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (c << 21) | (c >>> 11);
    c = (c + t) | 0;
    return t >>> 0;
  }

  for (let i = 0; i < 15; i++) u32();
  return {
    u32,
    unit: () => u32() / 0x1_0000_0000,
    below: (bound) => Math.floor((u32() / 0x1_0000_0000) * bound),
    bytes(length) {
      const out = new Uint8Array(length);
      for (let i = 0; i < length; i++) out[i] = u32() & 0xff;
      return out;
    },
  };
}

/** Four words from the text by FNV-1a with different offsets. */
function seedState(text: string): [number, number, number, number] {
  const words: [number, number, number, number] = [0, 0, 0, 1];
  for (let w = 0; w < 3; w++) {
    let h = (0x811c9dc5 ^ Math.imul(w + 1, 0x9e3779b1)) | 0;
    for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
    words[w] = h;
  }
  return words;
}
