import { hexEncode } from '../../base/text.ts';
import type { ResourceId } from '../../base/ids.ts';
import type { SimulatedRing } from '../ring.ts';

const samples = 200;

/** Every id has exactly one responsible peer (RFC 6940 §10.1): stored resources and random ids. */
export function checkResponsible(ring: SimulatedRing): string | undefined {
  const living = ring.living();
  const resources = ring.records.all.slice(0, samples).map((record) => record.resource);
  for (let i = 0; i < samples; i++) {
    resources.push(hexEncode(ring.world.prng.bytes(16)) as ResourceId);
  }
  for (const resource of resources) {
    const owners = living.filter((peer) => peer.topology.isResponsible(resource));
    if (owners.length !== 1) return `${owners.length} peers are responsible for ${resource}`;
  }
  return undefined;
}
