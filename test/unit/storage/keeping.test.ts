/** How values are kept in memory and on disk over a long time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resourceIdOfName, type ResourceId } from '../../../src/base/ids.ts';
import { hexEncode } from '../../../src/base/text.ts';
import type { KindRecord, ValueRecord } from '../../../src/storage/records.ts';
import { createTable } from '../../../src/storage/table.ts';
import { decodeExact } from '../../../src/wire/codec.ts';
import { errorCodes } from '../../../src/wire/reload/errors.ts';
import { emptySignature } from '../../../src/wire/reload/security.ts';
import { storedData, storedValues } from '../../../src/wire/reload/storage.ts';
import {
  accepted,
  alice,
  aliceResource,
  arrayKind,
  codeOf,
  createWorld,
  fetch,
  intermediate,
  member,
  node,
  signed,
  singleKind,
  startMs,
  store,
  storeOne,
  storeRequest,
  texts,
  type StoreOutcome,
} from './world.ts';

const noCertificates = new Map();

function recordOf(expiresAtMs: number, certificates: readonly string[] = []): KindRecord {
  const value: ValueRecord = {
    encoded: new Uint8Array(10),
    storageTime: 1n,
    lifetimeS: 1,
    index: undefined,
    expiresAtMs,
    certificates,
  };
  return { model: 'SINGLE', generation: 1n, values: new Map([['s', value]]) };
}

test('a value replaced thousands of times leaves little behind, and every value still ends at its time', () => {
  const table = createTable();
  const place = (name: string): ResourceId => resourceIdOfName(name);
  const others = ['a', 'b', 'c'].map(place);
  for (const [i, id] of others.entries()) {
    table.replace(id, singleKind, recordOf(10_000 + i), noCertificates);
  }
  for (let i = 0; i < 5000; i++) {
    table.replace(place('busy'), singleKind, recordOf(20_000 + i), noCertificates);
    assert.ok(table.expiryItems() <= 2 * 4 + 1024, `${table.expiryItems()} items`);
  }
  assert.deepEqual(table.figures(), { resources: 4, values: 4, bytes: 40 });
  assert.equal(table.nextExpiryMs(), 10_000);
  assert.deepEqual(
    table.expired(24_998).map(({ resource }) => resource),
    others,
  );
  assert.deepEqual(
    table.expired(24_999).map(({ resource }) => resource),
    [place('busy')],
  );
});

test('a certificate goes with the last value that names it, and comes anew with the next', () => {
  const table = createTable();
  const { certificate } = alice;
  const { fingerprint } = certificate;
  const given = new Map([[fingerprint, certificate]]);
  const [first, second] = [resourceIdOfName('a'), resourceIdOfName('b')];
  const put = (id: ResourceId) =>
    table.replace(id, singleKind, recordOf(1, [fingerprint]), given).addedCertificates;
  const remove = (id: ResourceId) =>
    table.replace(id, singleKind, undefined, noCertificates).removedCertificates;
  for (let round = 0; round < 2; round++) {
    assert.deepEqual(put(first), [certificate]);
    assert.deepEqual(put(second), []);
    assert.deepEqual(remove(first), []);
    assert.equal(table.certificate(fingerprint), certificate);
    assert.deepEqual(remove(second), [fingerprint]);
    assert.equal(table.certificate(fingerprint), undefined);
  }
});

test('on disk a value has its end, its certificates and its wire form, each with the width of format 1', () => {
  const world = createWorld();
  world.clock.advance(5_000_000);
  accepted(storeOne(world, { kind: singleKind, lifetime: 100 }));
  const [key, bytes] =
    [...world.disk.data].find(([name]) => name.startsWith('storage/value/')) ?? assert.fail();
  assert.equal(key, `storage/value/${aliceResource}/f0000002/s`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  assert.equal(view.getBigUint64(0), BigInt(startMs + 5_000_000 + 100_000));
  assert.equal(bytes[8], 32);
  assert.equal(hexEncode(bytes.subarray(9, 41)), alice.certificate.fingerprint);
  assert.equal(view.getUint32(41), bytes.length - 45);
  const stored = decodeExact(storedData('SINGLE'), bytes.subarray(45));
  assert.equal(stored.lifetime, 100);
});

test('a value that was stored long after the start ends at its time after a restart, too', () => {
  const world = createWorld();
  world.clock.advance(5_000_000);
  accepted(storeOne(world, { kind: singleKind, lifetime: 100 }));
  const again = createWorld(world.disk.data, startMs + 5_000_000 + 40_000);
  assert.ok(again.storage.load().ok);
  again.clock.advance(59_999);
  assert.deepEqual(texts(again, singleKind), ['value']);
  again.clock.advance(1);
  assert.deepEqual(texts(again, singleKind), []);
});

test('a lifetime of half a year is passed on shortened in all its bytes', () => {
  const world = createWorld();
  const lifetime = 2 ** 24 + 5;
  accepted(storeOne(world, { kind: singleKind, lifetime }));
  world.clock.advance(10_000);
  const [part] = world.storage.exportResource(aliceResource)?.kindData ?? [];
  assert.ok(part);
  const [value] = decodeExact(storedValues('SINGLE'), part.values);
  assert.equal(value?.lifetime, lifetime - 10);
});

test('a Store that changes nothing writes nothing', () => {
  const world = createWorld();
  const values = [signed(world, { kind: singleKind })];
  accepted(store(world, [{ kind: singleKind, values }]));
  const { writes } = world.disk;
  assert.equal(accepted(store(world, [{ kind: singleKind, values }])).changed, false);
  assert.equal(world.disk.writes, writes);
});

test('a peer whose quota was lowered takes what does not grow', () => {
  const world = createWorld();
  accepted(storeOne(world, { kind: singleKind, text: 'long' }));
  const lowered = createWorld(world.disk.data, startMs, { resources: 1, bytes: 10 });
  assert.ok(lowered.storage.load().ok);
  accepted(storeOne(lowered, { kind: singleKind, text: 'same', storageTime: startMs + 1 }));
  accepted(storeOne(lowered, { kind: singleKind, text: 'few', storageTime: startMs + 2 }));
  const longer = storeOne(lowered, { kind: singleKind, text: 'longer', storageTime: startMs + 3 });
  assert.equal(codeOf(longer), errorCodes.dataTooLarge);
});

test('one value too many is refused before its signature is checked, one in place of another is not', () => {
  const world = createWorld();
  const kind = arrayKind;
  for (let index = 0; index < 4; index++) accepted(storeOne(world, { kind, index }));
  const further = signed(world, { kind, index: 4 });
  const before = world.verifications();
  assert.equal(codeOf(store(world, [{ kind, values: [further] }])), errorCodes.dataTooLarge);
  assert.equal(world.verifications(), before);
  const storageTime = further.storageTime + 1n;
  const replacing = { ...further, storageTime, value: { ...further.value, index: 2 } };
  assert.equal(codeOf(store(world, [{ kind, values: [replacing] }])), errorCodes.forbidden);
});

test('an array with more gaps than values allowed is merged', () => {
  const theirs = createWorld();
  const kind = arrayKind;
  for (const index of [0, 9]) accepted(storeOne(theirs, { kind, index, text: `${index}` }));
  const { values } = fetch(theirs, kind);
  assert.equal(values.length, 10);
  assert.deepEqual(values[5]?.signature, emptySignature);

  const mine = createWorld();
  const outcomes: StoreOutcome[] = [];
  const request = storeRequest(mine, [{ kind, values, generation: 3n }]);
  mine.storage.merge(request, [alice.certificate], (outcome) => outcomes.push(outcome));
  mine.clock.advance(0);
  assert.equal(accepted(outcomes[0] ?? assert.fail()).changed, true);
  assert.deepEqual(texts(mine, kind), ['0', '9']);
});

test('of the authorities in a message the one that issued the signer is kept with the value', () => {
  const world = createWorld();
  const chained = member('alice@overlay.example.org', [node('a1')], {}, intermediate);
  const { certificate: foreign } = member('other authority', [], { isCa: true });
  const values = [signed(world, { kind: singleKind, identity: chained })];
  const certificates = [alice.certificate, foreign, chained.certificate, intermediate];
  accepted(store(world, [{ kind: singleKind, values }], {}, chained, { certificates }));
  assert.deepEqual(fetch(world, singleKind).certificates, [chained.certificate, intermediate]);
});

test('what was written with an unknown width is damaged, not misread', () => {
  const world = createWorld();
  accepted(storeOne(world, { kind: singleKind }));
  const key = [...world.disk.data.keys()].find((name) => name.startsWith('storage/value/')) ?? '';
  const bytes = world.disk.data.get(key) ?? assert.fail();
  world.disk.data.set(key, Uint8Array.from([...bytes.subarray(0, 41), ...bytes.subarray(42)]));
  const loaded = createWorld(world.disk.data).storage.load();
  assert.ok(!loaded.ok);
  assert.equal(loaded.error, `damaged entry ${key}`);
});
