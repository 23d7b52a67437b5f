/** AppAttach without ICE, from both sides, with dialer, transactions and certificates played by the test. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { NodeId, ResourceId } from '../../../src/base/ids.ts';
import { limits } from '../../../src/base/limits.ts';
import { failure, success, type Outcome } from '../../../src/base/outcome.ts';
import type { TransportAddress } from '../../../src/ports/connection.ts';
import type { AppConnection, OverlayError } from '../../../src/overlay/api.ts';
import { createAppAttacher } from '../../../src/overlay/app-attach.ts';
import { makeOffer } from '../../../src/overlay/candidates.ts';
import { decodeExact, encodeToBytes } from '../../../src/wire/codec.ts';
import { appAttachReqAns } from '../../../src/wire/reload/app-attach.ts';
import type { Destination } from '../../../src/wire/reload/destination.ts';
import { errorCodes } from '../../../src/wire/reload/errors.ts';
import { messageCodes } from '../../../src/wire/reload/message-codes.ts';
import { createCountingTrace } from '../link/fakes.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import {
  connectionOf,
  evenRandom,
  idOf,
  incomingFrom,
  notedDialer,
  notedTransactions,
} from './support/parts.ts';

const [other, third] = [idOf('8'), idOf('9')];
const sip = 5060;
const sips = 5061;
const place: Destination = { type: 'resource', resource: idOf('7') as string as ResourceId };
const node = (nodeId: NodeId): Destination => ({ type: 'node', nodeId });
const theirAddress = { address: '10.0.0.8', port: sips };

function scene(own: readonly TransportAddress[] = [{ address: '10.0.0.5', port: sips }]) {
  const clock = createFakeClock();
  const trace = createCountingTrace();
  const transactions = notedTransactions();
  const dialer = notedDialer();
  const outcomes: Outcome<AppConnection, OverlayError>[] = [];
  const told: string[] = [];
  const accepted: AppConnection[] = [];
  const attacher = createAppAttacher({
    clock,
    random: evenRandom,
    trace,
    dialer,
    ice: () => undefined,
    linkTypes: () => ['TLS-TCP-FH-NO-ICE'],
    transactions: transactions as never,
    authenticate: (chain) => {
      const nodeIds = chain[0]?.nodeIds;
      return nodeIds === undefined ? failure('no certificate') : success(nodeIds);
    },
    addresses: () => own,
    later: (run) => void clock.after('later', 0, run),
  });
  return {
    clock,
    notes: transactions.notes,
    dials: dialer.dials,
    outcomes,
    told,
    accepted,
    attacher,
    result: (name: string) => trace.count('overlay_app_attaches_total', name),
    ask: (destination: readonly Destination[] = [node(other)], application = sips) =>
      attacher.appAttach(
        destination,
        application,
        (outcome) => outcomes.push(outcome),
        () => told.push('answered'),
      ),
    reasons: () => outcomes.map((outcome) => (outcome.ok ? 'ok' : outcome.error.reason)),
  };
}

function bodyOf(
  role: 'passive' | 'active',
  application = sips,
  addresses: readonly TransportAddress[] = [theirAddress],
): Uint8Array {
  return encodeToBytes(appAttachReqAns, {
    ...makeOffer(addresses, role, evenRandom),
    application,
  });
}

test('the request offers our addresses for the application; the answerer’s connection ends it', () => {
  const { ask, attacher, notes, outcomes, told, result } = scene();
  ask([node(third), node(other)]);
  const [note] = notes;
  assert.ok(note);
  assert.equal(note.request.messageCode, messageCodes.appAttachReq);
  assert.deepEqual(note.request.destinations, [node(third), node(other)]);
  const offer = decodeExact(appAttachReqAns, note.request.body);
  assert.deepEqual([offer.application, offer.role], [sips, 'passive']);
  note.answer(other, bodyOf('active'));
  assert.deepEqual(told, ['answered']);
  assert.equal(outcomes.length, 0);
  const connection = connectionOf([other]);
  attacher.accept(sips, connection);
  assert.deepEqual(outcomes, [success({ connection, peer: other, application: sips })]);
  assert.equal(result('connected'), 1);
  assert.equal(attacher.size, 0);
});

test('the connection may come before the answer when it is known who is asked', () => {
  const { ask, attacher, outcomes } = scene();
  ask();
  attacher.accept(sips, connectionOf([other]));
  assert.equal(outcomes.length, 1);
});

test('the answerer has 8 s to connect; whether a wrong one came is told', () => {
  const silent = scene();
  silent.ask();
  silent.notes[0]?.answer(other, bodyOf('active'));
  silent.clock.advance(limits.overlay.connectionWaitMs - 1);
  assert.equal(silent.outcomes.length, 0);
  silent.clock.advance(1);
  assert.deepEqual(silent.reasons(), ['timeout']);
  assert.equal(silent.result('timeout'), 1);

  const wrong = scene();
  wrong.ask();
  wrong.notes[0]?.answer(other, bodyOf('active'));
  const connection = connectionOf([third]);
  wrong.attacher.accept(sips, connection);
  assert.equal(connection.closedFor.length, 1);
  assert.equal(wrong.result('unexpected-peer'), 1);
  wrong.clock.advance(limits.overlay.connectionWaitMs);
  assert.deepEqual(wrong.reasons(), ['wrong-peer']);

  const elsewhere = scene();
  elsewhere.ask();
  elsewhere.notes[0]?.answer(other, bodyOf('active'));
  elsewhere.attacher.accept(sip, connectionOf([third]));
  elsewhere.clock.advance(limits.overlay.connectionWaitMs);
  assert.deepEqual(elsewhere.reasons(), ['timeout'], 'another application is none of it');
});

test('a connection for another application, or with a refused certificate, ends nothing', () => {
  const { ask, attacher, outcomes, result } = scene();
  ask();
  const foreign = connectionOf([other]);
  attacher.accept(sip, foreign);
  assert.equal(foreign.closedFor.length, 1);
  const bare = connectionOf([], { peerChain: [] });
  attacher.accept(sips, bare);
  assert.equal(bare.closedFor.length, 1);
  assert.equal(result('certificate-refused'), 1);
  assert.equal(outcomes.length, 0);
});

test('asked for a resource, whoever answers is expected; a connection that is early waits for the answer', () => {
  const { ask, attacher, notes, outcomes, clock } = scene();
  ask([node(third), place]);
  const [early, foreign] = [connectionOf([other]), connectionOf([third])];
  attacher.accept(sips, foreign);
  attacher.accept(sips, early);
  assert.deepEqual([early.closedFor, foreign.closedFor, outcomes], [[], [], []]);
  notes[0]?.answer(other, bodyOf('active'));
  assert.deepEqual(outcomes, [success({ connection: early, peer: other, application: sips })]);
  assert.deepEqual(foreign.closedFor, []);
  clock.advance(limits.overlay.connectionWaitMs);
  assert.deepEqual([foreign.closedFor.length, early.closedFor], [1, []]);
});

test('a connection that is early waits 8 s at most', () => {
  const { ask, attacher, clock } = scene();
  ask([place]);
  const early = connectionOf([other]);
  attacher.accept(sips, early);
  clock.advance(limits.overlay.connectionWaitMs - 1);
  assert.deepEqual(early.closedFor, []);
  clock.advance(1);
  assert.equal(early.closedFor.length, 1);
});

test('answers that are none end the request with the reason', () => {
  for (const [answer, reason] of [
    [
      (note: ReturnType<typeof scene>['notes'][0]) => note.answer(other, Uint8Array.of(1)),
      'invalid',
    ],
    [
      (note: ReturnType<typeof scene>['notes'][0]) => note.answer(other, bodyOf('active', sip)),
      'invalid',
    ],
    [
      (note: ReturnType<typeof scene>['notes'][0]) => note.fail(errorCodes.notFound, other),
      'error-response',
    ],
    [(note: ReturnType<typeof scene>['notes'][0]) => note.fail(0), 'timeout'],
  ] as const) {
    const { ask, notes, reasons, result, told } = scene();
    ask();
    const [note] = notes;
    assert.ok(note);
    answer(note);
    assert.deepEqual(reasons(), [reason]);
    assert.equal(result(reason), 1);
    assert.deepEqual(told, []);
  }
});

test('without an address, a destination or room nothing is asked', () => {
  const texts = (world: ReturnType<typeof scene>) => {
    assert.equal(world.outcomes.length, 0, 'never inside the call');
    world.clock.advance(0);
    return world.outcomes.map((outcome) => (outcome.ok ? '' : outcome.error.text));
  };
  const bare = scene([]);
  bare.ask();
  assert.deepEqual(texts(bare), ['no address to offer']);
  const nowhere = scene();
  nowhere.ask([]);
  assert.deepEqual(texts(nowhere), ['empty destination list']);
  const full = scene();
  for (let i = 0; i <= limits.overlay.applicationAttaches; i++) full.ask();
  assert.equal(full.notes.length, limits.overlay.applicationAttaches);
  assert.deepEqual(texts(full), ['too many application attaches']);
});

test('a request is answered and dialed; the application gets the connection of the requester only', () => {
  const world = scene();
  const { attacher, dials, accepted, result } = world;
  attacher.onApplication(sips, (connection) => accepted.push(connection));
  const requests = [other, other, other].map((nodeId) => incomingFrom(nodeId, bodyOf('passive')));
  for (const request of requests) attacher.handle(request);
  const answer = decodeExact(appAttachReqAns, requests[0]?.answers[0] ?? new Uint8Array());
  assert.deepEqual([answer.application, answer.role], [sips, 'active']);
  assert.deepEqual(
    dials.map(({ target }) => target.port),
    [sips, sips, sips],
  );
  const [good, wrong] = [connectionOf([other]), connectionOf([third])];
  dials[0]?.done(success(good));
  assert.deepEqual(accepted, [{ connection: good, peer: other, application: sips }]);
  dials[1]?.done(success(wrong));
  assert.equal(wrong.closedFor.length, 1);
  dials[2]?.done(failure('refused'));
  assert.equal(accepted.length, 1);
  assert.deepEqual(['accepted', 'wrong-peer', 'dial-failed'].map(result), [1, 1, 1]);
});

test('requests that cannot be met are refused with the reason', () => {
  const world = scene();
  const codeFor = (body: Uint8Array, attacher = world.attacher): number | undefined => {
    const request = incomingFrom(other, body);
    attacher.handle(request);
    assert.equal(request.answers.length, 0);
    return request.refusals[0]?.code;
  };
  assert.equal(codeFor(bodyOf('passive')), errorCodes.notFound);
  world.attacher.onApplication(sips, () => undefined);
  assert.equal(codeFor(Uint8Array.of(1)), errorCodes.invalidMessage);
  assert.equal(codeFor(bodyOf('active')), errorCodes.invalidMessage);
  assert.equal(codeFor(bodyOf('passive', sip)), errorCodes.notFound);
  const datagrams = encodeToBytes(appAttachReqAns, {
    ...makeOffer([theirAddress], 'passive', evenRandom, ['DTLS-UDP-SR-NO-ICE']),
    application: sips,
  });
  assert.equal(codeFor(datagrams), errorCodes.incompatibleWithOverlay);
  const bare = scene([]);
  bare.attacher.onApplication(sips, () => undefined);
  assert.equal(codeFor(bodyOf('passive'), bare.attacher), errorCodes.requestTimeout);
});

test('no more requesters than the bound are dialed at once', () => {
  const { attacher, dials } = scene();
  attacher.onApplication(sips, () => undefined);
  const body = bodyOf('passive');
  for (let i = 0; i < limits.overlay.applicationAttaches; i++) {
    attacher.handle(incomingFrom(other, body));
  }
  const refused = incomingFrom(other, body);
  attacher.handle(refused);
  assert.deepEqual(
    refused.refusals.map(({ code }) => code),
    [errorCodes.requestTimeout],
  );
  dials[0]?.done(failure('refused'));
  const next = incomingFrom(other, body);
  attacher.handle(next);
  assert.equal(next.answers.length, 1);
});
