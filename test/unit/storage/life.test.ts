import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UsageError } from '../../../src/base/assert.ts';
import { decodeExact } from '../../../src/wire/codec.ts';
import { errorCodes } from '../../../src/wire/reload/errors.ts';
import { storedValues, type StoreKindData } from '../../../src/wire/reload/storage.ts';
import { createTable } from '../../../src/storage/table.ts';
import { verifyStoredValue } from '../../../src/storage/signed-value.ts';
import { emptySignature } from '../../../src/wire/reload/security.ts';
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
  member,
  node,
  signed,
  singleKind,
  startMs,
  startStore,
  store,
  storeOne,
  storeRequest,
  texts,
} from './world.ts';

const second = member('alice@overlay.example.org', [node('a2')]);

function valuesIn(kindData: StoreKindData | undefined, model: 'SINGLE' | 'ARRAY' | 'DICTIONARY') {
  return decodeExact(storedValues(model), kindData?.values ?? new Uint8Array());
}

test('[R6940-7-07] a value lives as long as its lifetime from receipt', () => {
  const world = createWorld();
  storeOne(world, { kind: singleKind, lifetime: 100, storageTime: startMs - 5_000_000 });
  world.clock.advance(99_999);
  assert.deepEqual(texts(world, singleKind), ['value']);
  world.clock.advance(1);
  assert.deepEqual(texts(world, singleKind), []);
  assert.deepEqual(world.storage.figures(), { resources: 0, values: 0, bytes: 0 });
  assert.equal(world.clock.pending, 0, 'no timer without values');
});

test('a jump of the wall clock does not end lives', () => {
  const world = createWorld();
  storeOne(world, { kind: singleKind, lifetime: 100 });
  world.clock.jump(10_000_000);
  world.clock.advance(99_000);
  assert.equal(texts(world, singleKind).length, 1);
});

test('values of different lifetimes end one by one, replaced ones by their new end', () => {
  const world = createWorld();
  for (const [index, lifetime] of [30, 10, 20].entries()) {
    storeOne(world, { kind: arrayKind, index, lifetime, text: String(lifetime) });
  }
  world.clock.advance(5000);
  storeOne(world, {
    kind: arrayKind,
    index: 1,
    lifetime: 60,
    text: '60',
    storageTime: startMs + 1,
  });
  world.clock.advance(10_000);
  assert.deepEqual(texts(world, arrayKind), ['30', '60', '20']);
  world.clock.advance(5000);
  assert.deepEqual(texts(world, arrayKind), ['30', '60']);
  world.clock.advance(10_000);
  assert.deepEqual(texts(world, arrayKind), ['60']);
  assert.equal(fetch(world, arrayKind).generation, 4n);
  world.clock.advance(35_000);
  assert.deepEqual(texts(world, arrayKind), []);
});

test('[R6940-7.4.1.3-04] [R6940-7.4.1.3-03] gaps left by expiry are synthesized, not kept', () => {
  const world = createWorld();
  storeOne(world, { kind: arrayKind, index: 0, lifetime: 10 });
  storeOne(world, { kind: arrayKind, index: 1, lifetime: 60 });
  world.clock.advance(10_000);
  assert.deepEqual(
    fetch(world, arrayKind).values.map(({ value, signature }) => [
      value.index,
      value.exists,
      signature.identity.type,
    ]),
    [
      [0, false, 'none'],
      [1, true, 'certHash'],
    ],
  );
  const exported = world.storage.exportResource(aliceResource);
  assert.equal(valuesIn(exported?.kindData[0], 'ARRAY').length, 1);
});

test('refreshing one value many times does not pile up memory or timers', () => {
  const world = createWorld();
  for (let i = 0; i < 3000; i++) {
    storeOne(world, { kind: singleKind, storageTime: startMs + i, lifetime: 1000 + i });
  }
  assert.equal(world.storage.figures().values, 1);
  assert.equal(world.clock.pending, 1);
  world.clock.advance(3_998_000);
  assert.equal(texts(world, singleKind).length, 1);
  world.clock.advance(2000);
  assert.equal(texts(world, singleKind).length, 0);
});

test('the expiry heap sheds outdated entries', () => {
  const table = createTable();
  const encoded = new Uint8Array(20);
  for (let i = 0; i < 10_000; i++) {
    const record = {
      encoded,
      storageTime: BigInt(i),
      lifetimeS: 60,
      index: undefined,
      expiresAtMs: 1_000_000 + i,
      certificates: [],
    };
    const next = { model: 'SINGLE', generation: 1n, values: new Map([['s', record]]) } as const;
    table.replace(aliceResource, singleKind, next, new Map());
  }
  assert.ok(table.expiryItems() < 3000, String(table.expiryItems()));
  assert.equal(table.nextExpiryMs(), 1_009_999);
  assert.equal(table.expired(2_000_000).length, 1);
});

test('[R6940-7.4.1.1-25] [R6940-7.4.1.1-26] what is passed on lives shorter by the time held here', () => {
  const world = createWorld();
  storeOne(world, { kind: singleKind, lifetime: 3600 });
  world.clock.advance(100_000);
  const exported = world.storage.exportResource(aliceResource);
  const [value] = valuesIn(exported?.kindData[0], 'SINGLE');
  assert.equal(value?.lifetime, 3500);
  assert.equal(exported?.kindData[0]?.generationCounter, 1n);
  assert.deepEqual(
    exported.certificates.map((one) => one.fingerprint),
    [alice.certificate.fingerprint],
  );
  world.clock.jump(-50_000_000);
  assert.equal(
    valuesIn(world.storage.exportResource(aliceResource)?.kindData[0], 'SINGLE')[0]?.lifetime,
    3500,
  );
});

test('an exported resource can be stored by another peer with its original signatures', () => {
  const world = createWorld();
  storeOne(world, { kind: dictionaryKind });
  accepted(storeOne(world, { kind: dictionaryKind, identity: second, exists: false }));
  const exported = world.storage.exportResource(aliceResource);
  assert.ok(exported);
  const other = createWorld();
  const outcomes = startStore(
    other,
    { resource: aliceResource, replicaNumber: 1, kindData: exported.kindData },
    bob,
    { certificates: exported.certificates },
  );
  other.clock.advance(0);
  assert.ok(outcomes[0]?.ok);
  assert.deepEqual(
    fetch(other, dictionaryKind).values.map(({ value }) => value.exists),
    [true, false],
  );
  assert.equal(fetch(other, dictionaryKind).generation, 2n);
});

test('nothing is exported of a resource whose life is about to end or that is not there', () => {
  const world = createWorld();
  assert.equal(world.storage.exportResource(aliceResource), undefined);
  storeOne(world, { kind: singleKind, lifetime: 10 });
  world.clock.advance(9500);
  assert.equal(world.storage.exportResource(aliceResource), undefined);
});

test('resources are listed and can be dropped', () => {
  const world = createWorld();
  storeOne(world, { kind: singleKind });
  storeOne(world, { kind: dictionaryKind });
  assert.deepEqual([...world.storage.resources()], [aliceResource]);
  const done: boolean[] = [];
  world.storage.drop([aliceResource], (outcome) => done.push(outcome.ok));
  assert.deepEqual([...world.storage.resources()], []);
  assert.deepEqual(done, []);
  world.clock.advance(0);
  assert.deepEqual(done, [true]);
  assert.deepEqual([...world.disk.data.keys()], ['storage/format']);
});

test('the answer waits for the disk', () => {
  const world = createWorld();
  world.disk.hold = true;
  const values = [signed(world, { kind: singleKind })];
  const request = storeRequest(world, [{ kind: singleKind, values }]);
  const first = startStore(world, request);
  world.clock.advance(0);
  const again = startStore(world, request);
  world.clock.advance(0);
  assert.deepEqual([first.length, again.length], [0, 0]);
  world.disk.release();
  world.clock.advance(0);
  assert.ok(first[0]?.ok);
  assert.ok(again[0]?.ok);
});

test('what the disk refuses is not there', () => {
  const world = createWorld();
  storeOne(world, { kind: dictionaryKind, text: 'kept' });
  world.disk.broken = true;
  const time = startMs + 1;
  const outcome = storeOne(world, { kind: dictionaryKind, text: 'lost', storageTime: time });
  assert.equal(codeOf(outcome), errorCodes.requestTimeout);
  assert.deepEqual(texts(world, dictionaryKind), ['kept']);
  assert.equal(fetch(world, dictionaryKind).generation, 1n);
  assert.equal(fetch(world, dictionaryKind).certificates.length, 1);
  assert.equal(codeOf(storeOne(world, { kind: singleKind })), errorCodes.requestTimeout);
  assert.equal(world.storage.figures().values, 1);
  world.disk.broken = false;
  accepted(storeOne(world, { kind: dictionaryKind, text: 'now', storageTime: time }));
});

test('certificates are kept as long as a value needs them', () => {
  const world = createWorld();
  const carol = member('alice@overlay.example.org', [node('a4')], {}, intermediate);
  const onDisk = (): number =>
    [...world.disk.data.keys()].filter((key) => key.startsWith('storage/certificate/')).length;
  storeOne(world, { kind: dictionaryKind, lifetime: 10 });
  storeOne(world, { kind: singleKind, lifetime: 20 });
  storeOne(world, { kind: dictionaryKind, identity: carol, lifetime: 30 });
  assert.equal(onDisk(), 3);
  world.clock.advance(10_000);
  assert.equal(onDisk(), 3);
  world.clock.advance(10_000);
  assert.equal(onDisk(), 2);
  world.clock.advance(10_000);
  assert.equal(onDisk(), 0);
});

test('[R6940-6.3.4-06] a restart brings everything back', () => {
  const world = createWorld();
  const carol = member('alice@overlay.example.org', [node('a4')], {}, intermediate);
  storeOne(world, { kind: dictionaryKind, lifetime: 1000, text: 'mine' });
  storeOne(world, { kind: dictionaryKind, lifetime: 1000, identity: carol, exists: false });
  storeOne(world, { kind: arrayKind, index: 3, text: 'third' });
  storeOne(world, { kind: singleKind, lifetime: 50 });
  world.clock.advance(10_000);
  world.storage.close();
  assert.equal(world.clock.pending, 0);

  const restarted = createWorld(world.disk.data, startMs + 110_000);
  assert.ok(restarted.storage.load().ok);
  restarted.clock.advance(0);
  assert.deepEqual(texts(restarted, dictionaryKind), ['mine']);
  assert.equal(fetch(restarted, dictionaryKind).generation, 2n);
  assert.equal(fetch(restarted, dictionaryKind).certificates.length, 3);
  assert.deepEqual(texts(restarted, arrayKind), ['third']);
  assert.deepEqual(texts(restarted, singleKind), [], 'expired while the peer was away');
  assert.equal(fetch(restarted, dictionaryKind).values[0]?.lifetime, 1000);
  restarted.clock.advance(889_000);
  assert.deepEqual(texts(restarted, dictionaryKind), ['mine']);
  restarted.clock.advance(1000);
  assert.deepEqual(texts(restarted, dictionaryKind), []);
});

test('a restart with a wall clock set back does not lengthen lives', () => {
  const world = createWorld();
  storeOne(world, { kind: singleKind, lifetime: 100 });
  const restarted = createWorld(world.disk.data, startMs - 86_400_000);
  assert.ok(restarted.storage.load().ok);
  restarted.clock.advance(100_000);
  assert.deepEqual(texts(restarted, singleKind), []);
});

test('a damaged store is named and not taken for an empty one', () => {
  const fill = () => {
    const world = createWorld();
    storeOne(world, { kind: dictionaryKind });
    return world.disk.data;
  };
  const keys = [...fill().keys()];
  assert.equal(keys.length, 4);
  for (const key of keys) {
    const cut = fill();
    cut.set(key, (cut.get(key) ?? new Uint8Array()).slice(0, -1));
    const outcome = createWorld(cut).storage.load();
    assert.ok(!outcome.ok, `a cut ${key} is noticed`);
    assert.ok(outcome.error.includes(key), outcome.error);

    const missing = fill();
    missing.delete(key);
    if (key.startsWith('storage/value/')) continue;
    assert.ok(!createWorld(missing).storage.load().ok, `a missing ${key} is noticed`);
  }
  const renamed = fill();
  const valueKey = keys.find((key) => key.startsWith('storage/value/')) ?? '';
  const value = renamed.get(valueKey) ?? new Uint8Array();
  renamed.delete(valueKey);
  renamed.set(`${valueKey}00`, value);
  assert.ok(!createWorld(renamed).storage.load().ok);
  const swapped = fill();
  const certificateKey = keys.find((key) => key.startsWith('storage/certificate/')) ?? '';
  swapped.set(certificateKey, bob.certificate.der);
  assert.ok(!createWorld(swapped).storage.load().ok);
  const newer = fill().set('storage/format', Uint8Array.of(2));
  const outcome = createWorld(newer).storage.load();
  assert.ok(!outcome.ok && outcome.error.includes('storage/format'));
});

test('nothing can be stored before what was stored earlier has been read', () => {
  const world = createWorld(new Map([['other', new Uint8Array()]]));
  assert.throws(() => storeOne(world, { kind: singleKind }), UsageError);
  assert.throws(() => {
    world.storage.drop([aliceResource]);
  }, UsageError);
  assert.ok(world.storage.load().ok);
  accepted(storeOne(world, { kind: singleKind }));
});

test('after close nothing is stored', () => {
  const world = createWorld();
  const values = [signed(world, { kind: singleKind })];
  const waiting = startStore(world, storeRequest(world, [{ kind: singleKind, values }]));
  world.storage.close();
  world.clock.advance(0);
  assert.equal(codeOf(waiting[0]!), errorCodes.requestTimeout);
  const outcome = store(world, [{ kind: singleKind, values }]);
  assert.equal(codeOf(outcome), errorCodes.requestTimeout);
  assert.deepEqual([...world.disk.data.keys()], ['storage/format']);
});

test('[R6940-7.4.2.2-06] [R6940-7.4.2.2-07] the check of a fetched value', () => {
  const world = createWorld();
  storeOne(world, { kind: arrayKind, index: 3, text: 'x' });
  const { values, certificates } = fetch(world, arrayKind);
  const value = values[3];
  assert.ok(value);
  const context = { resource: aliceResource, kind: arrayKind, model: 'ARRAY' } as const;
  const check = (stored: typeof value): boolean => {
    const reader = createWorld();
    const results: boolean[] = [];
    verifyStoredValue(reader, context, stored, certificates, (outcome) => results.push(outcome.ok));
    assert.equal(results.length, 0);
    reader.clock.advance(0);
    assert.equal(results.length, 1);
    return results[0] ?? false;
  };
  assert.equal(check(value), true);
  assert.equal(check({ ...value, value: { ...value.value, index: 0 } }), true, 'index not signed');
  assert.equal(check({ ...value, storageTime: value.storageTime + 1n }), false);
  assert.equal(check({ ...value, value: { ...value.value, value: Buffer.from('y') } }), false);
  assert.equal(check({ ...value, signature: emptySignature }), false);
});

test('[R6940-11.1-60] the values of Kinds that are discarded go, on disk too; others stay', () => {
  const world = createWorld();
  storeOne(world, { kind: singleKind, lifetime: 100 });
  storeOne(world, { kind: arrayKind, lifetime: 100 });
  world.storage.dropKinds((kind) => kind !== singleKind);
  assert.deepEqual(texts(world, singleKind), []);
  assert.equal(texts(world, arrayKind).length, 1);
  assert.equal(world.storage.figures().values, 1);
  const again = createWorld(world.disk.data);
  assert.ok(again.storage.load().ok);
  assert.deepEqual(texts(again, singleKind), []);
  assert.equal(texts(again, arrayKind).length, 1);
});

test('[R6940-5.1-01] a value whose certificate has expired is not shown, although it is still there', () => {
  const world = createWorld();
  const notAfterMs = startMs + 60_000;
  const brief = member('alice@overlay.example.org', [node('b1')], { notAfterMs });
  const key = { kind: dictionaryKind, lifetime: 1000 };
  storeOne(world, { ...key, text: 'lasting' });
  storeOne(world, { ...key, identity: brief, text: 'brief' });
  storeOne(world, { kind: singleKind, lifetime: 1000, identity: brief });
  storeOne(world, { kind: arrayKind, lifetime: 1000, identity: brief, index: 0 });
  world.clock.advance(60_000);
  assert.deepEqual(texts(world, dictionaryKind).toSorted(), ['brief', 'lasting']);
  world.clock.advance(1);
  assert.deepEqual(texts(world, dictionaryKind), ['lasting']);
  assert.deepEqual(texts(world, singleKind), []);
  assert.deepEqual(texts(world, arrayKind), []);
  assert.equal(world.storage.figures().values, 4, 'nothing was purged');
  const shown = fetch(world, dictionaryKind);
  assert.equal(shown.certificates.length, 1, 'nor is its certificate sent');
});
