/** Attach without ICE, from both sides, with link table, dialer and transactions played by the test. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { NodeId } from '../../../src/base/ids.ts';
import { limits } from '../../../src/base/limits.ts';
import { failure, success } from '../../../src/base/outcome.ts';
import { makeOffer } from '../../../src/overlay/candidates.ts';
import { decodeExact, encodeToBytes } from '../../../src/wire/codec.ts';
import { attachReqAns } from '../../../src/wire/reload/attach.ts';
import { errorCodes } from '../../../src/wire/reload/errors.ts';
import { messageCodes } from '../../../src/wire/reload/message-codes.ts';
import { connectionOf, evenRandom, incomingFrom, linkEntry, numbered } from './support/parts.ts';
import {
  self,
  other,
  third,
  smaller,
  place,
  theirAddress,
  scene,
  bodyOf,
} from './support/attacher-scene.ts';

test('an AttachReq offers our addresses as the passive side; a list with another first hop only where one is given', () => {
  const { attacher, notes, outcomes } = scene();
  attacher.attach(
    { kind: 'node', nodeId: other },
    { sendUpdate: true, via: third },
    () => undefined,
  );
  attacher.attach(
    { kind: 'node', nodeId: other },
    { sendUpdate: false, via: other },
    () => undefined,
  );
  attacher.attach({ kind: 'resource', resource: place }, { sendUpdate: false }, () => undefined);
  const lists = notes.map(({ request }) => request.destinations);
  assert.deepEqual(lists, [
    [
      { type: 'node', nodeId: third },
      { type: 'node', nodeId: other },
    ],
    [{ type: 'node', nodeId: other }],
    [{ type: 'resource', resource: place }],
  ]);
  const bodies = notes.map(({ request }) => decodeExact(attachReqAns, request.body));
  assert.deepEqual(
    bodies.map(({ sendUpdate, role }) => [sendUpdate, role]),
    [
      [true, 'passive'],
      [false, 'passive'],
      [false, 'passive'],
    ],
  );
  assert.deepEqual(
    bodies[0]?.candidates.map(({ addrPort }) => addrPort),
    [{ type: 'ipv4', address: '10.0.0.5', port: 6084 }],
  );
  assert.ok(notes.every(({ request }) => request.messageCode === messageCodes.attachReq));
  assert.equal(attacher.size, 3);
  assert.deepEqual(outcomes, []);
});

test('a node that is linked needs no Attach, unless an Update is wanted or its Node-ID is to be settled', () => {
  const { attach, table, outcomes, notes, clock } = scene();
  table.set(other, linkEntry(other));
  attach(other, { sendUpdate: false });
  assert.deepEqual(outcomes, [], 'never inside the call');
  clock.advance(0);
  assert.deepEqual(outcomes, [success(other)]);
  assert.equal(notes.length, 0);
  attach(other, { sendUpdate: true });
  attach(other, { sendUpdate: false, settlesNodeId: true });
  assert.equal(notes.length, 2);
  table.set(other, linkEntry(other, { suspect: true }));
  attach(other, { sendUpdate: false });
  assert.equal(notes.length, 3, 'a silent link is none');
});

test('the answerer has 8 s to connect', () => {
  const { attach, attacher, notes, outcomes, clock, counts, learned } = scene();
  attach();
  notes[0]?.answer(other, bodyOf('active'));
  clock.advance(limits.overlay.connectionWaitMs - 1);
  assert.deepEqual(outcomes, []);
  assert.equal(attacher.awaited([third, other]), other);
  assert.equal(attacher.awaited([third]), undefined);
  clock.advance(1);
  assert.deepEqual(outcomes, [failure('no connection came')]);
  assert.deepEqual(counts(), [0, 1, 0]);
  assert.equal(attacher.size, 0);
  assert.equal(attacher.awaited([other]), undefined);
  assert.deepEqual(learned, []);
});

test('the connection of the answerer ends the Attach; where it listens is remembered', () => {
  const { attach, attacher, notes, outcomes, clock, counts, learned } = scene();
  attach();
  const early = linkEntry(other);
  attacher.linkUp(early);
  assert.deepEqual(outcomes, [], 'the answer is still to come');
  notes[0]?.answer(other, bodyOf('active'));
  attacher.linkUp(linkEntry(third));
  assert.deepEqual(outcomes, []);
  const entry = linkEntry(other);
  attacher.linkUp(entry);
  assert.deepEqual(outcomes, [success(other)]);
  assert.equal(entry.attached, true);
  assert.equal(attacher.size, 0);
  assert.equal(early.attached, false);
  assert.deepEqual(learned, [[other, 6084]]);
  assert.deepEqual(counts(), [1, 0, 0]);
  clock.advance(60_000);
  assert.deepEqual(outcomes.length, 1);
});

test('an answer from a node that is linked already ends the Attach at once', () => {
  const { attacher, notes, outcomes, table } = scene();
  attacher.attach({ kind: 'resource', resource: place }, { sendUpdate: true }, (outcome) =>
    outcomes.push(outcome),
  );
  const entry = linkEntry(third);
  table.set(third, entry);
  notes[0]?.answer(third, bodyOf('active'));
  assert.deepEqual(outcomes, [success(third)]);
  assert.equal(entry.attached, true);
});

test('answers that are none: malformed, our own, an error', () => {
  for (const [answer, text] of [
    [
      (note: ReturnType<typeof scene>['notes'][0]) => note.answer(other, Uint8Array.of(1)),
      'malformed answer',
    ],
    [
      (note: ReturnType<typeof scene>['notes'][0]) => note.answer(self, bodyOf('active')),
      'malformed answer',
    ],
    [
      (note: ReturnType<typeof scene>['notes'][0]) =>
        note.fail(errorCodes.notFound, other, 'nobody'),
      'nobody',
    ],
    [
      (note: ReturnType<typeof scene>['notes'][0]) => note.fail(0, undefined, 'no answer'),
      'no answer',
    ],
  ] as const) {
    const { attach, notes, outcomes, counts } = scene();
    attach();
    const [note] = notes;
    assert.ok(note);
    answer(note);
    assert.deepEqual(outcomes, [failure(text)]);
    assert.deepEqual(counts(), [0, 1, 0]);
  }
});

test('Error_In_Progress means that their own connection is on its way', () => {
  const { attach, attacher, notes, outcomes } = scene();
  attach();
  notes[0]?.fail(errorCodes.inProgress, other);
  assert.deepEqual(outcomes, []);
  assert.equal(attacher.awaited([other]), other);
  attacher.linkUp(linkEntry(other));
  assert.deepEqual(outcomes, [success(other)]);
});

test('without an address, or with too many Attaches under way, nothing is asked', () => {
  const bare = scene([]);
  bare.attach();
  bare.clock.advance(0);
  assert.deepEqual(bare.outcomes, [failure('no address to offer')]);
  assert.deepEqual(bare.counts(), [0, 1, 0]);
  const full = scene();
  for (let i = 0; i < limits.overlay.attaches; i++) full.attach();
  assert.equal(full.notes.length, limits.overlay.attaches);
  full.attach();
  assert.deepEqual(full.outcomes, []);
  full.clock.advance(0);
  assert.deepEqual(full.outcomes, [failure('too many attaches')]);
  assert.equal(full.notes.length, limits.overlay.attaches);
});

test('an AttachReq is answered with our offer as the active side, then dialed in the order of priority', () => {
  const { attacher, dials, added, updates, counts } = scene();
  const addresses = [theirAddress, { address: '10.0.0.9', port: 7000 }];
  const request = incomingFrom(other, bodyOf('passive', { sendUpdate: true }, addresses));
  attacher.handle(request);
  const [answer] = request.answers;
  assert.ok(answer);
  const decoded = decodeExact(attachReqAns, answer);
  assert.deepEqual([decoded.role, decoded.sendUpdate], ['active', false]);
  assert.deepEqual(
    dials.map(({ target, timeoutMs }) => [target.port, target.linkType, timeoutMs]),
    [[6084, 'TLS-TCP-FH-NO-ICE', limits.overlay.dialTimeoutMs]],
  );
  dials[0]?.done(failure('refused'));
  assert.equal(dials[1]?.target.port, 7000);
  assert.deepEqual(updates, []);
  const connection = connectionOf([other], { role: 'client' });
  dials[1].done(success(connection));
  assert.deepEqual(added, [{ connection, expected: other }]);
  assert.deepEqual(updates, [other]);
  assert.deepEqual(counts(), [0, 0, 0]);
});

test('no Update is sent that nobody wants; a dial that fails is counted and makes room', () => {
  const { attacher, dials, updates, counts } = scene();
  attacher.handle(incomingFrom(other, bodyOf('passive')));
  dials[0]?.done(success(connectionOf([other])));
  assert.deepEqual(updates, []);
  attacher.handle(incomingFrom(third, bodyOf('passive', { sendUpdate: true })));
  dials[1]?.done(failure('refused'));
  assert.deepEqual(counts(), [0, 1, 0]);
  assert.deepEqual(updates, []);
  const again = incomingFrom(third, bodyOf('passive'));
  attacher.handle(again);
  assert.equal(again.answers.length, 1);
});

test('a connection with a wrong certificate is no link and owes no Update', () => {
  const { attacher, dials, updates, counts, refuseLinks } = scene();
  refuseLinks();
  attacher.handle(incomingFrom(other, bodyOf('passive', { sendUpdate: true })));
  dials[0]?.done(success(connectionOf([third])));
  assert.deepEqual(updates, []);
  assert.deepEqual(counts(), [0, 1, 0]);
});

test('a requester that is linked already is answered and not dialed', () => {
  const { attacher, dials, updates, table, clock, learned } = scene();
  const entry = linkEntry(other);
  table.set(other, entry);
  const request = incomingFrom(other, bodyOf('passive', { sendUpdate: true }));
  attacher.handle(request);
  assert.equal(request.answers.length, 1);
  assert.deepEqual(dials, []);
  assert.equal(entry.attached, true);
  assert.deepEqual(learned, [[other, 6084]]);
  assert.deepEqual(updates, []);
  clock.advance(0);
  assert.deepEqual(updates, [other]);
  attacher.handle(incomingFrom(other, bodyOf('passive')));
  clock.advance(0);
  assert.deepEqual(updates, [other]);
  table.set(other, linkEntry(other, { suspect: true }));
  attacher.handle(incomingFrom(other, bodyOf('passive')));
  assert.equal(dials.length, 1, 'a silent link is replaced');
});

test('what is no AttachReq is refused with the reason', () => {
  const { attacher } = scene();
  const codeFor = (signer: NodeId, body: Uint8Array): number | undefined => {
    const request = incomingFrom(signer, body);
    attacher.handle(request);
    assert.deepEqual(request.answers, []);
    return request.refusals[0]?.code;
  };
  assert.equal(codeFor(other, Uint8Array.of(1)), errorCodes.invalidMessage);
  assert.equal(codeFor(other, bodyOf('active')), errorCodes.invalidMessage);
  assert.equal(codeFor(self, bodyOf('passive')), errorCodes.notFound);
  const datagrams = makeOffer([theirAddress], 'passive', evenRandom, ['DTLS-UDP-SR-NO-ICE']);
  const foreign = encodeToBytes(attachReqAns, { ...datagrams, sendUpdate: false });
  assert.equal(codeFor(other, foreign), errorCodes.incompatibleWithOverlay);
});

test('no more requesters than the bound are dialed at once', () => {
  const { attacher, dials } = scene();
  const body = bodyOf('passive');
  for (let i = 0; i <= limits.overlay.attaches; i++) {
    const request = incomingFrom(numbered(i), body);
    attacher.handle(request);
    const refused = request.refusals.map(({ code }) => code);
    assert.deepEqual(refused, i < limits.overlay.attaches ? [] : [errorCodes.requestTimeout]);
  }
  assert.equal(dials.length, limits.overlay.attaches);
});

test('[R6940-6.5.1.2-05] [R6940-6.5.1.2-06] [R6940-6.5.1.2-07] [R6940-6.5.1.2-08] of two Attaches that meet, that of the larger Node-ID goes on', () => {
  const larger = scene();
  larger.attach(smaller);
  const met = incomingFrom(smaller, bodyOf('passive'));
  larger.attacher.handle(met);
  assert.deepEqual(
    met.refusals.map(({ code }) => code),
    [errorCodes.inProgress],
  );
  assert.equal(larger.notes[0]?.cancelled, false);
  assert.deepEqual(larger.counts(), [0, 0, 1]);

  const yielding = scene();
  yielding.attach(other);
  const request = incomingFrom(other, bodyOf('passive'));
  yielding.attacher.handle(request);
  assert.equal(request.answers.length, 1);
  assert.equal(yielding.notes[0]?.cancelled, true);
  assert.equal(yielding.attacher.awaited([other]), other);
  assert.deepEqual(yielding.counts(), [0, 0, 0]);
  yielding.attacher.linkUp(linkEntry(other));
  assert.deepEqual(yielding.outcomes, [success(other)]);
});

test('[R6940-6.5.1.2-04] after the answer to our own Attach a request of that node gives way, whoever is larger', () => {
  const { attach, attacher, notes, dials } = scene();
  attach(other);
  notes[0]?.answer(other, bodyOf('active'));
  const request = incomingFrom(other, bodyOf('passive'));
  attacher.handle(request);
  assert.deepEqual(
    request.refusals.map(({ code }) => code),
    [errorCodes.inProgress],
  );
  assert.deepEqual(dials, []);
});

test('a second request while the first is being dialed is refused, and what it wants is not forgotten', () => {
  const { attacher, dials, updates } = scene();
  attacher.handle(incomingFrom(other, bodyOf('passive')));
  const second = incomingFrom(other, bodyOf('passive', { sendUpdate: true }));
  attacher.handle(second);
  assert.deepEqual(
    second.refusals.map(({ code }) => code),
    [errorCodes.inProgress],
  );
  attacher.handle(incomingFrom(other, bodyOf('passive')));
  dials[0]?.done(success(connectionOf([other])));
  assert.deepEqual(updates, [other]);
});
