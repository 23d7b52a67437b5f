import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeId, ResourceId } from '../../../../src/base/ids.ts';
import { hexEncode } from '../../../../src/base/text.ts';
import { encodeToBytes, tryDecode } from '../../../../src/wire/codec.ts';
import {
  chordLeaveData,
  chordRouteQueryAns,
  chordUpdate,
} from '../../../../src/wire/reload/chord.ts';
import { errorCodes } from '../../../../src/wire/reload/errors.ts';
import { joinReq, leaveReq } from '../../../../src/wire/reload/join-leave-update.ts';
import { messageCodes } from '../../../../src/wire/reload/message-codes.ts';
import { routeQueryReq } from '../../../../src/wire/reload/route-query.ts';
import { after, inRange } from '../../../../src/topology/chord/ring.ts';
import {
  createRing,
  ringFaults,
  testConfig,
  type RingHarness,
  type TestPeer,
} from './ring-harness.ts';

const empty = new Uint8Array(0);

/** A ring of `count` peers that joined one after the other and settled. */
function ringOf(
  count: number,
  seed: string | number = 1,
): { ring: RingHarness; peers: TestPeer[] } {
  const ring = createRing(seed);
  const first = ring.addPeer();
  ring.join(first);
  for (let i = 1; i < count; i++) {
    ring.join(ring.addPeer(), first);
    ring.run(100);
  }
  ring.run(3000);
  assert.deepEqual(ringFaults(ring), []);
  return { ring, peers: [...ring.peers.values()].sort((a, b) => (a.id < b.id ? -1 : 1)) };
}

const at = (peers: readonly TestPeer[], index: number): TestPeer =>
  peers.at(((index % peers.length) + peers.length) % peers.length) as TestPeer;

function updates(ring: RingHarness, sinceMs: number, from?: NodeId) {
  return ring.sent.flatMap((sent) => {
    if (sent.code !== messageCodes.updateReq || sent.atMs < sinceMs) return [];
    if (from !== undefined && sent.from !== from) return [];
    const update = tryDecode(chordUpdate, sent.body);
    assert.ok(update.ok);
    return [{ ...sent, update: update.value }];
  });
}

function owner(peers: readonly TestPeer[], resource: ResourceId): TestPeer {
  const owners = peers.filter((peer) => peer.alive && peer.topology.isResponsible(resource));
  assert.equal(owners.length, 1, `${owners.length} owners of ${resource}`);
  return owners[0] as TestPeer;
}

function storeEverywhere(
  ring: RingHarness,
  peers: readonly TestPeer[],
  count: number,
): ResourceId[] {
  return Array.from({ length: count }, (_, i) => {
    const resource = hexEncode(ring.random.bytes(16)) as ResourceId;
    const responsible = owner(peers, resource);
    responsible.resources.set(resource, i);
    for (const id of responsible.topology.replicas())
      ring.peers.get(id)?.resources.set(resource, i);
    return resource;
  });
}

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

test('[R6940-10.9-01] [R6940-10.9-03] [R6940-10.9-04] a leaving peer says so on both sides and is replaced', () => {
  const { ring, peers } = ringOf(9);
  const leaver = at(peers, 4);
  const resources = storeEverywhere(ring, peers, 80);
  ring.sent.length = 0;
  let left = false;
  leaver.topology.leave(() => (left = true));
  assert.equal(left, false);
  ring.run(500);
  assert.equal(left, true);
  const leaves = new Map(
    ring.sent
      .filter((sent) => sent.code === messageCodes.leaveReq)
      .map((sent) => [sent.to, sent.body]),
  );
  const kindFor = (peer: TestPeer): string => {
    const request = tryDecode(leaveReq, leaves.get(peer.id) ?? empty);
    assert.ok(request.ok && request.value.leavingPeerId === leaver.id);
    const data = tryDecode(chordLeaveData, request.value.overlaySpecificData);
    assert.ok(data.ok);
    return data.value.type;
  };
  assert.equal(kindFor(at(peers, 3)), 'fromSucc');
  assert.equal(kindFor(at(peers, 5)), 'fromPred');
  assert.equal(at(peers, 3).topology.snapshot().successors[0], at(peers, 5).id);
  ring.kill(leaver);
  ring.run(2000);
  assert.deepEqual(ringFaults(ring), []);
  for (const resource of resources) assert.ok(owner(peers, resource).resources.has(resource));
});

test('[R6940-6.4.2.2-04] a Leave with a foreign id is forbidden and changes nothing', () => {
  const { peers } = ringOf(4);
  const [a, b, c] = [at(peers, 0), at(peers, 1), at(peers, 2)];
  const body = encodeToBytes(leaveReq, { leavingPeerId: c.id, overlaySpecificData: empty });
  const outcome = a.topology.handleLeave(b.id, body);
  assert.equal(outcome.ok ? 0 : outcome.error.code, errorCodes.forbidden);
  assert.ok(a.topology.snapshot().successors.includes(c.id));
});

test('[R6940-10.8-01] [R6940-10.8-02] RouteQuery names the next peer and is followed by a full Update', () => {
  const { ring, peers } = ringOf(7);
  const [asking, asked] = [at(peers, 0), at(peers, 2)];
  const query = (sendUpdate: boolean) =>
    asked.topology.handleRouteQuery(
      asking.id,
      encodeToBytes(routeQueryReq, {
        sendUpdate,
        destination: { type: 'resource', resource: after(at(peers, 4).id) },
        overlaySpecificData: empty,
      }),
    );
  ring.sent.length = 0;
  const outcome = query(false);
  assert.ok(outcome.ok);
  const next = tryDecode(chordRouteQueryAns, outcome.value);
  assert.deepEqual(next.ok && next.value.nextPeer, at(peers, 4).id);
  ring.run(10);
  assert.deepEqual(updates(ring, 0, asked.id), []);
  query(true);
  ring.run(10);
  const [full] = updates(ring, 0, asked.id);
  assert.equal(full?.to, asking.id);
  assert.equal(full.update.type, 'full');
});

test('[R6940-10.7.4.1-01] [R6940-10.7.4.1-03] one Update per neighbor and interval, spread over it', () => {
  const { ring, peers } = ringOf(4);
  ring.run(700_000);
  const sinceMs = ring.clock.monotonicMs();
  ring.run(600_000);
  const [subject] = peers;
  const sent = updates(ring, sinceMs, subject?.id);
  assert.deepEqual(
    sent.map(({ to }) => to).sort(),
    peers.slice(1).map((peer) => peer.id),
  );
  assert.equal(new Set(sent.map(({ atMs }) => Math.floor(atMs))).size, 3);
});

test('[R6940-10.7.3-01] an Update without closer peers leaves the tables as they are', () => {
  const { ring, peers } = ringOf(6);
  const [a, b] = [at(peers, 0), at(peers, 1)];
  const before = a.topology.snapshot();
  const { predecessors, successors } = b.topology.snapshot();
  a.topology.handleUpdate(
    b.id,
    encodeToBytes(chordUpdate, { uptime: 1, type: 'neighbors', predecessors, successors }),
  );
  ring.run(100);
  assert.deepEqual(a.topology.snapshot(), before);
});

test('an Update full of invented nodes costs a bounded number of Attaches and no table', () => {
  const { ring, peers } = ringOf(4);
  const [a, b] = [at(peers, 0), at(peers, 1)];
  let attempts = 0;
  ring.mayAttach = () => false;
  const invented = Array.from({ length: 4000 }, () => hexEncode(ring.random.bytes(16)) as NodeId);
  const before = a.topology.snapshot();
  for (let i = 0; i < 10; i++) {
    const outcome = a.topology.handleUpdate(
      b.id,
      encodeToBytes(chordUpdate, {
        uptime: 1,
        type: 'neighbors',
        predecessors: invented,
        successors: invented,
      }),
    );
    assert.ok(outcome.ok);
    attempts++;
  }
  ring.run(1000);
  assert.equal(attempts, 10);
  assert.deepEqual(a.topology.snapshot().successors, before.successors);
});

test('malformed bodies are refused with Error_Invalid_Message', () => {
  const { peers } = ringOf(2);
  const [a, b] = [at(peers, 0), at(peers, 1)];
  for (const body of [empty, new Uint8Array([0, 0, 0, 1, 9]), new Uint8Array(64).fill(255)]) {
    for (const outcome of [
      a.topology.handleUpdate(b.id, body),
      a.topology.handleLeave(b.id, body),
      a.topology.handleRouteQuery(b.id, body),
    ]) {
      assert.equal(outcome.ok ? 0 : outcome.error.code, errorCodes.invalidMessage);
    }
  }
});

test('32 peers: correct soon after a simultaneous start, sparse, and lookups are short', () => {
  const ring = createRing(3);
  const first = ring.addPeer();
  ring.join(first);
  for (let i = 1; i < 32; i++) ring.join(ring.addPeer(), first);
  ring.run(5000);
  assert.deepEqual(ringFaults(ring), []);
  ring.run(120_000);
  const living = ring.living();
  assert.ok(living.some((peer) => peer.links.size < 31));
  let hops = 0;
  const lookups = 600;
  for (let i = 0; i < lookups; i++) {
    const from = living[ring.random.below(living.length)] as TestPeer;
    const resource = hexEncode(ring.random.bytes(16)) as ResourceId;
    const found = ring.hops(from, resource);
    assert.equal(found.at, owner(living, resource).id);
    hops += found.hops;
  }
  assert.ok(hops / lookups <= 0.5 * Math.log2(32) + 0.3, `${hops / lookups} hops`);
});

test('responsibility is split without gaps or overlaps', () => {
  const { peers } = ringOf(6);
  const total = peers.reduce((sum, peer) => sum + peer.topology.responsiblePpb(), 0);
  assert.ok(Math.abs(total - 1e9) < 10);
  for (const [index, peer] of peers.entries()) {
    const resource = after(at(peers, index - 1).id);
    assert.ok(inRange(at(peers, index - 1).id, resource, peer.id));
    assert.equal(peer.topology.isResponsible(resource), true);
    assert.equal(at(peers, index + 1).topology.isPlausibleReplica(resource, 1), true);
    assert.equal(at(peers, index + 2).topology.isPlausibleReplica(resource, 2), true);
    assert.equal(at(peers, index + 3).topology.isPlausibleReplica(resource, 2), false);
    assert.equal(at(peers, index + 1).topology.isPlausibleReplica(resource, 3), false);
  }
});
