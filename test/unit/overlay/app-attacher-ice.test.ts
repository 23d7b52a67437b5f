/** AppAttach where paths are found by ICE, with the agent, transactions and certificates played by the test. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { NodeId, ResourceId } from '../../../src/base/ids.ts';
import { limits } from '../../../src/base/limits.ts';
import { failure, success, type Outcome } from '../../../src/base/outcome.ts';
import type { AppConnection, OverlayError } from '../../../src/overlay/api.ts';
import { createAppAttacher } from '../../../src/overlay/app-attach.ts';
import { makeOffer } from '../../../src/overlay/candidates.ts';
import { decodeExact, encodeToBytes } from '../../../src/wire/codec.ts';
import { appAttachReqAns } from '../../../src/wire/reload/app-attach.ts';
import type { Destination } from '../../../src/wire/reload/destination.ts';
import { errorCodes } from '../../../src/wire/reload/errors.ts';
import { createCountingTrace } from '../link/fakes.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import {
  connectionOf,
  evenRandom,
  iceParameters,
  idOf,
  incomingFrom,
  notedDialer,
  notedIce,
  notedTransactions,
} from './support/parts.ts';

const [other, third] = [idOf('8'), idOf('9')];
const sips = 5061;
const node = (nodeId: NodeId): Destination => ({ type: 'node', nodeId });
const place: Destination = { type: 'resource', resource: idOf('7') as string as ResourceId };
const theirs = iceParameters('10.0.0.8');

function bodyOf(role: 'passive' | 'active'): Uint8Array {
  return encodeToBytes(appAttachReqAns, { ...theirs, role, application: sips });
}

function scene() {
  const clock = createFakeClock();
  const trace = createCountingTrace();
  const transactions = notedTransactions();
  const ice = notedIce();
  const dialer = notedDialer();
  const outcomes: Outcome<AppConnection, OverlayError>[] = [];
  const accepted: AppConnection[] = [];
  const attacher = createAppAttacher({
    clock,
    random: evenRandom,
    trace,
    dialer,
    ice: () => ice,
    linkTypes: () => [],
    transactions: transactions as never,
    authenticate: (chain) => {
      const nodeIds = chain[0]?.nodeIds;
      return nodeIds === undefined ? failure('no certificate') : success(nodeIds);
    },
    addresses: () => assert.fail('the candidates are those of the path'),
    later: (run) => void clock.after('later', 0, run),
  });
  return {
    clock,
    notes: transactions.notes,
    paths: ice.paths,
    dials: dialer.dials,
    outcomes,
    accepted,
    attacher,
    result: (name: string) => trace.count('overlay_app_attaches_total', name),
    listen: () => attacher.onApplication(sips, (connection) => accepted.push(connection)),
    ask: (destination: readonly Destination[] = [node(other)]) =>
      attacher.appAttach(destination, sips, (outcome) => outcomes.push(outcome)),
    errors: () =>
      outcomes.map((outcome) => (outcome.ok ? 'ok' : [outcome.error.reason, outcome.error.text])),
  };
}

test('the requester gathers as the offerer, asks with what it found, and takes the path to the one asked', () => {
  const { ask, paths, notes, outcomes, attacher, result } = scene();
  ask();
  const [path] = paths;
  assert.ok(path);
  assert.equal(path.side, 'offerer');
  assert.equal(notes.length, 0);
  path.prepared();
  const offer = decodeExact(appAttachReqAns, notes[0]?.request.body ?? new Uint8Array());
  assert.deepEqual([offer.role, offer.application], ['passive', sips]);
  assert.deepEqual(offer.candidates, iceParameters('10.0.0.5').candidates);
  assert.ok(!paths.some(({ remote }) => remote !== undefined));
  notes[0]?.answer(other, bodyOf('active'));
  assert.deepEqual(path.remote?.candidates, theirs.candidates);
  const connection = connectionOf([other]);
  path.connected(success(connection));
  assert.deepEqual(outcomes, [success({ connection, peer: other, application: sips })]);
  assert.deepEqual([attacher.size, result('connected'), connection.closedFor.length], [0, 1, 0]);
});

test('a path that cannot be prepared, is not found or leads to somebody else ends the request', () => {
  const unprepared = scene();
  unprepared.ask();
  unprepared.paths[0]?.prepared('no socket');
  assert.deepEqual(unprepared.errors(), [['invalid', 'no socket']]);
  assert.deepEqual([unprepared.notes.length, unprepared.attacher.size], [0, 0]);
  assert.equal(unprepared.result('invalid'), 1);

  const lost = scene();
  lost.ask();
  lost.paths[0]?.prepared();
  lost.notes[0]?.answer(other, bodyOf('active'));
  lost.paths[0]?.connected(failure('no pair works'));
  assert.deepEqual(lost.errors(), [['timeout', 'no pair works']]);

  for (const peerChain of [connectionOf([third]).peerChain, []]) {
    const wrong = scene();
    wrong.ask();
    wrong.paths[0]?.prepared();
    wrong.notes[0]?.answer(other, bodyOf('active'));
    const connection = connectionOf([third], { peerChain });
    wrong.paths[0]?.connected(success(connection));
    assert.deepEqual(wrong.errors(), [['wrong-peer', 'certificate of another node']]);
    assert.deepEqual(connection.closedFor, ['certificate of another node']);
    assert.equal(wrong.paths[0]?.abandoned, 1);
  }
});

test('asked for a resource, the path must lead to whoever answered', () => {
  const { ask, paths, notes, errors } = scene();
  ask([node(other), place]);
  paths[0]?.prepared();
  notes[0]?.answer(third, bodyOf('active'));
  paths[0]?.connected(success(connectionOf([third])));
  assert.deepEqual(errors(), ['ok']);
});

test('a path that is found too late is closed, and only one end is told', () => {
  const { ask, paths, notes, errors, clock } = scene();
  ask();
  paths[0]?.prepared();
  notes[0]?.answer(other, bodyOf('active'));
  clock.advance(limits.overlay.connectionWaitMs - 1);
  assert.equal(paths[0]?.abandoned, 0);
  clock.advance(1);
  assert.deepEqual(errors(), [['timeout', 'no connection from the answerer']]);
  assert.equal(paths[0].abandoned, 1);
  const late = connectionOf([other]);
  paths[0].connected(success(late));
  assert.equal(late.closedFor.length, 1);
  assert.equal(errors().length, 1);
});

test('a request that is refused frees its path', () => {
  const { ask, paths, notes, errors } = scene();
  ask();
  paths[0]?.prepared();
  notes[0]?.fail(errorCodes.notFound, other, 'nobody there');
  assert.deepEqual([paths[0]?.abandoned, errors()], [1, [['error-response', 'nobody there']]]);
});

test('while paths are prepared they count for the bound', () => {
  const { ask, paths, outcomes, clock, errors } = scene();
  for (let i = 0; i <= limits.overlay.applicationAttaches; i++) ask();
  assert.equal(paths.length, limits.overlay.applicationAttaches);
  assert.equal(outcomes.length, 0);
  clock.advance(0);
  assert.deepEqual(errors(), [['invalid', 'too many application attaches']]);
  ask([]);
  clock.advance(0);
  assert.equal(outcomes.length, 2);
});

test('the answerer answers with what it gathered and hands over the connection of the requester only', () => {
  const { attacher, paths, accepted, listen, result, dials } = scene();
  listen();
  const requests = [other, other, other].map((nodeId) => incomingFrom(nodeId, bodyOf('passive')));
  for (const request of requests) attacher.handle(request);
  assert.deepEqual(
    paths.map(({ side }) => side),
    ['answerer', 'answerer', 'answerer'],
  );
  assert.ok(requests.every(({ answers }) => answers.length === 0));
  for (const path of paths) path.prepared();
  const answer = decodeExact(appAttachReqAns, requests[0]?.answers[0] ?? new Uint8Array());
  assert.deepEqual([answer.role, answer.application], ['active', sips]);
  assert.deepEqual(answer.candidates, iceParameters('10.0.0.5').candidates);
  assert.deepEqual(paths[0]?.remote?.candidates, theirs.candidates);
  const [good, wrong] = [connectionOf([other]), connectionOf([third])];
  paths[0].connected(success(good));
  paths[1]?.connected(success(wrong));
  paths[2]?.connected(failure('no pair works'));
  assert.deepEqual(accepted, [{ connection: good, peer: other, application: sips }]);
  assert.deepEqual([good.closedFor.length, wrong.closedFor.length, dials.length], [0, 1, 0]);
  assert.deepEqual(['accepted', 'wrong-peer', 'dial-failed'].map(result), [1, 1, 1]);
});

test('an answerer without a path refuses, and has room for the next', () => {
  const { attacher, paths, listen, result } = scene();
  listen();
  const codesOf = (): unknown => {
    const request = incomingFrom(other, bodyOf('passive'));
    attacher.handle(request);
    return request.refusals;
  };
  for (let i = 0; i < limits.overlay.applicationAttaches; i++) assert.deepEqual(codesOf(), []);
  const full = [{ code: errorCodes.requestTimeout, info: 'too many application attaches' }];
  assert.deepEqual(codesOf(), full);
  paths[0]?.prepared('no socket');
  assert.equal(result('dial-failed'), 1);
  const next = incomingFrom(other, bodyOf('passive'));
  attacher.handle(next);
  paths.at(-1)?.prepared('no socket');
  assert.deepEqual(next.refusals, [{ code: errorCodes.requestTimeout, info: 'no socket' }]);
  assert.deepEqual(next.answers, []);
});

test('candidates for streams are of no use where ICE is', () => {
  const { attacher, listen, paths } = scene();
  listen();
  const streams = makeOffer([{ address: '10.0.0.8', port: 1 }], 'passive', evenRandom);
  const body = encodeToBytes(appAttachReqAns, { ...streams, application: sips });
  const request = incomingFrom(other, body);
  attacher.handle(request);
  assert.equal(request.refusals[0]?.code, errorCodes.incompatibleWithOverlay);
  assert.equal(paths.length, 0);
});
