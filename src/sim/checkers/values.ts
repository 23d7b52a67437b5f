import type { SimulatedRing } from '../ring.ts';

const limitMs = 60_000;

/**
 * No Fetch has handed out a value that its user never signed, one that has expired, or an older one
 * than was confirmed before; and what has expired by now is served by nobody.
 */
export function checkValues(ring: SimulatedRing): string | undefined {
  const { served, all } = ring.records;
  let open = 0;
  for (const record of all) {
    if (record.expiresMs > ring.world.nowMs) continue;
    open++;
    ring.records.lookup(ring.anyLiving(), record, () => open--);
  }
  if (!ring.world.runUntil(() => open === 0, limitMs)) return `${open} lookups unanswered`;
  const [first] = served.complaints;
  return first === undefined ? undefined : `${served.complaints.length} wrong values: ${first}`;
}
