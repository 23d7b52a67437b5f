import type { Scenario } from './scenario.ts';

export const steady: Scenario = {
  summary: 'all join, values are stored, everybody looks them up',
  disturb: () => undefined,
};
