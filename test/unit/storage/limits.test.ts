/** Bounds, counters and formats at their very edges. RFC 6940 §7.4.1.1, §7.4.2. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resourceIdOfName } from '../../../src/base/ids.ts';
import { success } from '../../../src/base/outcome.ts';
import { planKind } from '../../../src/storage/plan.ts';
import { checkDefinition } from '../../../src/storage/kinds.ts';
import { isSameValue } from '../../../src/storage/records.ts';
import { createTable } from '../../../src/storage/table.ts';
import { createStorage } from '../../../src/storage/create-storage.ts';
import { silentTrace } from '../../../src/ports/trace.ts';
import { decodeExact, encodeToBytes } from '../../../src/wire/codec.ts';
import { errorCodes } from '../../../src/wire/reload/errors.ts';
import { storeAns, storedValues } from '../../../src/wire/reload/storage.ts';
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
  intermediate,
  member,
  node,
  signed,
  singleKind,
  startMs,
  store,
  storeOne,
  texts,
} from './world.ts';

test('what is stored on disk is of format 1', () => {
  const world = createWorld();
  accepted(storeOne(world, { kind: singleKind }));
  assert.deepEqual([...(world.disk.data.get('storage/format') ?? [])], [1]);
});

test('values that differ just beside the lifetime are not the same', () => {
  const bytes = Uint8Array.from({ length: 40 }, (_, i) => i);
  for (const [at, same] of [
    [0, false],
    [11, false],
    [12, true],
    [15, true],
    [16, false],
    [39, false],
  ] as const) {
    const other = bytes.slice();
    other[at] = 255;
    assert.equal(isSameValue(bytes, other), same, `byte ${at}`);
  }
  assert.equal(isSameValue(bytes, bytes.slice(0, 39)), false);
  assert.equal(isSameValue(bytes.slice(0, 39), bytes), false);
});

test('a refused Store leaves no work behind: later ones are answered', () => {
  const world = createWorld();
  for (let i = 0; i < 3; i++) {
    const refused = storeOne(world, { kind: singleKind, identity: bob });
    assert.equal(codeOf(refused), errorCodes.forbidden);
  }
  accepted(storeOne(world, { kind: singleKind }));
  assert.equal(world.clock.pending, 1, 'the expiry timer only');
});

test('a value whose life ends exactly now is gone', () => {
  const world = createWorld();
  accepted(storeOne(world, { kind: singleKind, lifetime: 10 }));
  world.clock.advance(9_999);
  assert.deepEqual(texts(world, singleKind), ['value']);
  world.clock.advance(1);
  assert.deepEqual(texts(world, singleKind), []);
  assert.equal(world.storage.figures().values, 0);
});

test('a value with less than a second to live is not copied; one with a second is', () => {
  const world = createWorld();
  accepted(storeOne(world, { kind: singleKind, lifetime: 10 }));
  world.clock.advance(9_000);
  const [part] = world.storage.exportResource(aliceResource)?.kindData ?? [];
  assert.ok(part);
  const [value] = decodeExact(storedValues('SINGLE'), part.values);
  assert.equal(value?.lifetime, 1);
  world.clock.advance(1);
  assert.equal(world.storage.exportResource(aliceResource), undefined);
});

test('with nothing stored the right counter of a refused Store is 0', () => {
  const world = createWorld();
  const refused = storeOne(world, { kind: singleKind }, 5n);
  assert.equal(codeOf(refused), errorCodes.generationCounterTooLow);
  assert.ok(!refused.ok);
  const { kindResponses } = decodeExact(storeAns, refused.error.info);
  assert.deepEqual(kindResponses, [{ kind: singleKind, generationCounter: 0n, replicas: [] }]);
  assert.equal(fetch(world, singleKind).generation, 0n);
});

test('after the largest generation counter comes 1', () => {
  const world = createWorld();
  const largest = 0xffff_ffff_ffff_ffffn;
  for (const [before, after] of [
    [largest, 1n],
    [largest - 1n, largest],
    [7n, 8n],
  ] as const) {
    const kind = singleKind;
    const definition = world.kinds.get(kind);
    assert.ok(definition);
    const current = { model: 'SINGLE', generation: before, values: new Map() } as const;
    const values = [{ stored: signed(world, { kind }), certificates: [] }];
    const request = {
      kind,
      generationCounter: 0n,
      values: encodeToBytes(storedValues('SINGLE'), []),
    };
    const plan = planKind(current, { definition, request, values }, 'original', 0);
    assert.equal(plan.ok && plan.value.next.generation, after);
  }
});

test('a Kind may bound its values to one of no bytes', () => {
  const definition = {
    kind: 0xf000_0005,
    name: 'FLAG',
    dataModel: 'SINGLE',
    accessControl: 'USER-MATCH',
    maxCount: 1,
    maxSizeBytes: 0,
  } as const;
  assert.deepEqual(checkDefinition(definition), success(undefined));
  for (const bad of [
    { ...definition, maxCount: 0 },
    { ...definition, maxSizeBytes: -1 },
  ]) {
    assert.equal(checkDefinition(bad).ok, false);
  }
});

test('the quota of bytes may be used up, not exceeded; that of resources too', () => {
  const probe = createWorld();
  accepted(storeOne(probe, { kind: singleKind }));
  const { bytes } = probe.storage.figures();
  const fits = createWorld(new Map(), startMs, { resources: 1, bytes });
  accepted(storeOne(fits, { kind: singleKind }));
  const again = storeOne(fits, { kind: singleKind, storageTime: startMs + 1 });
  assert.equal(generationOf(again), 2n, 'as large as before');
  const other = {
    kind: singleKind,
    identity: bob,
    resource: resourceIdOfName('bob@overlay.example.org'),
  };
  assert.equal(codeOf(storeOne(fits, other)), errorCodes.dataTooLarge);
  const tooSmall = createWorld(new Map(), startMs, { resources: 1, bytes: bytes - 1 });
  assert.equal(codeOf(storeOne(tooSmall, { kind: singleKind })), errorCodes.dataTooLarge);
  const full = createWorld(new Map(), startMs, { resources: 1, bytes: bytes * 10 });
  accepted(storeOne(full, { kind: singleKind }));
  assert.equal(codeOf(storeOne(full, other)), errorCodes.dataTooLarge);
});

test('a Kind that is full takes a value in place of another, and no further one', () => {
  const world = createWorld();
  const kind = arrayKind;
  for (let index = 0; index < 4; index++) accepted(storeOne(world, { kind, index }));
  accepted(storeOne(world, { kind, index: 3, storageTime: startMs + 1 }));
  assert.equal(codeOf(storeOne(world, { kind, index: 4 })), errorCodes.dataTooLarge);
});

test('without named keys a dictionary is fetched whole, with named ones just those', () => {
  const world = createWorld();
  const kind = dictionaryKind;
  const other = member('alice@overlay.example.org', [node('a2')]);
  accepted(storeOne(world, { kind, text: 'one' }));
  accepted(storeOne(world, { kind, text: 'two', identity: other, resource: aliceResource }));
  assert.equal(fetch(world, kind).values.length, 2);
  const key = signed(world, { kind }).value.key ?? assert.fail();
  assert.equal(fetch(world, kind, { selection: { keys: [key] } }).values.length, 1);
});

test('a write that fails is taken back with the certificates of what stood there', () => {
  const world = createWorld();
  const chained = member('alice@overlay.example.org', [node('a1')], {}, intermediate);
  accepted(storeOne(world, { kind: singleKind, identity: chained, text: 'first' }));
  assert.equal(fetch(world, singleKind).certificates.length, 2);
  world.disk.broken = true;
  const failed = storeOne(world, { kind: singleKind, text: 'second', storageTime: startMs + 5 });
  assert.equal(codeOf(failed), errorCodes.requestTimeout);
  assert.deepEqual(texts(world, singleKind), ['first']);
  assert.deepEqual(
    fetch(world, singleKind)
      .certificates.map(({ fingerprint }) => fingerprint)
      .sort(),
    [chained.certificate.fingerprint, intermediate.fingerprint].sort(),
  );
});

test('what was taken back expires at its time', () => {
  const world = createWorld();
  accepted(storeOne(world, { kind: singleKind, text: 'first', lifetime: 100 }));
  world.disk.broken = true;
  const later = { kind: singleKind, text: 'second', storageTime: startMs + 5, lifetime: 900 };
  assert.equal(codeOf(storeOne(world, later)), errorCodes.requestTimeout);
  world.disk.broken = false;
  world.clock.advance(100_000);
  assert.deepEqual(texts(world, singleKind), []);
});

test('the expiry timer looks again after its longest wait and then fires on time', () => {
  const world = createWorld();
  accepted(storeOne(world, { kind: singleKind, lifetime: 7200 }));
  world.clock.advance(3_600_000);
  assert.equal(world.clock.pending, 1);
  world.clock.advance(3_599_999);
  assert.equal(world.storage.figures().values, 1);
  world.clock.advance(1);
  assert.equal(world.storage.figures().values, 0);
  assert.equal(world.clock.pending, 0);
});

test('of values that expire at different times the earliest goes first', () => {
  const world = createWorld();
  const kind = arrayKind;
  for (const [index, lifetime] of [300, 100, 200, 400].entries()) {
    accepted(storeOne(world, { kind, index, lifetime, text: `${lifetime}` }));
  }
  for (const left of [['300', '200', '400'], ['300', '400'], ['400'], []]) {
    world.clock.advance(100_000);
    assert.deepEqual(texts(world, kind), left);
  }
});

test('a table tells of its next expiry', () => {
  assert.equal(createTable().nextExpiryMs(), undefined);
});

test('a repeated Store succeeds only after the first one is durable', () => {
  const world = createWorld();
  const value = signed(world, { kind: singleKind });
  world.disk.hold = true;
  const order: string[] = [];
  const request = {
    resource: aliceResource,
    replicaNumber: 0,
    kindData: [
      {
        kind: singleKind,
        generationCounter: 0n,
        values: encodeToBytes(storedValues('SINGLE'), [value]),
      },
    ],
  };
  const context = {
    signer: { signer: alice.certificate, signerNodeId: node('a1') },
    certificates: [alice.certificate],
    replicas: [],
  };
  world.storage.handleStore(request, context, () => order.push('first'));
  world.storage.handleStore(request, context, () => order.push('second'));
  world.clock.advance(10);
  assert.deepEqual(order, []);
  world.disk.release();
  world.clock.advance(10);
  assert.deepEqual(order, ['first', 'second']);
});

test('gauges and counters tell what is stored and why Stores were refused', () => {
  const base = createWorld();
  const counts = new Map<string, number>();
  const gauges = new Map<string, () => number>();
  const storage = createStorage({
    clock: base.clock,
    store: base.disk,
    kinds: base.kinds,
    trust: base.trust,
    verifier: { parseCertificate: () => success(alice.certificate), isIssuedBy: () => true },
    trace: {
      ...silentTrace,
      counter: (name, labels = {}) => ({
        add(by = 1) {
          const key = [name, ...Object.values(labels)].join(' ');
          counts.set(key, (counts.get(key) ?? 0) + by);
        },
      }),
      gauge: (name, read) => gauges.set(name, read),
    },
  });
  assert.ok(storage.load().ok);
  const world = { ...base, storage };
  accepted(storeOne(world, { kind: singleKind, lifetime: 60 }));
  codeOf(storeOne(world, { kind: singleKind, identity: bob }));
  codeOf(storeOne(world, { kind: singleKind, identity: bob }));
  const read = (name: string): number | undefined => gauges.get(name)?.();
  assert.equal(read('storage_resources'), 1);
  assert.equal(read('storage_values'), 1);
  assert.equal(read('storage_expiry_items'), 1);
  assert.equal(read('storage_bytes'), storage.figures().bytes);
  world.clock.advance(60_000);
  assert.deepEqual(Object.fromEntries(counts), {
    storage_stores_total: 1,
    'storage_refused_total Error_Forbidden': 2,
    storage_expired_values_total: 1,
  });
  const empty = store(world, [{ kind: singleKind, values: [] }]);
  assert.equal(accepted(empty).changed, false);
});
