/** What a Store, Fetch or Stat asks for and when it does not ask at all, in each data model. RFC 6940 §7.4. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { ResourceId } from '../../../src/base/ids.ts';
import type { Outcome } from '../../../src/base/outcome.ts';
import type { OverlayError, StoreResult, StoreValue } from '../../../src/overlay/api.ts';
import { createStorageClient } from '../../../src/overlay/storage-client.ts';
import type { KindDefinition } from '../../../src/storage/kinds.ts';
import { decodeExact, encodeToBytes } from '../../../src/wire/codec.ts';
import { errorCodes } from '../../../src/wire/reload/errors.ts';
import { messageCodes } from '../../../src/wire/reload/message-codes.ts';
import { emptySignature } from '../../../src/wire/reload/security.ts';
import {
  fetchAns,
  fetchReq,
  lastIndex,
  selection,
  storeAns,
  storedValues,
  storeReq,
  type StoredData,
} from '../../../src/wire/reload/storage.ts';
import { createCountingTrace } from '../link/fakes.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createIdentity } from './support/fake-keys.ts';
import { idOf, notedTransactions } from './support/parts.ts';

const storer = idOf('8');
const resource = idOf('7') as string as ResourceId;
const models = { 1: 'SINGLE', 2: 'ARRAY', 3: 'DICTIONARY' } as const;
const definitions = new Map<number, KindDefinition>(
  Object.entries(models).map(([kind, dataModel]) => [
    Number(kind),
    { kind: Number(kind), dataModel, maxSizeBytes: 4, maxCount: 8 } as KindDefinition,
  ]),
);
const [single, array, dictionary] = [1, 2, 3] as const;

function scene() {
  const clock = createFakeClock();
  const trace = createCountingTrace();
  const transactions = notedTransactions();
  const outcomes: Outcome<unknown, OverlayError>[] = [];
  const identity = createIdentity(clock, [idOf('5')], 'user');
  const world = { skewMs: 0 };
  const client = createStorageClient({
    clock: { ...clock, wallMs: () => clock.wallMs() + world.skewMs },
    trace,
    kind: (id) => definitions.get(id),
    nodeIdLength: () => 16,
    values: {
      sign: (_resource, _kind, value, _identity, done) =>
        void clock.after('sign', 0, () => done({ ...value, signature: emptySignature })),
      verify: (_resource, _kind, _stored, _certificates, done) =>
        void clock.after('verify', 0, () =>
          done({
            ok: true,
            value: { signer: identity.certificate, signerNodeId: idOf('5') },
          }),
        ),
    },
    transactions: transactions as never,
    later: (run) => void clock.after('later', 0, run),
  });
  return {
    clock,
    world,
    client,
    outcomes,
    notes: transactions.notes,
    retries: () => trace.count('overlay_store_retries_total'),
    store(kind: number, values: readonly Partial<StoreValue>[], generation?: bigint) {
      const full = values.map((value) => ({
        exists: true,
        value: Uint8Array.of(1),
        lifetimeS: 60,
        ...value,
      }));
      client.store(
        {
          resource,
          kind,
          values: full,
          identity,
          ...(generation === undefined ? {} : { generation }),
        },
        (outcome) => outcomes.push(outcome),
      );
      assert.equal(outcomes.length, 0, 'never inside the call');
      clock.advance(0);
    },
    errors: () =>
      outcomes
        .splice(0)
        .map((outcome) => (outcome.ok ? 'ok' : [outcome.error.reason, outcome.error.text])),
  };
}

function storedAnswer(kind: number): Uint8Array {
  return encodeToBytes(storeAns, {
    kindResponses: [{ kind, generationCounter: 4n, replicas: [idOf('9')] }],
  });
}

function contentsOf(body: Uint8Array, kind: number): readonly StoredData[] {
  const { kindData, replicaNumber } = decodeExact(storeReq, body);
  assert.equal(replicaNumber, 0);
  assert.equal(kindData.length, 1);
  assert.equal(kindData[0]?.kind, kind);
  const model = models[kind as keyof typeof models];
  return decodeExact(storedValues(model), kindData[0].values);
}

test('what does not fit the Kind is not stored, and the reason is told', () => {
  const world = scene();
  for (const [kind, values, text] of [
    [9, [{}], 'unknown Kind'],
    [single, [], 'nothing to store'],
    [dictionary, [{ key: Uint8Array.of(1) }, {}], 'a dictionary needs keys'],
    [dictionary, [{ index: 1 }], 'a dictionary needs keys'],
    [array, [{ index: 1 }, {}], 'an array needs indices'],
    [array, [{ key: Uint8Array.of(1) }], 'an array needs indices'],
    [single, [{ value: new Uint8Array(5) }], 'value above max-size'],
  ] as const) {
    world.store(kind, values);
    assert.deepEqual(world.errors(), [['invalid', text]]);
  }
  assert.equal(world.notes.length, 0);
  world.client.fetch({ resource, kind: 9 }, (outcome) => world.outcomes.push(outcome));
  world.client.stat({ resource, kind: 9 }, (outcome) => world.outcomes.push(outcome));
  assert.equal(world.outcomes.length, 0);
  world.clock.advance(0);
  assert.deepEqual(world.errors(), [
    ['invalid', 'unknown Kind'],
    ['invalid', 'unknown Kind'],
  ]);
});

test('a value is stored at its place in the data model, and nothing else of it', () => {
  const key = Uint8Array.of(6);
  for (const [kind, place] of [
    [single, {}],
    [array, { index: 3 }],
    [dictionary, { key }],
  ] as const) {
    const world = scene();
    const value = new Uint8Array(4).fill(2);
    world.store(kind, [{ index: 3, key, value }]);
    const [note] = world.notes;
    assert.ok(note);
    assert.deepEqual(note.request.destinations, [{ type: 'resource', resource }]);
    const [data] = contentsOf(note.request.body, kind);
    assert.deepEqual(data?.value, { ...place, exists: true, value });
    assert.deepEqual([data.lifetime, Number(data.storageTime)], [60, world.clock.wallMs()]);
    const { kindData } = decodeExact(storeReq, note.request.body);
    assert.equal(kindData[0]?.generationCounter, 0n);
    note.answer(storer, storedAnswer(kind));
    const [outcome] = world.outcomes as Outcome<StoreResult, OverlayError>[];
    assert.deepEqual(outcome?.ok && outcome.value, {
      generation: 4n,
      replicas: [idOf('9')],
      storedBy: storer,
      storageTimeMs: world.clock.wallMs(),
    });
  }
});

test('storage times are whole, rise by one within a moment, and follow the clock', () => {
  const world = scene();
  const times = (): number[] =>
    world.notes
      .splice(0)
      .flatMap(({ request }) => contentsOf(request.body, single))
      .map(({ storageTime }) => Number(storageTime));
  const now = world.clock.wallMs();
  world.world.skewMs = 0.7;
  for (let i = 0; i < 3; i++) world.store(single, [{}]);
  assert.deepEqual(times(), [now, now + 1, now + 2]);
  world.world.skewMs = -5000;
  world.store(single, [{}]);
  assert.deepEqual(times(), [now + 3], 'a clock that is put back does not make them fall');
  world.world.skewMs = 5000;
  world.store(single, [{}]);
  assert.deepEqual(times(), [now + 5000]);
});

test('an answer about another Kind, or none, fails the Store', () => {
  for (const body of [storedAnswer(array), Uint8Array.of(1)]) {
    const world = scene();
    world.store(single, [{}]);
    world.notes[0]?.answer(storer, body);
    assert.deepEqual(world.errors(), [['invalid', 'malformed answer']]);
  }
});

test('[R6940-7-06] a Store that was too old takes the time after the newest of its own places', () => {
  const world = scene();
  const now = world.clock.wallMs();
  const [mine, foreign] = [Uint8Array.of(1), Uint8Array.of(2)];
  world.store(dictionary, [{ key: mine }]);
  world.notes[0]?.fail(errorCodes.dataTooOld, storer);
  const asked = world.notes[1]?.request ?? assert.fail('no Fetch');
  assert.equal(asked.messageCode, messageCodes.fetchReq);
  const { specifiers } = decodeExact(fetchReq, asked.body);
  const wanted = decodeExact(selection('DICTIONARY'), specifiers[0]?.selection ?? mine);
  assert.deepEqual(wanted.keys, [mine]);
  const held = (key: Uint8Array, timeMs: number): StoredData => ({
    storageTime: BigInt(timeMs),
    lifetime: 60,
    value: { key, exists: true, value: Uint8Array.of(1) },
    signature: {
      hash: 4,
      signature: 3,
      identity: { type: 'certHash', hashAlg: 4, certificateHash: new Uint8Array(32) },
      signatureValue: Uint8Array.of(1),
    },
  });
  const values = [held(mine, now + 500), held(foreign, now + 9000)];
  const encoded = encodeToBytes(storedValues('DICTIONARY'), values);
  const kindResponses = [{ kind: dictionary, generation: 2n, values: encoded }];
  world.notes[1]?.answer(storer, encodeToBytes(fetchAns, { kindResponses }));
  world.clock.advance(0);
  const again = contentsOf(world.notes[2]?.request.body ?? mine, dictionary);
  assert.equal(Number(again[0]?.storageTime), now + 501);
  assert.equal(world.retries(), 1);
  world.notes[2]?.fail(errorCodes.dataTooOld, storer);
  world.notes[3]?.fail(0);
  world.clock.advance(0);
  const third = contentsOf(world.notes[4]?.request.body ?? mine, dictionary);
  assert.equal(Number(third[0]?.storageTime), now + 502, 'later than the last, whatever is there');
  world.notes[4]?.fail(errorCodes.dataTooOld, storer, 'too old');
  assert.deepEqual(world.errors(), [['error-response', 'too old']]);
  assert.equal(world.retries(), 2);
});

test('[R6940-7.4.1.2-05] a Store with a stale counter fails when what is there cannot be read', () => {
  const world = scene();
  world.store(single, [{}], 3n);
  const { kindData } = decodeExact(storeReq, world.notes[0]?.request.body ?? new Uint8Array());
  assert.equal(kindData[0]?.generationCounter, 3n);
  world.notes[0]?.fail(errorCodes.generationCounterTooLow, storer, 'too low');
  world.notes[1]?.fail(0);
  assert.deepEqual(world.errors(), [['error-response', 'too low']]);
});

test('a Fetch without a choice asks for the whole: every key, every index', () => {
  const world = scene();
  const asked = (kind: number, more: object = {}): unknown => {
    world.client.fetch({ resource, kind, ...more }, () => undefined);
    const { specifiers } = decodeExact(
      fetchReq,
      world.notes.at(-1)?.request.body ?? new Uint8Array(),
    );
    assert.equal(specifiers.length, 1);
    assert.equal(specifiers[0]?.kind, kind);
    return decodeExact(selection(models[kind as keyof typeof models]), specifiers[0].selection);
  };
  assert.deepEqual(asked(array), { indices: [{ first: 0, last: lastIndex }] });
  const ranges = [{ first: 2, last: 5 }];
  assert.deepEqual(asked(array, { ranges }), { indices: ranges });
  assert.deepEqual(asked(dictionary), { keys: [] });
  const keys = [Uint8Array.of(4)];
  assert.deepEqual(asked(dictionary, { keys }), { keys });
  assert.deepEqual(asked(single, { keys, ranges }), {});
});
