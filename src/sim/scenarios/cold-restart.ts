import { crash, heal } from '../faults.ts';
import type { Scenario } from './scenario.ts';

export const coldRestart: Scenario = {
  summary: 'all peers die at once and come back with their disks',
  disturb(ring) {
    for (const peer of ring.living()) crash(ring, peer, { silently: false, keepsDisk: true });
    ring.world.run(1000);
    ring.restartDead();
    heal(ring);
    return undefined;
  },
};
