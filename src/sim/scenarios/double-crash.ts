import { crashAdjacent, heal } from '../faults.ts';
import { makeLookups } from '../lookups.ts';
import type { LookupFigures } from '../lookups.ts';
import { timing } from '../../topology/chord/timing.ts';
import type { Scenario } from './scenario.ts';

/** New replicas are there by then. */
const recoveredMs = timing.successorHoldDownMs + 10_000;

export const doubleCrash: Scenario = {
  summary: 'any two adjacent peers die at once, at every position of the ring one after the other',
  disturb(ring, { lookups }) {
    const places = ring.peers.length;
    const each = Math.max(1, Math.floor(lookups / places));
    let figures: LookupFigures | undefined;
    for (let at = 0; at < places; at++) {
      crashAdjacent(ring, at, { silently: at % 2 === 1 });
      const here = makeLookups(ring, { count: each, gapMs: 20 });
      if (figures === undefined || here.success < figures.success) figures = here;
      ring.world.run(recoveredMs);
      ring.restartDead();
      heal(ring);
    }
    return figures;
  },
};
