import { simulatedKind } from '../configuration.ts';
import { lasting } from '../lookups.ts';
import { holds, type StoredRecord } from '../records.ts';
import type { SimulatedRing } from '../ring.ts';

const limitMs = 60_000;

/**
 * Every acknowledged value is, in its newest confirmed version, at its responsible peer and at its
 * two successors (RFC 6940 §10.4).
 */
export function checkReplicas(ring: SimulatedRing): string | undefined {
  const wrong: string[] = [];
  let open = 0;
  const living = ring.living();
  for (const record of lasting(ring, ring.world.nowMs + limitMs)) {
    const owner = living.find((peer) => peer.topology.isResponsible(record.resource));
    if (owner === undefined) return `nobody is responsible for ${record.resource}`;
    const replicas = owner.topology.replicas();
    const expected = Math.min(2, living.length - 1);
    if (replicas.length !== expected) return `${owner.nodeId} has ${replicas.length} replicas`;
    const { storageTimeMs } = record;
    for (const at of [owner.nodeId, ...replicas]) {
      open++;
      const request = { resource: record.resource, kind: simulatedKind, at };
      ring.anyLiving().overlay.stat(request, (outcome) => {
        open--;
        if (!outcome.ok) wrong.push(`${describe(record)} at ${at}: ${outcome.error.text}`);
        else if (!holds(outcome.value.values, record.key, storageTimeMs)) {
          wrong.push(`${describe(record)} is not at ${at}`);
        }
      });
    }
  }
  if (!ring.world.runUntil(() => open === 0, limitMs)) return `${open} questions unanswered`;
  return wrong[0] === undefined ? undefined : `${wrong.length} copies missing: ${wrong[0]}`;
}

function describe(record: StoredRecord): string {
  return `${record.user} (${record.resource})`;
}
