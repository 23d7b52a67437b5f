/** Fetch, Stat and Find. RFC 6940 §7.4.2 to §7.4.4; readings. */
import { emptyBytes } from '../base/bytes.ts';
import { sha256 } from '../base/hash.ts';
import { resourceIdFromBytes, type KindId, type ResourceId } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import { failure, success, type Outcome } from '../base/outcome.ts';
import { hexEncode } from '../base/text.ts';
import type { DataModel } from '../ports/overlay-config.ts';
import { tryDecode, written } from '../wire/codec.ts';
import { errorCodes } from '../wire/reload/errors.ts';
import type { FindAns, FindKindData, FindReq } from '../wire/reload/find.ts';
import { emptySignature, hashAlgorithms } from '../wire/reload/security.ts';
import { storedMetaData, type StatAns, type StoredMetaData } from '../wire/reload/stat.ts';
import {
  selection,
  storedData,
  type FetchReq,
  type Place,
  type Selection,
  type StoredData,
  type StoredDataSpecifier,
} from '../wire/reload/storage.ts';
import { invalid, textError, unknownKind, type StorageError } from './errors.ts';
import type { KindDefinition, KindRegistry } from './kinds.ts';
import {
  arrayLength,
  decodeRecord,
  placeKey,
  type KindRecord,
  type ValueRecord,
} from './records.ts';
import type { Resource, Table } from './table.ts';

/** One place that a specifier selects: the value there, or that there is none. */
interface Selected {
  readonly place: Place;
  readonly record: ValueRecord | undefined;
}

/** The values of one Kind that a request asks for. */
interface Answered {
  readonly kind: KindId;
  readonly model: DataModel;
  readonly generation: bigint;
  readonly values: readonly Selected[];
}

/**
 * A Fetch answer's parts; the certificates are those that the values name. A value whose certificate
 * has expired at `wallMs` is not shown any more, although it is still there (§5.1).
 */
export function answerFetch(
  request: FetchReq,
  kinds: KindRegistry,
  table: Table,
  wallMs: number,
): Outcome<
  {
    readonly kindResponses: readonly { kind: KindId; generation: bigint; values: Uint8Array }[];
    readonly certificates: ReadonlySet<string>;
  },
  StorageError
> {
  const selected = select(request, kinds, table, wallMs);
  if (!selected.ok) return selected;
  const certificates = new Set<string>();
  const kindResponses = selected.value.map(({ kind, model, generation, values }) => {
    const bytes = written((writer) => {
      for (const { place, record } of values) {
        if (record === undefined) storedData(model).encode(synthetic(place), writer);
        else {
          writer.raw(record.encoded);
          for (const fingerprint of record.certificates) certificates.add(fingerprint);
        }
      }
    });
    return { kind, generation, values: bytes };
  });
  return success({ kindResponses, certificates });
}

export function answerStat(
  request: FetchReq,
  kinds: KindRegistry,
  table: Table,
  wallMs: number,
): Outcome<StatAns, StorageError> {
  const selected = select(request, kinds, table, wallMs);
  if (!selected.ok) return selected;
  const kindResponses = selected.value.map(({ kind, model, generation, values }) => {
    const codec = storedMetaData(model);
    const bytes = written((writer) => {
      for (const { place, record } of values) {
        codec.encode(
          metadataOf(record === undefined ? synthetic(place) : decodeRecord(model, record)),
          writer,
        );
      }
    });
    return { kind, generation, values: bytes };
  });
  return success({ kindResponses });
}

/** Resource-ID 0: no such value, or the Kind is not known. */
const nowhere: ResourceId = resourceIdFromBytes(new Uint8Array(16));

export function answerFind(request: FindReq, kinds: KindRegistry, table: Table): FindAns {
  const results: FindKindData[] = [];
  for (const kind of request.kinds) {
    const definition = kinds.get(kind);
    if (definition?.findable === false) continue;
    const closest = definition === undefined ? undefined : nearest(request.resource, kind, table);
    results.push({ kind, closest: closest ?? nowhere });
  }
  return { results };
}

/** The first at or after the resource, else the first of all: ids of equal length sort as numbers. */
function nearest(resource: ResourceId, kind: KindId, table: Table): ResourceId | undefined {
  let after: ResourceId | undefined;
  let first: ResourceId | undefined;
  for (const id of table.keys()) {
    if (table.get(id)?.has(kind) !== true) continue;
    if (first === undefined || id < first) first = id;
    if (id >= resource && (after === undefined || id < after)) after = id;
  }
  return after ?? first;
}

function select(
  request: FetchReq,
  kinds: KindRegistry,
  table: Table,
  wallMs: number,
): Outcome<readonly Answered[], StorageError> {
  const isShown = ({ certificates }: ValueRecord): boolean =>
    certificates.every((one) => (table.certificate(one)?.notAfterMs ?? Infinity) >= wallMs);
  const seen = new Set<KindId>();
  const unknown: KindId[] = [];
  const known: { specifier: StoredDataSpecifier; definition: KindDefinition }[] = [];
  for (const specifier of request.specifiers) {
    const { kind } = specifier;
    if (seen.has(kind)) return failure(invalid('a Kind is named twice'));
    seen.add(kind);
    const definition = kinds.get(kind);
    if (definition === undefined) unknown.push(kind);
    else known.push({ specifier, definition });
  }
  if (unknown.length > 0) return failure(unknownKind(unknown));

  const resource = table.get(request.resource);
  const answers: Answered[] = [];
  for (const { specifier, definition } of known) {
    const answer = answerOne(specifier, definition, resource, isShown);
    if (!answer.ok) return answer;
    answers.push(answer.value);
  }
  return success(answers);
}

function answerOne(
  specifier: StoredDataSpecifier,
  { kind, dataModel: model }: KindDefinition,
  resource: Resource | undefined,
  isShown: (value: ValueRecord) => boolean,
): Outcome<Answered, StorageError> {
  const wanted = tryDecode(selection(model), specifier.selection);
  if (!wanted.ok) return failure(invalid(`specifier: ${String(wanted.error)}`));
  if ((wanted.value.keys?.length ?? 0) > limits.storage.keysPerFetch) {
    return failure(textError(errorCodes.responseTooLarge, 'too many keys'));
  }
  const stored = resource?.get(kind);
  // A Kind whose data model the configuration changed has no values of the new model.
  const record = stored?.model === model ? stored : undefined;
  const generation = record?.generation ?? 0n;
  const isCurrent = specifier.generation !== 0n && specifier.generation === generation;
  const values = isCurrent ? [] : valuesOf(model, wanted.value, record, isShown);
  return success({ kind, model, generation, values });
}

function valuesOf(
  model: DataModel,
  wanted: Selection,
  record: KindRecord | undefined,
  isShown: (value: ValueRecord) => boolean,
): readonly Selected[] {
  const at = (place: Place): Selected => {
    const value = record?.values.get(placeKey(place));
    return { place, record: value !== undefined && isShown(value) ? value : undefined };
  };
  switch (model) {
    case 'SINGLE':
      return [at({})];
    case 'DICTIONARY': {
      const keys = wanted.keys ?? [];
      if (keys.length > 0) return distinct(keys).map((key) => at({ key }));
      return [...(record?.values.values() ?? [])]
        .filter(isShown)
        .map((value) => ({ place: {}, record: value }));
    }
    case 'ARRAY': {
      const length = arrayLength(record);
      const values: Selected[] = [];
      for (const { first, last } of wanted.indices ?? []) {
        for (let index = first; index <= last && index < length; index++)
          values.push(at({ index }));
      }
      return values;
    }
  }
}

function distinct(keys: readonly Uint8Array[]): readonly Uint8Array[] {
  return [...new Map(keys.map((key) => [hexEncode(key), key])).values()];
}

/** What stands for a value that this node knows nothing of. §7.4.2.2. */
function synthetic(place: Place): StoredData {
  const value = { ...place, exists: false, value: emptyBytes };
  return { storageTime: 0n, lifetime: 0, value, signature: emptySignature };
}

function metadataOf({ storageTime, lifetime, value: content }: StoredData): StoredMetaData {
  const { value, exists, ...place } = content;
  const metadata = {
    ...place,
    exists,
    valueLength: value.length,
    hashAlgorithm: hashAlgorithms.sha256,
    hashValue: sha256(
      written((writer) => {
        writer.u32(value.length);
        writer.raw(value);
      }),
    ),
  };
  return { storageTime, lifetime, metadata };
}
