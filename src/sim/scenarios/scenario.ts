import type { Drift, SimulatedHost } from '../host.ts';
import type { LookupFigures } from '../lookups.ts';
import type { DatagramFaults, Latency } from '../network.ts';
import type { Tamper } from '../peer.ts';
import type { SimulatedRing } from '../ring.ts';
import type { Identity } from '../../ports/certificates.ts';
import type { Prng } from '../../base/prng.ts';
import type { TopologyFactory } from '../../topology/plugin.ts';

/** What happens to a ring whose values are stored. Ends with everything healed. */
export interface Scenario {
  /** One line for the list of scenarios. */
  readonly summary: string;
  readonly latency?: Latency;
  /** Absent: all links are streams. */
  readonly datagrams?: DatagramFaults;
  /** Clocks of the hosts; absent: all the same. */
  readonly drift?: (prng: Prng) => Drift;
  /** Other algorithms than the honest one for some peers. */
  readonly topology?: (index: number, honest: TopologyFactory) => TopologyFactory;
  /** What some peers do to the messages on their connections. */
  readonly tamper?: (index: number, host: SimulatedHost, identity: Identity) => Tamper | undefined;
  /** Figures of its own lookups, where those count and not those of the healed ring. */
  disturb(ring: SimulatedRing, options: DisturbOptions): LookupFigures | undefined;
  /** What the figures must be beyond all values being found; absent: nothing. */
  readonly demand?: (figures: LookupFigures, peers: number) => string | undefined;
  /** Lookups that must succeed in the end; 1 when absent. */
  readonly leastSuccess?: (peers: number) => number;
}

export interface DisturbOptions {
  readonly lookups: number;
  /** Simulated length of what goes on for a while. */
  readonly minutes: number;
  /** One line about how far it is. */
  readonly progress: (line: string) => void;
}
