/** The order and number of copies to other peers, with storage and network played by the test. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { NodeId, ResourceId } from '../../../src/base/ids.ts';
import { limits } from '../../../src/base/limits.ts';
import { failure, success } from '../../../src/base/outcome.ts';
import { createCopier } from '../../../src/overlay/copier.ts';
import { createStorageService } from '../../../src/overlay/storage-service.ts';
import type { StoreReq } from '../../../src/wire/reload/storage.ts';
import { decodeExact, encodeToBytes } from '../../../src/wire/codec.ts';
import { errorCodes } from '../../../src/wire/reload/errors.ts';
import { messageCodes } from '../../../src/wire/reload/message-codes.ts';
import { fetchAns, fetchReq, selection, storeReq } from '../../../src/wire/reload/storage.ts';
import { createCountingTrace } from '../link/fakes.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { idOf, notedTransactions, numbered } from './support/parts.ts';

const [target, other] = [idOf('8'), idOf('9')];
const resource = (number: number): ResourceId => numbered(number) as string as ResourceId;
const models: Readonly<Record<number, string>> = { 1: 'SINGLE', 2: 'ARRAY', 3: 'DICTIONARY' };

function scene(held: readonly ResourceId[]) {
  const clock = createFakeClock();
  const trace = createCountingTrace();
  const transactions = notedTransactions();
  const resources = new Set(held);
  const merges: { readonly what: StoreReq; readonly done: (ok: boolean) => void }[] = [];
  const dropped: ResourceId[] = [];
  const storage = {
    exportResource: (id: ResourceId) =>
      resources.has(id)
        ? {
            resource: id,
            kindData: [1, 2, 3].map((kind) => ({
              kind,
              generationCounter: 4n,
              values: new Uint8Array(),
            })),
            certificates: [],
          }
        : undefined,
    resources: () => resources,
    drop: (ids: readonly ResourceId[]) => dropped.push(...ids),
    merge(what: StoreReq, _certificates: unknown, done: (outcome: unknown) => void) {
      merges.push({
        what,
        done: (ok) => done(ok ? success(undefined) : failure({ code: 2, text: 'no', info: '' })),
      });
    },
  };
  const later = (run: () => void): void => void clock.after('later', 0, run);
  const copier = createCopier({
    trace,
    storage: storage as never,
    kinds: { get: (kind: number) => ({ dataModel: models[kind] }) } as never,
    transactions: transactions as never,
    later,
  });
  const service = createStorageService({
    storage: storage as never,
    copier,
    topology: () => ({}) as never,
    nodeIdLength: () => 16,
    later,
  });
  const results: boolean[] = [];
  return {
    clock,
    notes: transactions.notes,
    resources,
    merges,
    dropped,
    copier,
    service,
    results,
    count: (result: string) => trace.count('overlay_copies_total', result),
    copy(id: ResourceId, to: NodeId = target, replica = 1) {
      copier.copy(id, to, replica, (copied) => results.push(copied));
      clock.advance(0);
    },
  };
}

test('a copy is a Store of the whole resource with its replica number', () => {
  const world = scene([resource(1)]);
  world.copy(resource(1), target, 2);
  const [note] = world.notes;
  assert.ok(note);
  assert.equal(note.request.messageCode, messageCodes.storeReq);
  assert.deepEqual(note.request.destinations, [{ type: 'node', nodeId: target }]);
  const body = decodeExact(storeReq, note.request.body);
  assert.deepEqual([body.resource, body.replicaNumber, body.kindData.length], [resource(1), 2, 3]);
  assert.deepEqual(world.results, []);
  note.answer(target);
  assert.deepEqual([world.results, world.count('stored'), world.copier.size], [[true], 1, 0]);
});

test('what is no longer there needs no copy; what fails is told', () => {
  const world = scene([resource(1)]);
  world.copy(resource(2));
  assert.deepEqual([world.notes.length, world.results], [0, [true]]);
  world.copy(resource(1));
  world.notes[0]?.fail(0);
  assert.deepEqual([world.results, world.count('failed')], [[true, false], 1]);
  assert.equal(world.copier.size, 0);
});

test('the same copy asked for again: waits with the first, and is made anew when that was under way', () => {
  const world = scene([resource(1)]);
  world.copier.copy(resource(1), target, 1, (copied) => world.results.push(copied));
  world.copier.copy(resource(1), target, 1, (copied) => world.results.push(copied));
  world.copier.copy(resource(1), target, 2);
  world.copier.copy(resource(1), other, 1);
  world.clock.advance(0);
  assert.equal(world.notes.length, 3, 'another target or number is another copy');
  world.copy(resource(1));
  assert.equal(world.notes.length, 3);
  world.notes[0]?.answer(target);
  assert.deepEqual([world.notes.length, world.results], [4, []], 'the first is outdated');
  world.notes[3]?.answer(target);
  assert.deepEqual(world.results, [true, true, true]);
});

test('a repetition is not made after a failure', () => {
  const world = scene([resource(1)]);
  world.copy(resource(1));
  world.copy(resource(1));
  world.notes[0]?.fail(0);
  assert.deepEqual([world.notes.length, world.results], [1, [false, false]]);
});

test('so many copies run at once, the others wait in order', () => {
  const ids = Array.from({ length: limits.overlay.copiesAtOnce + 3 }, (_, i) => resource(i));
  const world = scene(ids);
  for (const id of ids) world.copy(id);
  const started = () =>
    world.notes.map(({ request }) => decodeExact(storeReq, request.body).resource);
  assert.deepEqual(started(), ids.slice(0, limits.overlay.copiesAtOnce));
  assert.equal(world.copier.size, ids.length);
  for (let i = 0; i < 3; i++) world.notes[i]?.answer(target);
  assert.deepEqual(started(), ids);
  for (const note of world.notes.slice(3)) note.answer(target);
  assert.equal(world.copier.size, 0);
  assert.equal(world.results.length, ids.length);
});

test('thousands of copies one after the other', () => {
  const ids = Array.from({ length: 3000 }, (_, i) => resource(i));
  const world = scene(ids);
  for (const id of ids) world.copier.copy(id, target, 1);
  world.clock.advance(0);
  for (let i = 0; i < ids.length; i++) world.notes[i]?.answer(target);
  assert.equal(world.count('stored'), ids.length);
  assert.equal(world.copier.size, 0);
});

test('[R6940-7.4.1.1-27] newer data at the target are fetched whole and merged', () => {
  for (const code of [errorCodes.dataTooOld, errorCodes.generationCounterTooLow]) {
    for (const merges of [true, false]) {
      const world = scene([resource(1)]);
      world.copy(resource(1), target, 2);
      world.notes[0]?.fail(code, target);
      const fetch = world.notes[1];
      assert.ok(fetch);
      assert.equal(fetch.request.messageCode, messageCodes.fetchReq);
      assert.deepEqual(fetch.request.destinations, [{ type: 'node', nodeId: target }]);
      const body = decodeExact(fetchReq, fetch.request.body);
      assert.deepEqual(
        body.specifiers.map(({ kind, generation }) => [kind, generation]),
        [1, 2, 3].map((kind) => [kind, 0n]),
      );
      assert.deepEqual(
        decodeExact(selection('ARRAY'), body.specifiers[1]?.selection ?? new Uint8Array()),
        { indices: [{ first: 0, last: 0xffff_ffff }] },
      );
      assert.deepEqual(
        decodeExact(selection('DICTIONARY'), body.specifiers[2]?.selection ?? new Uint8Array()),
        { keys: [] },
      );
      const kindResponses = [{ kind: 1, generation: 9n, values: Uint8Array.of(1) }];
      fetch.answer(target, encodeToBytes(fetchAns, { kindResponses }));
      assert.deepEqual(world.merges[0]?.what, {
        resource: resource(1),
        replicaNumber: 2,
        kindData: [{ kind: 1, generationCounter: 9n, values: Uint8Array.of(1) }],
      });
      world.merges[0].done(merges);
      assert.deepEqual([world.results, world.count('merged')], [[merges], merges ? 1 : 0]);
      assert.equal(world.count('failed'), 0);
    }
  }
});

test('newer data that cannot be read leave the copy undone', () => {
  for (const answers of [true, false]) {
    const world = scene([resource(1)]);
    world.copy(resource(1));
    world.notes[0]?.fail(errorCodes.dataTooOld, target);
    if (answers) world.notes[1]?.answer(target, Uint8Array.of(1));
    else world.notes[1]?.fail(0);
    assert.deepEqual([world.results, world.merges.length], [[false], 0]);
  }
});

test('a range is copied without its beginning, with its end, around the top of the ring', () => {
  const ids = [0, 1, 2, 3].map(resource);
  const copied = (from: number, to: number): readonly ResourceId[] => {
    const world = scene(ids);
    const interval = { from: numbered(from), to: numbered(to) };
    world.service.copyRange(interval, target, 1, () => undefined);
    world.clock.advance(0);
    return world.notes.map(({ request }) => decodeExact(storeReq, request.body).resource);
  };
  assert.deepEqual(copied(1, 2), [ids[2]]);
  assert.deepEqual(copied(0, 2), [ids[1], ids[2]]);
  assert.deepEqual(copied(2, 0), [ids[0], ids[3]]);
  assert.deepEqual(copied(1, 1), ids, 'equal ends are the whole ring');
});

test('a range is done when all its resources are, and tells how many failed', () => {
  const world = scene([0, 1, 2].map(resource));
  const outcomes: unknown[] = [];
  const interval = { from: numbered(9), to: numbered(9) };
  world.service.copyRange(interval, target, 0, (outcome) => outcomes.push(outcome));
  world.clock.advance(0);
  const numbers = world.notes.map(
    ({ request }) => decodeExact(storeReq, request.body).replicaNumber,
  );
  assert.deepEqual(numbers, [1, 1, 1], 'replica number 0 is for usages');
  world.notes[0]?.answer(target);
  world.notes[1]?.fail(0);
  assert.equal(outcomes.length, 0);
  world.notes[2]?.answer(target);
  assert.deepEqual(outcomes, [failure('1 resources not copied')]);
});

test('an empty range is done later, too', () => {
  const { service, clock } = scene([]);
  const interval = { from: numbered(9), to: numbered(9) };
  let outcome: unknown;
  service.copyRange(interval, target, 0, (ended) => (outcome = ended));
  assert.equal(outcome, undefined, 'never inside the call');
  clock.advance(0);
  assert.deepEqual(outcome, success(undefined));
});

test('what is not to be kept is dropped', () => {
  const world = scene([0, 1, 2].map(resource));
  world.service.dropResources((id) => id !== resource(1));
  assert.deepEqual(world.dropped, [resource(1)]);
  world.service.dropResources(() => true);
  assert.equal(world.dropped.length, 1);
});
