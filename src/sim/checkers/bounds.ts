import { limits } from '../../base/limits.ts';
import type { SimulatedRing } from '../ring.ts';

/** Finger links of both directions that a peer may have per doubling of the ring. */
const linksPerDoubling = 8;

/** Tables grow with the logarithm of the ring; nothing is left pending in a quiet ring. */
export function checkBounds(ring: SimulatedRing): string | undefined {
  const living = ring.living();
  const bound =
    2 * limits.topology.neighborsPerSide +
    8 +
    linksPerDoubling * Math.log2(Math.max(2, living.length));
  for (const peer of living) {
    const { links, pending } = peer.overlay.snapshot();
    if (links.length > bound) return `${peer.nodeId} has ${links.length} links`;
    const waiting = pending.attaches + pending.replications;
    if (waiting > 0) return `${peer.nodeId}: ${waiting} attaches or replications do not end`;
  }
  return undefined;
}
