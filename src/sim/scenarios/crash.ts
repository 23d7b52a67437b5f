import { crashPair } from '../faults.ts';
import type { Scenario } from './scenario.ts';

export const crash: Scenario = {
  summary: 'two adjacent peers die at once',
  disturb(ring) {
    crashPair(ring, { silently: false });
    return undefined;
  },
};

export const crashSilent: Scenario = {
  summary: 'two adjacent peers die at once and nobody is told',
  disturb(ring) {
    crashPair(ring, { silently: true });
    return undefined;
  },
  leastSuccess: () => 0.99,
};
