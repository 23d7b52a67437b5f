/** Stat: metadata of stored values. RFC 6940 §7.4.3. The request is {@link fetchReq}. */
import { limits } from '../../base/limits.ts';
import { bool, delimited, opaque, struct, u32, u64, u8, vector, joined } from '../codec.ts';
import type { Codec, Infer } from '../codec.ts';
import { listToEnd, valuePlace, type DataModel, type Place } from './storage.ts';

const metaData = struct({
  exists: bool,
  /** Length of the value in bytes. */
  valueLength: u32,
  hashAlgorithm: u8,
  /** H(value with its four length bytes). */
  hashValue: opaque(1),
});

/** MetaData, ArrayEntryMeta or DictionaryEntryMeta. */
export type ValueMetaData = Place & Infer<typeof metaData>;

export interface StoredMetaData {
  readonly storageTime: bigint;
  readonly lifetime: number;
  readonly metadata: ValueMetaData;
}

/** Behind its length, which counts the bytes after it. */
export function storedMetaData(model: DataModel): Codec<StoredMetaData> {
  const metadata: Codec<ValueMetaData> = joined(valuePlace(model), metaData);
  return delimited(struct({ storageTime: u64, lifetime: u32, metadata }), 4);
}

/** What `values` of a {@link statKindResponse} holds. */
export function storedMetaValues(model: DataModel): Codec<readonly StoredMetaData[]> {
  return listToEnd(storedMetaData(model));
}

export const statKindResponse = struct({ kind: u32, generation: u64, values: opaque(4) });
export type StatKindResponse = Infer<typeof statKindResponse>;

export const statAns = struct({
  kindResponses: vector(statKindResponse, 4, { maxItems: limits.wire.kindsPerRequest }),
});
export type StatAns = Infer<typeof statAns>;
