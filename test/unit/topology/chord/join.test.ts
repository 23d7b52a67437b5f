import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeId } from '../../../../src/base/ids.ts';
import { encodeToBytes } from '../../../../src/wire/codec.ts';
import { errorCodes } from '../../../../src/wire/reload/errors.ts';
import { joinReq } from '../../../../src/wire/reload/join-leave-update.ts';
import { messageCodes } from '../../../../src/wire/reload/message-codes.ts';
import { after, fingerStart } from '../../../../src/topology/chord/ring.ts';
import { createRing, ringFaults, testConfig } from './ring-harness.ts';
import { ringOf, at, updates, owner, storeEverywhere, empty } from './settled-ring.ts';

test('[R6940-10.1-03] [R6940-10.7-06] seven peers know the nearest on both sides; three know each other', () => {
  for (const count of [1, 2, 3, 7]) ringOf(count);
});

test('[R6940-10.5-02] [R6940-10.5-05] [R6940-10.5-08] [R6940-11.4-04] Attach to n+1, Join, Update naming us', () => {
  const { ring, peers } = ringOf(5);
  const joining = ring.addPeer();
  ring.sent.length = 0;
  const admitting = owner(peers, after(joining.id));
  ring.join(joining, peers[0]);
  ring.run(2000);
  const joins = ring.sent.filter((sent) => sent.code === messageCodes.joinReq);
  assert.deepEqual(
    joins.map((sent) => [sent.from, sent.to]),
    [[joining.id, admitting.id]],
  );
  const naming = updates(ring, 0, admitting.id).find(
    ({ to, update }) =>
      to === joining.id && update.type !== 'peerReady' && update.predecessors[0] === joining.id,
  );
  assert.ok(naming);
  const copied = ring.copies.find((copy) => copy.target === joining.id && copy.replica === 0);
  assert.ok(copied && copied.source === admitting.id && copied.atMs <= naming.atMs);
  assert.equal(joining.topology.state, 'joined');
});

test('[R6940-10.5-07] [R6940-10.5-10] a joining peer receives the data of its range; the admitting peer keeps a replica', () => {
  const { ring, peers } = ringOf(3);
  const resources = storeEverywhere(ring, peers, 200);
  const joining = ring.addPeer();
  ring.join(joining, peers[0]);
  ring.run(2000);
  const own = resources.filter((resource) => joining.topology.isResponsible(resource));
  assert.ok(own.length > 0);
  const successor = ring.peers.get(joining.topology.snapshot().successors[0] as NodeId);
  for (const resource of own) {
    assert.ok(joining.resources.has(resource));
    assert.ok(successor?.resources.has(resource));
  }
});

test('[R6940-10.5-12] [R6940-10.5-20] no Update of ours before all neighbors are attached, then one to each', () => {
  const { ring, peers } = ringOf(6);
  const joining = ring.addPeer();
  const blocked = at(peers, 3).id;
  const bootstrap = at(peers, 0);
  ring.mayAttach = (from, to) => from !== joining.id || to !== blocked;
  ring.join(joining, bootstrap);
  ring.run(2500);
  assert.equal(joining.links.has(blocked), false);
  assert.deepEqual(updates(ring, 0, joining.id), []);
  assert.equal(joining.topology.state, 'joining');
  ring.mayAttach = () => true;
  ring.run(8000);
  assert.equal(joining.topology.state, 'joined');
  const told = new Set(updates(ring, 0, joining.id).map((sent) => sent.to));
  for (const peer of peers) assert.ok(told.has(peer.id));
});

test('a neighbor that nobody can attach to does not keep a node out for ever', () => {
  const { ring, peers } = ringOf(6);
  const joining = ring.addPeer();
  const blocked = at(peers, 3).id;
  ring.mayAttach = (from, to) => new Set([from, to, joining.id, blocked]).size > 2;
  ring.join(joining, at(peers, 0));
  ring.run(60_000);
  assert.equal(joining.topology.state, 'joined');
});

test('nodes that join at the same moment all get their places', () => {
  for (const seed of [1, 2, 3]) {
    const ring = createRing(seed);
    const first = ring.addPeer();
    ring.join(first);
    for (let i = 1; i < 20; i++) ring.join(ring.addPeer(), first);
    ring.run(5000);
    assert.deepEqual(ringFaults(ring), []);
  }
});

test('[R6940-10.5-15] [R6940-10.5-16] [R6940-10.5-17] a join works without the admitting peer’s tables at first', () => {
  const { ring, peers } = ringOf(4);
  const joining = ring.addPeer();
  for (const peer of peers) peer.topology.sendUpdateTo = () => undefined;
  let asked = 0;
  const stopAnswering = peers.map((peer) => {
    const { topology } = peer;
    const answer = topology.handleRouteQuery.bind(topology);
    topology.handleRouteQuery = () => {
      asked++;
      return { ok: false, error: { code: errorCodes.notFound, text: 'no' } };
    };
    return () => (topology.handleRouteQuery = answer);
  });
  ring.join(joining, peers[0]);
  ring.run(6000);
  for (const restore of stopAnswering) restore();
  ring.run(30_000);
  assert.equal(asked, 1);
  assert.equal(joining.topology.state, 'joined');
  assert.deepEqual(ringFaults(ring), []);
});

test('a node whose bootstrap peer appears late joins then', () => {
  const { ring, peers } = ringOf(3);
  const joining = ring.addPeer();
  joining.topology.join(false);
  ring.run(3000);
  assert.equal(joining.topology.state, 'joining');
  joining.bootstrap = at(peers, 1).id;
  ring.link(joining.id, at(peers, 1).id);
  ring.run(1000);
  assert.equal(joining.topology.state, 'joined');
});

test('a node-id-length other than 16 bytes is not joined with', () => {
  const ring = createRing(1);
  ring.config = { ...testConfig, nodeIdLength: 20 };
  const peer = ring.addPeer();
  peer.topology.join(true);
  assert.equal(peer.topology.state, 'idle');
});

test('[R6940-6.4.2.1-03] [R6940-6.4.2.1-04] Join with a foreign id or without a link is forbidden', () => {
  const { ring, peers } = ringOf(2);
  const stranger = ring.addPeer();
  const target = owner(peers, after(stranger.id)).topology;
  const join = (joiningPeerId: NodeId) =>
    target.handleJoin(
      stranger.id,
      encodeToBytes(joinReq, { joiningPeerId, overlaySpecificData: empty }),
    );
  const code = (outcome: ReturnType<typeof join>): number => (outcome.ok ? 0 : outcome.error.code);
  assert.equal(code(join(stranger.id)), errorCodes.forbidden);
  ring.link(stranger.id, at(peers, 0).id);
  ring.link(stranger.id, at(peers, 1).id);
  assert.equal(code(join(at(peers, 0).id)), errorCodes.forbidden);
  assert.equal(code(join(stranger.id)), 0);
  assert.equal(
    code(target.handleJoin(stranger.id, new Uint8Array([1])) as never),
    errorCodes.invalidMessage,
  );
});

test('[R6940-10.5-14] [R6940-10.6-01] [R6940-10.6-02] neighbors are attached to through the peer that named them', () => {
  const { ring, peers } = ringOf(12);
  const joining = ring.addPeer();
  ring.attaches.length = 0;
  const admitting = owner(peers, after(joining.id)).id;
  ring.join(joining, peers[0]);
  ring.run(2000);
  const own = ring.attaches.filter((attach) => attach.from === joining.id);
  assert.deepEqual(own[0]?.target, { kind: 'resource', resource: after(joining.id) });
  const neighbors = own.filter((attach) => attach.target.kind === 'node');
  assert.ok(neighbors.length > 3);
  for (const { via } of neighbors) assert.ok(via !== undefined && via !== joining.id);
  assert.ok(neighbors.some(({ via }) => via === admitting));
  const fingers = own.slice(1).filter((attach) => attach.target.kind === 'resource');
  for (const { via } of fingers) assert.equal(via, undefined);
});

test('[R6940-10.5-03] [R6940-10.5-19] the first finger of a joining node is sought at n + 2^127, before the Join', () => {
  const { ring, peers } = ringOf(40);
  const joining = ring.addPeer();
  ring.attaches.length = 0;
  ring.sent.length = 0;
  ring.join(joining, peers[0]);
  ring.run(3000);
  const start = fingerStart(joining.id, 1);
  const sought = ring.attaches.find(
    ({ from, target }) =>
      from === joining.id && target.kind === 'resource' && target.resource === start,
  );
  const join = ring.sent.find((sent) => sent.code === messageCodes.joinReq);
  assert.ok(sought && join && sought.atMs <= join.atMs);
});
