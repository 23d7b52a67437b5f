/**
 * Stored data, Store and Fetch. RFC 6940 §7. The data model is the Kind's and not on the wire, so the
 * lists of values are carried as bytes here and decoded with {@link storedValues} once the Kind is known.
 */
import {
  bool,
  checked,
  delimited,
  joined,
  opaque,
  struct,
  u32,
  u64,
  u8,
  vector,
  type Codec,
  type Infer,
} from '../codec.ts';
import { defaultNodeIdLength, nodeIdOf, perNodeIdLength, resourceId } from './ids.ts';
import { signature } from './security.ts';
import { UsageError } from '../../base/assert.ts';
import { located } from '../error.ts';
import { limits } from '../../base/limits.ts';

/** How the values of a Kind at one Resource-ID are arranged. §7.2, §14.7. */
export type DataModel = 'SINGLE' | 'ARRAY' | 'DICTIONARY';

/** Index of an array Store that appends, and of the last element in a range. */
export const lastIndex = 0xffff_ffff;

/** A value with its place: `index` in an ARRAY, `key` in a DICTIONARY, neither in a SINGLE. §7.2. */
export interface StoredDataValue {
  readonly index?: number;
  readonly key?: Uint8Array;
  readonly exists: boolean;
  readonly value: Uint8Array;
}

/** §7. */
export interface StoredData {
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  readonly storageTime: bigint;
  /** Seconds from receipt. */
  readonly lifetime: number;
  readonly value: StoredDataValue;
  readonly signature: Infer<typeof signature>;
}

/** Where in its Kind a value stands. */
export type Place = Pick<StoredDataValue, 'index' | 'key'>;

const key = opaque(2);

/** What comes before the value itself, by model. */
const places: Readonly<Record<DataModel, Codec<Place>>> = {
  SINGLE: { encode: () => undefined, decode: () => ({}) },
  ARRAY: {
    encode: (place, writer) => writer.u32(required(place.index, 'index')),
    decode: (reader) => ({ index: reader.u32() }),
  },
  DICTIONARY: {
    encode: (place, writer) => key.encode(required(place.key, 'key'), writer),
    decode: (reader) => ({ key: key.decode(reader) }),
  },
};

/** The part of a value that says where in its Kind it stands. */
export function valuePlace(model: DataModel): Codec<Place> {
  return places[model];
}

function required<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new UsageError(`the data model needs ${name}`);
  return value;
}

function perModel<C>(build: (model: DataModel) => C): (model: DataModel) => C {
  const built = { SINGLE: build('SINGLE'), ARRAY: build('ARRAY'), DICTIONARY: build('DICTIONARY') };
  return (model) => built[model];
}

const dataValue = struct({ exists: bool, value: opaque(4) });

/** DataValue, ArrayEntry or DictionaryEntry. §7.2. */
export const storedDataValue = perModel((model): Codec<StoredDataValue> =>
  joined(places[model], dataValue),
);

/** One value with times and signature behind its length. §7. */
export const storedData = perModel((model): Codec<StoredData> =>
  delimited(
    struct({ storageTime: u64, lifetime: u32, value: storedDataValue(model), signature }),
    4,
  ),
);

/** The values of one Kind: what `values` of StoreKindData and FetchKindResponse holds. */
export const storedValues = perModel((model) => listToEnd(storedData(model)));

/** §7.4.1.1; `values` is a list of {@link storedValues}. */
export const storeKindData = struct({ kind: u32, generationCounter: u64, values: opaque(4) });
export type StoreKindData = Infer<typeof storeKindData>;

export const storeReq = struct({
  resource: resourceId,
  /** 0 = the owner's own Store, from 1 a replica. */
  replicaNumber: u8,
  kindData: vector(storeKindData, 4, { maxItems: limits.wire.kindsPerRequest }),
});
export type StoreReq = Infer<typeof storeReq>;

/** §7.4.1.2. */
export const storeAnsOf = perNodeIdLength((length) =>
  struct({
    kindResponses: vector(
      struct({ kind: u32, generationCounter: u64, replicas: vector(nodeIdOf(length), 2) }),
      2,
      { maxItems: limits.wire.kindsPerRequest },
    ),
  }),
);
export const storeAns = storeAnsOf(defaultNodeIdLength);
export type StoreAns = Infer<typeof storeAns>;
export type StoreKindResponse = StoreAns['kindResponses'][number];

/** Both inclusive; {@link lastIndex} is the last element. Compared unsigned. */
export const arrayRange = struct({ first: u32, last: u32 });
export type ArrayRange = Infer<typeof arrayRange>;

/** Which values of a Kind: ranges of an ARRAY, keys of a DICTIONARY (none = all), nothing for a SINGLE. */
export interface Selection {
  readonly indices?: readonly ArrayRange[];
  readonly keys?: readonly Uint8Array[];
}

const indices = checked(
  vector(arrayRange, 2),
  areDisjoint,
  'ranges are ascending in themselves and do not overlap',
);
const keys = vector(key, 2);

const selections: Readonly<Record<DataModel, Codec<Selection>>> = {
  SINGLE: { encode: () => undefined, decode: () => ({}) },
  ARRAY: {
    encode: (value, writer) => indices.encode(required(value.indices, 'indices'), writer),
    decode: (reader) => ({ indices: indices.decode(reader) }),
  },
  DICTIONARY: {
    encode: (value, writer) => keys.encode(required(value.keys, 'keys'), writer),
    decode: (reader) => ({ keys: keys.decode(reader) }),
  },
};

/** What `selection` of a {@link storedDataSpecifier} holds. */
export function selection(model: DataModel): Codec<Selection> {
  return selections[model];
}

/** §7.4.2.1. `generation` 0 = send in any case. */
export const storedDataSpecifier = struct({ kind: u32, generation: u64, selection: opaque(2) });
export type StoredDataSpecifier = Infer<typeof storedDataSpecifier>;

/** Stat uses the same structure. */
export const fetchReq = struct({
  resource: resourceId,
  specifiers: vector(storedDataSpecifier, 2, { maxItems: limits.wire.kindsPerRequest }),
});
export type FetchReq = Infer<typeof fetchReq>;

/** §7.4.2.2; `values` is a list of {@link storedValues}. */
export const fetchKindResponse = struct({ kind: u32, generation: u64, values: opaque(4) });
export type FetchKindResponse = Infer<typeof fetchKindResponse>;

export const fetchAns = struct({
  kindResponses: vector(fetchKindResponse, 4, { maxItems: limits.wire.kindsPerRequest }),
});
export type FetchAns = Infer<typeof fetchAns>;

/** Elements up to the end of the enclosing bytes. */
export function listToEnd<T>(element: Codec<T>): Codec<readonly T[]> {
  return {
    encode(value, writer) {
      for (const item of value) element.encode(item, writer);
    },
    decode(reader) {
      const items: T[] = [];
      try {
        while (reader.remaining > 0) items.push(element.decode(reader));
      } catch (error) {
        throw located(error, `[${items.length}]`);
      }
      return items;
    },
  };
}

function areDisjoint(ranges: readonly ArrayRange[]): boolean {
  const ascending = ranges.toSorted((a, b) => a.first - b.first);
  return ascending.every(
    (range, i) => range.first <= range.last && (ascending[i - 1]?.last ?? -1) < range.first,
  );
}
