import type { Scenario } from './scenario.ts';

/** Mean and 95th percentile of the ways allowed up to so many peers (an ideal ring: 4.34 and 6.04). */
const allowed: readonly { readonly peers: number; readonly mean: number; readonly p95: number }[] =
  [
    { peers: 1000, mean: 4.6, p95: 7 },
    { peers: 10_000, mean: 6.4, p95: 9 },
  ];

export const steady: Scenario = {
  summary: 'all join, values are stored, everybody looks them up',
  disturb: () => undefined,
  demand({ hops }, peers) {
    const bound = allowed.find((one) => peers <= one.peers);
    if (bound === undefined) return undefined;
    if (hops.mean > bound.mean) return `${hops.mean} hops in the mean, not ${bound.mean}`;
    return hops.p95 > bound.p95 ? `95 % within ${hops.p95} hops, not ${bound.p95}` : undefined;
  },
};
