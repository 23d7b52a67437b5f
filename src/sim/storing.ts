/** Users that store, wait for the confirmation, and store again. */
import { lasting } from './lookups.ts';
import type { SimulatedRing } from './ring.ts';

/** One value in so many is given up by its user soon, and one in so many is stored again. */
const shortLivedOneIn = 20;
const updatedOneIn = 4;
const shortLifetimeS = 60;
const gapMs = 5;
const limitMs = 60_000;

/** Stores and waits until all that can be acknowledged is; then some users store again. */
export function storeValues(ring: SimulatedRing, count: number): void {
  const { world, records } = ring;
  let open = count;
  for (let i = 0; i < count; i++) {
    world.after(i * gapMs, () => {
      const lifetimeS = i % shortLivedOneIn === 0 ? shortLifetimeS : undefined;
      records.store((record, outcome) => {
        if (outcome.ok) records.confirm(record, outcome.value, () => open--);
        else open--;
      }, lifetimeS);
    });
  }
  world.runUntil(() => open === 0, limitMs);
  updateSome(ring, updatedOneIn);
}

/** Every so many-th record that lasts gets another version; waits until those are confirmed. */
export function updateSome(ring: SimulatedRing, oneIn: number): void {
  const { world, records } = ring;
  const chosen = lasting(ring, world.nowMs + 2 * limitMs).filter((_, i) => i % oneIn === 0);
  let open = chosen.length;
  chosen.forEach((record, i) => {
    world.after(i * gapMs, () => {
      records.update(record, (outcome) => {
        if (outcome.ok) records.confirm(record, outcome.value, () => open--);
        else open--;
      });
    });
  });
  world.runUntil(() => open === 0, limitMs);
}
