/** How a peer gets to know nodes that others name, with those others played by the test. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeId } from '../../../../src/base/ids.ts';
import { limits } from '../../../../src/base/limits.ts';
import { success } from '../../../../src/base/outcome.ts';
import { decodeExact, encodeToBytes } from '../../../../src/wire/codec.ts';
import { chordLeaveData } from '../../../../src/wire/reload/chord.ts';
import { leaveReq } from '../../../../src/wire/reload/join-leave-update.ts';
import { messageCodes } from '../../../../src/wire/reload/message-codes.ts';
import { routeQueryReq } from '../../../../src/wire/reload/route-query.ts';
import { idOf, memberWith, noBytes, unanswered, type LonePeer } from './lone-peer.ts';

const [before, after] = [idOf(0x40), idOf(0xc0)];
const [larger, smaller] = [idOf(0xa0), idOf(0x60)];
const self = idOf(0x80);

const sought = (peer: LonePeer) =>
  peer.attaches.map(({ target, via }) => [
    target.kind === 'node' ? target.nodeId : target.resource,
    via,
  ]);

function leave(peer: LonePeer, from: NodeId, successors: readonly NodeId[]): boolean {
  const data = encodeToBytes(chordLeaveData, { type: 'fromSucc', successors });
  const body = encodeToBytes(leaveReq, { leavingPeerId: from, overlaySpecificData: data });
  return peer.topology.handleLeave(from, body).ok;
}

test('a stranger gets a quarter of a second to attach to us, the larger one of us two half a second', () => {
  const peer = memberWith([before, after]);
  peer.update(after, [larger, self], [before]);
  assert.deepEqual(sought(peer), []);
  peer.advance(249);
  assert.deepEqual(sought(peer), []);
  peer.advance(1);
  assert.deepEqual(sought(peer), [[larger, after]]);
  assert.equal(peer.attaches[0]?.sendUpdate, true);

  const other = memberWith([before, after]);
  other.update(before, [after], [smaller, self]);
  other.advance(499);
  assert.deepEqual(sought(other), []);
  other.advance(1);
  assert.deepEqual(sought(other), [[smaller, before]]);
});

test('a stranger that attaches to us by itself is not attached to', () => {
  const peer = memberWith([before, after]);
  peer.update(after, [larger, self], [before]);
  peer.advance(100);
  peer.meet(larger);
  peer.advance(5000);
  assert.deepEqual(sought(peer), []);
});

test('[R6940-10.7.3-02] only who would be a neighbor is attached to', () => {
  const ids = [0x10, 0x20, 0x30, 0x50, 0x70, 0x90, 0xa0, 0xb0, 0xc0, 0xd0].map(idOf);
  const peer = memberWith(ids);
  peer.update(idOf(0xd0), [idOf(0xc0)], [idOf(0xe0), idOf(0xf0)]);
  peer.advance(5000);
  assert.deepEqual(sought(peer), []);
  peer.update(idOf(0xd0), [idOf(0xc8), idOf(0xc0)], [idOf(0xe0)]);
  peer.advance(5000);
  assert.deepEqual(sought(peer), [[idOf(0xc8), idOf(0xd0)]]);
});

test('[R6940-10.7.3-02] of the strangers among our neighbors those farther than five members are left alone', () => {
  const peer = memberWith([0x70, 0x71, 0x72, 0x73, 0x74, 0x81, 0x82, 0x83, 0x84, 0xd0].map(idOf));
  peer.update(idOf(0x84), [idOf(0x83)], [0x90, 0x98, 0xa0].map(idOf));
  peer.advance(5000);
  assert.deepEqual(sought(peer), [[idOf(0x90), idOf(0x84)]]);
});

test('failures that are long past do not lengthen the pauses', () => {
  const peer = memberWith([before, after]);
  const name = (...ids: readonly NodeId[]): boolean => peer.update(after, [...ids, self], [before]);
  name(larger);
  for (const waitMs of [250, 1000, 2000, 4000]) {
    peer.advance(waitMs);
    peer.attaches.at(-1)?.done(unanswered);
  }
  assert.equal(sought(peer).length, 4);
  name();
  peer.advance(8000 + 60_001);
  peer.topology.linkSuspect(before, true);
  peer.topology.linkSuspect(before, false);
  peer.clear();
  name(larger);
  peer.advance(250);
  peer.attaches[0]?.done(unanswered);
  peer.advance(1000);
  assert.equal(sought(peer).length, 2);
});

test('what a silent member names is not followed, nor what clients name', () => {
  const peer = memberWith([before, after]);
  peer.topology.linkSuspect(after, true);
  peer.update(after, [larger, self], []);
  peer.advance(1000);
  assert.deepEqual(sought(peer), []);
});

test('a node that could not be attached is left alone for a second, then two, up to a minute', () => {
  const peer = memberWith([before, after]);
  peer.update(after, [larger, self], [before]);
  peer.advance(250);
  const pauses: number[] = [];
  for (let i = 0; i < 8; i++) {
    const attempt = peer.attaches.at(-1);
    attempt?.done(unanswered);
    const failedMs = peer.nowMs();
    const count = peer.attaches.length;
    for (let waited = 0; waited < 200 && peer.attaches.length === count; waited++) {
      // Members go on naming it in their periodic Updates.
      peer.update(after, [larger, self], [before]);
      peer.advance(500);
    }
    pauses.push((peer.attaches.at(-1)?.atMs ?? 0) - failedMs);
  }
  assert.deepEqual(pauses, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
  assert.equal(peer.trace.count('chord_attach_failures_total'), 8);
});

test('an Attach to one node is not repeated while it is open, and a link that came up meanwhile is as good', () => {
  const peer = memberWith([before, after]);
  peer.update(after, [larger, self], [before]);
  peer.advance(3000);
  assert.equal(sought(peer).length, 1);
  peer.linkUp(larger);
  peer.attaches[0]?.done(unanswered);
  assert.equal(peer.trace.count('chord_attach_failures_total'), 0);
  assert.ok(peer.updates(larger).length > 0, 'it hears our tables');
});

test('the reporter is used only while it is linked', () => {
  const peer = memberWith([before, after]);
  peer.update(after, [larger, self], [before]);
  peer.update(before, [after], [self, larger]);
  peer.advance(100);
  peer.linkDown(before);
  peer.advance(400);
  assert.deepEqual(sought(peer)[0], [larger, after]);
});

test('no more than a bounded number of Attaches are open at once', () => {
  const peer = memberWith([before, after]);
  const named = Array.from({ length: 16 }, (_, i) => idOf(0x81 + i));
  for (let i = 0; i < 8; i++) {
    peer.update(after, [...named.slice(i), self], [before]);
    peer.update(before, [after], [idOf(0x70 - i), idOf(0x78), self]);
    peer.advance(1000);
  }
  assert.ok(peer.attaches.length <= limits.topology.attachesAtOnce);
});

test('a linked member that others name but that says nothing is asked every half second', () => {
  const peer = memberWith([before, after]);
  peer.linkUp(larger);
  peer.update(after, [larger, self], [before]);
  peer.advance(499);
  assert.deepEqual(peer.askedOf(messageCodes.routeQueryReq), []);
  peer.advance(251);
  assert.deepEqual(peer.askedOf(messageCodes.routeQueryReq), [larger]);
  const body = peer.requests.find(({ to }) => to === larger)?.body ?? noBytes;
  const query = decodeExact(routeQueryReq, body);
  assert.equal(query.sendUpdate, true);
  assert.deepEqual(query.destination, { type: 'node', nodeId: larger });
  peer.advance(2000);
  assert.equal(peer.askedOf(messageCodes.routeQueryReq).length, 5);
  peer.ready(larger);
  peer.advance(2000);
  assert.equal(peer.askedOf(messageCodes.routeQueryReq).length, 5);
  assert.deepEqual(sought(peer), []);
});

test('those that a leaving peer names are sought, itself is left alone for half a minute', () => {
  const peer = memberWith([before, after]);
  assert.equal(leave(peer, after, [larger, before]), true);
  assert.deepEqual(peer.topology.snapshot().successors, [before]);
  peer.advance(500);
  assert.deepEqual(sought(peer), [[larger, after]]);
  peer.linkDown(after);
  peer.attaches[0]?.done(success(larger));
  peer.meet(larger);
  peer.update(larger, [after, self], [before]);
  peer.advance(29_000);
  assert.equal(sought(peer).filter(([id]) => id === after).length, 0, 'its name is still about');
  peer.advance(1000);
  assert.equal(sought(peer).filter(([id]) => id === after).length, 1);
});

test('what a leaving peer named is forgotten when its link is gone', () => {
  const peer = memberWith([before, after, larger]);
  const named = idOf(0x90);
  leave(peer, after, [named]);
  peer.linkDown(after);
  peer.advance(5000);
  assert.deepEqual(sought(peer), []);
});

test('a lost link is not made again for two seconds although others still name the node', () => {
  const peer = memberWith([before, after, larger]);
  peer.update(after, [larger, self], [before]);
  peer.linkDown(larger);
  peer.advance(1999);
  assert.deepEqual(sought(peer), []);
  peer.advance(1000);
  assert.deepEqual(sought(peer), [[larger, after]]);
});

test('a link that was lost is no failed Attach: the pauses begin with a second', () => {
  const peer = memberWith([before, after, larger]);
  peer.update(after, [larger, self], [before]);
  peer.linkDown(larger);
  peer.advance(2250);
  peer.attaches[0]?.done(unanswered);
  peer.advance(999);
  assert.equal(sought(peer).length, 1);
  peer.advance(251);
  assert.equal(sought(peer).length, 2);
});

test('a node that could not be attached and comes by itself is asked soon when it says nothing', () => {
  const peer = memberWith([before, after]);
  peer.update(after, [larger, self], [before]);
  for (let i = 0; i < 6; i++) {
    peer.advance(1000 * 2 ** i);
    peer.attaches.at(-1)?.done(unanswered);
  }
  peer.clear();
  peer.linkUp(larger);
  peer.advance(1000);
  assert.deepEqual(peer.askedOf(messageCodes.routeQueryReq), [larger]);
});

test('of those that are left alone the oldest is forgotten when they are too many', () => {
  const peer = memberWith([before, after]);
  const lost = Array.from({ length: limits.topology.avoidedNodes + 1 }, (_, i) => {
    return `9${i.toString(16).padStart(31, '0')}` as NodeId;
  });
  for (const id of lost) {
    peer.linkUp(id);
    peer.linkDown(id);
  }
  const [first, second] = lost as [NodeId, NodeId];
  peer.update(after, [second, first, self], [before]);
  peer.advance(1000);
  assert.deepEqual(
    sought(peer).map(([id]) => id),
    [first],
  );
});

test('a Leave over no link, or of somebody else, changes nothing; one of an unknown kind is accepted', () => {
  const peer = memberWith([before, after]);
  assert.equal(leave(peer, larger, []), false);
  const body = encodeToBytes(leaveReq, {
    leavingPeerId: after,
    overlaySpecificData: new Uint8Array([9]),
  });
  assert.equal(peer.topology.handleLeave(after, body).ok, true);
  assert.deepEqual(peer.topology.snapshot().successors, [before]);
});

test('the nodes that a stopped peer asked for are not pursued any more', () => {
  const peer = memberWith([before, after]);
  peer.update(after, [larger, self], [before]);
  peer.advance(250);
  peer.topology.leave(() => undefined);
  peer.attaches[0]?.done(unanswered);
  peer.advance(10_000);
  assert.equal(sought(peer).length, 1);
  assert.equal(peer.trace.count('chord_attach_failures_total'), 0);
});

test('of the nodes that a leaving peer names eight are looked at', () => {
  const far = Array.from({ length: 8 }, (_, i) => idOf(0xf0 + i));
  for (const [named, isSought] of [
    [[...far.slice(1), larger], true],
    [[...far, larger], false],
  ] as const) {
    const peer = memberWith([before, after]);
    leave(peer, after, named);
    peer.advance(1000);
    assert.equal(
      sought(peer).some(([id]) => id === larger),
      isSought,
    );
  }
});
