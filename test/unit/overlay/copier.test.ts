/** Copies to other peers: their order, and what happens when one meets newer data. RFC 6940 §7.4.1.1. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { ResourceId } from '../../../src/base/ids.ts';
import { limits } from '../../../src/base/limits.ts';
import { failure, success } from '../../../src/base/outcome.ts';
import { silentTrace } from '../../../src/ports/trace.ts';
import { createKindRegistry } from '../../../src/storage/kinds.ts';
import { createCopier } from '../../../src/overlay/copier.ts';
import type { OutgoingRequest, RequestOutcome } from '../../../src/overlay/transactions.ts';
import { decodeExact, encodeToBytes } from '../../../src/wire/codec.ts';
import { errorCodes } from '../../../src/wire/reload/errors.ts';
import { messageCodes } from '../../../src/wire/reload/message-codes.ts';
import type { GenericCertificate } from '../../../src/wire/reload/security.ts';
import { fetchAns, fetchReq, storeReq } from '../../../src/wire/reload/storage.ts';
import { emptyBytes } from '../../../src/base/bytes.ts';
import { createCountingTrace } from '../link/fakes.ts';
import * as storage from '../storage/world.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { idOf, notedTransactions, numbered } from './support/parts.ts';

const target = storage.node('c1');

for (const [name, code] of [
  ['Error_Data_Too_Old', errorCodes.dataTooOld],
  ['Error_Generation_Counter_Too_Low', errorCodes.generationCounterTooLow],
] as const) {
  test(`[R6940-7.4.1.1-27] after ${name} the newer data of the other peer replace the own copy`, () => {
    const theirs = storage.createWorld();
    const kind = storage.dictionaryKind;
    const { alice, startMs } = storage;
    for (let i = 0; i < 3; i++) {
      const text = `newer ${i}`;
      const at = startMs + 1000 * i;
      storage.accepted(storage.storeOne(theirs, { kind, text, storageTime: at + 5000 }));
    }
    const mine = storage.createWorld();
    storage.accepted(storage.storeOne(mine, { kind, text: 'old', storageTime: startMs }));

    const sent: OutgoingRequest[] = [];
    const outcomes: boolean[] = [];
    const copier = createCopier({
      trace: silentTrace,
      storage: mine.storage,
      kinds: mine.kinds,
      transactions: {
        request(request: OutgoingRequest, done: (outcome: RequestOutcome) => void) {
          sent.push(request);
          mine.clock.after('answer', 1, () => done(answer(request)));
          return () => undefined;
        },
      } as never,
      later: (run) => mine.clock.after('later', 0, run),
    });

    function answer(request: OutgoingRequest): RequestOutcome {
      if (request.messageCode === messageCodes.storeReq) {
        const reason = 'error-response' as const;
        return failure({ code, reason, text: name, info: emptyBytes, signer: target });
      }
      const fetched = theirs.storage.fetch(decodeExact(fetchReq, request.body));
      assert.ok(fetched.ok);
      const { certificates } = fetched.value;
      const signer = { nodeId: target, certificate: alice.certificate };
      const body = encodeToBytes(fetchAns, fetched.value.answer);
      return success({ signer, body, extensions: [], certificates, roundTripMs: 1 });
    }

    copier.copy(storage.aliceResource, target, 1, (copied) => outcomes.push(copied));
    mine.clock.advance(100);
    assert.deepEqual(outcomes, [true]);
    const destinations = [{ type: 'node', nodeId: target }];
    assert.deepEqual(
      sent.map((request) => [request.messageCode, request.destinations]),
      [
        [messageCodes.storeReq, destinations],
        [messageCodes.fetchReq, destinations],
      ],
    );
    assert.equal(decodeExact(storeReq, sent[0]?.body ?? emptyBytes).replicaNumber, 1);
    assert.deepEqual(storage.texts(mine, kind), ['newer 2']);
    assert.equal(storage.fetch(mine, kind).generation, storage.fetch(theirs, kind).generation);
  });
}

/** A copier whose storage has everything but `missing`, with the answers given by the test. */
function noted(missing: readonly string[] = []) {
  const clock = createFakeClock();
  const trace = createCountingTrace();
  const transactions = notedTransactions();
  let version = 0;
  const copier = createCopier({
    trace,
    storage: {
      exportResource: (resource: ResourceId) =>
        missing.includes(resource)
          ? undefined
          : { resource, kindData: [], certificates: [certificateOf(version)] },
    } as never,
    kinds: createKindRegistry(),
    transactions: transactions as never,
    later: (run) => void clock.after('later', 0, run),
  });
  return {
    clock,
    copier,
    notes: transactions.notes,
    change: () => version++,
    results: () =>
      ['stored', 'failed', 'merged', 'refused'].map((result) =>
        trace.count('overlay_copies_total', result),
      ),
  };
}

const certificateOf = (version: number): GenericCertificate => ({
  type: 'x509',
  certificate: Uint8Array.of(version),
});
const place = (number: number): ResourceId => numbered(number) as string as ResourceId;

test('thousands of copies are sent in their order, each once, thirty-two at a time', () => {
  const { copier, clock, notes, results } = noted();
  const count = 3000;
  const copied: number[] = [];
  for (let i = 0; i < count; i++) {
    copier.copy(place(i), target, 2, (good) => {
      assert.ok(good);
      copied.push(i);
    });
  }
  assert.equal(notes.length, 0, 'never inside the call');
  clock.advance(0);
  for (let answered = 0; answered < count; answered++) {
    assert.equal(notes.length, Math.min(count, answered + limits.overlay.copiesAtOnce));
    assert.equal(copier.size, count - answered);
    notes[answered]?.answer(target);
  }
  const inOrder = Array.from({ length: count }, (_, i) => i);
  assert.deepEqual(copied, inOrder);
  const sent = notes.map(({ request }) => decodeExact(storeReq, request.body));
  assert.deepEqual(
    sent.map(({ resource }) => resource),
    inOrder.map(place),
  );
  assert.ok(sent.every(({ replicaNumber }) => replicaNumber === 2));
  assert.deepEqual(results(), [count, 0, 0, 0]);

  copier.copy(place(1), target, 1);
  clock.advance(0);
  assert.equal(notes.length, count + 1, 'an empty queue begins again');
});

test('a resource that changes while it is copied is copied again, and whoever asked hears of it then', () => {
  const { copier, clock, notes, change } = noted();
  const heard: string[] = [];
  copier.copy(place(1), target, 1, () => heard.push('first'));
  copier.copy(place(1), target, 1, () => heard.push('while it waits'));
  copier.copy(place(1), target, 2);
  copier.copy(place(1), idOf('b'), 1);
  clock.advance(0);
  assert.equal(notes.length, 3, 'one for each target and number');
  change();
  copier.copy(place(1), target, 1, () => heard.push('under way'));
  notes[0]?.answer(target);
  assert.deepEqual(heard, []);
  assert.equal(notes.length, 4);
  assert.deepEqual(
    [0, 3].map((i) => notes[i]?.request.certificates),
    [[certificateOf(0)], [certificateOf(1)]],
  );
  notes[3]?.answer(target);
  assert.deepEqual(heard, ['first', 'while it waits', 'under way']);
  assert.equal(copier.size, 2);
  clock.advance(1000);
  assert.equal(notes.length, 4);
});

test('a copy that fails is told and not tried again; there may be nothing to copy any more', () => {
  const { copier, clock, notes, results } = noted([place(2)]);
  const heard: boolean[] = [];
  const hear = (copied: boolean): void => void heard.push(copied);
  copier.copy(place(1), target, 1, hear);
  clock.advance(0);
  copier.copy(place(1), target, 1, hear);
  notes[0]?.fail(errorCodes.forbidden, target);
  assert.deepEqual(heard.splice(0), [false, false]);
  assert.deepEqual(results(), [0, 1, 0, 0]);
  copier.copy(place(2), target, 1, hear);
  assert.deepEqual(heard, []);
  clock.advance(0);
  assert.deepEqual(heard.splice(0), [true]);
  assert.deepEqual([notes.length, copier.size], [1, 0]);

  copier.copy(place(3), target, 1, hear);
  clock.advance(0);
  notes[1]?.fail(errorCodes.dataTooOld, target);
  assert.equal(notes[2]?.request.messageCode, messageCodes.fetchReq);
  notes[2].fail(errorCodes.notFound, target);
  assert.deepEqual(heard, [false], 'the newer data could not be had');
  assert.deepEqual(results(), [0, 1, 0, 0]);
});
