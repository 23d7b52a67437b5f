import { WireError, type WireErrorCode } from './error.ts';

/**
 * Reads one byte array front to back, never beyond its current end. A length-delimited part is
 * {@link enter}ed and {@link leave}d; it must be consumed exactly. A class because it is the
 * hottest object of the codec.
 */
export class Reader {
  readonly bytes: Uint8Array;
  offset: number;
  end: number;

  constructor(bytes: Uint8Array, offset = 0, end: number = bytes.length) {
    this.bytes = bytes;
    this.offset = offset;
    this.end = end;
  }

  get remaining(): number {
    return this.end - this.offset;
  }

  /** Throws a {@link WireError} at the current offset. */
  fail(code: WireErrorCode): never {
    throw new WireError(code, this.offset);
  }

  u8(): number {
    const at = this.advance(1);
    return this.bytes[at] as number;
  }

  u16(): number {
    const at = this.advance(2);
    const b = this.bytes;
    return ((b[at] as number) << 8) | (b[at + 1] as number);
  }

  u24(): number {
    const at = this.advance(3);
    const b = this.bytes;
    return ((b[at] as number) << 16) | ((b[at + 1] as number) << 8) | (b[at + 2] as number);
  }

  u32(): number {
    const at = this.advance(4);
    const b = this.bytes;
    return (
      (((b[at] as number) << 24) |
        ((b[at + 1] as number) << 16) |
        ((b[at + 2] as number) << 8) |
        (b[at + 3] as number)) >>>
      0
    );
  }

  u64(): bigint {
    const high = this.u32();
    const low = this.u32();
    return high === 0 ? BigInt(low) : (BigInt(high) << 32n) | BigInt(low);
  }

  /** Unsigned integer of 1 to 4 bytes. */
  uint(width: number): number {
    switch (width) {
      case 1:
        return this.u8();
      case 2:
        return this.u16();
      case 3:
        return this.u24();
      default:
        return this.u32();
    }
  }

  /** The next bytes as a view (not a copy) of the input. */
  take(length: number): Uint8Array {
    const at = this.advance(length);
    return this.bytes.subarray(at, at + length);
  }

  skip(length: number): void {
    this.advance(length);
  }

  /** Narrows the reader to the next `length` bytes; returns the end to give back to {@link leave}. */
  enter(length: number): number {
    if (length > this.remaining) this.fail('truncated');
    const outer = this.end;
    this.end = this.offset + length;
    return outer;
  }

  /** Ends a narrowed part; every byte of it must have been read. */
  leave(outer: number): void {
    if (this.offset !== this.end) this.fail('trailing-bytes');
    this.end = outer;
  }

  private advance(length: number): number {
    const at = this.offset;
    if (length > this.end - at) this.fail('truncated');
    this.offset = at + length;
    return at;
  }
}
