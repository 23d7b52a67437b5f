/** Fetches that ask every holder, with the other peers played by the test. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { NodeId, ResourceId } from '../../../src/base/ids.ts';
import { failure, success, type Outcome } from '../../../src/base/outcome.ts';
import type { Certificate } from '../../../src/ports/certificates.ts';
import type { FetchRequest, FetchResult, OverlayError } from '../../../src/overlay/api.ts';
import { createFetcher } from '../../../src/overlay/fetcher.ts';
import { createPlaceMemory } from '../../../src/overlay/place-memory.ts';
import { following } from '../../../src/overlay/queries.ts';
import type { KindDefinition } from '../../../src/storage/kinds.ts';
import { decodeExact, encodeToBytes } from '../../../src/wire/codec.ts';
import { errorCodes } from '../../../src/wire/reload/errors.ts';
import { messageCodes } from '../../../src/wire/reload/message-codes.ts';
import { statAns, storedMetaValues } from '../../../src/wire/reload/stat.ts';
import {
  fetchAns,
  fetchReq,
  selection,
  storedValues,
  type StoredData,
} from '../../../src/wire/reload/storage.ts';
import { createCountingTrace } from '../link/fakes.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { idOf, notedTransactions } from './support/parts.ts';

const [first, second, third, fourth] = [idOf('1'), idOf('2'), idOf('3'), idOf('4')];
const resource = idOf('7') as string as ResourceId;
const kindId = 5;
const kind = { kind: kindId, dataModel: 'DICTIONARY' } as KindDefinition;
const author = { nodeIds: [idOf('a')] } as unknown as Certificate;

function data(storageTime: bigint, text: number, key = 1, exists = true): StoredData {
  return {
    storageTime,
    lifetime: 60,
    value: { key: Uint8Array.of(key), exists, value: Uint8Array.of(text) },
    signature: {
      hash: 4,
      signature: 3,
      identity: { type: 'certHash', hashAlg: 4, certificateHash: new Uint8Array(32) },
      signatureValue: Uint8Array.of(text),
    },
  };
}

function answerOf(values: readonly StoredData[], generation = 1n): Uint8Array {
  const encoded = encodeToBytes(storedValues('DICTIONARY'), values);
  return encodeToBytes(fetchAns, {
    kindResponses: [{ kind: kindId, generation, values: encoded }],
  });
}

function scene() {
  const clock = createFakeClock();
  const trace = createCountingTrace();
  const transactions = notedTransactions();
  const outcomes: Outcome<FetchResult, OverlayError>[] = [];
  const later = (run: () => void): void => void clock.after('later', 0, run);
  const fetcher = createFetcher({
    trace,
    transactions: transactions as never,
    values: {
      // A value that says 13 has a wrong signature.
      verify: (_resource: unknown, _kind: unknown, stored: StoredData, _known: unknown, done) =>
        later(() =>
          done(
            stored.value.value[0] === 13
              ? failure('wrong signature')
              : success({ signer: author, signerNodeId: idOf('a') }),
          ),
        ),
      sign: () => assert.fail('nothing to sign'),
    },
    places: createPlaceMemory(clock),
    later,
  });
  const world = {
    clock,
    notes: transactions.notes,
    outcomes,
    fetcher,
    count: (name: string) => trace.count(`overlay_fetched_values_${name}_total`),
    fetch(more: Partial<FetchRequest> = {}) {
      fetcher.fetch({ resource, kind: kindId, ...more }, kind, (outcome) => outcomes.push(outcome));
    },
    /** The last request is answered. */
    answer(by: NodeId, body: Uint8Array = new Uint8Array()) {
      transactions.notes.at(-1)?.answer(by, body);
      clock.advance(0);
    },
    result(): FetchResult {
      const outcome = outcomes.at(-1);
      assert.ok(outcome?.ok);
      return outcome.value;
    },
    texts: () => world.result().values.map(({ value }) => value[0]),
    destination: () => transactions.notes.at(-1)?.request.destinations,
  };
  return world;
}

test('a Fetch goes to the resource, to a named node, or to that through another', () => {
  const world = scene();
  world.fetch();
  assert.deepEqual(world.destination(), [{ type: 'resource', resource }]);
  world.fetch({ at: second });
  assert.deepEqual(world.destination(), [{ type: 'node', nodeId: second }]);
  world.fetch({ at: second, via: second });
  assert.deepEqual(world.destination(), [{ type: 'node', nodeId: second }]);
  world.fetch({ via: third, keys: [Uint8Array.of(9)] });
  assert.deepEqual(world.destination(), [
    { type: 'node', nodeId: third },
    { type: 'resource', resource },
  ]);
  const body = decodeExact(fetchReq, world.notes.at(-1)?.request.body ?? new Uint8Array());
  assert.deepEqual(body.specifiers[0]?.generation, 0n);
  assert.deepEqual(decodeExact(selection('DICTIONARY'), body.specifiers[0].selection).keys, [
    Uint8Array.of(9),
  ]);
  assert.equal(world.outcomes.length, 0);
});

test('each value is judged alone; what is refused is counted; none at all is an answer, too', () => {
  const world = scene();
  world.fetch();
  world.answer(first, answerOf([data(5n, 13), data(5n, 2, 2), data(5n, 13, 3)], 9n));
  assert.deepEqual(world.texts(), [2]);
  const { refused, generation, answeredBy, rolledBack } = world.result();
  assert.deepEqual([refused, generation, answeredBy, rolledBack], [2, 9n, first, undefined]);
  assert.equal(world.count('refused'), 2);
  world.fetch();
  world.answer(second, answerOf([]));
  assert.deepEqual(world.texts(), []);
  assert.equal(world.result().refused, 0);
  assert.equal(world.notes.length, 2, 'nobody else is asked');
});

test('an error, a malformed answer and one about another Kind fail the Fetch', () => {
  const world = scene();
  const errorOf = (): unknown => {
    const outcome = world.outcomes.at(-1);
    return outcome?.ok === false ? [outcome.error.code, outcome.error.reason] : undefined;
  };
  world.fetch();
  world.notes.at(-1)?.fail(errorCodes.notFound, first);
  assert.deepEqual(errorOf(), [errorCodes.notFound, 'error-response']);
  world.fetch();
  world.answer(first, Uint8Array.of(1));
  assert.deepEqual(errorOf(), [0, 'invalid']);
  world.fetch();
  const other = { kind: kindId + 1, generation: 1n, values: new Uint8Array() };
  world.answer(first, encodeToBytes(fetchAns, { kindResponses: [other] }));
  assert.deepEqual(errorOf(), [0, 'invalid']);
  world.fetch();
  const broken = { kind: kindId, generation: 1n, values: Uint8Array.of(1) };
  world.answer(first, encodeToBytes(fetchAns, { kindResponses: [broken] }));
  assert.deepEqual(errorOf(), [0, 'invalid']);
});

test('the holders are the responsible peer and the two owners behind it, the newest value counts', () => {
  const world = scene();
  world.fetch({ holders: 'all' });
  world.answer(first, answerOf([data(5n, 1), data(5n, 7, 2)], 1n));
  for (const [last, next] of [
    [first, second],
    [second, third],
  ] as const) {
    assert.deepEqual(world.destination(), [{ type: 'resource', resource: following(last) }]);
    const { messageCode, transmissions } = world.notes.at(-1)?.request ?? {};
    assert.deepEqual([messageCode, transmissions], [messageCodes.pingReq, 2]);
    world.answer(next);
  }
  assert.deepEqual(
    world.notes.slice(-2).map(({ request }) => request.destinations),
    [[{ type: 'node', nodeId: second }], [{ type: 'node', nodeId: third }]],
  );
  world.notes.at(-2)?.answer(second, answerOf([data(8n, 2)], 4n));
  world.clock.advance(0);
  assert.equal(world.outcomes.length, 0);
  world.answer(third, answerOf([data(6n, 3), data(1n, 4, 3)], 2n));
  assert.deepEqual(world.texts(), [2, 7, 4]);
  assert.deepEqual([world.result().generation, world.result().answeredBy], [4n, second]);
});

test('in a small ring there are fewer holders, and one that does not answer is left out', () => {
  const alone = scene();
  alone.fetch({ holders: 'all' });
  alone.answer(first, answerOf([data(5n, 1)]));
  alone.answer(first);
  assert.deepEqual(alone.texts(), [1]);

  const two = scene();
  two.fetch({ holders: 'all' });
  two.answer(first, answerOf([data(5n, 1)]));
  two.answer(second);
  two.answer(first);
  assert.deepEqual(two.destination(), [{ type: 'node', nodeId: second }]);
  two.notes.at(-1)?.fail(0);
  assert.deepEqual(two.texts(), [1]);

  const silent = scene();
  silent.fetch({ holders: 'all' });
  silent.answer(first, answerOf([data(5n, 1)]));
  silent.notes.at(-1)?.fail(0);
  assert.deepEqual(silent.texts(), [1]);
});

test('[R6940-13.5.3-03] a value older than one seen before makes all holders be asked; it stands when nobody knows better', () => {
  const world = scene();
  world.fetch();
  world.answer(first, answerOf([data(9n, 9)]));
  world.fetch();
  world.answer(fourth, answerOf([data(3n, 3)]));
  assert.equal(world.outcomes.length, 1, 'the others are being asked');
  world.answer(fourth);
  assert.equal(world.result().rolledBack, 1);
  assert.deepEqual(world.texts(), [3]);
  assert.equal(world.count('rolled_back'), 2);

  world.fetch();
  world.answer(fourth, answerOf([data(3n, 3)]));
  world.answer(second);
  world.answer(fourth);
  world.answer(second, answerOf([data(9n, 9)]));
  assert.deepEqual([world.texts(), world.result().rolledBack], [[9], undefined]);

  world.fetch({ at: fourth });
  world.answer(fourth, answerOf([data(3n, 3)]));
  assert.deepEqual([world.texts(), world.result().rolledBack], [[3], 1]);
});

test('a Stat asks with its own code and tells what is there', () => {
  const world = scene();
  const results: unknown[] = [];
  const stat = (): void =>
    world.fetcher.stat({ resource, kind: kindId }, kind, (outcome) => results.push(outcome));
  stat();
  assert.equal(world.notes[0]?.request.messageCode, messageCodes.statReq);
  world.notes[0].answer(first, Uint8Array.of(1));
  stat();
  world.notes[1]?.fail(errorCodes.unknownKind, first);
  stat();
  const metaValues = encodeToBytes(storedMetaValues('DICTIONARY'), []);
  const kindResponses = [{ kind: kindId, generation: 3n, values: metaValues }];
  world.notes[2]?.answer(first, encodeToBytes(statAns, { kindResponses }));
  assert.deepEqual(
    results.map((outcome) => (outcome as { readonly ok: boolean }).ok),
    [false, false, true],
  );
  assert.deepEqual(results[2], success({ generation: 3n, values: [], answeredBy: first }));
});
