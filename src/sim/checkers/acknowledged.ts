import { lasting } from '../lookups.ts';
import type { SimulatedRing } from '../ring.ts';

const limitMs = 60_000;

/** Every acknowledged value that is not excused is found from some living peer, in its newest version. */
export function checkAcknowledged(ring: SimulatedRing): string | undefined {
  const lost: string[] = [];
  let open = 0;
  for (const record of lasting(ring, ring.world.nowMs + limitMs)) {
    open++;
    ring.records.lookup(ring.anyLiving(), record, ({ found }) => {
      open--;
      if (!found) lost.push(`${record.user} (${record.resource})`);
    });
  }
  if (!ring.world.runUntil(() => open === 0, limitMs)) return `${open} lookups unanswered`;
  return lost[0] === undefined ? undefined : `${lost.length} lost: ${lost[0]}`;
}
