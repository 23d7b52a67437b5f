import { crash, heal } from '../faults.ts';
import { makeLookups } from '../lookups.ts';
import type { Scenario } from './scenario.ts';

const everyMs = 3000;
/** A dead peer comes back, without its disk, when that many others have died, in small rings a quarter of them. */
const mostDead = 10;

export const churn: Scenario = {
  summary: 'one join and one crash every 3 s, half of the crashes silent, lookups all the time',
  disturb(ring, { lookups, minutes, progress }) {
    const { world } = ring;
    const cyclesDead = Math.min(mostDead, Math.ceil(ring.peers.length / 4));
    const cycles = Math.floor((minutes * 60_000) / everyMs);
    for (let i = 0; i < cycles; i++) {
      world.after(i * everyMs, () => {
        crash(ring, ring.anyLiving(), { silently: i % 2 === 1, keepsDisk: false });
      });
      world.after((i + 0.5) * everyMs, () => {
        const dead = ring.dead();
        const next = dead[0];
        if (next !== undefined && dead.length >= cyclesDead) ring.restart(next);
      });
    }
    const gapMs = (cycles * everyMs) / Math.max(1, lookups);
    const figures = makeLookups(ring, { count: lookups, gapMs, progress });
    heal(ring);
    return figures;
  },
  demand: ({ firstTry }) =>
    firstTry >= 0.99 ? undefined : `${firstTry} found at first try, not 0.99`,
};
