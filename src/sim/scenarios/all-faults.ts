import { crash, heal, oneWay, stall } from '../faults.ts';
import { lasting, makeLookups } from '../lookups.ts';
import type { SimulatedPeer } from '../peer.ts';
import type { SimulatedRing } from '../ring.ts';
import type { Scenario } from './scenario.ts';

const faultEveryMs = 4000;
const updateEveryMs = 2000;
const longestMinutes = 5;

/** Kinds of faults; each is drawn as often as the others. */
const faults: readonly ((ring: SimulatedRing) => void)[] = [
  (ring) => crash(ring, ring.anyLiving(), { silently: isHeads(ring), keepsDisk: false }),
  (ring) => crashForLong(ring, ring.anyLiving()),
  (ring) => stall(ring, ring.anyLiving(), 500 + ring.world.prng.below(15_000)),
  (ring) => void ring.network.breakOne(ring.anyLiving().host),
  (ring) => void ring.network.delayOne(ring.anyLiving().host, 200 + ring.world.prng.below(3000)),
  (ring) => oneWay(ring, ring.anyLiving(), 1000 + ring.world.prng.below(10_000)),
  (ring) => {
    const { disk } = ring.anyLiving();
    disk.fail(true);
    ring.world.after(5000, () => disk.fail(false));
  },
];

export const allFaults: Scenario = {
  summary:
    'crashes, stalls, broken and one-way links, lost, repeated and overtaken datagrams, failing disks and drifting clocks, at random',
  latency: { minimumMs: 0.3, maximumMs: 120 },
  datagrams: { share: 0.5, loss: 0.02, duplication: 0.02, reordering: 0.05 },
  drift: (prng) => ({ offsetMs: prng.below(4000) - 2000, ppm: prng.below(200) - 100 }),
  disturb(ring, { lookups, minutes, progress }) {
    const { world } = ring;
    const lengthMs = Math.min(minutes, longestMinutes) * 60_000;
    for (let atMs = 0; atMs < lengthMs; atMs += faultEveryMs) {
      world.after(atMs, () => faults[world.prng.below(faults.length)]?.(ring));
      world.after(atMs + faultEveryMs / 2, () => {
        const [next, , , another] = ring.dead();
        if (next !== undefined && another !== undefined) ring.restart(next);
      });
    }
    for (let atMs = 0; atMs < lengthMs; atMs += updateEveryMs) {
      world.after(atMs, () => updateAny(ring));
    }
    const during = makeLookups(ring, { count: lookups, gapMs: lengthMs / Math.max(1, lookups) });
    progress(`under faults ${(during.success * 100).toFixed(2)} % of the lookups succeeded`);
    ring.network.reach(undefined);
    for (const peer of ring.peers) peer.disk.fail(false);
    ring.restartDead();
    heal(ring);
    return undefined;
  },
};

/**
 * It comes back with its disk when others have answered for its range for long. That disk is for restarts
 * of all; whatever the two other holders are lost with in the meantime is lost with this one.
 */
function crashForLong(ring: SimulatedRing, peer: SimulatedPeer): void {
  crash(ring, peer, { silently: isHeads(ring), keepsDisk: true });
  ring.losses.lost(peer);
}

function isHeads(ring: SimulatedRing): boolean {
  return ring.world.prng.below(2) === 0;
}

/** Users go on storing while things break. */
function updateAny(ring: SimulatedRing): void {
  const records = lasting(ring, ring.world.nowMs).filter((one) => !one.pending);
  const record = records[ring.world.prng.below(Math.max(1, records.length))];
  if (record === undefined) return;
  ring.records.update(record, (outcome) => {
    if (outcome.ok) ring.records.confirm(record, outcome.value, () => undefined);
  });
}
