import { limits } from '../../base/limits.ts';
import type { SimulatedPeer } from '../peer.ts';
import type { SimulatedRing } from '../ring.ts';

/** Links per doubling of the ring that peers have on the average. */
const linksPerDoubling = 6;
/** Requests of a peer in a quiet ring: its periodic ones, and those of the checkers. */
const quietRequests = 32;
/** An Attach over a bad network may take its time. */
const patienceMs = 60_000;
/** Neighbors on both sides, and links that are on their way out. */
const others = 2 * limits.topology.neighborsPerSide + 8;

/**
 * Tables grow with the logarithm of the ring; the peer behind the longest gap, which is the finger of
 * most others, may have as many times more as that gap is longer than the mean. Nothing is left
 * pending in a quiet ring, and no table or queue was above its limit at any time.
 */
export function checkBounds(ring: SimulatedRing): string | undefined {
  if (ring.peaks.complaint !== undefined) return ring.peaks.complaint;
  const living = ring.living();
  const doublings = Math.log2(Math.max(2, living.length));
  const bound = others + linksPerDoubling * doublings * Math.max(1, Math.log(living.length));
  const all = living.reduce((sum, peer) => sum + peer.overlay.snapshot().links.length, 0);
  const mean = all / Math.max(1, living.length);
  if (mean > others + linksPerDoubling * doublings) return `${mean} links on the average`;
  for (const peer of living) {
    const { links, pending } = peer.overlay.snapshot();
    if (links.length > bound) return `${peer.nodeId} has ${links.length} links`;
    if (pending.requests > quietRequests)
      return `${peer.nodeId}: ${pending.requests} requests wait`;
  }
  const [stuck] = stuckPeers(ring, living);
  if (stuck === undefined) return undefined;
  const { attaches, replications } = stuck.overlay.snapshot().pending;
  return `${stuck.nodeId}: ${attaches} attaches, ${replications} replications do not end`;
}

/** Peers that are not once without anything under way. */
function stuckPeers(ring: SimulatedRing, living: readonly SimulatedPeer[]): SimulatedPeer[] {
  let busy = [...living];
  const done = (): boolean => {
    busy = busy.filter((peer) => {
      const { attaches, replications } = peer.overlay.snapshot().pending;
      return attaches + replications > 0;
    });
    return busy.length === 0;
  };
  ring.world.runUntil(done, patienceMs, 250);
  return busy;
}
