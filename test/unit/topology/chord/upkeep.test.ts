import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeId } from '../../../../src/base/ids.ts';
import { limits } from '../../../../src/base/limits.ts';
import { encodeToBytes, tryDecode } from '../../../../src/wire/codec.ts';
import { chordUpdate } from '../../../../src/wire/reload/chord.ts';
import { joinAns } from '../../../../src/wire/reload/join-leave-update.ts';
import { joinReq } from '../../../../src/wire/reload/join-leave-update.ts';
import { messageCodes } from '../../../../src/wire/reload/message-codes.ts';
import { routeQueryReq } from '../../../../src/wire/reload/route-query.ts';
import { fingerIndex, fingerStart } from '../../../../src/topology/chord/ring.ts';
import { createRing, ringFaults } from './ring-harness.ts';
import { ringOf, at, updates, empty } from './settled-ring.ts';

test('[R6940-10.5-01] [R6940-10.5-04] a joining node reaches everybody through its bootstrap peer and routes by those it reached', () => {
  const { ring, peers } = ringOf(12);
  const joining = ring.addPeer();
  const bootstrap = at(peers, 0);
  ring.attaches.length = 0;
  ring.join(joining, bootstrap);
  ring.run(3000);
  const own = ring.attaches.filter(({ from }) => from === joining.id);
  assert.equal(own[0]?.via, bootstrap.id);
  const { routable } = joining.topology.snapshot();
  for (const { target } of own) {
    if (target.kind === 'node') assert.ok(routable.includes(target.nodeId));
  }
  assert.ok(own.filter(({ target }) => target.kind === 'node').length >= 5);
});

test('[R6940-10.5-06] every Join is answered, a second one of the same node too', () => {
  const { ring, peers } = ringOf(4);
  const joining = ring.addPeer();
  const body = encodeToBytes(joinReq, { joiningPeerId: joining.id, overlaySpecificData: empty });
  let accepted = 0;
  for (const peer of peers) {
    ring.link(peer.id, joining.id);
    for (let i = 0; i < 2; i++) {
      const answer = peer.topology.handleJoin(joining.id, body);
      if (!answer.ok) assert.ok(answer.error.code > 0);
      else if (tryDecode(joinAns, answer.value).ok) accepted++;
    }
  }
  assert.equal(accepted, 2);
});

test('[R6940-10.5-11] [R6940-10.7.3-04] after a join all links of the admitting peer hear of its new neighbors', () => {
  const { ring, peers } = ringOf(9);
  const joining = ring.addPeer();
  const startedMs = ring.clock.monotonicMs();
  ring.join(joining, peers[0]);
  ring.run(3000);
  const admitting = ring.peers.get(joining.topology.snapshot().successors[0] as NodeId);
  assert.ok(admitting);
  const told = new Set(
    updates(ring, startedMs, admitting.id)
      .filter(({ update }) => update.type !== 'peerReady' && update.predecessors[0] === joining.id)
      .map(({ to }) => to),
  );
  assert.deepEqual([...told].sort(), [...admitting.links].sort());
  assert.ok(told.has(joining.id));
});

test('[R6940-10.7-02] after peer_ready a node may be routed through, before it may not', () => {
  const { ring, peers } = ringOf(4);
  const subject = at(peers, 0);
  const other = ring.addPeer();
  ring.link(subject.id, other.id);
  assert.ok(!subject.topology.snapshot().routable.includes(other.id));
  const ready = encodeToBytes(chordUpdate, { uptime: 1, type: 'peerReady' });
  assert.ok(subject.topology.handleUpdate(other.id, ready).ok);
  assert.ok(subject.topology.snapshot().routable.includes(other.id));
});

test('[R6940-10.7-03] [R6940-10.7-04] neighbors get type neighbors, a RouteQuery with send_update type full with ascending fingers', () => {
  const { ring, peers } = ringOf(40);
  ring.run(30_000);
  const subject = at(peers, 5);
  const asker = at(peers, 6);
  const sinceMs = ring.clock.monotonicMs();
  const body = encodeToBytes(routeQueryReq, {
    sendUpdate: true,
    destination: { type: 'node', nodeId: subject.id },
    overlaySpecificData: empty,
  });
  assert.ok(subject.topology.handleRouteQuery(asker.id, body).ok);
  ring.run(10);
  const [full] = updates(ring, sinceMs, subject.id);
  assert.ok(full?.to === asker.id && full.update.type === 'full');
  assert.ok(full.update.fingers.length >= 3);
  assert.deepEqual(full.update.fingers, [...full.update.fingers].sort());
  ring.run(700_000);
  const periodic = updates(ring, sinceMs + 20, subject.id);
  assert.ok(periodic.length >= 10);
  const askers = new Set(
    ring.attaches.filter(({ atMs }) => atMs >= sinceMs).map(({ from }) => from),
  );
  for (const { to, update } of periodic) {
    assert.ok(update.type === 'neighbors' || askers.has(to));
  }
});

test('[R6940-10.7-05] every member of the Neighbor Table is linked, also after failures', () => {
  const { ring, peers } = ringOf(14);
  ring.kill(at(peers, 3));
  ring.kill(at(peers, 4));
  ring.run(10_000);
  assert.deepEqual(ringFaults(ring), []);
  for (const peer of ring.living()) {
    const { predecessors, successors } = peer.topology.snapshot();
    for (const id of [...predecessors, ...successors]) assert.ok(peer.links.has(id));
  }
});

test('[R6940-10.7-07] the number of neighbors is a setting of at least three and of the order of log N', () => {
  assert.ok(2 * limits.topology.neighborsPerSide >= Math.log2(1000) - 1);
  const { predecessors, successors } = at(ringOf(20).peers, 0).topology.snapshot();
  assert.equal(predecessors.length, limits.topology.neighborsPerSide);
  assert.equal(successors.length, limits.topology.neighborsPerSide);
});

test('[R6940-10.7.1-06] between loss and return of a neighbor it is in no table', () => {
  const { ring, peers } = ringOf(9);
  const subject = at(peers, 2);
  const lost = at(peers, 3);
  ring.unlink(subject.id, lost.id);
  const { successors, predecessors, routable, fingers } = subject.topology.snapshot();
  for (const table of [successors, predecessors, routable, fingers]) {
    assert.ok(!table.includes(lost.id));
  }
  ring.run(20_000);
  assert.equal(subject.topology.snapshot().successors[0], lost.id);
  assert.ok(subject.links.has(lost.id));
});

test('[R6940-10.7.1-07] [R6940-10.7.1-09] who lost all links tries again and again until the ring takes it back', () => {
  const { ring, peers } = ringOf(6);
  const subject = at(peers, 1);
  const bootstrap = peers.find((peer) => peer !== subject);
  assert.ok(bootstrap);
  subject.bootstrap = bootstrap.id;
  for (const peer of peers) peer.silent = peer !== subject;
  for (const id of [...subject.links]) ring.unlink(subject.id, id);
  ring.pings.length = 0;
  ring.sent.length = 0;
  ring.run(40_000);
  const tries = ring.pings.filter(({ from, via }) => from === subject.id && via === bootstrap.id);
  assert.ok(tries.length >= 3, `${tries.length} tries`);
  for (const peer of peers) peer.silent = false;
  ring.run(120_000);
  const joins = ring.sent.filter(
    ({ from, code }) => from === subject.id && code === messageCodes.joinReq,
  );
  assert.ok(joins.length > 0);
  const { state, successors } = subject.topology.snapshot();
  assert.equal(state, 'joined');
  assert.ok(successors.length > 0);
});

test('[R6940-10.7.3-02] [R6940-10.7.3-03] closer peers in an Update are attached to and adopted', () => {
  const { ring, peers } = ringOf(12);
  const subject = at(peers, 0);
  const reporter = at(peers, 1);
  const closer = at(peers, 2);
  // Nobody but the reporter tells of it, and it does not attach to us by itself.
  ring.mayAttach = (from) => from === subject.id;
  ring.unlink(subject.id, closer.id);
  ring.attaches.length = 0;
  ring.run(3000);
  const lists = reporter.topology.snapshot();
  const body = encodeToBytes(chordUpdate, {
    uptime: 1,
    type: 'neighbors',
    predecessors: lists.predecessors,
    successors: lists.successors,
  });
  assert.ok(subject.topology.handleUpdate(reporter.id, body).ok);
  ring.run(3000);
  assert.ok(
    ring.attaches.some(
      ({ from, target }) =>
        from === subject.id && target.kind === 'node' && target.nodeId === closer.id,
    ),
  );
  assert.equal(subject.topology.snapshot().successors[1], closer.id);
});

test('[R6940-10.7.4.1-02] the period of Updates is that of the configuration document', () => {
  for (const [periodS, expected] of [
    [600, 1],
    [150, 4],
  ] as const) {
    const { ring, peers } = ringOf(4);
    ring.config = { ...ring.config, chordUpdateIntervalS: periodS };
    ring.run(1_300_000);
    const sinceMs = ring.clock.monotonicMs();
    ring.run(600_000);
    const own = updates(ring, sinceMs, at(peers, 0).id).filter(({ to }) => to === at(peers, 1).id);
    assert.ok(Math.abs(own.length - expected) <= 1, `${own.length} Updates at ${periodS} s`);
  }
});

test('[R6940-10.7.4.2-01] [R6940-10.7.4.2-03] empty entries are sought period by period, far ones most', () => {
  const { ring, peers } = ringOf(40);
  ring.config = { ...ring.config, chordReactive: false, chordPingIntervalS: 100 };
  ring.run(3_700_000);
  const subject = at(peers, 0);
  const far = [1, 2, 3];
  ring.mayAttach = (from, to) => from !== subject.id && to !== subject.id;
  const { successors, predecessors } = subject.topology.snapshot();
  for (const id of [...subject.links]) {
    const isNear = successors.includes(id) || predecessors.includes(id);
    if (!isNear) ring.unlink(subject.id, id);
  }
  ring.run(200);
  ring.pings.length = 0;
  ring.run(400_000);
  ring.pings.length = 0;
  ring.run(4_000_000);
  const sought = ring.pings
    .filter(({ from, via }) => from === subject.id && via === undefined)
    .map(({ resource }) => fingerIndex(subject.id, resource as string as NodeId))
    .filter((index) => index < 100);
  const times = (index: number): number => sought.filter((one) => one === index).length;
  assert.ok(times(1) > times(3), `${times(1)} and ${times(3)} searches`);
  assert.ok(times(1) > 10);
  ring.mayAttach = () => true;
  ring.run(1_500_000);
  const held = new Set(
    subject.topology.snapshot().routable.map((id) => fingerIndex(subject.id, id)),
  );
  for (const index of far) assert.ok(held.has(index), `finger ${index} is still empty`);
});

test('[R6940-10.7.4.3-01] a ring of 40 is searched for 16 entries', () => {
  const ring = createRing(11);
  const first = ring.addPeer();
  ring.join(first);
  for (let i = 1; i < 40; i++) {
    ring.join(ring.addPeer(), first);
    ring.run(100);
  }
  ring.run(60_000);
  for (const peer of ring.living()) {
    const held = new Set(peer.topology.snapshot().routable.map((id) => fingerIndex(peer.id, id)));
    const ids = ring.living().map(({ id }) => id);
    for (let index = 1; index <= 16; index++) {
      const isInhabited = ids.some((id) => fingerIndex(peer.id, id) === index);
      if (isInhabited) assert.ok(held.has(index), `${peer.id} from ${fingerStart(peer.id, index)}`);
    }
  }
});
