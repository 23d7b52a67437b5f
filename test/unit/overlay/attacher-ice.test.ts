/** Attach where links are found by ICE, with the agent, link table and transactions played by the test. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { NodeId } from '../../../src/base/ids.ts';
import { limits } from '../../../src/base/limits.ts';
import { failure, success, type Outcome } from '../../../src/base/outcome.ts';
import type { IcePath } from '../../../src/link/ice/types.ts';
import type { SecureConnection } from '../../../src/ports/connection.ts';
import { createAttacher } from '../../../src/overlay/attach.ts';
import type { LinkEntry, LinkTable } from '../../../src/overlay/link-table.ts';
import { decodeExact, encodeToBytes } from '../../../src/wire/codec.ts';
import { attachReqAns } from '../../../src/wire/reload/attach.ts';
import { errorCodes } from '../../../src/wire/reload/errors.ts';
import { createCountingTrace } from '../link/fakes.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import {
  connectionOf,
  evenRandom,
  iceParameters,
  icePath,
  idOf,
  incomingFrom,
  linkEntry,
  notedDialer,
  notedIce,
  notedTransactions,
} from './support/parts.ts';

const [self, other, smaller] = [idOf('5'), idOf('8'), idOf('1')];
/** Where the path of the test leads to. */
const theirs = {
  ...iceParameters('10.0.0.8'),
  candidates: iceParameters('10.0.0.8').candidates.map((candidate) => ({
    ...candidate,
    addrPort: { type: 'ipv4' as const, ...icePath.remote },
  })),
};

function bodyOf(role: 'passive' | 'active', sendUpdate = false, from = theirs): Uint8Array {
  return encodeToBytes(attachReqAns, { ...from, role, sendUpdate });
}

function scene() {
  const clock = createFakeClock();
  const trace = createCountingTrace();
  const transactions = notedTransactions();
  const ice = notedIce();
  const table = new Map<NodeId, LinkEntry>();
  const updates: NodeId[] = [];
  const found: [NodeId, IcePath][] = [];
  const outcomes: Outcome<NodeId>[] = [];
  const added: unknown[] = [];
  const world = { refusesLinks: false };
  const attacher = createAttacher({
    self,
    clock,
    random: evenRandom,
    trace,
    dialer: notedDialer(),
    ice: () => ice,
    linkTypes: () => [],
    links: {
      get: (nodeId: NodeId) => table.get(nodeId),
      add(connection: SecureConnection, expected: NodeId) {
        added.push([connection, expected]);
        if (world.refusesLinks) return failure('certificate');
        const entry = linkEntry(expected);
        table.set(expected, entry);
        return success(entry);
      },
    } as unknown as LinkTable,
    transactions: transactions as never,
    candidates: () => assert.fail('the candidates are those of the path'),
    sendUpdateTo: (nodeId) => updates.push(nodeId),
    learned: () => assert.fail('nobody listens'),
    pathFound: (nodeId, path) => found.push([nodeId, path]),
    later: (run) => void clock.after('later', 0, run),
  });
  return {
    clock,
    notes: transactions.notes,
    paths: ice.paths,
    table,
    updates,
    found,
    outcomes,
    added,
    world,
    attacher,
    attach: (nodeId = other) =>
      attacher.attach({ kind: 'node', nodeId }, { sendUpdate: true }, (outcome) =>
        outcomes.push(outcome),
      ),
    counts: () =>
      ['linked', 'failed', 'collision'].map((r) => trace.count('overlay_attaches_total', r)),
  };
}

test('an Attach gathers first, offers what it found, and ends with the link over the path', () => {
  const { attach, paths, notes, outcomes, added, found, attacher, counts } = scene();
  attach();
  assert.deepEqual([paths[0]?.side, notes.length, attacher.size], ['offerer', 0, 1]);
  paths[0]?.prepared();
  const offer = decodeExact(attachReqAns, notes[0]?.request.body ?? new Uint8Array());
  assert.deepEqual([offer.role, offer.sendUpdate], ['passive', true]);
  assert.deepEqual(offer.candidates, iceParameters('10.0.0.5').candidates);
  notes[0]?.answer(other, bodyOf('active'));
  assert.deepEqual(paths[0]?.remote?.candidates, theirs.candidates);
  const connection = connectionOf([other]);
  paths[0].connected(success(connection));
  assert.deepEqual(added, [[connection, other]]);
  assert.deepEqual(outcomes, [success(other)]);
  assert.deepEqual(found, [[other, icePath]]);
  assert.deepEqual(counts(), [1, 0, 0]);
});

test('a path to an address that the far end did not call its own is not told', () => {
  const { attach, paths, notes, found, outcomes } = scene();
  attach();
  paths[0]?.prepared();
  notes[0]?.answer(other, bodyOf('active', false, iceParameters('10.0.0.9') as typeof theirs));
  paths[0]?.connected(success(connectionOf([other])));
  assert.deepEqual([outcomes.length, found], [1, []]);
});

test('no path, none that works, a refused link, and one that comes too late end an Attach', () => {
  const unprepared = scene();
  unprepared.attach();
  unprepared.paths[0]?.prepared('no socket');
  assert.deepEqual(unprepared.outcomes, [failure('no socket')]);
  assert.equal(unprepared.notes.length, 0);
  const lost = scene();
  const refused = scene();
  refused.world.refusesLinks = true;
  for (const [world, made, reason] of [
    [lost, failure('no pair works'), 'no pair works'],
    [refused, success(connectionOf([smaller])), 'certificate'],
  ] as const) {
    world.attach();
    world.paths[0]?.prepared();
    world.notes[0]?.answer(other, bodyOf('active'));
    world.paths[0]?.connected(made);
    assert.deepEqual(world.outcomes, [failure(reason)]);
    assert.deepEqual([world.found, world.counts()], [[], [0, 1, 0]]);
  }
  const late = scene();
  late.attach();
  late.paths[0]?.prepared();
  late.notes[0]?.answer(other, bodyOf('active'));
  late.clock.advance(limits.overlay.connectionWaitMs);
  assert.deepEqual([late.outcomes, late.paths[0]?.abandoned], [[failure('no connection came')], 1]);
  const connection = connectionOf([other]);
  late.paths[0]?.connected(success(connection));
  assert.deepEqual([connection.closedFor.length, late.added.length], [1, 0]);
});

test('an AttachReq is answered with what was gathered; the link over the path owes its Update', () => {
  const { attacher, paths, added, updates, found } = scene();
  const request = incomingFrom(other, bodyOf('passive', true));
  attacher.handle(request);
  assert.deepEqual([paths[0]?.side, request.answers.length], ['answerer', 0]);
  paths[0]?.prepared();
  const answer = decodeExact(attachReqAns, request.answers[0] ?? new Uint8Array());
  assert.deepEqual([answer.role, answer.sendUpdate], ['active', false]);
  const connection = connectionOf([other]);
  assert.deepEqual(paths[0]?.remote?.candidates, theirs.candidates);
  paths[0].connected(success(connection));
  assert.deepEqual([added, updates], [[[connection, other]], [other]]);
  assert.deepEqual(found, [[other, icePath]]);
});

test('an answerer without a path refuses; one whose path fails counts that; both have room again', () => {
  const { attacher, paths, counts, updates } = scene();
  const first = incomingFrom(other, bodyOf('passive', true));
  attacher.handle(first);
  const meanwhile = incomingFrom(other, bodyOf('passive'));
  attacher.handle(meanwhile);
  assert.equal(meanwhile.refusals[0]?.code, errorCodes.inProgress);
  paths[0]?.prepared('no socket');
  assert.deepEqual(first.refusals, [{ code: errorCodes.requestTimeout, info: 'no socket' }]);
  const second = incomingFrom(other, bodyOf('passive', true));
  attacher.handle(second);
  paths[1]?.prepared();
  paths[1]?.connected(failure('no pair works'));
  assert.deepEqual([second.answers.length, updates, counts()], [1, [], [0, 1, 1]]);
  attacher.handle(incomingFrom(other, bodyOf('passive')));
  assert.equal(paths.length, 3);
});

test('a requester that is linked by the time of the answer needs no second path', () => {
  const { attacher, paths, table, updates, clock } = scene();
  const request = incomingFrom(other, bodyOf('passive', true));
  attacher.handle(request);
  table.set(other, linkEntry(other));
  paths[0]?.prepared();
  clock.advance(0);
  assert.deepEqual([request.answers.length, paths[0]?.abandoned, updates], [1, 1, [other]]);
  assert.ok(!paths.some(({ remote }) => remote !== undefined));
  assert.equal(table.get(other)?.attached, true);
  attacher.handle(incomingFrom(other, bodyOf('passive')));
  assert.equal(paths.length, 2, 'the next is answered');
});

test('while an Attach only gathers, a request of that node goes first, whoever is larger', () => {
  for (const requester of [smaller, other]) {
    const { attach, attacher, paths, notes, counts } = scene();
    attach(requester);
    const request = incomingFrom(requester, bodyOf('passive'));
    attacher.handle(request);
    assert.deepEqual([paths[0]?.cancelled, paths[1]?.side], [true, 'answerer']);
    paths[1]?.prepared();
    assert.deepEqual([request.answers.length, notes.length, counts()[2]], [1, 0, 0]);
  }
});
