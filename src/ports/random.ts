/** Chance as the pure core sees it: cryptographically strong in production, seeded in the simulator. */
export interface Random {
  bytes(length: number): Uint8Array;
  /** Uniform in 0 .. 2^32-1. */
  u32(): number;
}

/** Uniform unsigned 64-bit integer, for transaction and response ids. */
export function randomU64(random: Random): bigint {
  return (BigInt(random.u32()) << 32n) | BigInt(random.u32());
}

/** Uniform in [0, 1). */
export function randomUnit(random: Random): number {
  return random.u32() / 0x1_0000_0000;
}
