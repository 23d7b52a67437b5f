/**
 * The presentation language of RELOAD (RFC 6940 §6.3.1) as values: a structure is declared once and
 * its TypeScript type is inferred from the declaration. Codecs are not recursive, so the depth of
 * decoding is the depth of the declaration; the cost is linear in the bytes.
 */
import { failure, success, type Outcome } from '../base/outcome.ts';
import { WireError } from './error.ts';
import { Reader } from './reader.ts';
import { Writer } from './writer.ts';

export { WireError, type WireErrorCode } from './error.ts';
export { Reader } from './reader.ts';
export { Writer } from './writer.ts';
export * from './primitives.ts';
export * from './structures.ts';

/** Encodes and decodes one type. Byte arrays that come out of `decode` are views of the input. */
export interface Codec<T> {
  /** Throws UsageError for a value the structure cannot hold. */
  encode(value: T, writer: Writer): void;
  /** Throws {@link WireError}. */
  decode(reader: Reader): T;
}

/** The type a codec is for. */
export type Infer<C> = C extends Codec<infer T> ? T : never;

/** Larger scratch memory is given back rather than kept. */
const keptScratchBytes = 1 << 17;
let scratch: Writer | undefined;

/** Runs `write` on a writer and returns what it wrote. */
export function written(write: (writer: Writer) => void): Uint8Array {
  const writer = scratch ?? new Writer();
  scratch = undefined;
  writer.reset();
  write(writer);
  const bytes = writer.toBytes();
  if (writer.capacity <= keptScratchBytes) scratch = writer;
  return bytes;
}

/** The wire form of a value. Throws UsageError. */
export function encodeToBytes<T>(codec: Codec<T>, value: T): Uint8Array {
  return written((writer) => codec.encode(value, writer));
}

/** Decodes all of the bytes; throws {@link WireError}, also when bytes are left over. */
export function decodeExact<T>(codec: Codec<T>, bytes: Uint8Array): T {
  const reader = new Reader(bytes);
  const value = codec.decode(reader);
  if (reader.remaining !== 0) reader.fail('trailing-bytes');
  return value;
}

/** {@link decodeExact} with the failure as data. */
export function tryDecode<T>(codec: Codec<T>, bytes: Uint8Array): Outcome<T, WireError> {
  return attempt(() => decodeExact(codec, bytes));
}

/** Runs a decoding step and turns a {@link WireError} into data; other errors pass. */
export function attempt<T>(decode: () => T): Outcome<T, WireError> {
  try {
    return success(decode());
  } catch (error) {
    if (error instanceof WireError) return failure(error);
    throw error;
  }
}
