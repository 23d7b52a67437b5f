import { heal, partition } from '../faults.ts';
import type { Scenario } from './scenario.ts';

const forMs = 300_000;

export const partitioned: Scenario = {
  summary: 'the network falls apart into two halves for five minutes',
  disturb(ring) {
    partition(ring, (index) => index % 2, forMs);
    ring.world.run(forMs + 1);
    heal(ring);
    return undefined;
  },
};
