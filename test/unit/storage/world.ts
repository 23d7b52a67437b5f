/** A storage with everything around it faked: clock, disk, certificates, signatures. */
import assert from 'node:assert/strict';
import { bytesEqual, concatBytes } from '../../../src/base/bytes.ts';
import { sha256 } from '../../../src/base/hash.ts';
import {
  idBytes,
  nodeIdFromBytes,
  resourceIdOfName,
  type NodeId,
  type ResourceId,
} from '../../../src/base/ids.ts';
import { failure, success, type Outcome } from '../../../src/base/outcome.ts';
import { hexEncode, utf8Encode } from '../../../src/base/text.ts';
import type { Certificate, Identity, Verifier } from '../../../src/ports/certificates.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import type { Store, StoreOperation } from '../../../src/ports/store.ts';
import { silentTrace } from '../../../src/ports/trace.ts';
import { createStorage } from '../../../src/storage/create-storage.ts';
import type { StorageError } from '../../../src/storage/errors.ts';
import { createKindRegistry, kindIds, type KindRegistry } from '../../../src/storage/kinds.ts';
import { signStoredValue } from '../../../src/storage/signed-value.ts';
import type { Storage, StorageQuota, StoreContext, Stored } from '../../../src/storage/storage.ts';
import { createTrust, type Trust } from '../../../src/trust/trust.ts';
import { decodeExact, encodeToBytes } from '../../../src/wire/codec.ts';
import {
  selection,
  storedValues,
  type Selection,
  type StoredData,
  type StoredDataValue,
  type StoreReq,
} from '../../../src/wire/reload/storage.ts';
import { createFakeClock, type FakeClock } from '../../support/fake-clock.ts';
import { overlayConfig } from '../../support/overlay-config.ts';

const overlayName = 'overlay.example.org';
export const startMs = 1_700_000_000_000;

export const arrayKind = 0xf0000001;
export const singleKind = 0xf0000002;
export const dictionaryKind = kindIds.sipRegistration;
export const multipleKind = kindIds.turnService;
export const unknownKindId = 0xf00000ff;

export interface FakeStore extends Store {
  readonly data: Map<string, Uint8Array>;
  /** Holds completions back until `release`. */
  hold: boolean;
  /** Fails all further writes. */
  broken: boolean;
  release(): void;
  writes: number;
}

export function createFakeStore(clock: Clock, data = new Map<string, Uint8Array>()): FakeStore {
  let held: (() => void)[] = [];
  const store: FakeStore = {
    data,
    hold: false,
    broken: false,
    writes: 0,
    release() {
      const all = held;
      held = [];
      for (const finish of all) finish();
    },
    get: (key) => data.get(key),
    entries: (prefix) =>
      [...data].filter(([key]) => key.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1)),
    write(operations: readonly StoreOperation[], done) {
      store.writes++;
      const outcome: Outcome<void> = store.broken ? failure('disk full') : success(undefined);
      if (outcome.ok) {
        for (const one of operations) {
          if ('put' in one) data.set(one.put, one.value);
          else data.delete(one.delete);
        }
      }
      const finish = (): void => done?.(outcome);
      if (store.hold) held.push(finish);
      else clock.after('disk', 0, finish);
    },
  };
  return store;
}

const certificates = new Map<string, Certificate>();
const issuers = new Map<string, string>();

function makeCertificate(label: string, parts: Partial<Certificate>, issuer: string): Certificate {
  const der = utf8Encode(`certificate ${label}`);
  const fingerprint = hexEncode(sha256(der));
  const nodeIds = parts.nodeIds ?? [];
  const certificate: Certificate = {
    der,
    fingerprint,
    nodeIds,
    overlayNames: nodeIds.map(() => overlayName),
    userName: undefined,
    notBeforeMs: startMs - 86_400_000,
    notAfterMs: startMs + 365 * 86_400_000,
    isCa: false,
    keyType: 'ecdsa-p256',
    publicKey: utf8Encode(`key ${label}`),
    serialNumber: '01',
    ...parts,
  };
  certificates.set(hexEncode(der), certificate);
  issuers.set(fingerprint, issuer);
  return certificate;
}

const root = makeCertificate('root', { isCa: true }, 'root');
issuers.set(root.fingerprint, root.fingerprint);

export function node(byte: string): NodeId {
  return nodeIdFromBytes(Buffer.from(byte.repeat(16), 'hex'));
}

/** A member with one Node-ID unless more are given. */
export function member(
  userName: string,
  nodeIds: readonly NodeId[],
  parts: Partial<Certificate> = {},
  issuer: Certificate = root,
): Identity {
  const label = `${userName} ${nodeIds.join(' ')} ${issuer.fingerprint}`;
  const certificate = makeCertificate(label, { userName, nodeIds, ...parts }, issuer.fingerprint);
  return {
    certificate,
    chain: issuer === root ? [] : [issuer],
    scheme: { hash: 4, signature: 3 },
    sign: (input, done) => {
      activeClock.after('sign', 0, () => {
        done(fakeSignature(certificate, input));
      });
    },
  };
}

/** A CA between members and the root. */
export const intermediate = makeCertificate('intermediate', { isCa: true }, root.fingerprint);

export const alice = member('alice@overlay.example.org', [node('a1')]);
export const bob = member('bob@overlay.example.org', [node('b1')]);
export const aliceResource = resourceIdOfName('alice@overlay.example.org');
export const keyOf = (identity: Identity): Uint8Array =>
  idBytes(identity.certificate.nodeIds[0] ?? assert.fail());

function fakeSignature(certificate: Certificate, input: Uint8Array): Uint8Array {
  return sha256(concatBytes([certificate.publicKey, input]));
}

/** The clock of the world made last: identities outlive worlds. */
let activeClock = createFakeClock(startMs);

export interface World {
  readonly clock: FakeClock;
  readonly disk: FakeStore;
  readonly kinds: KindRegistry;
  readonly trust: Trust;
  readonly storage: Storage;
  /** Signature checks done. */
  readonly verifications: () => number;
}

export function createWorld(
  disk = new Map<string, Uint8Array>(),
  wallMs = startMs,
  quota?: StorageQuota,
): World {
  const clock = createFakeClock(startMs);
  clock.jump(wallMs - startMs);
  activeClock = clock;
  const store = createFakeStore(clock, disk);
  let verifications = 0;
  const verifier: Verifier = {
    parseCertificate(der) {
      const certificate = certificates.get(hexEncode(der));
      return certificate === undefined ? failure('not a certificate') : success(certificate);
    },
    isIssuedBy: (certificate, issuer) =>
      issuers.get(certificate.fingerprint) === issuer.fingerprint,
    verify(certificate, _scheme, input, signature, done) {
      verifications++;
      clock.after('verify', 0, () => {
        done(bytesEqual(signature, fakeSignature(certificate, input)));
      });
    },
  };
  const config = overlayConfig({ overlayName, rootCertificates: [root] });
  const trust = createTrust({ verifier, clock, trace: silentTrace, config: () => config });
  const kinds = createKindRegistry();
  const sizes = { maxCount: 4, maxSizeBytes: 100 };
  kinds.register({
    kind: dictionaryKind,
    name: 'SIP-REGISTRATION',
    dataModel: 'DICTIONARY',
    accessControl: 'USER-NODE-MATCH',
    ...sizes,
  });
  kinds.register({
    kind: multipleKind,
    name: 'TURN-SERVICE',
    dataModel: 'SINGLE',
    accessControl: 'NODE-MULTIPLE',
    maxNodeMultiple: 20,
    ...sizes,
  });
  kinds.register({
    kind: arrayKind,
    name: 'ARRAY-KIND',
    dataModel: 'ARRAY',
    accessControl: 'USER-MATCH',
    ...sizes,
  });
  kinds.register({
    kind: singleKind,
    name: 'SINGLE-KIND',
    dataModel: 'SINGLE',
    accessControl: 'USER-MATCH',
    ...sizes,
  });
  const required = { clock, trace: silentTrace, store, kinds, trust, verifier };
  const dependencies = quota === undefined ? required : { ...required, quota };
  const storage = createStorage(dependencies);
  if (disk.size === 0) assert.ok(storage.load().ok);
  return { clock, disk: store, kinds, trust, storage, verifications: () => verifications };
}

export interface Draft {
  readonly kind: number;
  readonly resource?: ResourceId;
  readonly identity?: Identity;
  readonly nodeId?: NodeId;
  readonly storageTime?: number;
  readonly lifetime?: number;
  readonly text?: string;
  readonly exists?: boolean;
  readonly index?: number;
  readonly key?: Uint8Array;
}

/** A signed value; by default alice's own. */
export function signed(world: World, draft: Draft): StoredData {
  const { kind, resource = aliceResource, identity = alice, nodeId } = draft;
  const model = world.kinds.get(kind)?.dataModel ?? 'SINGLE';
  const value: StoredDataValue = {
    ...(model === 'ARRAY' ? { index: draft.index ?? 0 } : {}),
    ...(model === 'DICTIONARY' ? { key: draft.key ?? keyOf(identity) } : {}),
    exists: draft.exists ?? true,
    value: utf8Encode(draft.text ?? (draft.exists === false ? '' : 'value')),
  };
  const unsigned = {
    storageTime: BigInt(draft.storageTime ?? startMs),
    lifetime: draft.lifetime ?? 3600,
    value,
  };
  let result: StoredData | undefined;
  const context = { resource, kind, model };
  signStoredValue(world.trust, identity, context, unsigned, (one) => (result = one), nodeId);
  world.clock.advance(0);
  return result ?? assert.fail('not signed');
}

export interface RequestKind {
  readonly kind: number;
  readonly values: readonly StoredData[];
  readonly generation?: bigint;
}

export function storeRequest(
  world: World,
  kinds: readonly RequestKind[],
  parts: Partial<StoreReq> = {},
): StoreReq {
  const kindData = kinds.map(({ kind, values, generation = 0n }) => {
    const codec = storedValues(world.kinds.get(kind)?.dataModel ?? 'SINGLE');
    return { kind, generationCounter: generation, values: encodeToBytes(codec, values) };
  });
  return { resource: aliceResource, replicaNumber: 0, kindData, ...parts };
}

export type StoreOutcome = Outcome<Stored, StorageError>;

/** Starts a Store; the list receives the outcome. */
export function startStore(
  world: World,
  request: StoreReq,
  by: Identity = alice,
  parts: Partial<StoreContext> = {},
): StoreOutcome[] {
  const outcomes: StoreOutcome[] = [];
  const { certificate, chain } = by;
  const signerNodeId = certificate.nodeIds.length === 1 ? certificate.nodeIds[0] : undefined;
  const context: StoreContext = {
    signer: { signer: certificate, signerNodeId },
    certificates: [certificate, ...chain, alice.certificate, bob.certificate],
    replicas: [],
    ...parts,
  };
  world.storage.handleStore(request, context, (outcome) => outcomes.push(outcome));
  assert.equal(outcomes.length, 0, 'the answer comes later');
  return outcomes;
}

/** Stores and waits for the answer. */
export function store(
  world: World,
  kinds: readonly RequestKind[],
  request: Partial<StoreReq> = {},
  by: Identity = alice,
  context: Partial<StoreContext> = {},
): StoreOutcome {
  const outcomes = startStore(world, storeRequest(world, kinds, request), by, context);
  world.clock.advance(0);
  assert.equal(outcomes.length, 1, 'exactly one answer');
  return outcomes[0] ?? assert.fail();
}

/** Stores one value as its owner would. */
export function storeOne(world: World, draft: Draft, generation = 0n): StoreOutcome {
  const values = [signed(world, draft)];
  const { resource = aliceResource, identity = alice } = draft;
  return store(world, [{ kind: draft.kind, values, generation }], { resource }, identity);
}

export function codeOf(outcome: Outcome<unknown, StorageError>): number {
  assert.ok(!outcome.ok, 'a refusal is expected');
  return outcome.error.code;
}

export function accepted(outcome: StoreOutcome): Stored {
  assert.ok(outcome.ok, outcome.ok ? '' : outcome.error.text);
  return outcome.value;
}

export function generationOf(outcome: StoreOutcome): bigint {
  return accepted(outcome).answer.kindResponses[0]?.generationCounter ?? assert.fail();
}

const everything: Record<string, Selection> = {
  SINGLE: {},
  ARRAY: { indices: [{ first: 0, last: 0xffff_ffff }] },
  DICTIONARY: { keys: [] },
};

/** Fetches one Kind: its values and generation. */
export function fetch(
  world: World,
  kind: number,
  parts: { selection?: Selection; generation?: bigint; resource?: ResourceId } = {},
): { generation: bigint; values: readonly StoredData[]; certificates: readonly Certificate[] } {
  const model = world.kinds.get(kind)?.dataModel ?? 'SINGLE';
  const wanted = parts.selection ?? everything[model] ?? {};
  const outcome = world.storage.fetch({
    resource: parts.resource ?? aliceResource,
    specifiers: [
      {
        kind,
        generation: parts.generation ?? 0n,
        selection: encodeToBytes(selection(model), wanted),
      },
    ],
  });
  assert.ok(outcome.ok, outcome.ok ? '' : outcome.error.text);
  const [response] = outcome.value.answer.kindResponses;
  assert.ok(response);
  return {
    generation: response.generation,
    values: decodeExact(storedValues(model), response.values),
    certificates: outcome.value.certificates,
  };
}

/** The texts of the existing values that a Fetch of everything returns. */
export function texts(world: World, kind: number, resource = aliceResource): string[] {
  return fetch(world, kind, { resource })
    .values.filter(({ value }) => value.exists)
    .map(({ value }) => Buffer.from(value.value).toString());
}
