import { UsageError } from '../base/assert.ts';

const initialBytes = 512;

/** Appends to a growing byte array. Values out of range are local misuse ({@link UsageError}). */
export class Writer {
  private bytes: Uint8Array = new Uint8Array(initialBytes);
  private used = 0;

  /** Bytes written so far. */
  get length(): number {
    return this.used;
  }

  /** Size of the underlying array. */
  get capacity(): number {
    return this.bytes.length;
  }

  /** Forgets what was written, keeps the memory. */
  reset(): void {
    this.used = 0;
  }

  /** An exact copy of what was written. */
  toBytes(): Uint8Array {
    return this.bytes.slice(0, this.used);
  }

  u8(value: number): void {
    this.uint(1, value);
  }

  u16(value: number): void {
    this.uint(2, value);
  }

  u32(value: number): void {
    this.uint(4, value);
  }

  u64(value: bigint): void {
    this.uint(4, Number(value >> 32n));
    this.uint(4, Number(value & 0xffff_ffffn));
  }

  /** Unsigned integer of 1 to 4 bytes. */
  uint(width: number, value: number): void {
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** (8 * width)) {
      throw new UsageError(`${value} does not fit into ${width} bytes`);
    }
    const at = this.grow(width);
    this.patch(at, width, value);
  }

  raw(bytes: Uint8Array): void {
    const at = this.grow(bytes.length);
    this.bytes.set(bytes, at);
  }

  /** Leaves room for a length prefix; give the result to {@link close}. */
  open(prefixBytes: number): number {
    return this.grow(prefixBytes);
  }

  /** Fills in the length of all that was written since {@link open}. Returns that length. */
  close(opened: number, prefixBytes: number): number {
    const length = this.used - opened - prefixBytes;
    if (length >= 2 ** (8 * prefixBytes)) {
      throw new UsageError(`${length} bytes do not fit under a length of ${prefixBytes} bytes`);
    }
    this.patch(opened, prefixBytes, length);
    return length;
  }

  /** Overwrites an unsigned integer in room left by {@link open}; the value must fit. */
  patch(at: number, width: number, value: number): void {
    const b = this.bytes;
    let rest = value;
    for (let i = at + width - 1; i >= at; i--) {
      b[i] = rest & 0xff;
      rest >>>= 8;
    }
  }

  private grow(length: number): number {
    const at = this.used;
    const needed = at + length;
    if (needed > this.bytes.length) {
      const larger = new Uint8Array(Math.max(needed, this.bytes.length * 2));
      larger.set(this.bytes.subarray(0, at));
      this.bytes = larger;
    }
    this.used = needed;
    return at;
  }
}
