import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeExact } from '../../../src/wire/codec.ts';
import { errorCodes, unknownKinds } from '../../../src/wire/reload/errors.ts';
import { emptySignature } from '../../../src/wire/reload/security.ts';
import { lastIndex, storeAns } from '../../../src/wire/reload/storage.ts';
import {
  accepted,
  alice,
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

test('an empty Store is answered later with the present counters', () => {
  const world = createWorld();
  const outcome = store(world, [{ kind: singleKind, values: [] }]);
  assert.equal(generationOf(outcome), 0n);
  assert.equal(accepted(outcome).changed, false);
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
