import { allFaults } from './all-faults.ts';
import { createBadPeers } from './bad-peers.ts';
import { churn } from './churn.ts';
import { coldRestart } from './cold-restart.ts';
import { crash, crashSilent } from './crash.ts';
import { doubleCrash } from './double-crash.ts';
import { partitioned } from './partition.ts';
import type { Scenario } from './scenario.ts';
import { stalled } from './stall.ts';
import { steady } from './steady.ts';

/** By the name given to `--scenario`; each run has one of its own. */
export const scenarios: Readonly<Record<string, () => Scenario>> = {
  steady: () => steady,
  crash: () => crash,
  'crash-silent': () => crashSilent,
  'double-crash': () => doubleCrash,
  'cold-restart': () => coldRestart,
  partition: () => partitioned,
  stall: () => stalled,
  churn: () => churn,
  'bad-peers': createBadPeers,
  'all-faults': () => allFaults,
};
