import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concatBytes } from '../../../src/base/bytes.ts';
import { sha256 } from '../../../src/base/hash.ts';
import {
  idBytes,
  resourceIdFromBytes,
  resourceIdOfName,
  type ResourceId,
} from '../../../src/base/ids.ts';
import { limits } from '../../../src/base/limits.ts';
import { decodeExact, encodeToBytes } from '../../../src/wire/codec.ts';
import { errorCodes, unknownKinds } from '../../../src/wire/reload/errors.ts';
import { emptySignature } from '../../../src/wire/reload/security.ts';
import { storedMetaValues } from '../../../src/wire/reload/stat.ts';
import { selection } from '../../../src/wire/reload/storage.ts';
import { hex, sameContent } from '../wire/check-codec.ts';
import {
  accepted,
  alice,
  aliceResource,
  arrayKind,
  bob,
  codeOf,
  createWorld,
  dictionaryKind,
  fetch,
  intermediate,
  keyOf,
  member,
  node,
  signed,
  singleKind,
  startMs,
  store,
  storeOne,
  unknownKindId,
  type World,
} from './world.ts';

function stat(world: World, kind: number) {
  const model = world.kinds.get(kind)?.dataModel ?? 'SINGLE';
  const all = { indices: [{ first: 0, last: 0xffff_ffff }], keys: [] };
  const outcome = world.storage.stat({
    resource: aliceResource,
    specifiers: [{ kind, generation: 0n, selection: encodeToBytes(selection(model), all) }],
  });
  assert.ok(outcome.ok);
  const [response] = outcome.value.kindResponses;
  assert.ok(response);
  return {
    generation: response.generation,
    values: decodeExact(storedMetaValues(model), response.values),
  };
}

test('[R6940-7.4.2.2-02] each Kind of the request has one response', () => {
  const world = createWorld();
  storeOne(world, { kind: singleKind });
  const outcome = world.storage.fetch({
    resource: aliceResource,
    specifiers: [
      { kind: singleKind, generation: 0n, selection: hex('') },
      { kind: dictionaryKind, generation: 0n, selection: hex('0000') },
    ],
  });
  assert.ok(outcome.ok);
  assert.deepEqual(
    outcome.value.answer.kindResponses.map(({ kind, generation, values }) => [
      kind,
      generation,
      values.length > 0,
    ]),
    [
      [singleKind, 1n, true],
      [dictionaryKind, 0n, false],
    ],
  );
});

test('[R6940-7.4.2.1-02] [R6940-7.4.1.2-07] unknown Kinds are refused by Fetch and Stat', () => {
  const world = createWorld();
  const request = {
    resource: aliceResource,
    specifiers: [
      { kind: singleKind, generation: 0n, selection: hex('') },
      { kind: unknownKindId, generation: 0n, selection: hex('') },
    ],
  };
  for (const outcome of [world.storage.fetch(request), world.storage.stat(request)]) {
    assert.ok(!outcome.ok);
    assert.equal(outcome.error.code, errorCodes.unknownKind);
    assert.deepEqual(decodeExact(unknownKinds, outcome.error.info), [unknownKindId]);
  }
});

test('a specifier that does not fit the model, or a Kind named twice, is an invalid message', () => {
  const world = createWorld();
  const attempt = (specifiers: { kind: number; selection: Uint8Array }[]): number =>
    codeOf(
      world.storage.fetch({
        resource: aliceResource,
        specifiers: specifiers.map((one) => ({ ...one, generation: 0n })),
      }),
    );
  const single = { kind: singleKind, selection: hex('') };
  assert.equal(attempt([{ ...single, selection: hex('0000') }]), errorCodes.invalidMessage);
  assert.equal(attempt([single, single]), errorCodes.invalidMessage);
  const overlapping = hex('0010 00000000 00000003 00000002 00000005');
  assert.equal(attempt([{ kind: arrayKind, selection: overlapping }]), errorCodes.invalidMessage);
});

test('[R6940-7.4.2.1-08] with the stored generation nothing is returned', () => {
  const world = createWorld();
  storeOne(world, { kind: singleKind });
  assert.deepEqual(fetch(world, singleKind, { generation: 1n }), {
    generation: 1n,
    values: [],
    certificates: [],
  });
  assert.equal(fetch(world, singleKind, { generation: 2n }).values.length, 1);
});

test('[R6940-7.4.2.2-03] [R6940-7.4.2.1-07] a wildcard returns all entries', () => {
  const world = createWorld();
  const twoNodes = member('alice@overlay.example.org', [node('a2')]);
  storeOne(world, { kind: dictionaryKind, text: 'first' });
  storeOne(world, { kind: dictionaryKind, text: 'second', identity: twoNodes });
  assert.equal(fetch(world, dictionaryKind).values.length, 2);
});

test('[R6940-7.4.2.2-04] a value that is not known is synthesized', () => {
  const world = createWorld();
  const keys = [keyOf(alice), keyOf(bob)];
  storeOne(world, { kind: dictionaryKind });
  const { values } = fetch(world, dictionaryKind, { selection: { keys } });
  assert.equal(values[0]?.value.exists, true);
  sameContent(values[1], {
    storageTime: 0n,
    lifetime: 0,
    value: { key: keyOf(bob), exists: false, value: hex('') },
    signature: emptySignature,
  });
  assert.equal(fetch(world, singleKind).values[0]?.value.exists, false);
  assert.equal(fetch(world, singleKind).generation, 0n);
  assert.deepEqual(fetch(world, arrayKind).values, []);
});

test('[R6940-7.4.2.2-05] a removed value comes with its signature', () => {
  const world = createWorld();
  storeOne(world, { kind: singleKind });
  accepted(storeOne(world, { kind: singleKind, exists: false, storageTime: startMs + 1 }));
  const [value] = fetch(world, singleKind).values;
  assert.equal(value?.value.exists, false);
  assert.equal(value.signature.identity.type, 'certHash');
});

test('a key asked for several times is answered once', () => {
  const world = createWorld();
  const keys = [keyOf(bob), keyOf(bob), keyOf(bob)];
  assert.equal(fetch(world, dictionaryKind, { selection: { keys } }).values.length, 1);
});

test('the keys of one Fetch are bounded', () => {
  const world = createWorld();
  const most = limits.storage.keysPerFetch;
  const keys = Array.from({ length: most + 1 }, (_, i) => Uint8Array.of(i >> 8, i));
  const fetchKeys = (wanted: readonly Uint8Array[]) =>
    world.storage.fetch({
      resource: aliceResource,
      specifiers: [
        {
          kind: dictionaryKind,
          generation: 0n,
          selection: encodeToBytes(selection('DICTIONARY'), { keys: wanted }),
        },
      ],
    });
  assert.equal(fetchKeys(keys.slice(1)).ok, true);
  assert.equal(codeOf(fetchKeys(keys)), errorCodes.responseTooLarge);
});

test('[R6940-7.4.2.1-05] several ranges are answered, clamped to the length of the array', () => {
  const world = createWorld();
  for (const index of [0, 1, 3]) storeOne(world, { kind: arrayKind, index });
  const at = (...ranges: [number, number][]): unknown[] => {
    const indices = ranges.map(([first, last]) => ({ first, last }));
    return fetch(world, arrayKind, { selection: { indices } }).values.map(({ value }) => [
      value.index,
      value.exists,
    ]);
  };
  assert.deepEqual(at([0, 0], [2, 3]), [
    [0, true],
    [2, false],
    [3, true],
  ]);
  assert.deepEqual(at([3, 0xffff_ffff]), [[3, true]]);
  assert.deepEqual(at([4, 0xffff_ffff]), []);
  assert.deepEqual(at(), []);
});

test('[R6940-6.3.4-03] [R6940-6.3.4-06] a Fetch names the certificates of all signers, each once', () => {
  const world = createWorld();
  const second = member('alice@overlay.example.org', [node('a2')]);
  storeOne(world, { kind: dictionaryKind });
  storeOne(world, { kind: dictionaryKind, identity: second });
  storeOne(world, { kind: singleKind });
  const { certificates } = fetch(world, dictionaryKind);
  assert.deepEqual(
    certificates.map((one) => one.fingerprint).toSorted(),
    [alice, second].map((one) => one.certificate.fingerprint).toSorted(),
  );
});

test('the issuer between signer and root is kept with the value', () => {
  const world = createWorld();
  const carol = member('alice@overlay.example.org', [node('a3')], {}, intermediate);
  storeOne(world, { kind: dictionaryKind, identity: carol });
  assert.deepEqual(
    fetch(world, dictionaryKind).certificates.map((one) => one.fingerprint),
    [carol.certificate.fingerprint, intermediate.fingerprint],
  );
});

test('[R6940-7.4.3.2-01] [R6940-7.4.3.2-02] [R6940-7.4.3.2-03] Stat returns metadata', () => {
  const world = createWorld();
  storeOne(world, { kind: dictionaryKind, text: 'value', lifetime: 77 });
  const { generation, values } = stat(world, dictionaryKind);
  assert.equal(generation, 1n);
  sameContent(values, [
    {
      storageTime: BigInt(startMs),
      lifetime: 77,
      metadata: {
        key: keyOf(alice),
        exists: true,
        valueLength: 5,
        hashAlgorithm: 4,
        hashValue: sha256(concatBytes([hex('00000005'), Buffer.from('value')])),
      },
    },
  ]);
});

test('Stat of an array shows gaps', () => {
  const world = createWorld();
  storeOne(world, { kind: arrayKind, index: 1 });
  assert.deepEqual(
    stat(world, arrayKind).values.map(({ metadata }) => [metadata.index, metadata.exists]),
    [
      [0, false],
      [1, true],
    ],
  );
});

const nowhere = resourceIdFromBytes(new Uint8Array(16));

function find(world: World, resource: ResourceId, kinds: readonly number[]) {
  const outcome = world.storage.find({ resource, kinds });
  assert.ok(outcome.ok);
  return outcome.value.results;
}

test('[R6940-7.4.4.2-03] Find walks the ring of stored Resource-IDs', () => {
  const world = createWorld();
  const users = ['u1', 'u2', 'u3', 'u4'].map((name, i) =>
    member(`${name}@overlay.example.org`, [node(`d${i}`)]),
  );
  const ids = users
    .map((identity) => {
      const resource = resourceIdOfName(identity.certificate.userName ?? '');
      const values = [signed(world, { kind: singleKind, identity, resource })];
      const certificates = [identity.certificate];
      const request = [{ kind: singleKind, values }];
      accepted(store(world, request, { resource }, identity, { certificates }));
      return resource;
    })
    .toSorted();
  const next = (resource: ResourceId): ResourceId | undefined =>
    find(world, resource, [singleKind])[0]?.closest;
  const after = (id: ResourceId): ResourceId => {
    const value = (BigInt(`0x${id}`) + 1n) % (1n << 128n);
    return value.toString(16).padStart(32, '0') as ResourceId;
  };
  assert.equal(next(ids[1]!), ids[1]);
  for (const [i, id] of ids.entries()) assert.equal(next(after(id)), ids[(i + 1) % ids.length]);
  assert.equal(idBytes(next(nowhere)!).length, 16);
  assert.deepEqual(find(world, ids[0]!, [singleKind, arrayKind]), [
    { kind: singleKind, closest: ids[0] },
    { kind: arrayKind, closest: nowhere },
  ]);
});

test('[R6940-7.4.4.2-05] Find: an unknown Kind yields Resource-ID 0', () => {
  const world = createWorld();
  assert.deepEqual(find(world, aliceResource, [unknownKindId]), [
    { kind: unknownKindId, closest: nowhere },
  ]);
});

test('[R6940-7.4.4.2-04] Find: a Kind that must not be used with it is left out', () => {
  const world = createWorld();
  world.kinds.register({
    kind: 0xf0000020,
    name: 'HIDDEN',
    dataModel: 'SINGLE',
    accessControl: 'USER-MATCH',
    maxCount: 1,
    maxSizeBytes: 10,
    findable: false,
  });
  storeOne(world, { kind: 0xf0000020 });
  assert.deepEqual(find(world, aliceResource, [0xf0000020]), []);
});
