/** The values of STUN attributes. RFC 8489 §14. */
import { UsageError } from '../../base/assert.ts';
import { utf8Decode, utf8Encode } from '../../base/text.ts';
import type { Reader } from '../reader.ts';
import type { Writer } from '../writer.ts';

/** Reads and writes the value of one attribute; the reader ends where the value does. */
export interface AttributeCodec<T> {
  /** Throws UsageError for a value the attribute cannot hold. */
  encode(value: T, writer: Writer, transactionId: string): void;
  /** Throws WireError. Byte arrays are views of the input. */
  decode(reader: Reader, transactionId: string): T;
}

/** An attribute that says all by being there. */
export const flag: AttributeCodec<true> = { encode: () => undefined, decode: () => true };

/** All bytes of the value. */
export const data: AttributeCodec<Uint8Array> = {
  encode: (value, writer) => {
    writer.raw(value);
  },
  decode: (reader) => reader.take(reader.remaining),
};

/** UTF-8 text of at most so many bytes. */
export function text(maxBytes: number): AttributeCodec<string> {
  return {
    encode(value, writer) {
      const bytes = utf8Encode(value);
      if (bytes.length > maxBytes) throw new UsageError(`text above ${maxBytes} bytes`);
      writer.raw(bytes);
    },
    decode(reader) {
      if (reader.remaining > maxBytes) reader.fail('bad-length');
      return utf8Decode(reader.take(reader.remaining)) ?? reader.fail('bad-value');
    },
  };
}

/** A number of 1 or 2 bytes in a field of 4, the rest reserved: zero when sent, ignored when received. */
export function padded(width: 1 | 2): AttributeCodec<number> {
  return {
    encode(value, writer) {
      writer.uint(width, value);
      for (let i = width; i < 4; i++) writer.u8(0);
    },
    decode(reader) {
      const value = reader.uint(width);
      reader.skip(4 - width);
      return value;
    },
  };
}

export interface StunError {
  /** 300 to 699. */
  readonly code: number;
  readonly reason: string;
}

const reason = text(763);

/** RFC 8489 §14.8. */
export const errorCode: AttributeCodec<StunError> = {
  encode(value, writer, transactionId) {
    const { code } = value;
    if (code < 300 || code > 699) throw new UsageError(`no STUN error: ${code}`);
    writer.u16(0);
    writer.u8(Math.floor(code / 100));
    writer.u8(code % 100);
    reason.encode(value.reason, writer, transactionId);
  },
  decode(reader, transactionId) {
    reader.skip(2);
    const hundreds = reader.u8() & 7;
    const rest = reader.u8();
    if (hundreds < 3 || hundreds > 6 || rest > 99) reader.fail('bad-value');
    return { code: hundreds * 100 + rest, reason: reason.decode(reader, transactionId) };
  },
};

/** Attribute types, two bytes each. RFC 8489 §14.10. */
export const typeList: AttributeCodec<readonly number[]> = {
  encode(value, writer) {
    for (const type of value) writer.u16(type);
  },
  decode(reader) {
    const types: number[] = [];
    while (reader.remaining > 0) types.push(reader.u16());
    return types;
  },
};
