import type { SimulatedRing } from '../ring.ts';

/** Looks at a healed ring; may let simulated time pass. Returns what is wrong, or nothing. */
export type Checker = (ring: SimulatedRing) => string | undefined;
