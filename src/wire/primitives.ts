import { UsageError } from '../base/assert.ts';
import type { Codec } from './codec.ts';
import { limits } from '../base/limits.ts';
import { latin1Decode, latin1Encode } from '../base/text.ts';
import { located } from './error.ts';

function unsigned(width: 1 | 2 | 3 | 4): Codec<number> {
  return {
    encode: (value, writer) => writer.uint(width, value),
    decode: (reader) => reader.uint(width),
  };
}

export const u8: Codec<number> = unsigned(1);
export const u16: Codec<number> = unsigned(2);
export const u24: Codec<number> = unsigned(3);
export const u32: Codec<number> = unsigned(4);
export const u64: Codec<bigint> = {
  encode: (value, writer) => writer.u64(value),
  decode: (reader) => reader.u64(),
};

/** One byte, 0 or 1 only (RFC 6940 §6.3.1.1). */
export const bool: Codec<boolean> = {
  encode: (value, writer) => writer.u8(value ? 1 : 0),
  decode(reader) {
    const value = reader.u8();
    if (value > 1) reader.fail('bad-value');
    return value === 1;
  },
};

/** No bytes at all: the body of an empty answer. */
export const nothing: Codec<undefined> = {
  encode: () => undefined,
  decode: () => undefined,
};

/** Exactly `length` bytes without a prefix. */
export function fixed(length: number): Codec<Uint8Array> {
  return {
    encode(value, writer) {
      if (value.length !== length) throw new UsageError(`expected ${length} bytes`);
      writer.raw(value);
    },
    decode: (reader) => reader.take(length),
  };
}

/** Width in bytes of a length prefix. */
export type PrefixBytes = 1 | 2 | 3 | 4;

/** Bounds of a vector in bytes, both inclusive. */
export interface ByteBounds {
  readonly min?: number;
  readonly max?: number;
}

/** `opaque<min..max>`: a length prefix, then that many bytes. */
export function opaque(prefixBytes: PrefixBytes, bounds: ByteBounds = {}): Codec<Uint8Array> {
  const { min, max } = fullBounds(prefixBytes, bounds);
  return {
    encode(value, writer) {
      if (value.length < min || value.length > max) {
        throw new UsageError(`${value.length} bytes, allowed are ${min} to ${max}`);
      }
      writer.uint(prefixBytes, value.length);
      writer.raw(value);
    },
    decode(reader) {
      const length = reader.uint(prefixBytes);
      if (length < min || length > max) reader.fail('bad-length');
      return reader.take(length);
    },
  };
}

/** `opaque` that holds text of one byte per character (ICE user fragments, roles). */
export function latin1(prefixBytes: PrefixBytes, bounds: ByteBounds = {}): Codec<string> {
  const bytes = opaque(prefixBytes, bounds);
  return {
    encode: (value, writer) => bytes.encode(latin1Encode(value), writer),
    decode: (reader) => latin1Decode(bytes.decode(reader)),
  };
}

/** `T<min..max>`: a length prefix that counts bytes, then elements back to back. */
export function vector<T>(
  element: Codec<T>,
  prefixBytes: PrefixBytes,
  bounds: ByteBounds & { readonly maxItems?: number } = {},
): Codec<readonly T[]> {
  const { min, max } = fullBounds(prefixBytes, bounds);
  const maxItems = bounds.maxItems ?? limits.wire.vectorItems;
  return {
    encode(value, writer) {
      if (value.length > maxItems) throw new UsageError(`more than ${maxItems} elements`);
      const opened = writer.open(prefixBytes);
      for (const item of value) element.encode(item, writer);
      const length = writer.close(opened, prefixBytes);
      if (length < min || length > max) {
        throw new UsageError(`${length} bytes, allowed are ${min} to ${max}`);
      }
    },
    decode(reader) {
      const length = reader.uint(prefixBytes);
      if (length < min || length > max) reader.fail('bad-length');
      const outer = reader.enter(length);
      const items: T[] = [];
      try {
        while (reader.offset < reader.end) {
          if (items.length >= maxItems) reader.fail('too-many');
          items.push(element.decode(reader));
        }
      } catch (error) {
        throw located(error, `[${items.length}]`);
      }
      reader.leave(outer);
      return items;
    },
  };
}

/** A structure behind a length prefix of its own; it must fill the length exactly. */
export function delimited<T>(inner: Codec<T>, prefixBytes: PrefixBytes): Codec<T> {
  return {
    encode(value, writer) {
      const opened = writer.open(prefixBytes);
      inner.encode(value, writer);
      writer.close(opened, prefixBytes);
    },
    decode(reader) {
      const outer = reader.enter(reader.uint(prefixBytes));
      const value = inner.decode(reader);
      reader.leave(outer);
      return value;
    },
  };
}

function fullBounds(prefixBytes: PrefixBytes, bounds: ByteBounds): Required<ByteBounds> {
  return { min: bounds.min ?? 0, max: bounds.max ?? 2 ** (8 * prefixBytes) - 1 };
}
