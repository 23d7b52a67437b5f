import assert from 'node:assert/strict';
import { UsageError } from '../../../src/base/assert.ts';
import { bytesEqual } from '../../../src/base/bytes.ts';
import {
  decodeExact,
  encodeToBytes,
  tryDecode,
  WireError,
  type Codec,
} from '../../../src/wire/codec.ts';

/** Byte arrays of any class become one class, so that views of buffers compare equal. */
export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString('hex')}`;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === 'object' && value !== null) {
    return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, plain(field)]));
  }
  return value;
}

/** Asserts that both hold the same content. */
export function sameContent(actual: unknown, expected: unknown): void {
  assert.deepEqual(plain(actual), plain(expected));
}

/**
 * What every codec owes: round trip, refusal of every proper prefix and of a trailing byte, and no
 * failure but WireError for any changed byte.
 */
export function checkCodec<T>(codec: Codec<T>, samples: readonly T[]): void {
  for (const sample of samples) {
    const bytes = encodeToBytes(codec, sample);
    const decoded = decodeExact(codec, bytes);
    sameContent(decoded, sample);
    assert.ok(bytesEqual(encodeToBytes(codec, decoded), bytes), 'encodes to the same bytes again');
    for (let length = 0; length < bytes.length; length++) {
      refuses(codec, bytes.subarray(0, length), `prefix of ${length} bytes`);
    }
    refuses(codec, Uint8Array.from([...bytes, 0]), 'trailing byte');
    for (let at = 0; at < Math.min(bytes.length, 200); at++) {
      for (const flip of [0x01, 0x80, 0xff]) {
        const changed = Uint8Array.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ flip;
        tryDecode(codec, changed);
      }
    }
  }
}

/** Asserts that decoding fails as it should for hostile bytes. */
export function refuses(codec: Codec<unknown>, bytes: Uint8Array, why = 'bytes'): void {
  assert.throws(() => decodeExact(codec, bytes), WireError, `${why} must be refused`);
}

/** Asserts that encoding refuses the value as local misuse. */
export function misused<T>(codec: Codec<T>, value: T): void {
  assert.throws(() => encodeToBytes(codec, value), UsageError);
}

/** The bytes of hexadecimal text; white space is ignored. */
export function hex(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replace(/\s+/g, ''), 'hex'));
}
