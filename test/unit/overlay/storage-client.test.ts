/** Storing and fetching as the owner and the reader of data do it. RFC 6940 §7.4, §13.5.3. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { emptyBytes } from '../../../src/base/bytes.ts';
import { idBytes, type NodeId } from '../../../src/base/ids.ts';
import { failure, success, type Outcome } from '../../../src/base/outcome.ts';
import type { OverlayError, StoreResult } from '../../../src/overlay/api.ts';
import { type StorageClientDependencies } from '../../../src/overlay/storage-client.ts';
import { isUnsigned } from '../../../src/storage/signed-value.ts';
import { decodeExact } from '../../../src/wire/codec.ts';
import { errorCodes } from '../../../src/wire/reload/errors.ts';
import { messageCodes } from '../../../src/wire/reload/message-codes.ts';
import { storeReq, type StoredData } from '../../../src/wire/reload/storage.ts';
import {
  resource,
  kind,
  nodeOf,
  storer,
  successors,
  scene,
  errorOf,
  answer,
  stored,
  tooLow,
  valuesIn,
  textsOf,
} from './support/storage-client-scene.ts';

test('[R6940-7-04] the storage time is the time of the clock', () => {
  const s = scene(() => stored());
  const before = s.clock.wallMs();
  assert.ok(s.store().ok);
  const [value] = valuesIn(s.requests[0]);
  assert.ok(Math.abs(Number(value?.storageTime) - before) < 1000);
});

test('[R6940-13.5.3-01] [R6940-13.5.1-01] Stores of one moment have rising storage times, and all values are signed', () => {
  const s = scene(() => stored());
  const values = [{ key: idBytes(nodeOf('a')), exists: true, value: emptyBytes, lifetimeS: 60 }];
  const done: Outcome<StoreResult, OverlayError>[] = [];
  for (let i = 0; i < 4; i++) {
    const request = { resource, kind: kind.kind, values, identity: s.one };
    s.client.store(request, (outcome) => done.push(outcome));
  }
  s.clock.advance(10);
  assert.equal(done.length, 4);
  const times = s.requests.map((request) => {
    const [value] = valuesIn(request);
    assert.ok(value !== undefined && !isUnsigned(value));
    assert.ok(value.signature.signatureValue.length > 0);
    assert.equal(request.identity, s.one);
    return value.storageTime;
  });
  for (let i = 1; i < times.length; i++) assert.ok((times[i] ?? 0n) > (times[i - 1] ?? 0n));
});

test('[R6940-7-06] after Data_Too_Old the Store is repeated with the previous time plus one', () => {
  const there: StoredData[] = [];
  const s = scene((request) => {
    if (request.messageCode === messageCodes.fetchReq) return s.fetched(there);
    const [value] = valuesIn(request);
    const isOld = (value?.storageTime ?? 0n) <= (there[0]?.storageTime ?? 0n);
    return isOld ? failure(errorOf(errorCodes.dataTooOld)) : stored();
  });
  const ahead = s.clock.wallMs() + 3_600_000;
  there.push(s.value('from the future', ahead));
  const outcome = s.store();
  assert.ok(outcome.ok);
  assert.equal(outcome.value.storageTimeMs, ahead + 1);
  assert.equal(s.count('overlay_store_retries_total'), 1);
});

test('a Store that stays too old is given up', () => {
  const s = scene((request) =>
    request.messageCode === messageCodes.fetchReq
      ? s.fetched([])
      : failure(errorOf(errorCodes.dataTooOld)),
  );
  const outcome = s.store();
  assert.ok(!outcome.ok);
  assert.equal(outcome.error.code, errorCodes.dataTooOld);
  assert.equal(s.requests.filter((one) => one.messageCode === messageCodes.storeReq).length, 3);
});

test('[R6940-7.4.1.2-05] with a stale counter the newer data win, else the Store is repeated', () => {
  const there: StoredData[] = [];
  const s = scene((request) => {
    if (request.messageCode === messageCodes.fetchReq) return s.fetched(there, storer, 7n);
    const [part] = decodeExact(storeReq, request.body).kindData;
    return part?.generationCounter === 7n ? stored(8n) : tooLow(7n);
  });
  there.push(s.value('old', s.clock.wallMs() - 60_000));
  const repeated = s.store({ generation: 3n });
  assert.ok(repeated.ok);
  assert.equal(repeated.value.generation, 8n);

  const ahead = s.clock.wallMs() + 60_000;
  there.splice(0, 1, s.value('newer', ahead), s.value('of the other', ahead + 1, s.two));
  const given = s.store({ generation: 3n });
  assert.ok(!given.ok);
  assert.equal(given.error.code, errorCodes.generationCounterTooLow);
  assert.equal(given.error.newer?.generation, 7n);
  assert.deepEqual(textsOf(success(given.error.newer)), ['newer', 'of the other']);

  there.splice(0, 1);
  const besides = s.store({ generation: 3n });
  assert.ok(besides.ok, 'what is newer stands in another place');
});

test('[R6940-7.4.1.3-02] a removal lives at least as long as what it removes', () => {
  const s = scene(() => stored());
  assert.ok(s.store({}, 3600).ok);
  s.clock.advance(600_000);
  assert.ok(s.store({}, 60, false).ok);
  const [removal] = valuesIn(s.requests.at(-1));
  assert.equal(removal?.value.exists, false);
  assert.ok(removal.lifetime >= 3000 && removal.lifetime <= 3001, `${removal.lifetime}`);
  assert.ok(s.store({}, 7200, false).ok);
  assert.equal(valuesIn(s.requests.at(-1))[0]?.lifetime, 7200, 'longer when asked for');
  s.clock.advance(7_200_000);
  assert.ok(s.store({}, 60, false).ok);
  assert.equal(valuesIn(s.requests.at(-1))[0]?.lifetime, 60, 'nothing is left to outlive');
});

test('[R6940-7.4.2.2-08] [R6940-7.4.2.2-09] values with a wrong signature are left out, and that is told', () => {
  const values: StoredData[] = [];
  const s = scene(() => s.fetched(values));
  const good = s.value('good', 1000);
  const bad = s.value('bad', 1000, s.two);
  values.push(good, { ...bad, storageTime: bad.storageTime + 1n });
  const partial = s.fetch();
  assert.deepEqual(textsOf(partial), ['good']);
  assert.equal(partial.ok && partial.value.refused, 1);
  values.splice(1, 1, bad);
  const complete = s.fetch();
  assert.deepEqual(textsOf(complete), ['bad', 'good']);
  assert.equal(complete.ok && complete.value.refused, 0);
});

test('[R6940-13.5.3-03] a value older than one fetched before is a rollback', () => {
  const values: StoredData[] = [];
  const s = scene((request) =>
    request.messageCode === messageCodes.fetchReq ? s.fetched(values) : undefined,
  );
  const [older, newer] = [s.value('older', 1000), s.value('newer', 2000)];
  values.push(newer);
  const first = s.fetch();
  assert.equal(first.ok && first.value.rolledBack, undefined);
  assert.equal(s.requests.length, 1, 'one question is enough');
  values.splice(0, 1, older);
  const second = s.fetch();
  assert.equal(second.ok && second.value.rolledBack, 1);
  assert.ok(s.count('overlay_fetched_values_rolled_back_total') > 0);
  s.clock.advance(601_000);
  const later = s.fetch();
  assert.equal(later.ok && later.value.rolledBack, undefined, 'the newer one has expired');
});

test('what this node stored itself is not taken back by a storer either', () => {
  const values: StoredData[] = [];
  const s = scene((request) => {
    if (request.messageCode === messageCodes.storeReq) return stored();
    return request.messageCode === messageCodes.fetchReq ? s.fetched(values) : undefined;
  });
  values.push(s.value('replayed', s.clock.wallMs() - 1000));
  assert.ok(s.store().ok);
  const outcome = s.fetch();
  assert.equal(outcome.ok && outcome.value.rolledBack, 1);
});

/** The responsible peer and two holders of replicas, each with its own values. */
function holders(
  of: ReadonlyMap<NodeId, readonly StoredData[]>,
  options: Pick<StorageClientDependencies, 'fetchHolders'> = {},
) {
  const ring = [storer, ...successors];
  const s = scene((request) => {
    const [destination] = request.destinations;
    if (request.messageCode === messageCodes.pingReq) {
      const place = destination?.type === 'resource' ? destination.resource : '';
      const next = ring.find((nodeId) => nodeId > place) ?? storer;
      return answer(next, emptyBytes);
    }
    const at = destination?.type === 'node' ? destination.nodeId : storer;
    const values = of.get(at);
    return values === undefined ? undefined : s.fetched(values, at, BigInt(values.length));
  }, options);
  return s;
}

test('asking all holders finds what the responsible peer hides or rolled back', () => {
  const of = new Map<NodeId, readonly StoredData[]>();
  const s = holders(of);
  const [older, newer, other] = [
    s.value('older', 1000),
    s.value('newer', 2000),
    s.value('other', 1500, s.two),
  ];
  const forged = { ...s.value('forged', 9000), storageTime: 9001n };
  of.set(storer, [older]);
  of.set(successors[0] as NodeId, [newer, other]);
  of.set(successors[1] as NodeId, [forged]);
  assert.deepEqual(textsOf(s.fetch()), ['older']);
  const all = s.fetch({ holders: 'all' });
  assert.deepEqual(textsOf(all), ['newer', 'other']);
  assert.ok(all.ok);
  assert.equal(all.value.answeredBy, successors[0]);
  assert.equal(all.value.refused, 0);
  assert.equal(all.value.rolledBack, undefined);

  const again = s.fetch();
  assert.deepEqual(textsOf(again), ['newer', 'other'], 'a rollback makes it ask the others');
  assert.deepEqual(textsOf(s.fetch({ at: storer })), ['older']);
  of.delete(successors[0] as NodeId);
  of.delete(successors[1] as NodeId);
  assert.deepEqual(textsOf(s.fetch({ holders: 'all' })), ['older'], 'silent holders do no harm');
});

test('where the setting says so every Fetch asks all holders, unless it says whom', () => {
  const of = new Map<NodeId, readonly StoredData[]>();
  const s = holders(of, { fetchHolders: 'all' });
  of.set(storer, [s.value('older', 1000)]);
  of.set(successors[0] as NodeId, [s.value('newer', 2000)]);
  of.set(successors[1] as NodeId, []);
  assert.deepEqual(textsOf(s.fetch({ holders: 'responsible' })), ['older']);
  assert.deepEqual(textsOf(s.fetch()), ['newer']);
});

test('a named key that a holder lacks does not hide what another has', () => {
  const of = new Map<NodeId, readonly StoredData[]>();
  const s = holders(of);
  const key = idBytes(nodeOf('a'));
  const nothing: StoredData = {
    storageTime: 0n,
    lifetime: 0,
    value: { key, exists: false, value: emptyBytes },
    signature: {
      hash: 0,
      signature: 0,
      identity: { type: 'none' },
      signatureValue: emptyBytes,
    },
  };
  const value = s.value('here', 1000);
  for (const [first, second] of [
    [nothing, value],
    [value, nothing],
  ] as const) {
    of.set(storer, [first]);
    of.set(successors[0] as NodeId, [second]);
    of.set(successors[1] as NodeId, [second]);
    assert.deepEqual(textsOf(s.fetch({ keys: [key], holders: 'all' })), ['here']);
  }
});

test('[R6940-14.9-01] experimental error codes are not used; unknown ones are plain failures', () => {
  const known: readonly number[] = Object.values(errorCodes);
  for (const code of [0, 1, 0x12, 0x13]) assert.ok(!known.includes(code));
  for (const code of [0x12, 0x13, 0x7777, 0xffff]) {
    const s = scene(() => failure(errorOf(code)));
    for (const outcome of [s.store(), s.fetch()]) {
      assert.ok(!outcome.ok);
      assert.equal(outcome.error.code, code);
      assert.equal(outcome.error.reason, 'error-response');
    }
    assert.equal(s.requests.length, 2, 'neither is repeated');
  }
});
