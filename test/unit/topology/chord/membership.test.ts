/** Who counts as a member of the ring, step by step, with other nodes played by the test. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeToBytes } from '../../../../src/wire/codec.ts';
import { errorCodes } from '../../../../src/wire/reload/errors.ts';
import { messageCodes } from '../../../../src/wire/reload/message-codes.ts';
import { routeQueryReq } from '../../../../src/wire/reload/route-query.ts';
import type { ResourceId } from '../../../../src/base/ids.ts';
import { accepted, idOf, lonePeer, memberWith, noBytes, unanswered } from './lone-peer.ts';

const [p2, p1, s1, s2] = [idOf(0x40), idOf(0x60), idOf(0xa0), idOf(0xc0)];
const self = idOf(0x80);
const resource = (firstByte: number): ResourceId => idOf(firstByte) as string as ResourceId;

test('a node before its join answers for nothing', () => {
  const { topology } = lonePeer();
  assert.equal(topology.state, 'idle');
  assert.equal(topology.isResponsible(resource(1)), false);
  assert.equal(topology.responsiblePpb(), 0);
  assert.deepEqual(topology.replicas(), []);
  assert.deepEqual(topology.nextHop(resource(1)), { kind: 'none' });
  assert.equal(topology.isCloseEnough(p1, resource(1)), true, 'it knows no better one');
});

test('a node before its join, or after its leave, attaches to nobody', () => {
  const idle = lonePeer();
  idle.linkUp(p1);
  assert.equal(idle.update(p1, [p2], [s1]), true);
  idle.advance(100_000);
  assert.deepEqual(idle.attaches, []);
  const left = memberWith([]);
  left.topology.leave(() => undefined);
  left.advance(0);
  left.linkUp(p1);
  left.update(p1, [p2], [s1]);
  left.advance(100_000);
  assert.deepEqual(left.attaches, []);
});

test('the first peer forms the ring at once and owns all of it', () => {
  const peer = lonePeer();
  peer.topology.join(true);
  assert.equal(peer.topology.state, 'joined');
  assert.deepEqual(peer.changes, ['state', 'range']);
  assert.equal(peer.topology.responsiblePpb(), 1e9);
  assert.equal(peer.topology.isResponsible(resource(1)), true);
  assert.equal(peer.topology.isResponsible('01' as ResourceId), false, 'ids have 16 bytes');
  peer.topology.join(true);
  assert.deepEqual(peer.changes, ['state', 'range']);
});

test('a node that waits for others in vain can be told to be the first', () => {
  const peer = lonePeer();
  peer.topology.join(false);
  assert.equal(peer.topology.state, 'joining');
  peer.topology.join(false);
  assert.deepEqual(peer.changes, ['state']);
  peer.topology.join(true);
  assert.equal(peer.topology.state, 'joined');
  peer.bootstrap = p1;
  peer.advance(20_000);
  assert.deepEqual(
    peer.attaches.filter(({ target }) => target.kind === 'resource'),
    [],
    'the join is over',
  );
});

test('a node that becomes the first pays the Updates it owes', () => {
  const peer = lonePeer();
  peer.linkUp(p1);
  peer.topology.sendUpdateTo(p1);
  peer.advance(10);
  assert.deepEqual(peer.updates(), []);
  peer.topology.join(true);
  assert.deepEqual(
    peer.updates(p1).map(({ type }) => type),
    ['full'],
  );
});

test('changes of tables, range and replicas are told once each, and only when they happen', () => {
  const peer = lonePeer();
  peer.topology.join(true);
  peer.clear();
  peer.linkUp(p1);
  assert.deepEqual(peer.changes, [], 'a link makes no member');
  peer.ready(p1);
  assert.deepEqual(peer.changes, ['tables', 'range', 'replicas']);
  peer.clear();
  peer.ready(p1);
  assert.deepEqual(peer.changes, []);
  peer.meet(p2);
  assert.deepEqual(peer.changes, ['tables', 'replicas'], 'the nearer predecessor keeps the range');
  peer.clear();
  peer.meet(idOf(0x70));
  assert.deepEqual(peer.changes, ['tables', 'range'], 'two successors are replicas already');
});

test('an Update counts only over a link', () => {
  const peer = memberWith([p1]);
  assert.equal(peer.update(s1), false);
  assert.deepEqual(peer.topology.snapshot().routable, [p1]);
});

test('[R6940-10.8-01] RouteQuery: next peer for nodes and resources, nothing for opaque ids or without a ring', () => {
  const peer = memberWith([p1, s1]);
  assert.equal(peer.query(p1, false, s1), s1);
  assert.equal(peer.query(p1, false, idOf(0x70)), self);
  assert.equal(peer.query(p1, false, idOf(0xa8)), s1);
  const opaque = encodeToBytes(routeQueryReq, {
    sendUpdate: true,
    destination: { type: 'opaque', id: new Uint8Array([1]) },
    overlaySpecificData: noBytes,
  });
  const outcome = peer.topology.handleRouteQuery(p1, opaque);
  assert.equal(outcome.ok ? 0 : outcome.error.code, errorCodes.notFound);
  assert.equal(lonePeer().query(p1, false, s1), errorCodes.notFound);
});

test('a neighbor that another one passes over is asked whether it is there, once per second', () => {
  const peer = memberWith([p2, p1, s1, s2]);
  const named = (...ids: readonly ReturnType<typeof idOf>[]) => peer.update(s2, ids, []);
  const readies = () => peer.updates(s1).filter(({ type }) => type === 'peerReady').length;
  named(s1, self, p1, p2);
  assert.equal(readies(), 0);
  named(self, p1, p2);
  assert.equal(readies(), 1);
  assert.equal(peer.updates(p1).length, 0);

  named(s1, self, p1, p2);
  named(self, p1, p2);
  assert.equal(readies(), 1, 'the question is open');
  peer.requests.find(({ to }) => to === s1)?.done(accepted);
  peer.advance(999);
  named(s1, self, p1, p2);
  named(self, p1, p2);
  assert.equal(readies(), 1);
  peer.advance(1);
  named(s1, self, p1, p2);
  named(self, p1, p2);
  assert.equal(readies(), 2);
  assert.equal(peer.trace.count('chord_updates_sent_total', 'peer_ready'), 2);
});

test('who is silent already, or no neighbor, is not asked whether it is there', () => {
  const peer = memberWith([p2, p1, s1, s2]);
  peer.topology.linkSuspect(s1, true);
  peer.clear();
  peer.update(s2, [s1, self, p1, p2], []);
  peer.update(s2, [self, p1, p2], []);
  assert.deepEqual(
    peer.updates().filter(({ type }) => type === 'peerReady'),
    [],
  );
});

test('while a member is doubted it stands in the way of no answer of another one', () => {
  const peer = memberWith([p1, s1, s2]);
  const target = resource(0x90);
  assert.equal(peer.topology.isCloseEnough(s2, target), false);
  peer.update(s2, [s1, self, p1], []);
  peer.update(s2, [self, p1], []);
  assert.equal(peer.topology.isCloseEnough(s2, target), true);
  peer.ready(s1);
  assert.equal(peer.topology.isCloseEnough(s2, target), false);
});

test('a member whose link was replaced is asked, and is none when it says nothing for a second', () => {
  const peer = memberWith([p1, s1]);
  peer.linkUp(s1);
  assert.deepEqual(peer.askedOf(messageCodes.routeQueryReq), [s1]);
  assert.ok(peer.updates(s1).length > 0, 'it may have forgotten our tables');
  peer.advance(999);
  assert.deepEqual(peer.topology.snapshot().successors, [s1, p1]);
  peer.advance(1);
  assert.deepEqual(peer.topology.snapshot().successors, [p1]);
  assert.deepEqual(peer.topology.snapshot().routable, [p1]);
});

test('the same holds for one that was admitted here and has not said anything since', () => {
  const peer = memberWith([p1, s1]);
  const fresh = idOf(0x78);
  peer.linkUp(fresh);
  peer.join(fresh);
  peer.advance(0);
  peer.copies[0]?.done({ ok: true, value: undefined });
  assert.equal(peer.topology.snapshot().predecessors[0], fresh);
  peer.linkUp(fresh);
  peer.advance(1000);
  assert.deepEqual(peer.topology.snapshot().predecessors, [p1, s1]);
});

test('a member whose link was replaced stays one when it sends an Update in time', () => {
  const peer = memberWith([p1, s1]);
  peer.linkUp(s1);
  peer.advance(500);
  peer.ready(s1);
  peer.advance(5000);
  assert.deepEqual(peer.topology.snapshot().successors, [s1, p1]);
});

test('one that was silent and comes back on a new link has to say so first', () => {
  const peer = memberWith([p1, s1]);
  peer.topology.linkSuspect(s1, true);
  peer.advance(1000);
  peer.topology.linkSuspect(s1, false);
  peer.linkUp(s1);
  assert.deepEqual(peer.topology.snapshot().successors, [p1]);
  peer.ready(s1);
  assert.deepEqual(peer.topology.snapshot().successors, [s1, p1]);
});

test('a silent member is passed over at once and is out of the tables after 1.5 s', () => {
  const peer = memberWith([p1, s1, s2]);
  peer.topology.linkSuspect(s1, true);
  assert.deepEqual(peer.topology.replicas(), [s2, p1]);
  assert.deepEqual(peer.topology.snapshot().successors, [s1, s2, p1]);
  peer.advance(1499);
  assert.deepEqual(peer.topology.snapshot().successors, [s1, s2, p1]);
  peer.advance(1);
  assert.deepEqual(peer.topology.snapshot().successors, [s2, p1]);
  peer.topology.linkSuspect(s1, false);
  assert.deepEqual(peer.topology.snapshot().successors, [s1, s2, p1]);
});

test('a member that answers again in time stays; only its latest silence counts', () => {
  const peer = memberWith([p1, s1, s2]);
  peer.topology.linkSuspect(s1, true);
  peer.advance(1000);
  peer.topology.linkSuspect(s1, false);
  peer.advance(400);
  peer.topology.linkSuspect(s1, true);
  peer.topology.linkSuspect(s1, true);
  peer.advance(1400);
  assert.deepEqual(peer.topology.snapshot().successors, [s1, s2, p1]);
  peer.advance(100);
  assert.deepEqual(peer.topology.snapshot().successors, [s2, p1]);
});

test('the nearest awake on both sides hear at once who is silent; others not', () => {
  const peer = memberWith([p2, p1, s1, s2, idOf(0xd0), idOf(0xe0), idOf(0x20), idOf(0x10)]);
  peer.topology.linkSuspect(s1, true);
  assert.deepEqual(
    peer
      .updates()
      .map(({ to }) => to)
      .sort(),
    [p1, s2],
  );
  for (const update of peer.updates()) {
    assert.ok(update.type === 'neighbors' && !update.successors.includes(s1));
  }
  const distant = memberWith(
    [0x50, 0x55, 0x60, 0x70, 0x78, 0x88, 0x90, 0xa0, 0xb0, 0xc0, 0xf0].map(idOf),
  );
  distant.topology.linkSuspect(idOf(0xf0), true);
  assert.deepEqual(distant.updates(), [], 'a silent finger concerns nobody else');
});

test('a silence that is none of a linked node changes nothing', () => {
  const peer = memberWith([p1]);
  peer.topology.linkSuspect(s1, true);
  peer.topology.linkSuspect(p1, false);
  peer.topology.linkDown(s1);
  assert.deepEqual(peer.changes, []);
  assert.deepEqual(peer.requests, []);
});

test('a member whose link is lost is none any more', () => {
  const peer = memberWith([p1, s1, s2]);
  peer.topology.linkDown(s2);
  assert.deepEqual(peer.topology.snapshot().successors, [s1, p1]);
  assert.deepEqual(peer.topology.replicas(), [s1, p1]);
});

test('replicas and their holders are plausible only near us', () => {
  const ids = [0x20, 0x40, 0x60, 0x90, 0xa0, 0xb0, 0xc0, 0xd0].map(idOf);
  const { topology } = memberWith(ids);
  for (const [number, plausible] of [
    [0, false],
    [1, true],
    [2, true],
    [3, false],
  ] as const) {
    assert.equal(topology.isPlausibleReplica(resource(0x50), number), plausible, `${number}`);
  }
  assert.equal(topology.isPlausibleReplica(resource(0x21), 2), true);
  assert.equal(topology.isPlausibleReplica(resource(0x20), 2), false);
  assert.equal(topology.isPlausibleReplica('21' as ResourceId, 2), false);
  // Five successors are kept, d0 is the farthest: who is beyond it can not have held our resources.
  assert.equal(topology.isPlausibleHolder(resource(0x70), idOf(0xd0)), true);
  assert.equal(topology.isPlausibleHolder(resource(0x70), idOf(0xd1)), false);
  assert.equal(topology.isPlausibleHolder(resource(0x70), idOf(0x75)), true);
  assert.equal(topology.isPlausibleHolder('70' as ResourceId, idOf(0x75)), false);
  assert.equal(lonePeer().topology.isPlausibleHolder(resource(0x70), idOf(0x60)), true);
  assert.equal(lonePeer().topology.isPlausibleReplica(resource(0x70), 1), true);
});

test('leaving ends all work, and every caller of leave hears of the end', () => {
  const peer = memberWith([p1, s1]);
  peer.meet(s2);
  let ended = 0;
  peer.topology.leave(() => ended++);
  assert.equal(peer.topology.state, 'leaving');
  assert.equal(peer.topology.isResponsible(resource(0x70)), true, 'it still answers');
  assert.equal(peer.topology.responsiblePpb() > 0, true);
  peer.topology.leave(() => ended++);
  assert.equal(ended, 0, 'never inside the call');
  for (const request of peer.requests) request.done(unanswered);
  peer.advance(0);
  assert.equal(ended, 1);
  assert.equal(peer.topology.state, 'leaving', 'the hand-over goes on');
  assert.deepEqual(
    peer.copies.map(({ from, to, target, replicaNumber }) => [from, to, target, replicaNumber]),
    [[p1, self, s1, 0]],
  );
  for (const copy of peer.copies) copy.done(accepted as never);
  assert.equal(ended, 2);
  assert.equal(peer.topology.state, 'left');
  assert.equal(peer.waiting(), 0, 'no timer is left');
  assert.equal(peer.topology.isResponsible(resource(0x70)), false);
  assert.deepEqual(peer.topology.replicas(), []);
  peer.clear();
  peer.advance(4_000_000);
  assert.deepEqual(peer.requests, []);
  assert.deepEqual(peer.pings, []);
  assert.deepEqual(peer.attaches, []);
  assert.deepEqual(peer.drops, []);
  assert.equal(peer.waiting(), 0);
});

test('a node that is no member leaves without a word', () => {
  for (const begin of [() => lonePeer(), joiningPeer]) {
    const peer = begin();
    const begun = [...peer.attaches];
    peer.clear();
    let ended = 0;
    peer.topology.leave(() => ended++);
    assert.equal(ended, 0);
    peer.advance(0);
    assert.equal(ended, 1);
    assert.equal(peer.topology.state, 'left');
    assert.deepEqual(peer.requests, []);
    for (const { done } of begun) done(unanswered);
    peer.advance(4_000_000);
    assert.deepEqual(peer.attaches, []);
    assert.equal(peer.waiting(), 0);
  }
});

function joiningPeer() {
  const peer = lonePeer();
  peer.bootstrap = p1;
  peer.linkUp(p1);
  peer.topology.join(false);
  return peer;
}

test('the only peer of a ring leaves at once', () => {
  const peer = memberWith([]);
  let ended = 0;
  peer.topology.leave(() => ended++);
  assert.equal(ended, 0);
  peer.advance(0);
  assert.equal(ended, 1);
  assert.deepEqual(peer.copies, []);
});
