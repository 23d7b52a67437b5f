/** What is too much for a Store, and the order of its checks. RFC 6940 §7.4.1.1. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resourceIdOfName } from '../../../src/base/ids.ts';
import { limits } from '../../../src/base/limits.ts';
import { decodeExact, encodeToBytes, tryDecode } from '../../../src/wire/codec.ts';
import { errorCodes, unknownKinds } from '../../../src/wire/reload/errors.ts';
import { emptySignature } from '../../../src/wire/reload/security.ts';
import { lastIndex, storeReq } from '../../../src/wire/reload/storage.ts';
import type { alice } from './world.ts';
import {
  accepted,
  arrayKind,
  bob,
  codeOf,
  createWorld,
  dictionaryKind,
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
} from './world.ts';

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

test('more unknown Kinds than an error can list', () => {
  const world = createWorld();
  for (const [count, listed] of [
    [1, 1],
    [63, 63],
    [64, 63],
  ] as const) {
    const kinds = Array.from({ length: count }, (_, i) => ({ kind: 0xf0000100 + i, values: [] }));
    const outcome = store(world, kinds);
    assert.equal(codeOf(outcome), errorCodes.unknownKind);
    assert.ok(!outcome.ok);
    assert.equal(decodeExact(unknownKinds, outcome.error.info).length, listed);
  }
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
  const longest = new Uint8Array(limits.storage.dictionaryKeyBytes);
  assert.equal(
    codeOf(storeOne(world, { kind: dictionaryKind, key: longest })),
    errorCodes.forbidden,
  );
});

test('the values of one Store are bounded, over all its Kinds', () => {
  const world = createWorld();
  const kinds = [0xf000_0011, 0xf000_0012];
  for (const kind of kinds) {
    world.kinds.register({
      kind,
      name: `LONG-${kind}`,
      dataModel: 'ARRAY',
      accessControl: 'USER-MATCH',
      maxCount: 5000,
      maxSizeBytes: 100,
    });
  }
  const [first, second] = kinds as [number, number];
  const value = signed(world, { kind: first });
  const storeOf = (inFirst: number, inSecond: number) =>
    store(world, [
      { kind: first, values: new Array<typeof value>(inFirst).fill(value) },
      { kind: second, values: new Array<typeof value>(inSecond).fill(value) },
    ]);
  const most = limits.storage.valuesPerStore;
  const before = world.verifications();
  for (const [inFirst, inSecond] of [
    [most + 1, 0],
    [most - 4, 5],
  ] as const) {
    assert.equal(codeOf(storeOf(inFirst, inSecond)), errorCodes.dataTooLarge);
  }
  assert.equal(world.verifications(), before);
  assert.equal(codeOf(storeOf(most - 5, 5)), errorCodes.forbidden, 'of another Kind');
});

test('Stores beyond the bound are put off', () => {
  const world = createWorld();
  const request = storeRequest(world, [
    { kind: singleKind, values: [signed(world, { kind: singleKind })] },
  ]);
  const outcomes = [];
  const most = limits.storage.storesAtOnce;
  for (let i = 0; i <= most; i++) outcomes.push(startStore(world, request));
  world.clock.advance(0);
  assert.ok(outcomes.every((one) => one.length === 1));
  assert.equal(codeOf(outcomes[most]![0]!), errorCodes.requestTimeout);
  assert.ok(outcomes.slice(0, most).every((one) => one[0]!.ok));
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
