import { stall } from '../faults.ts';
import type { Scenario } from './scenario.ts';

export const stalled: Scenario = {
  summary: 'one peer is frozen for 20 s and goes on',
  disturb(ring) {
    stall(ring, ring.anyLiving(), 20_000);
    ring.world.run(5000);
    return undefined;
  },
};
