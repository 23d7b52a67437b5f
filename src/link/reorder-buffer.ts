/** Puts pieces of a byte stream in order, whatever order and number of copies they come in. */
import { limits } from '../base/limits.ts';

export interface ReorderBuffer {
  /**
   * Takes the bytes at `offset` (u32, counted from 0 and around). Returns what is in order now:
   * nothing while bytes before it are missing, or for a copy. `undefined`: too far ahead to be kept.
   */
  add(offset: number, bytes: Uint8Array): readonly Uint8Array[] | undefined;
}

export function createReorderBuffer(): ReorderBuffer {
  const held = new Map<number, Uint8Array>();
  let heldBytes = 0;
  let next = 0;

  return {
    add(offset, bytes) {
      const ahead = (offset - next) | 0;
      if (ahead < 0 || held.has(offset)) return [];
      if (ahead > 0) {
        if (heldBytes + bytes.length > limits.link.reorderBytes) return undefined;
        if (ahead > limits.link.reorderBytes) return undefined;
        held.set(offset, bytes);
        heldBytes += bytes.length;
        return [];
      }
      const ready: Uint8Array[] = [];
      for (let found: Uint8Array | undefined = bytes; found !== undefined; found = held.get(next)) {
        if (held.delete(next)) heldBytes -= found.length;
        ready.push(found);
        next = (next + found.length) >>> 0;
      }
      return ready;
    },
  };
}
