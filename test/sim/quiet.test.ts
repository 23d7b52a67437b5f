import assert from 'node:assert/strict';
import { test } from 'node:test';
import { checkRing } from '../../src/sim/checkers/ring.ts';
import { createSimulatedRing } from '../../src/sim/ring.ts';
import { createWorld } from '../../src/sim/world.ts';

const quietMs = 300_000;

test('the partition checks of a quiet ring replace no link between neighbors', () => {
  const world = createWorld('quiet');
  const ring = createSimulatedRing(world, {
    peers: 12,
    latency: { minimumMs: 1, maximumMs: 120 },
    datagrams: { share: 0.5, loss: 0.02, duplication: 0.02, reordering: 0.05 },
  });
  ring.startAll(50);
  assert.ok(world.runUntil(() => checkRing(ring) === undefined, 60_000));
  // Each peer may find once that an address it was told belongs to a node it knows.
  world.run(quietMs);
  world.run(quietMs);
  assert.equal(checkRing(ring), undefined);
  for (const peer of ring.peers) {
    const { links, topology } = peer.overlay.snapshot();
    for (const id of [...topology.successors, ...topology.predecessors]) {
      const ageS = links.find(({ nodeId }) => nodeId === id)?.ageS ?? 0;
      assert.ok(ageS * 1000 >= quietMs, `${peer.nodeId} has a new link with ${id}`);
    }
  }
});
