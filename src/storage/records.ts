/** A stored value as it is kept, and the values of one Kind at one Resource-ID. */
import { hexEncode } from '../base/text.ts';
import { decodeExact, encodeToBytes } from '../wire/codec.ts';
import { storedData, type StoredData } from '../wire/reload/storage.ts';
import type { DataModel } from '../ports/overlay-config.ts';

/** Immutable; replaced as a whole. */
export interface ValueRecord {
  /** StoredData in wire form with the lifetime as received; an own copy, not a view of a message. */
  readonly encoded: Uint8Array;
  readonly storageTime: bigint;
  readonly lifetimeS: number;
  /** Only in an ARRAY. */
  readonly index: number | undefined;
  /** On the monotonic clock. */
  readonly expiresAtMs: number;
  /** Fingerprints of the signer's certificate and, where there is one, its issuer below the roots. */
  readonly certificates: readonly string[];
}

/** Immutable; replaced as a whole. */
export interface KindRecord {
  readonly model: DataModel;
  /** At least 1. */
  readonly generation: bigint;
  /** By {@link placeKey}. */
  readonly values: ReadonlyMap<string, ValueRecord>;
}

/** Where a value stands, as text: `s`, `i` + 8 digits, or `d` + the key in hexadecimal. */
export function placeKey(place: { readonly index?: number; readonly key?: Uint8Array }): string {
  if (place.key !== undefined) return `d${hexEncode(place.key)}`;
  if (place.index !== undefined) return `i${place.index.toString(16).padStart(8, '0')}`;
  return 's';
}

/** The data model that a {@link placeKey} belongs to. */
export function modelOfPlaceKey(key: string): DataModel | undefined {
  if (key === 's') return 'SINGLE';
  if (/^i[0-9a-f]{8}$/.test(key)) return 'ARRAY';
  return /^d(?:[0-9a-f]{2})*$/.test(key) ? 'DICTIONARY' : undefined;
}

export function makeRecord(
  model: DataModel,
  stored: StoredData,
  expiresAtMs: number,
  certificates: readonly string[],
): ValueRecord {
  return {
    encoded: encodeToBytes(storedData(model), stored),
    storageTime: stored.storageTime,
    lifetimeS: stored.lifetime,
    index: stored.value.index,
    expiresAtMs,
    certificates,
  };
}

export function decodeRecord(model: DataModel, record: ValueRecord): StoredData {
  return decodeExact(storedData(model), record.encoded);
}

/** `length`, then `storage_time`, then `lifetime`. */
const lifetimeAt = 12;
const lifetimeBytes = 4;

/** Same value and signature; the lifetime, which is not signed, may differ. */
export function isSameValue(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i] && (i < lifetimeAt || i >= lifetimeAt + lifetimeBytes)) return false;
  }
  return true;
}

/** `length`, `storage_time`, `lifetime`, `index`. */
const contentAt = 20;

/** Text that is equal for array entries that differ in index or lifetime only, as appends sent again do. */
export function contentKey(record: ValueRecord): string {
  return `${record.storageTime} ${hexEncode(record.encoded.subarray(contentAt))}`;
}

/** The wire form with another lifetime. */
export function withLifetime(encoded: Uint8Array, lifetimeS: number): Uint8Array {
  const copy = encoded.slice();
  for (let i = 0; i < lifetimeBytes; i++) {
    copy[lifetimeAt + i] = (lifetimeS >>> (8 * (lifetimeBytes - 1 - i))) & 0xff;
  }
  return copy;
}

/** Elements of an array, gaps included. */
export function arrayLength(record: KindRecord | undefined): number {
  let length = 0;
  for (const { index } of record?.values.values() ?? []) {
    if (index !== undefined && index >= length) length = index + 1;
  }
  return length;
}
