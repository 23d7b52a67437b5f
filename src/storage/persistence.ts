/**
 * What the storage keeps on disk. Keys, all below `storage/`:
 *
 * - `storage/format`: the number of this layout, one byte.
 * - `storage/certificate/<fingerprint>`: DER of a certificate that values name.
 * - `storage/kind/<resource>/<kind, 8 digits>`: the generation counter.
 * - `storage/value/<resource>/<kind, 8 digits>/<place>`: one value; place as in `records.ts`.
 */
import { hexEncode, hexDecode } from '../base/text.ts';
import { sha256 } from '../base/hash.ts';
import type { KindId, ResourceId } from '../base/ids.ts';
import { failure, success, type Outcome } from '../base/outcome.ts';
import type { Certificate, Verifier } from '../ports/certificates.ts';
import type { Store, StoreOperation } from '../ports/store.ts';
import { encodeToBytes, fixed, opaque, struct, tryDecode, u64, vector } from '../wire/codec.ts';
import { storedData } from '../wire/reload/storage.ts';
import { modelOfPlaceKey, placeKey, type KindRecord, type ValueRecord } from './records.ts';
import type { TableChange } from './table.ts';

const root = 'storage/';
const formatKey = `${root}format`;
const certificatePrefix = `${root}certificate/`;
const kindPrefix = `${root}kind/`;
const valuePrefix = `${root}value/`;
const format = Uint8Array.of(1);

const storedKind = struct({ generation: u64 });
const storedValue = struct({
  /** Wall clock: the monotonic one does not outlive the process. */
  expiresAtMs: u64,
  certificates: vector(fixed(32), 1),
  data: opaque(4),
});

/** The two clocks at one moment, to carry expiry over from one to the other. */
export interface Moment {
  readonly wallMs: number;
  readonly monotonicMs: number;
}

export interface LoadedKind {
  readonly resource: ResourceId;
  readonly kind: KindId;
  readonly record: KindRecord;
}

export interface Loaded {
  readonly kinds: readonly LoadedKind[];
  readonly certificates: ReadonlyMap<string, Certificate>;
}

/** The operations that bring the disk to the state after the change. */
export function operationsFor(
  resource: ResourceId,
  kind: KindId,
  next: KindRecord | undefined,
  change: TableChange,
  now: Moment,
): StoreOperation[] {
  const at = `${resource}/${kindText(kind)}`;
  const operations: StoreOperation[] = [];
  for (const { fingerprint, der } of change.addedCertificates) {
    operations.push({ put: certificatePrefix + fingerprint, value: der });
  }
  for (const [place, record] of change.put) {
    operations.push({ put: `${valuePrefix}${at}/${place}`, value: encodeValue(record, now) });
  }
  for (const place of change.deleted) operations.push({ delete: `${valuePrefix}${at}/${place}` });
  for (const fingerprint of change.removedCertificates) {
    operations.push({ delete: certificatePrefix + fingerprint });
  }
  if (next === undefined || next.values.size === 0) operations.push({ delete: kindPrefix + at });
  else {
    const { generation } = next;
    operations.push({ put: kindPrefix + at, value: encodeToBytes(storedKind, { generation }) });
  }
  return operations;
}

/** Marks an empty store as ours; an older or foreign layout is a failure. */
export function checkFormat(store: Store): Outcome<void> {
  const found = store.get(formatKey);
  if (found === undefined) {
    for (const [key] of store.entries(root))
      return failure(`${formatKey} is missing beside ${key}`);
    store.write([{ put: formatKey, value: format }]);
    return success(undefined);
  }
  if (found.length === 1 && found[0] === format[0]) return success(undefined);
  return failure(`${formatKey} holds a layout that this version does not know`);
}

/** Reads everything; the error names the first damaged key. */
export function loadAll(
  store: Store,
  verifier: Pick<Verifier, 'parseCertificate'>,
  now: Moment,
): Outcome<Loaded> {
  const certificates = new Map<string, Certificate>();
  for (const [key, value] of store.entries(certificatePrefix)) {
    const fingerprint = key.slice(certificatePrefix.length);
    const parsed = verifier.parseCertificate(value);
    if (!parsed.ok || hexEncode(sha256(value)) !== fingerprint) return damaged(key);
    certificates.set(fingerprint, parsed.value);
  }

  const kinds = new Map<string, MutableKind>();
  for (const [key, value] of store.entries(kindPrefix)) {
    const at = key.slice(kindPrefix.length);
    const place = parseAt(at);
    const decoded = tryDecode(storedKind, value);
    if (place === undefined || !decoded.ok || decoded.value.generation === 0n) return damaged(key);
    kinds.set(at, { ...place, generation: decoded.value.generation, values: new Map() });
  }

  for (const [key, value] of store.entries(valuePrefix)) {
    const path = key.slice(valuePrefix.length);
    const split = path.lastIndexOf('/');
    const kind = kinds.get(path.slice(0, split));
    const place = path.slice(split + 1);
    const record = decodeValue(place, value, now);
    if (kind === undefined || record === undefined) return damaged(key);
    if (!record.certificates.every((fingerprint) => certificates.has(fingerprint))) {
      return damaged(key);
    }
    kinds.get(path.slice(0, split))?.values.set(place, record);
  }
  return collected(kinds.values(), certificates);
}

interface MutableKind {
  readonly resource: ResourceId;
  readonly kind: KindId;
  readonly generation: bigint;
  readonly values: Map<string, ValueRecord>;
}

function collected(
  kinds: Iterable<MutableKind>,
  certificates: ReadonlyMap<string, Certificate>,
): Outcome<Loaded> {
  const loaded: LoadedKind[] = [];
  for (const { resource, kind, generation, values } of kinds) {
    const models = new Set([...values.keys()].map(modelOfPlaceKey));
    const [model] = models;
    if (model === undefined || models.size !== 1) {
      return damaged(`${kindPrefix}${resource}/${kindText(kind)}`);
    }
    loaded.push({ resource, kind, record: { model, generation, values } });
  }
  return success({ kinds: loaded, certificates });
}

function encodeValue(record: ValueRecord, now: Moment): Uint8Array {
  const expiresAtMs = BigInt(
    Math.max(0, Math.round(record.expiresAtMs - now.monotonicMs + now.wallMs)),
  );
  const certificates = record.certificates.map((fingerprint) => hexDecode(fingerprint) ?? format);
  return encodeToBytes(storedValue, { expiresAtMs, certificates, data: record.encoded });
}

function decodeValue(place: string, value: Uint8Array, now: Moment): ValueRecord | undefined {
  const model = modelOfPlaceKey(place);
  const outer = tryDecode(storedValue, value);
  if (model === undefined || !outer.ok) return undefined;
  const inner = tryDecode(storedData(model), outer.value.data);
  if (!inner.ok || placeKey(inner.value.value) !== place) return undefined;
  const { lifetime, storageTime, value: content } = inner.value;
  const remainingMs = Number(outer.value.expiresAtMs) - now.wallMs;
  return {
    encoded: outer.value.data.slice(),
    storageTime,
    lifetimeS: lifetime,
    index: content.index,
    // A wall clock that was set back must not make a value live longer than its owner said.
    expiresAtMs: now.monotonicMs + Math.min(Math.max(0, remainingMs), lifetime * 1000),
    certificates: outer.value.certificates.map(hexEncode),
  };
}

function kindText(kind: KindId): string {
  return kind.toString(16).padStart(8, '0');
}

function parseAt(at: string): { resource: ResourceId; kind: KindId } | undefined {
  const match = /^((?:[0-9a-f]{2})*)\/([0-9a-f]{8})$/.exec(at);
  if (match === null) return undefined;
  return { resource: match[1] as ResourceId, kind: Number.parseInt(match[2] ?? '', 16) };
}

function damaged(key: string): Outcome<never> {
  return failure(`damaged entry ${key}`);
}
