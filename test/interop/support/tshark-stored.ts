/** Storage: where tshark shows what we decode. RFC 6940 §7, RFC 7904 §3.2. */
import { decodeExact, encodeToBytes } from '../../../src/wire/codec.ts';
import {
  sipRegistration,
  type SipRegistration,
} from '../../../src/wire/reload/sip-registration.ts';
import {
  statAns,
  storedMetaData,
  storedMetaValues,
  type StatAns,
  type StoredMetaData,
} from '../../../src/wire/reload/stat.ts';
import {
  fetchAns,
  fetchReq,
  selection,
  storeAns,
  storedData,
  storedValues,
  storeReq,
  type DataModel,
  type FetchAns,
  type FetchReq,
  type StoreAns,
  type StoredData,
  type StoreReq,
} from '../../../src/wire/reload/storage.ts';
import { destinationRules, signatureRules } from './tshark-envelope.ts';
import { dissectorMistakes } from './tshark-mistakes.ts';
import { bodyRules, bytes, mistake, number, size, text, time, type Rule } from './tshark-rules.ts';

/** The data models of the Kinds tshark knows; a body with another Kind fails the comparison. */
function modelOf(kind: number): DataModel {
  const models = new Map<number, DataModel>([
    [0x1, 'DICTIONARY'],
    [0x2, 'SINGLE'],
    [0x3, 'ARRAY'],
    [0x10, 'ARRAY'],
  ]);
  const model = models.get(kind);
  if (model === undefined) throw new Error(`Kind ${kind} is not one of those compared`);
  return model;
}

const sipRegistrationKind = 0x1;

interface KindValues {
  readonly kind: number;
  readonly generation: bigint;
  /** The list as on the wire. */
  readonly values: Uint8Array;
}

const kindRules = <T>(kinds: (value: T) => readonly Omit<KindValues, 'values'>[]): Rule<T>[] => [
  number('.kinddata.kind', (v) => kinds(v).map(({ kind }) => kind)),
  number('.generation_counter', (v) => kinds(v).map(({ generation }) => generation)),
];

/** Lists of StoredData, with the registrations in them. */
function storedRules<T>(kinds: (value: T) => readonly KindValues[]): readonly Rule<T>[] {
  const stored = (value: T): StoredData[] =>
    kinds(value).flatMap(({ kind, values }) => [
      ...decodeExact(storedValues(modelOf(kind)), values),
    ]);
  const inDictionaries = (value: T): StoredData[] =>
    stored(value).filter(({ value: { key } }) => key !== undefined);
  const registrations = (value: T): SipRegistration[] =>
    kinds(value)
      .filter(({ kind }) => kind === sipRegistrationKind)
      .flatMap(({ values }) => decodeExact(storedValues('DICTIONARY'), values))
      .filter(({ value: { value: bytesOfValue } }) => bytesOfValue.length > 0)
      .map(({ value: { value: bytesOfValue } }) => decodeExact(sipRegistration, bytesOfValue));
  const routes = (value: T): Extract<SipRegistration, { type: 'route' }>[] =>
    registrations(value).filter((registration) => registration.type === 'route');
  return [
    ...kindRules(kinds),
    number('.kinddata.values_length >.length.32', (v) => kinds(v).map((k) => k.values.length)),
    number('.storeddata >.length.32', (v) =>
      kinds(v).flatMap(({ kind, values }) => {
        const codec = storedData(modelOf(kind));
        const list = decodeExact(storedValues(modelOf(kind)), values);
        return list.map((one) => encodeToBytes(codec, one).length - 4);
      }),
    ),
    time('.storeddata >.storeddata.storage_time', (v) => stored(v).map((s) => s.storageTime)),
    number('.storeddata >.storeddata.lifetime', (v) => stored(v).map((s) => s.lifetime)),
    number('.storeddata .arrayentry.index', (v) =>
      stored(v).flatMap(({ value: { index } }) => (index === undefined ? [] : [index])),
    ),
    bytes('.storeddata .dictionarykey .nodeid', (v) => inDictionaries(v).map((s) => s.value.key!)),
    number('.storeddata .datavalue.exists', (v) => stored(v).map((s) => s.value.exists)),
    number('.storeddata .dictionary.value >.length.32', (v) =>
      inDictionaries(v).map((s) => s.value.value.length),
    ),
    ...signatureRules<T>('.storeddata', (v) => stored(v).map((s) => s.signature)),
    number('.sipregistration.type', (v) =>
      registrations(v).map((r) => (r.type === 'unknown' ? r.tag : r.type === 'uri' ? 1 : 2)),
    ),
    text('.sipregistration.data.uri .opaque.string', (v) =>
      registrations(v).flatMap((r) => (r.type === 'uri' ? [Buffer.from(r.uri).toString()] : [])),
    ),
    text('.sipregistration.data.contact_prefs .opaque.string', (v) =>
      routes(v)
        .map(({ contactPrefs }) => Buffer.from(contactPrefs).toString())
        .filter(Boolean),
    ),
    ...destinationRules<T>('.sipregistration.data.destination_list', (v) =>
      routes(v).flatMap((route) => [...route.destinationList]),
    ),
  ];
}

/** Fetch and Stat ask alike. */
const requestRules: readonly Rule<FetchReq>[] = [
  bytes('.resource .opaque.data', ({ resource }) => [resource]),
  ...kindRules<FetchReq>(({ specifiers }) => specifiers),
  number('.fetchreq.specifiers >.length.16', ({ specifiers }) => [
    specifiers.reduce((sum, s) => sum + 14 + s.selection.length, 0),
  ]),
  number('.storeddataspecifier >.length.16', ({ specifiers }) =>
    specifiers.map((s) => s.selection.length),
  ),
  size('.storeddataspecifier.keys', ({ specifiers }) =>
    specifiers.filter(isDictionary).map((s) => s.selection.length),
  ),
  mistake(
    dissectorMistakes.specifierKeys,
    // The high half of the Kind-ID taken for a length, again and again.
    number('.storeddataspecifier.keys .dictionarykey >.length.16', ({ specifiers }) =>
      specifiers
        .filter(isDictionary)
        .flatMap((s) => new Array<number>((s.selection.length - 2) / 2).fill(0)),
    ),
  ),
  size('.storeddataspecifier.indices .arrayrange', ({ specifiers }) =>
    specifiers
      .filter((s) => modelOf(s.kind) === 'ARRAY')
      .flatMap((s) => decodeExact(selection('ARRAY'), s.selection).indices ?? [])
      .map(() => 16),
  ),
];

function isDictionary({ kind }: { readonly kind: number }): boolean {
  return modelOf(kind) === 'DICTIONARY';
}

export const storeRequest = bodyRules(storeReq, [
  bytes('.storereq >.resource .opaque.data', ({ resource }) => [resource]),
  number('.store.replica_number', ({ replicaNumber }) => [replicaNumber]),
  ...storedRules<StoreReq>(({ kindData }) =>
    kindData.map((k) => ({ ...k, generation: k.generationCounter })),
  ),
]);

export const storeAnswer = bodyRules(storeAns, [
  ...kindRules<StoreAns>(({ kindResponses }) =>
    kindResponses.map((k) => ({ ...k, generation: k.generationCounter })),
  ),
  number('.storekindresponse.replicas >.length.16', ({ kindResponses }) =>
    kindResponses.map(({ replicas }) => replicas.length * 16),
  ),
  bytes('.storekindresponse.replicas .nodeid', ({ kindResponses }) =>
    kindResponses.flatMap(({ replicas }) => replicas),
  ),
]);

export const fetchRequest = bodyRules(fetchReq, requestRules);
export const fetchAnswer = bodyRules(
  fetchAns,
  storedRules<FetchAns>(({ kindResponses }) => kindResponses),
);

export const statAnswer = bodyRules(statAns, [
  ...kindRules<StatAns>(({ kindResponses }) => kindResponses),
  number('.storedmetadata >.length.32', ({ kindResponses }) =>
    kindResponses.flatMap(({ kind, values }) => {
      const codec = storedMetaData(modelOf(kind));
      const list = decodeExact(storedMetaValues(modelOf(kind)), values);
      return list.map((one) => encodeToBytes(codec, one).length - 4);
    }),
  ),
  time('.storeddata.storage_time', (v) => metaData(v).map((m) => m.storageTime)),
  number('.storeddata.lifetime', (v) => metaData(v).map((m) => m.lifetime)),
  bytes('.storedmetadata .dictionarykey .nodeid', (v) =>
    metaData(v).flatMap(({ metadata: { key } }) => (key === undefined ? [] : [key])),
  ),
  number('.storedmetadata .datavalue.exists', (v) => metaData(v).map((m) => m.metadata.exists)),
  number('.metadata.value_length', (v) => metaData(v).map((m) => m.metadata.valueLength)),
  number('.storedmetadata .hash_algorithm', (v) =>
    metaData(v).map((m) => m.metadata.hashAlgorithm),
  ),
  bytes('.metadata.hash_value .opaque.data', (v) =>
    metaData(v)
      .map((m) => m.metadata.hashValue)
      .filter(({ length }) => length > 0),
  ),
]);

function metaData({ kindResponses }: StatAns): StoredMetaData[] {
  return kindResponses.flatMap(({ kind, values }) => [
    ...decodeExact(storedMetaValues(modelOf(kind)), values),
  ]);
}
