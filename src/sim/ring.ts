/** A whole overlay under simulation: its peers, how they start, what users store in it. */
import { nodeIdFromBytes } from '../base/ids.ts';
import type { Prng } from '../base/prng.ts';
import type { Identity } from '../ports/certificates.ts';
import type { TransportAddress } from '../ports/connection.ts';
import type { OverlayConfig } from '../ports/overlay-config.ts';
import type { Xml } from '../ports/xml.ts';
import { createChord } from '../topology/chord/chord.ts';
import type { TopologyFactory } from '../topology/plugin.ts';
import {
  fixedConfiguration,
  overlayName,
  signedConfiguration,
  type SimulatedConfiguration,
} from './configuration.ts';
import { createSimulatedHost, epochMs, type Drift, type SimulatedHost } from './host.ts';
import { createSimulatedAuthority, type SimulatedAuthority } from './identities.ts';
import { createLosses, type Losses } from './losses.ts';
import {
  createSimulatedNetwork,
  type DatagramFaults,
  type Latency,
  type SimulatedNetwork,
} from './network.ts';
import { createPeaks, type Peaks } from './peaks.ts';
import { createSimulatedPeer, type SimulatedPeer, type Tamper } from './peer.ts';
import { preform } from './preform.ts';
import { createRecords, type Records } from './records.ts';
import type { World } from './world.ts';

export interface SimulatedRing {
  readonly world: World;
  readonly network: SimulatedNetwork;
  /** At the start. */
  readonly config: OverlayConfig;
  readonly configuration: SimulatedConfiguration;
  readonly peers: readonly SimulatedPeer[];
  readonly records: Records;
  readonly losses: Losses;
  readonly peaks: Peaks;
  /** How long the tables took to be right after each harm (ms); Infinity: they were not in time. */
  readonly healings: number[];
  /** Peers that run and are not stalled. */
  living(): SimulatedPeer[];
  anyLiving(): SimulatedPeer;
  /**
   * Starts all peers: the first `preformed` as members of one ring at once, the others by the join
   * protocol, one every `everyMs`. Without any preformed the first peer is the first of the overlay.
   * Returns how long that takes (ms).
   */
  startAll(everyMs: number, preformed?: number): number;
  /** Peers that were started and are dead, the first to die first. */
  dead(): SimulatedPeer[];
  /** Starts a dead peer again; with others alive it joins them. */
  restart(peer: SimulatedPeer): void;
  /** Starts all dead peers again, one after the other; they get the time for it. */
  restartDead(): void;
}

export type AuthorityFactory = (overlayName: string, nowMs: number) => SimulatedAuthority;

export interface RingOptions {
  readonly peers: number;
  readonly latency: Latency;
  /** Absent: all links are streams. */
  readonly datagrams?: DatagramFaults;
  /** Clocks of the hosts; absent: all the same. */
  readonly drift?: (prng: Prng) => Drift;
  /** Absent: all honest. */
  readonly topology?: (index: number, honest: TopologyFactory) => TopologyFactory;
  /** Absent: all honest. */
  readonly tamper?: (index: number, host: SimulatedHost, identity: Identity) => Tamper | undefined;
  /** Who certifies and how signatures are made; absent: keyed hashes. */
  readonly authority?: AuthorityFactory;
  /** With it the ring has signed configuration documents. */
  readonly xml?: Xml;
}

const doors = 4;
const restartGapMs = 50;

export function createSimulatedRing(world: World, options: RingOptions): SimulatedRing {
  const authority = (options.authority ?? createSimulatedAuthority)(overlayName, epochMs);
  const network = createSimulatedNetwork(world, options.latency, options.datagrams);
  const configuration =
    options.xml === undefined
      ? fixedConfiguration(authority)
      : signedConfiguration(authority, options.xml, nodeIdFromBytes(world.prng.bytes(16)));
  const peers = Array.from({ length: options.peers }, (_, index) => {
    const host = createSimulatedHost(world, index);
    if (options.drift !== undefined) host.drift(options.drift(world.prng));
    return createSimulatedPeer({
      host,
      nodeId: nodeIdFromBytes(world.prng.bytes(16)),
      authority,
      network,
      configuration,
      topology: options.topology?.(index, createChord) ?? createChord,
      tamper: (of, identity) => options.tamper?.(index, of, identity) ?? ((one) => one),
    });
  });

  const living = (): SimulatedPeer[] => peers.filter((peer) => peer.host.state === 'running');

  function anyLiving(): SimulatedPeer {
    for (let tries = 0; tries < 20 * peers.length; tries++) {
      const peer = peers[world.prng.below(peers.length)];
      if (peer?.host.state === 'running') return peer;
    }
    throw new Error('nobody is alive');
  }

  function startAll(everyMs: number, preformed = 0): number {
    const members = peers.slice(0, preformed);
    const sinceMs = preformed > 0 ? preform(members, { network, world }, doorsFor(preformed)) : 0;
    peers.slice(preformed).forEach((peer, i) => {
      const index = preformed + i;
      world.after(sinceMs + i * everyMs, () => peer.start(index === 0 ? 'first' : doorsFor(index)));
    });
    return sinceMs + (peers.length - preformed) * everyMs;
  }

  const records = createRecords({ world, authority, anyLiving });
  const losses = createLosses(world, records.all, living);

  const dead = (): SimulatedPeer[] =>
    peers
      .filter(({ host }) => host.state === 'dead' && host.run > 0)
      .sort((a, b) => a.host.diedMs - b.host.diedMs);

  function restart(peer: SimulatedPeer): void {
    if (living().length === 0) {
      peer.start('first');
      return;
    }
    const ways = Array.from({ length: doors }, () => anyLiving().address);
    peer.start([...new Set([...ways, ...doorsFor(doors)])]);
  }

  function restartDead(): void {
    for (const peer of dead()) {
      restart(peer);
      world.run(restartGapMs);
    }
  }

  /** A few early peers share the work of letting the others in. */
  function doorsFor(index: number): TransportAddress[] {
    return peers.slice(0, Math.min(index, doors)).map((door) => door.address);
  }

  return {
    world,
    network,
    config: configuration.initial,
    configuration,
    peers,
    records,
    living,
    anyLiving,
    startAll,
    dead,
    restart,
    restartDead,
    losses,
    peaks: createPeaks(world, living),
    healings: [],
  };
}
