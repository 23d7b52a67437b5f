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
import { leaveReq } from '../../../../src/wire/reload/join-leave-update.ts';
import { messageCodes } from '../../../../src/wire/reload/message-codes.ts';
import { routeQueryReq } from '../../../../src/wire/reload/route-query.ts';
import { after, inRange } from '../../../../src/topology/chord/ring.ts';
import { createRing, ringFaults, type TestPeer } from './ring-harness.ts';
import { ringOf, at, updates, owner, storeEverywhere, empty } from './settled-ring.ts';

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
