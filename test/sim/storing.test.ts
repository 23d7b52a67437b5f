import assert from 'node:assert/strict';
import { test } from 'node:test';
import { simulatedKind } from '../../src/sim/configuration.ts';
import { lasting } from '../../src/sim/lookups.ts';
import type { StoredRecord } from '../../src/sim/records.ts';
import { createSimulatedRing, type SimulatedRing } from '../../src/sim/ring.ts';
import { crash } from '../../src/sim/faults.ts';
import { createWorld } from '../../src/sim/world.ts';
import type { SimulatedPeer } from '../../src/sim/peer.ts';

function ringOf(count: number, seed: string): SimulatedRing {
  const ring = createSimulatedRing(createWorld(seed), {
    peers: count,
    latency: { minimumMs: 1, maximumMs: 5 },
  });
  ring.startAll(50);
  ring.world.run(count * 50 + 5000);
  return ring;
}

function storeOne(ring: SimulatedRing): { record: StoredRecord; replicas: readonly string[] } {
  let stored: { record: StoredRecord; replicas: readonly string[] } | undefined;
  ring.records.store((record, outcome) => {
    assert.ok(outcome.ok);
    stored = { record, replicas: outcome.value.replicas };
    ring.records.confirm(record, outcome.value, () => undefined);
  });
  ring.world.run(5000);
  assert.ok(stored?.record.acknowledged);
  return stored;
}

const ownerOf = (ring: SimulatedRing, { resource }: StoredRecord): SimulatedPeer => {
  const owner = ring.living().find((peer) => peer.topology.isResponsible(resource));
  assert.ok(owner);
  return owner;
};

/** Peers that hold the record, by their own account. */
function holders(ring: SimulatedRing, { resource }: StoredRecord): string[] {
  const found: string[] = [];
  for (const { nodeId, overlay } of ring.living()) {
    const request = { resource, kind: simulatedKind, at: nodeId };
    overlay.stat(request, (outcome) => {
      if (outcome.ok && outcome.value.values.some(({ exists }) => exists)) found.push(nodeId);
    });
  }
  ring.world.run(5000);
  return found.sort();
}

test('[R6940-10.4-01] [R6940-10.4-02] [R6940-10.4-05] the owner and its two successors hold a value, nobody else', () => {
  const ring = ringOf(10, 'three');
  const { record, replicas } = storeOne(ring);
  const owner = ownerOf(ring, record);
  const { successors } = owner.topology.snapshot();
  assert.deepEqual(replicas, successors.slice(0, 2));
  assert.deepEqual(holders(ring, record), [owner.nodeId, ...replicas].sort());
});

test('[R6940-10.4-04] [R6940-10.7.3-07] without the owner the successor answers; former holders are not told to delete', () => {
  const ring = ringOf(8, 'heir');
  const { record } = storeOne(ring);
  const owner = ownerOf(ring, record);
  const heir = owner.topology.snapshot().successors[0];
  crash(ring, owner, { silently: false });
  ring.world.run(2000);
  assert.equal(ownerOf(ring, record).nodeId, heir);
  let found = false;
  ring.records.lookup(ring.anyLiving(), record, (result) => (found = result.found));
  ring.world.run(2000);
  assert.ok(found);
  ring.world.run(60_000);
  const before = holders(ring, record);
  ring.restart(owner);
  ring.world.run(10_000);
  const after = holders(ring, record);
  for (const holder of before) assert.ok(after.includes(holder), `${holder} has lost it`);
});

test('[R6940-10.4-03] a replica is plausible at the next peers only', () => {
  const ring = ringOf(12, 'plausible');
  const { record } = storeOne(ring);
  const owner = ownerOf(ring, record);
  const { successors, predecessors } = owner.topology.snapshot();
  for (const { nodeId, topology } of ring.living()) {
    const isNext = successors.slice(0, 2).includes(nodeId);
    if (isNext)
      assert.ok(topology.isPlausibleReplica(record.resource, 1 + successors.indexOf(nodeId)));
    assert.equal(topology.isPlausibleReplica(record.resource, 3), false);
    if (successors.slice(3).includes(nodeId) || predecessors.includes(nodeId)) {
      assert.equal(topology.isPlausibleReplica(record.resource, 1), false);
    }
  }
});

test('what a peer that sees no others has stored counts as promised by nobody', () => {
  const ring = ringOf(6, 'cut off');
  const { record } = storeOne(ring);
  const [alone] = ring.peers.filter(({ nodeId }) => nodeId !== ownerOf(ring, record).nodeId);
  assert.ok(alone);
  ring.network.reach((from, to) => from === to);
  ring.world.run(60_000);
  for (const peer of ring.peers) if (peer !== alone) peer.host.stall();
  let replicas: number | undefined;
  ring.records.update(record, (outcome) => {
    assert.ok(outcome.ok);
    replicas = outcome.value.replicas.length;
    ring.records.confirm(record, outcome.value, () => undefined);
  });
  ring.world.run(5000);
  assert.equal(replicas, 0);
  assert.deepEqual([record.versions.length, record.confirmed], [2, 0]);
});

test('a record lasts as long as its confirmed version, whatever its user has tried to store since', () => {
  const ring = ringOf(6, 'short');
  let record: StoredRecord | undefined;
  ring.records.store((one, outcome) => {
    assert.ok(outcome.ok);
    ring.records.confirm(one, outcome.value, () => (record = one));
  }, 60);
  ring.world.run(10_000);
  assert.ok(record?.acknowledged);
  const endMs = record.lastsMs;
  assert.equal(endMs, record.expiresMs);
  ring.records.update(record, () => undefined);
  ring.world.run(5000);
  assert.equal(record.lastsMs, endMs);
  assert.ok(record.expiresMs > endMs);
  assert.deepEqual(lasting(ring, endMs), []);
});
