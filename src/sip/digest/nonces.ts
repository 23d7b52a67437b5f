import type { Clock } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import type { Nonces } from './types.ts';

export declare function createNonces(deps: {
  readonly key: Uint8Array;
  /** Still accepted after a rotation. */
  readonly previousKeys?: readonly Uint8Array[];
  readonly clock: Clock;
  readonly random: Random;
  readonly lifetimeS: number;
}): Nonces;
