import type { NodeId } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import type { SimulatedRing } from '../ring.ts';

/** Every living peer has joined and its Neighbor Table is that of the true ring. RFC 6940 §10.1. */
export function checkRing(ring: SimulatedRing): string | undefined {
  const living = ring.living();
  const ids = living.map((peer) => peer.nodeId).sort();
  const perSide = Math.min(limits.topology.neighborsPerSide, ids.length - 1);
  const place = new Map(ids.map((id, index) => [id, index]));
  for (const peer of living) {
    const { state, predecessors, successors } = peer.overlay.snapshot().topology;
    if (state !== 'joined') return `${peer.nodeId} is ${state}`;
    const at = place.get(peer.nodeId) ?? 0;
    for (let step = 1; step <= perSide; step++) {
      const next = ids.at((at + step) % ids.length) as NodeId;
      const previous = ids.at((at - step) % ids.length) as NodeId;
      if (successors[step - 1] !== next) return `${peer.nodeId}: successor ${step} is not ${next}`;
      if (predecessors[step - 1] !== previous) {
        return `${peer.nodeId}: predecessor ${step} is not ${previous}`;
      }
    }
    if (successors.length !== perSide) return `${peer.nodeId}: ${successors.length} successors`;
    if (predecessors.length !== perSide)
      return `${peer.nodeId}: ${predecessors.length} predecessors`;
  }
  return undefined;
}
