import { healLimitMs } from '../faults.ts';
import type { SimulatedRing } from '../ring.ts';

/** Once the harm had ended, all tables were right again in time, every time. */
export function checkConvergence(ring: SimulatedRing): string | undefined {
  const late = ring.healings.filter((tookMs) => tookMs > healLimitMs).length;
  return late === 0 ? undefined : `${late} times not converged within ${healLimitMs} ms`;
}
