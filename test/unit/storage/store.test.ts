import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resourceIdOfName } from '../../../src/base/ids.ts';
import { limits } from '../../../src/base/limits.ts';
import { failure, success } from '../../../src/base/outcome.ts';
import { decodeExact, encodeToBytes, tryDecode } from '../../../src/wire/codec.ts';
import { errorCodes, unknownKinds } from '../../../src/wire/reload/errors.ts';
import { emptySignature } from '../../../src/wire/reload/security.ts';
import { lastIndex, storeAns, storeReq } from '../../../src/wire/reload/storage.ts';
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
  generationOf,
  keyOf,
  node,
  signed,
  singleKind,
  startMs,
  startStore,
  store,
  storeOne,
  storeRequest,
  texts,
  unknownKindId,
  type RequestKind,
  type StoreOutcome,
} from './world.ts';

test('[R6940-7.4.1.1-21] [R6940-7.4.1.1-23] [R6940-7.4.1.2-02] a valid Store is kept and answered', () => {
  const world = createWorld();
  const replicas = [node('c1'), node('c2')];
  const values = [signed(world, { kind: singleKind })];
  const outcome = store(world, [{ kind: singleKind, values }], {}, alice, { replicas });
  assert.deepEqual(accepted(outcome), {
    answer: { kindResponses: [{ kind: singleKind, generationCounter: 1n, replicas }] },
    changed: true,
  });
  assert.deepEqual(texts(world, singleKind), ['value']);
  assert.deepEqual(world.storage.figures().resources, 1);
});

test('[R6940-7.4.1.1-29] [R6940-7.2.1-01] a single value is overwritten', () => {
  const world = createWorld();
  storeOne(world, { kind: singleKind, text: 'one' });
  accepted(storeOne(world, { kind: singleKind, text: 'two', storageTime: startMs + 1 }));
  assert.deepEqual(texts(world, singleKind), ['two']);
  assert.equal(world.storage.figures().values, 1);
});

test('[R6940-7.4.1.1-29] [R6940-7.2.2-01] an array is extended with nonexistent values', () => {
  const world = createWorld();
  accepted(storeOne(world, { kind: arrayKind, index: 2, text: 'third' }));
  const { values } = fetch(world, arrayKind);
  assert.deepEqual(
    values.map(({ value }) => [value.index, value.exists]),
    [
      [0, false],
      [1, false],
      [2, true],
    ],
  );
  assert.deepEqual(values[0]?.signature, emptySignature);
});

test('[R6940-7.4.1.1-30] index 0xffffffff appends, the entry shows the real index', () => {
  const world = createWorld();
  storeOne(world, { kind: arrayKind, index: 0, text: 'a' });
  storeOne(world, { kind: arrayKind, index: 1, text: 'b' });
  const appends = ['c', 'd'].map((text) =>
    signed(world, { kind: arrayKind, index: lastIndex, text }),
  );
  accepted(store(world, [{ kind: arrayKind, values: appends }]));
  const { values } = fetch(world, arrayKind);
  assert.deepEqual(
    values.map(({ value }) => [value.index, Buffer.from(value.value).toString()]),
    [
      [0, 'a'],
      [1, 'b'],
      [2, 'c'],
      [3, 'd'],
    ],
  );
});

test('an append that is sent again changes nothing', () => {
  const world = createWorld();
  const values = [signed(world, { kind: arrayKind, index: lastIndex, text: 'a' })];
  accepted(store(world, [{ kind: arrayKind, values }]));
  assert.equal(accepted(store(world, [{ kind: arrayKind, values }])).changed, false);
  assert.deepEqual(texts(world, arrayKind), ['a']);
});

test('[R6940-7.4.1.1-29] a dictionary entry is replaced at its key', () => {
  const world = createWorld();
  storeOne(world, { kind: dictionaryKind, text: 'one' });
  accepted(storeOne(world, { kind: dictionaryKind, text: 'two', storageTime: startMs + 1 }));
  assert.deepEqual(texts(world, dictionaryKind), ['two']);
});

test('[R6940-7.4.1.1-02] a Kind named twice is refused', () => {
  const world = createWorld();
  const values = [signed(world, { kind: singleKind })];
  const twice = [
    { kind: singleKind, values },
    { kind: singleKind, values },
  ];
  assert.equal(codeOf(store(world, twice)), errorCodes.invalidMessage);
  assert.deepEqual(texts(world, singleKind), []);
});

test('[R6940-7.4.1.1-03] [R6940-7.4.1.1-04] a Store is atomic, counters included', () => {
  const world = createWorld();
  storeOne(world, { kind: singleKind, text: 'before' });
  const later = startMs + 1;
  const good = signed(world, { kind: singleKind, text: 'after', storageTime: later });
  const bad = signed(world, { kind: arrayKind });
  const forged = { ...bad, storageTime: bad.storageTime + 1n };
  const outcome = store(world, [
    { kind: singleKind, values: [good] },
    { kind: arrayKind, values: [forged] },
  ]);
  assert.equal(codeOf(outcome), errorCodes.forbidden);
  assert.deepEqual(texts(world, singleKind), ['before']);
  assert.equal(fetch(world, singleKind).generation, 1n);
  assert.equal(fetch(world, arrayKind).generation, 0n);
});

test('[R6940-7.4.1.1-04] a late refusal of one Kind leaves the others as they were', () => {
  const world = createWorld();
  storeOne(world, { kind: singleKind, storageTime: startMs + 10 });
  const outcome = store(world, [
    { kind: arrayKind, values: [signed(world, { kind: arrayKind })] },
    { kind: singleKind, values: [signed(world, { kind: singleKind, text: 'old' })] },
  ]);
  assert.equal(codeOf(outcome), errorCodes.dataTooOld);
  assert.deepEqual(texts(world, arrayKind), []);
});

test('[R6940-7.4.1.1-08] [R6940-7.4.1.2-07] [R6940-7.4.1.2-08] unknown Kinds are listed', () => {
  const world = createWorld();
  const outcome = store(world, [
    { kind: unknownKindId, values: [] },
    { kind: singleKind, values: [] },
    { kind: 0xf00000fe, values: [] },
  ]);
  assert.ok(!outcome.ok);
  assert.equal(outcome.error.code, errorCodes.unknownKind);
  assert.deepEqual(decodeExact(unknownKinds, outcome.error.info), [unknownKindId, 0xf00000fe]);
});

test('more unknown Kinds than an error can list', () => {
  const world = createWorld();
  const kinds = Array.from({ length: 64 }, (_, i) => ({ kind: 0xf0000100 + i, values: [] }));
  const outcome = store(world, kinds);
  assert.ok(!outcome.ok);
  assert.equal(decodeExact(unknownKinds, outcome.error.info).length, 63);
});

test('a flood of appends with one storage_time is refused at a cost linear in its size', () => {
  const world = createWorld();
  const kind = 0xf0000030;
  world.kinds.register({
    kind,
    name: 'LONG',
    dataModel: 'ARRAY',
    accessControl: 'USER-MATCH',
    maxCount: 1023,
    maxSizeBytes: 100,
  });
  const value = signed(world, { kind, index: lastIndex });
  const cost = (count: number): number => {
    const values = Array.from({ length: count }, (_, i) => ({
      ...value,
      value: { ...value.value, value: Buffer.from(`value ${i}`) },
    }));
    const request = storeRequest(world, [{ kind, values }]);
    let best = Infinity;
    for (let run = 0; run < 3; run++) {
      const start = process.cpuUsage().user;
      const outcomes = startStore(world, request);
      best = Math.min(best, process.cpuUsage().user - start);
      world.clock.advance(0);
      assert.equal(codeOf(outcomes[0]!), errorCodes.forbidden);
    }
    return best;
  };
  cost(100);
  assert.ok(cost(1000) < 30 * Math.max(cost(100), 1000));
});

test('values that do not fit the data model are an invalid message', () => {
  const world = createWorld();
  const request = storeRequest(world, []);
  const kindData = [
    { kind: arrayKind, generationCounter: 0n, values: Buffer.from('00000001ff', 'hex') },
  ];
  const outcomes = startStore(world, { ...request, kindData });
  world.clock.advance(0);
  assert.equal(codeOf(outcomes[0]!), errorCodes.invalidMessage);
});

test('[R6940-7.4.1.1-10] a wrong signature is forbidden', () => {
  const world = createWorld();
  const value = signed(world, { kind: singleKind });
  for (const forged of [
    { ...value, storageTime: value.storageTime + 1n },
    { ...value, value: { ...value.value, value: Buffer.from('other') } },
    { ...value, value: { ...value.value, exists: false } },
    { ...value, signature: { ...value.signature, signatureValue: new Uint8Array(32) } },
  ]) {
    const outcome = store(world, [{ kind: singleKind, values: [forged] }]);
    assert.equal(codeOf(outcome), errorCodes.forbidden);
  }
  assert.deepEqual(texts(world, singleKind), []);
});

test('[R6940-7.1-01] resource and Kind are signed, the lifetime is not', () => {
  const world = createWorld();
  const value = signed(world, { kind: singleKind, lifetime: 3600 });
  const elsewhere = signed(world, { kind: multiple(), resource: aliceResource });
  assert.equal(
    codeOf(store(world, [{ kind: singleKind, values: [elsewhere] }])),
    errorCodes.forbidden,
  );
  accepted(store(world, [{ kind: singleKind, values: [{ ...value, lifetime: 60 }] }]));
});

/** Another SINGLE Kind. */
function multiple(): number {
  return 2;
}

test('[R6940-7.4.1.1-20] unsigned values are forbidden', () => {
  const world = createWorld();
  const value = signed(world, { kind: singleKind });
  for (const signature of [
    emptySignature,
    { ...value.signature, hash: 0, signature: 0 },
    { ...value.signature, identity: { type: 'none' } as const },
  ]) {
    const outcome = store(world, [{ kind: singleKind, values: [{ ...value, signature }] }]);
    assert.equal(codeOf(outcome), errorCodes.forbidden);
  }
});

test('[R6940-7.1-02] an expired certificate, or one not yet valid, signs nothing', () => {
  for (const jumpMs of [366 * 86_400_000, -2 * 86_400_000]) {
    const world = createWorld();
    const values = [signed(world, { kind: singleKind })];
    world.clock.jump(jumpMs);
    const outcome = store(world, [{ kind: singleKind, values }]);
    assert.equal(codeOf(outcome), errorCodes.forbidden);
  }
});

test('[R6940-7.1-03] a lifetime may end after the certificate', () => {
  const world = createWorld();
  accepted(storeOne(world, { kind: singleKind, lifetime: 0xffff_ffff }));
});

test('[R6940-7.4.1.1-11] [R6940-7.3-02] a signer without right to the place is forbidden', () => {
  const world = createWorld();
  const values = [signed(world, { kind: singleKind, identity: bob })];
  for (const by of [alice, bob]) {
    const outcome = store(world, [{ kind: singleKind, values }], {}, by);
    assert.equal(codeOf(outcome), errorCodes.forbidden);
  }
});

test('[R6940-7.4.1.1-12] [R6940-7.3-02] [R6940-13.5.1-02] a valid value sent on as an original Store is forbidden', () => {
  const world = createWorld();
  const values = [signed(world, { kind: singleKind })];
  const outcome = store(world, [{ kind: singleKind, values }], {}, bob);
  assert.equal(codeOf(outcome), errorCodes.forbidden);
  accepted(store(world, [{ kind: singleKind, values }]));
});

test('[R6940-7.3-03] a replica Store may come from another node, its values may not', () => {
  const world = createWorld();
  const values = [signed(world, { kind: singleKind })];
  const replica = { replicaNumber: 1 };
  accepted(store(world, [{ kind: singleKind, values, generation: 5n }], replica, bob));
  const foreign = [signed(world, { kind: arrayKind, identity: bob })];
  const outcome = store(
    world,
    [{ kind: arrayKind, values: foreign, generation: 5n }],
    replica,
    bob,
  );
  assert.equal(codeOf(outcome), errorCodes.forbidden);
});

test('[R6940-7-03] [R6940-7.4.1.1-18] [R6940-13.5.3-02] an equal or older storage_time is too old', () => {
  const world = createWorld();
  storeOne(world, { kind: singleKind, text: 'present' });
  for (const storageTime of [startMs, startMs - 1]) {
    const outcome = storeOne(world, { kind: singleKind, text: 'other', storageTime });
    assert.equal(codeOf(outcome), errorCodes.dataTooOld);
  }
  assert.deepEqual(texts(world, singleKind), ['present']);
});

test('[R6940-7-05] storage times are not compared with the own clock', () => {
  const world = createWorld();
  accepted(storeOne(world, { kind: singleKind, storageTime: startMs + 86_400_000 }));
});

test('the very same value again succeeds without any change', () => {
  const world = createWorld();
  const value = signed(world, { kind: singleKind, lifetime: 100 });
  accepted(store(world, [{ kind: singleKind, values: [value] }]));
  world.clock.advance(50_000);
  const again = store(world, [{ kind: singleKind, values: [{ ...value, lifetime: 5000 }] }]);
  assert.equal(accepted(again).changed, false);
  assert.equal(generationOf(again), 1n);
  world.clock.advance(50_000);
  assert.deepEqual(texts(world, singleKind), [], 'its life was not extended');
});

test('a verified value is not verified again', () => {
  const world = createWorld();
  const values = [signed(world, { kind: singleKind })];
  store(world, [{ kind: singleKind, values }]);
  const before = world.verifications();
  store(world, [{ kind: singleKind, values, generation: 1n }], { replicaNumber: 1 }, bob);
  assert.equal(world.verifications(), before);
});

test('[R6940-7.4.1.1-15] [R6940-7.4.1.2-03] [R6940-7.4.1.2-04] counters of an original Store', () => {
  const world = createWorld();
  storeOne(world, { kind: singleKind });
  for (const [generation, time] of [
    [2n, 1],
    [7n, 2],
  ] as const) {
    const outcome = storeOne(world, { kind: singleKind, storageTime: startMs + time }, generation);
    assert.ok(!outcome.ok);
    assert.equal(outcome.error.code, errorCodes.generationCounterTooLow);
    assert.deepEqual(decodeExact(storeAns, outcome.error.info), {
      kindResponses: [{ kind: singleKind, generationCounter: 1n, replicas: [] }],
    });
  }
  assert.equal(
    generationOf(storeOne(world, { kind: singleKind, storageTime: startMs + 3 }, 1n)),
    2n,
  );
  const low = storeOne(world, { kind: singleKind, storageTime: startMs + 4 }, 1n);
  assert.equal(codeOf(low), errorCodes.generationCounterTooLow);
});

test('[R6940-7.4.1.1-22] [R6940-7.4.1.1-24] every change raises the counter, also with counter 0', () => {
  const world = createWorld();
  for (const [i, expected] of [1n, 2n, 3n].entries()) {
    const outcome = storeOne(world, { kind: singleKind, storageTime: startMs + i });
    assert.equal(generationOf(outcome), expected);
  }
});

test('[R6940-7.4.1.1-16] a replica Store sets the counter without comparison', () => {
  const world = createWorld();
  storeOne(world, { kind: singleKind });
  storeOne(world, { kind: singleKind, storageTime: startMs + 1 });
  const values = [signed(world, { kind: singleKind, storageTime: startMs + 2 })];
  const replica = { replicaNumber: 2 };
  const outcome = store(world, [{ kind: singleKind, values, generation: 1n }], replica, bob);
  assert.equal(generationOf(outcome), 1n);
  assert.equal(fetch(world, singleKind).generation, 1n);
  const higher = store(world, [{ kind: singleKind, values, generation: 40n }], replica, bob);
  assert.equal(accepted(higher).changed, false);
  assert.equal(fetch(world, singleKind).generation, 40n);
});

test('the counter after the largest is 1', () => {
  const world = createWorld();
  const largest = 0xffff_ffff_ffff_ffffn;
  const values = [signed(world, { kind: singleKind })];
  accepted(store(world, [{ kind: singleKind, values, generation: largest }], { replicaNumber: 1 }));
  assert.equal(generationOf(storeOne(world, { kind: singleKind, storageTime: startMs + 1 })), 1n);
});

test('[R6940-7.4.1.1-17] a replica Store with counter 0 is refused', () => {
  const world = createWorld();
  const values = [signed(world, { kind: singleKind })];
  const outcome = store(world, [{ kind: singleKind, values }], { replicaNumber: 1 }, bob);
  assert.equal(codeOf(outcome), errorCodes.invalidMessage);
});

test('[R6940-7.4.1.2-06] [R6940-13.5.2-01] [R6940-7.4.1.1-19] max-size', () => {
  const world = createWorld();
  const tooLarge = storeOne(world, { kind: singleKind, text: 'x'.repeat(101) });
  assert.equal(codeOf(tooLarge), errorCodes.dataTooLarge);
  accepted(storeOne(world, { kind: singleKind, text: 'x'.repeat(100) }));
});

test('[R6940-7.4.1.1-19] max-count, removed values included', () => {
  const world = createWorld();
  for (let index = 0; index < 4; index++) {
    accepted(storeOne(world, { kind: arrayKind, index, exists: index !== 2 }));
  }
  const outcome = storeOne(world, { kind: arrayKind, index: 4 });
  assert.equal(codeOf(outcome), errorCodes.dataTooLarge);
  accepted(storeOne(world, { kind: arrayKind, index: 3, storageTime: startMs + 1 }));
});

test('limits come before signatures, signatures before times, times before counters', () => {
  const world = createWorld();
  storeOne(world, { kind: singleKind });
  const old = signed(world, { kind: singleKind, text: 'old', storageTime: startMs - 1 });
  const broken = { ...old, signature: { ...old.signature, signatureValue: new Uint8Array(1) } };
  const huge = { ...broken, value: { ...broken.value, value: new Uint8Array(101) } };
  const attempt = (value: typeof old): number =>
    codeOf(store(world, [{ kind: singleKind, values: [value], generation: 9n }]));
  assert.equal(attempt(huge), errorCodes.dataTooLarge);
  assert.equal(attempt(broken), errorCodes.forbidden);
  assert.equal(attempt(old), errorCodes.dataTooOld);
});

test('too many values are refused before any signature is checked', () => {
  const world = createWorld();
  const value = signed(world, { kind: arrayKind });
  const before = world.verifications();
  const five = [0, 1, 2, 3, 4].map((index) => ({ ...value, value: { ...value.value, index } }));
  assert.equal(codeOf(store(world, [{ kind: arrayKind, values: five }])), errorCodes.dataTooLarge);
  assert.equal(world.verifications(), before);
});

test('bounds of this peer: array length, key length, values of one Store', () => {
  const world = createWorld();
  const far = storeOne(world, { kind: arrayKind, index: limits.storage.arrayLength });
  assert.equal(codeOf(far), errorCodes.dataTooLarge);
  accepted(storeOne(world, { kind: arrayKind, index: limits.storage.arrayLength - 1 }));
  const key = new Uint8Array(limits.storage.dictionaryKeyBytes + 1);
  assert.equal(codeOf(storeOne(world, { kind: dictionaryKind, key })), errorCodes.dataTooLarge);
  const value = signed(world, { kind: arrayKind });
  const values = new Array(limits.storage.valuesPerStore + 1).fill(value);
  assert.equal(codeOf(store(world, [{ kind: arrayKind, values }])), errorCodes.dataTooLarge);
});

test('[R6940-7.4.1.3-01] [R6940-7.4.1.3-03] a removed value stays as exists = false until its end', () => {
  const world = createWorld();
  storeOne(world, { kind: dictionaryKind });
  const time = startMs + 1;
  accepted(
    storeOne(world, { kind: dictionaryKind, exists: false, storageTime: time, lifetime: 60 }),
  );
  const removed = fetch(world, dictionaryKind, { selection: { keys: [keyOf(alice)] } });
  assert.equal(removed.values[0]?.value.exists, false);
  assert.notEqual(removed.values[0].signature.identity.type, 'none');
  assert.equal(
    codeOf(storeOne(world, { kind: dictionaryKind, text: 'revived' })),
    errorCodes.dataTooOld,
  );
  world.clock.advance(60_000);
  assert.deepEqual(fetch(world, dictionaryKind).values, []);
});

test('the Kind-specific rule is asked and can refuse', () => {
  const world = createWorld();
  const kind = 0xf0000010;
  const asked: unknown[] = [];
  world.kinds.register({
    kind,
    name: 'CHECKED',
    dataModel: 'SINGLE',
    accessControl: 'USER-MATCH',
    maxCount: 1,
    maxSizeBytes: 10,
    validate: ({ value, signer, signerNodeId, resource }) => {
      asked.push([signer.userName, signerNodeId, resource]);
      return value.value.length === 3
        ? { ok: true, value: undefined }
        : { ok: false, error: 'three bytes' };
    },
  });
  assert.equal(codeOf(storeOne(world, { kind, text: 'four' })), errorCodes.forbidden);
  accepted(storeOne(world, { kind, text: 'abc' }));
  assert.deepEqual(asked[0], ['alice@overlay.example.org', node('a1'), aliceResource]);
});

test('an empty Store is answered later with the present counters', () => {
  const world = createWorld();
  const outcome = store(world, [{ kind: singleKind, values: [] }]);
  assert.equal(generationOf(outcome), 0n);
  assert.equal(accepted(outcome).changed, false);
});

test('Stores beyond the bound are put off', () => {
  const world = createWorld();
  const request = storeRequest(world, [
    { kind: singleKind, values: [signed(world, { kind: singleKind })] },
  ]);
  const outcomes = [];
  for (let i = 0; i <= limits.storage.storesAtOnce; i++) outcomes.push(startStore(world, request));
  world.clock.advance(0);
  assert.ok(outcomes.every((one) => one.length === 1));
  assert.equal(codeOf(outcomes.at(-1)![0]!), errorCodes.requestTimeout);
  assert.ok(outcomes[0]![0]!.ok);
  accepted(storeOne(world, { kind: arrayKind }));
});

test('the quota of this peer: bytes and resources', () => {
  const probe = createWorld();
  storeOne(probe, { kind: singleKind });
  const { bytes } = probe.storage.figures();
  const full = { resources: 9, bytes };
  const world = createWorld(new Map(), startMs, full);
  accepted(storeOne(world, { kind: singleKind }));
  assert.equal(codeOf(storeOne(world, { kind: arrayKind })), errorCodes.dataTooLarge);
  accepted(storeOne(world, { kind: singleKind, storageTime: startMs + 1, text: 'other' }));
  assert.equal(
    codeOf(storeOne(world, { kind: singleKind, storageTime: startMs + 2, text: 'longer' })),
    errorCodes.dataTooLarge,
  );

  const one = createWorld(new Map(), startMs, { resources: 1, bytes: 1_000_000 });
  accepted(storeOne(one, { kind: singleKind }));
  accepted(storeOne(one, { kind: arrayKind }));
  const elsewhere = resourceIdOfName('bob@overlay.example.org');
  const foreign = storeOne(one, { kind: singleKind, identity: bob, resource: elsewhere });
  assert.equal(codeOf(foreign), errorCodes.dataTooLarge);
});

test('values of a Kind whose data model changed make way', () => {
  const world = createWorld();
  storeOne(world, { kind: singleKind, text: 'single' });
  const changed = {
    kind: singleKind,
    name: undefined,
    dataModel: 'ARRAY',
    accessControl: 'USER-MATCH',
    maxCount: 3,
    maxSizeBytes: 100,
    maxNodeMultiple: undefined,
  } as const;
  assert.deepEqual(world.kinds.configure([changed]), []);
  assert.deepEqual(fetch(world, singleKind), { generation: 0n, values: [], certificates: [] });
  accepted(
    storeOne(world, { kind: singleKind, index: 1, text: 'array', storageTime: startMs - 1 }),
  );
  assert.deepEqual(texts(world, singleKind), ['array']);
  assert.equal(world.storage.figures().values, 1);
  const restarted = createWorld(world.disk.data);
  assert.ok(restarted.storage.load().ok);
});

test('[R6940-7.4.1.1-28] merging keeps the value with the later storage_time', () => {
  const world = createWorld();
  storeOne(world, { kind: arrayKind, index: 0, text: 'ours, newer', storageTime: startMs + 5 });
  storeOne(world, { kind: arrayKind, index: 1, text: 'ours, older' });
  const values = [
    signed(world, { kind: arrayKind, index: 0, text: 'theirs, older', storageTime: startMs + 1 }),
    signed(world, { kind: arrayKind, index: 1, text: 'theirs, newer', storageTime: startMs + 9 }),
  ];
  const request = storeRequest(world, [{ kind: arrayKind, values, generation: 1n }]);
  const outcomes: unknown[] = [];
  world.storage.merge(request, [alice.certificate], (outcome) => outcomes.push(outcome.ok));
  world.clock.advance(0);
  assert.deepEqual(outcomes, [true]);
  assert.deepEqual(texts(world, arrayKind), ['ours, newer', 'theirs, newer']);
  assert.equal(fetch(world, arrayKind).generation, 3n);
});

test('a merge passes over what is synthetic or not rightly signed', () => {
  const world = createWorld();
  const good = signed(world, { kind: arrayKind, index: 3, text: 'good' });
  const forged = {
    ...good,
    storageTime: good.storageTime + 1n,
    value: { ...good.value, index: 2 },
  };
  const foreign = signed(world, { kind: arrayKind, index: 1, identity: bob });
  const gap = {
    storageTime: 0n,
    lifetime: 0,
    value: { index: 0, exists: false, value: new Uint8Array() },
    signature: emptySignature,
  };
  const values = [gap, foreign, forged, good];
  const request = storeRequest(world, [{ kind: arrayKind, values, generation: 7n }]);
  const outcomes: StoreOutcome[] = [];
  const certificates = [alice.certificate, bob.certificate];
  world.storage.merge(request, certificates, (outcome) => outcomes.push(outcome));
  assert.equal(outcomes.length, 0);
  world.clock.advance(0);
  assert.equal(outcomes.length, 1);
  assert.equal(accepted(outcomes[0]!).changed, true);
  assert.deepEqual(texts(world, arrayKind), ['good']);
  assert.equal(world.storage.figures().values, 1);
  assert.equal(fetch(world, arrayKind).generation, 7n);
});

test('any changed byte of a request is answered, never a crash', () => {
  const world = createWorld();
  const request = storeRequest(world, [
    { kind: arrayKind, values: [signed(world, { kind: arrayKind, index: 2 })], generation: 1n },
    { kind: dictionaryKind, values: [signed(world, { kind: dictionaryKind })], generation: 1n },
  ]);
  const bytes = encodeToBytes(storeReq, request);
  let answered = 0;
  for (let at = 0; at < bytes.length; at++) {
    for (const flip of [0x01, 0x02, 0x80, 0xff]) {
      const changed = Uint8Array.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ flip;
      const decoded = tryDecode(storeReq, changed);
      if (!decoded.ok) continue;
      const outcomes = startStore(world, decoded.value);
      world.clock.advance(0);
      assert.equal(outcomes.length, 1);
      answered++;
    }
  }
  assert.ok(answered > bytes.length);
  for (const resource of world.storage.resources()) world.storage.exportResource(resource);
  assert.ok(createWorld(world.disk.data).storage.load().ok, 'what was accepted can be read again');
});

test('[R6940-7.4.1.1-09] every check alone leaves everything as it was', () => {
  const world = createWorld();
  storeOne(world, { kind: singleKind, text: 'present' });
  const time = startMs + 1;
  const good = signed(world, { kind: arrayKind });
  const next = signed(world, { kind: singleKind, text: 'next', storageTime: time });
  const long = { ...next, value: { ...next.value, value: new Uint8Array(101) } };
  const forged = { ...next, lifetime: 1, storageTime: next.storageTime + 1n };
  const foreign = signed(world, { kind: singleKind, identity: bob, storageTime: time });
  const old = signed(world, { kind: singleKind, text: 'old', storageTime: startMs });
  const before = [...world.disk.data].toString();
  const figures = world.storage.figures();
  const refusals: [number, RequestKind, Parameters<typeof store>[2]?, typeof alice?][] = [
    [errorCodes.unknownKind, { kind: unknownKindId, values: [] }],
    [errorCodes.dataTooLarge, { kind: singleKind, values: [long] }],
    [errorCodes.dataTooLarge, { kind: singleKind, values: [next, next, next, next, next] }],
    [errorCodes.forbidden, { kind: singleKind, values: [forged] }],
    [errorCodes.forbidden, { kind: singleKind, values: [{ ...next, signature: emptySignature }] }],
    [errorCodes.forbidden, { kind: singleKind, values: [foreign] }],
    [errorCodes.forbidden, { kind: singleKind, values: [next] }, {}, bob],
    [errorCodes.dataTooOld, { kind: singleKind, values: [old] }],
    [errorCodes.generationCounterTooLow, { kind: singleKind, values: [next], generation: 9n }],
    [errorCodes.invalidMessage, { kind: singleKind, values: [next] }, { replicaNumber: 1 }],
  ];
  for (const [code, bad, request, by] of refusals) {
    const kinds = [{ kind: arrayKind, values: [good], generation: 0n }, bad];
    assert.equal(codeOf(store(world, kinds, request, by)), code);
    assert.deepEqual(world.storage.figures(), figures);
    assert.deepEqual(texts(world, singleKind), ['present']);
    assert.equal([...world.disk.data].toString(), before);
  }
});

test('[R7904-8.1-01] a Kind may refuse a user by name before any signature is checked', () => {
  const world = createWorld();
  const kind = 0xf000_0042;
  world.kinds.register({
    kind,
    name: 'NAMED',
    dataModel: 'SINGLE',
    accessControl: 'USER-MATCH',
    maxCount: 4,
    maxSizeBytes: 100,
    acceptsUser: (userName) =>
      userName.startsWith('bob') ? success(undefined) : failure(`${userName} is not served`),
  });
  const refused = storeOne(world, { kind });
  assert.match(refused.ok ? '' : refused.error.text, /alice.* is not served/);
  assert.equal(world.verifications(), 0);
  accepted(
    storeOne(world, { kind, identity: bob, resource: resourceIdOfName('bob@overlay.example.org') }),
  );
  assert.equal(world.verifications(), 1);
});
