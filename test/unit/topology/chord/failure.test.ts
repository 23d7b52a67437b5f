import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeId } from '../../../../src/base/ids.ts';
import { messageCodes } from '../../../../src/wire/reload/message-codes.ts';
import { after, fingerIndex } from '../../../../src/topology/chord/ring.ts';
import { createRing, ringFaults, type TestPeer } from './ring-harness.ts';
import { ringOf, at, updates, owner, storeEverywhere, empty } from './settled-ring.ts';

test('[R6940-10.7.1-01] [R6940-10.7.1-02] a lost neighbor is replaced and the others hear of it within milliseconds', () => {
  const { ring, peers } = ringOf(9);
  const dead = at(peers, 4);
  const before = at(peers, 3);
  ring.kill(dead);
  const killedMs = ring.clock.monotonicMs();
  ring.run(60);
  assert.equal(before.topology.snapshot().successors[0], at(peers, 5).id);
  const told = updates(ring, killedMs, before.id);
  assert.ok(told.length > 0 && told.every(({ atMs }) => atMs - killedMs < 60));
  for (const { update } of told) {
    assert.ok(update.type !== 'peerReady' && !update.successors.includes(dead.id));
  }
  ring.run(2000);
  assert.deepEqual(ringFaults(ring), []);
});

test('[R6940-10.7.1-04] [R6940-10.7.3-09] a changed range is told to every linked node, clients included', () => {
  const { ring, peers } = ringOf(5);
  const heir = at(peers, 3);
  const client = ring.addPeer();
  const heard: NodeId[] = [];
  client.topology.handleUpdate = (from) => {
    heard.push(from);
    return { ok: true, value: empty };
  };
  ring.link(client.id, heir.id);
  ring.kill(at(peers, 2));
  ring.run(100);
  assert.deepEqual(heard, [heir.id]);
  assert.ok(!heir.topology.snapshot().predecessors.includes(client.id));
});

test('[R6940-10.7.1-03] new replicas in place of a lost successor wait 30 s', () => {
  const { ring, peers } = ringOf(9);
  ring.run(60_000);
  const subject = at(peers, 0);
  ring.copies.length = 0;
  const killedMs = ring.clock.monotonicMs();
  ring.kill(at(peers, 1));
  ring.run(29_000);
  const own = () => ring.copies.filter((copy) => copy.source === subject.id && copy.replica > 0);
  assert.deepEqual(own(), []);
  ring.run(2000);
  assert.deepEqual(
    own().map((copy) => [copy.target, copy.replica]),
    [[at(peers, 3).id, 2]],
  );
  assert.ok((own()[0]?.atMs ?? 0) - killedMs >= 30_000);
});

test('[R6940-10.7.3-06] a new peer in the replica set receives the replicas at once', () => {
  const { ring, peers } = ringOf(6);
  const resources = storeEverywhere(ring, peers, 100);
  const joining = ring.addPeer();
  ring.join(joining, peers[0]);
  ring.run(3000);
  const all = [...ring.peers.values()];
  for (const resource of resources) {
    const responsible = owner(all, resource);
    for (const id of [responsible.id, ...responsible.topology.replicas()]) {
      assert.ok(ring.peers.get(id)?.resources.has(resource), 'a copy is missing');
    }
  }
});

test('[R6940-10.7.3-08] data with three predecessors in between is deleted when the ring has settled', () => {
  const { ring, peers } = ringOf(3);
  const resources = storeEverywhere(ring, peers, 150);
  for (let i = 0; i < 6; i++) {
    ring.join(ring.addPeer(), peers[0]);
    ring.run(500);
  }
  ring.run(120_000);
  const all = [...ring.peers.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  for (const resource of resources) {
    const index = all.indexOf(owner(all, resource));
    const expected = [0, 1, 2].map((step) => at(all, index + step).id).sort();
    const holders = all.filter((peer) => peer.resources.has(resource)).map((peer) => peer.id);
    assert.deepEqual(holders, expected);
  }
});

test('two adjacent peers die at once: nothing is lost and the replicas are restored', () => {
  const { ring, peers } = ringOf(10);
  const resources = storeEverywhere(ring, peers, 200);
  ring.kill(at(peers, 4));
  ring.kill(at(peers, 5));
  ring.run(100);
  for (const resource of resources) assert.ok(owner(peers, resource).resources.has(resource));
  ring.run(40_000);
  assert.deepEqual(ringFaults(ring), []);
  for (const resource of resources) {
    const responsible = owner(peers, resource);
    assert.equal(responsible.topology.replicas().length, 2);
    for (const id of responsible.topology.replicas()) {
      assert.ok(ring.peers.get(id)?.resources.has(resource));
    }
  }
});

test('a peer that falls silent is routed around within 3.5 s and returns when it is heard from', () => {
  const { ring, peers } = ringOf(8);
  const silent = at(peers, 4);
  silent.silent = true;
  ring.run(3500);
  const heir = at(peers, 5);
  const lost = after(at(peers, 3).id);
  assert.equal(heir.topology.isResponsible(lost), true);
  for (const peer of peers) {
    if (peer !== silent) assert.equal(ring.hops(peer, lost).at, heir.id);
  }
  silent.silent = false;
  for (const peer of peers) if (peer !== silent) peer.topology.linkSuspect(silent.id, false);
  ring.run(3000);
  assert.equal(heir.topology.isResponsible(lost), false);
  assert.ok(
    ring.copies.some(
      (copy) => copy.source === heir.id && copy.target === silent.id && copy.replica === 0,
    ),
  );
});

test('the survivor of two works on alone and takes the other back', () => {
  const { ring, peers } = ringOf(2);
  const [gone, left] = [at(peers, 0), at(peers, 1)];
  ring.kill(gone);
  ring.run(200);
  assert.equal(left.topology.state, 'joined');
  assert.equal(left.topology.isResponsible(after(gone.id)), true);
  const back = ring.addPeer(gone.id);
  ring.join(back, left);
  ring.run(2000);
  assert.deepEqual(ringFaults(ring), []);
});

test('[R6940-10.7.1-08] [R6940-10.7.4.4-03] a peer that lost everybody finds the ring again and sends a Join', () => {
  const { ring, peers } = ringOf(6);
  const lonely = at(peers, 2);
  lonely.bootstrap = at(peers, 0).id;
  const value = after(at(peers, 1).id);
  ring.mayAttach = (from) => from === lonely.id;
  for (const id of [...lonely.links]) ring.unlink(lonely.id, id);
  lonely.resources.set(value, 7);
  ring.sent.length = 0;
  ring.run(10_000);
  assert.ok(
    ring.sent.some((sent) => sent.from === lonely.id && sent.code === messageCodes.joinReq),
  );
  assert.deepEqual(ringFaults(ring), []);
});

test('[R6940-10.7.4.4-03] [R6940-6.4.2.3-03] two separate rings merge and hand over what the other side owns', () => {
  const ring = createRing(5);
  const halves = [0, 1].map(() => {
    const first = ring.addPeer();
    ring.join(first);
    const members = [first];
    for (let i = 0; i < 5; i++) {
      const peer = ring.addPeer();
      ring.join(peer, first);
      members.push(peer);
      ring.run(200);
    }
    return members;
  });
  ring.run(2000);
  const [left, right] = halves as [TestPeer[], TestPeer[]];
  const resources = [...storeEverywhere(ring, left, 60), ...storeEverywhere(ring, right, 60)];
  for (const peer of left) peer.bootstrap = right[0]?.id;
  ring.run(150_000);
  assert.deepEqual(ringFaults(ring), []);
  const all = [...ring.peers.values()];
  const missing = resources.filter((resource) => !owner(all, resource).resources.has(resource));
  assert.deepEqual(missing, []);
});

test('[R6940-10.7.2-01] [R6940-10.7.2-02] [R6940-10.7.4.2-04] a lost finger is gone at once and sought in its range', () => {
  const { ring, peers } = ringOf(40);
  ring.run(60_000);
  const subject = at(peers, 0);
  const finger = subject.topology
    .snapshot()
    .fingers.find((id) => [1, 2].includes(fingerIndex(subject.id, id)));
  assert.ok(finger);
  ring.pings.length = 0;
  const index = fingerIndex(subject.id, finger);
  for (const id of [...subject.links]) {
    if (fingerIndex(subject.id, id) === index && id !== at(peers, -1).id)
      ring.unlink(subject.id, id);
  }
  assert.ok(!subject.topology.snapshot().fingers.includes(finger));
  ring.run(2000);
  const searches = ring.pings.filter((ping) => ping.from === subject.id);
  assert.ok(
    searches.some((ping) => fingerIndex(subject.id, ping.resource as string as NodeId) === index),
  );
});

test('[R6940-10.7.4.2-07] a quiet ring searches fingers at most once per chord-ping-interval', () => {
  const { ring, peers } = ringOf(16);
  ring.run(120_000);
  ring.pings.length = 0;
  ring.run(3_500_000);
  for (const { id } of peers) {
    const own = ring.pings.filter((ping) => ping.from === id && ping.resource !== after(id));
    assert.ok(own.length <= 1, `${own.length} searches`);
  }
});

test('[R6940-10.7.4.4-01] [R6940-10.7.4.4-02] the partition check asks for n+1 through the bootstrap node, again and again', () => {
  const { ring, peers } = ringOf(8);
  const subject = at(peers, 2);
  subject.bootstrap = at(peers, 6).id;
  ring.pings.length = 0;
  ring.run(300_000);
  const checks = ring.pings.filter(
    (ping) => ping.from === subject.id && ping.via === subject.bootstrap,
  );
  assert.ok(checks.length >= 3);
  for (const check of checks) assert.equal(check.resource, after(subject.id));
});
