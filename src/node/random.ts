/** Cryptographically strong chance, drawn from the system in larger pieces. */
import { randomFillSync } from 'node:crypto';
import type { Random } from '../ports/random.ts';

const poolBytes = 8192;

export function createRandom(): Random {
  const pool = Buffer.alloc(poolBytes);
  let used = poolBytes;

  /** The place of `length` fresh bytes of the pool; they are never handed out again. */
  function take(length: number): number {
    if (used + length > poolBytes) {
      randomFillSync(pool);
      used = 0;
    }
    const offset = used;
    used += length;
    return offset;
  }

  return {
    bytes(length) {
      if (length > poolBytes) return randomFillSync(new Uint8Array(length));
      const offset = take(length);
      const bytes = new Uint8Array(pool.subarray(offset, offset + length));
      pool.fill(0, offset, offset + length);
      return bytes;
    },
    u32: () => pool.readUInt32LE(take(4)),
  };
}
