/** A whole overlay under simulation: its peers, users with identities, stores and lookups. */
import {
  nodeIdFromBytes,
  idBytes,
  resourceIdOfName,
  type NodeId,
  type ResourceId,
} from '../base/ids.ts';
import { bytesEqual } from '../base/bytes.ts';
import { utf8Encode } from '../base/text.ts';
import type { Identity } from '../ports/certificates.ts';
import type { TransportAddress } from '../ports/connection.ts';
import type { OverlayConfig } from '../ports/overlay-config.ts';
import type { FetchRequest, OverlayError, StoreResult } from '../overlay/api.ts';
import type { Outcome } from '../base/outcome.ts';
import { createChord } from '../topology/chord/chord.ts';
import { createSimulatedAuthority } from './identities.ts';
import { createSimulatedHost, epochMs, type Drift } from './host.ts';
import { createLosses, type Losses } from './losses.ts';
import { createSimulatedNetwork, type Latency, type SimulatedNetwork } from './network.ts';
import { createSimulatedPeer, type SimulatedPeer } from './peer.ts';
import { preform } from './preform.ts';
import type { TopologyFactory } from '../topology/plugin.ts';
import type { Prng } from '../base/prng.ts';
import type { World } from './world.ts';

/** A value that some user has stored. */
export interface StoredRecord {
  readonly user: string;
  readonly resource: ResourceId;
  readonly key: NodeId;
  readonly value: Uint8Array;
  /** The responsible peer and both replicas have confirmed it. */
  acknowledged: boolean;
}

export interface LookupResult {
  readonly found: boolean;
  readonly elapsedMs: number;
}

export interface SimulatedRing {
  readonly world: World;
  readonly network: SimulatedNetwork;
  readonly config: OverlayConfig;
  readonly peers: readonly SimulatedPeer[];
  readonly records: readonly StoredRecord[];
  /** Peers that run and are not stalled. */
  living(): SimulatedPeer[];
  anyLiving(): SimulatedPeer;
  /**
   * Starts all peers: the first `preformed` as members of one ring at once, the others by the join
   * protocol, one every `everyMs`. Without any preformed the first peer is the first of the overlay.
   */
  startAll(everyMs: number, preformed?: number): void;
  /** Peers that were started and are dead, the first to die first. */
  dead(): SimulatedPeer[];
  /** Starts a dead peer again; with others alive it joins them. */
  restart(peer: SimulatedPeer, options: { readonly keepDisk: boolean }): void;
  /** Starts all dead peers again, one after the other; they get the time for it. */
  restartDead(options: { readonly keepDisk: boolean }): void;
  readonly losses: Losses;
  /** Stores one value of a new user at a living peer. */
  store(done: (record: StoredRecord, outcome: Outcome<StoreResult, OverlayError>) => void): void;
  /** Asks both replicas of a stored record whether they have it; marks it when all do. */
  confirm(record: StoredRecord, result: StoreResult, done: () => void): void;
  lookup(
    from: SimulatedPeer,
    record: StoredRecord,
    done: (result: LookupResult) => void,
    how?: Pick<FetchRequest, 'at' | 'via' | 'holders'>,
  ): void;
}

export interface RingOptions {
  readonly peers: number;
  readonly latency: Latency;
  /** Clocks of the hosts; absent: all the same. */
  readonly drift?: (prng: Prng) => Drift;
  /** Absent: all honest. */
  readonly topology?: (index: number, honest: TopologyFactory) => TopologyFactory;
}

/** In the range for private use; DICTIONARY, USER-NODE-MATCH like SIP-REGISTRATION. */
export const simulatedKind = 0xf000_0001;

const doors = 4;
const restartGapMs = 50;
const overlayName = 'sim.example';
const recordLifetimeS = 86_400;
const confirmTries = 5;
const confirmPauseMs = 1000;

export function createSimulatedRing(world: World, options: RingOptions): SimulatedRing {
  const authority = createSimulatedAuthority(overlayName, epochMs);
  const network = createSimulatedNetwork(world, options.latency);
  const config = simulatedConfig([authority.root]);
  const peers = Array.from({ length: options.peers }, (_, index) => {
    const host = createSimulatedHost(world, index);
    if (options.drift !== undefined) host.drift(options.drift(world.prng));
    return createSimulatedPeer({
      host,
      nodeId: nodeIdFromBytes(world.prng.bytes(16)),
      authority,
      network,
      config,
      topology: options.topology?.(index, createChord) ?? createChord,
    });
  });
  const records: StoredRecord[] = [];

  const living = (): SimulatedPeer[] => peers.filter((peer) => peer.host.state === 'running');

  function anyLiving(): SimulatedPeer {
    for (let tries = 0; tries < 20 * peers.length; tries++) {
      const peer = peers[world.prng.below(peers.length)];
      if (peer?.host.state === 'running') return peer;
    }
    throw new Error('nobody is alive');
  }

  function startAll(everyMs: number, preformed = 0): void {
    if (preformed > 0) preform(peers.slice(0, preformed), network, doorsFor(preformed));
    peers.slice(preformed).forEach((peer, i) => {
      const index = preformed + i;
      world.after(i * everyMs, () => peer.start(index === 0 ? 'first' : doorsFor(index)));
    });
  }

  const losses = createLosses(world, records, living);

  const dead = (): SimulatedPeer[] =>
    peers
      .filter(({ host }) => host.state === 'dead' && host.run > 0)
      .sort((a, b) => a.host.diedMs - b.host.diedMs);

  function restart(peer: SimulatedPeer, how: { readonly keepDisk: boolean }): void {
    const others = living();
    if (others.length === 0) {
      peer.restart('first', how);
      return;
    }
    const ways = Array.from({ length: doors }, () => anyLiving().address);
    peer.restart([...new Set([...ways, ...doorsFor(doors)])], how);
  }

  function restartDead(how: { readonly keepDisk: boolean }): void {
    for (const peer of dead()) {
      restart(peer, how);
      world.run(restartGapMs);
    }
  }

  /** A few early peers share the work of letting the others in. */
  function doorsFor(index: number): TransportAddress[] {
    return peers.slice(0, Math.min(index, doors)).map((door) => door.address);
  }

  function store(
    done: (record: StoredRecord, outcome: Outcome<StoreResult, OverlayError>) => void,
  ): void {
    const peer = anyLiving();
    const user = `user-${records.length}@${overlayName}`;
    const key = nodeIdFromBytes(world.prng.bytes(16));
    const identity: Identity = authority.issue(key, user, (run) => peer.host.later(0.05, run));
    const value = utf8Encode(`contact of ${user}`);
    const record = { user, resource: resourceIdOfName(user), key, value, acknowledged: false };
    records.push(record);
    peer.overlay.store(
      {
        resource: record.resource,
        kind: simulatedKind,
        identity,
        values: [{ key: idBytes(key), exists: true, value, lifetimeS: recordLifetimeS }],
      },
      (outcome) => done(record, outcome),
    );
  }

  function confirm(record: StoredRecord, result: StoreResult, done: () => void): void {
    const missing = new Set(result.replicas);
    const peer = anyLiving();
    let tries = 0;
    const ask = (): void => {
      let open = missing.size;
      if (open === 0) {
        record.acknowledged = true;
        done();
        return;
      }
      for (const at of [...missing]) {
        const request = { resource: record.resource, kind: simulatedKind, at };
        peer.overlay.stat(request, (outcome) => {
          if (outcome.ok && outcome.value.values.some((value) => value.exists)) missing.delete(at);
          if (--open > 0) return;
          if (missing.size > 0 && ++tries >= confirmTries) done();
          else peer.host.later(missing.size === 0 ? 0 : confirmPauseMs, ask);
        });
      }
    };
    ask();
  }

  function lookup(
    from: SimulatedPeer,
    record: StoredRecord,
    done: (result: LookupResult) => void,
    how: Pick<FetchRequest, 'at' | 'via' | 'holders'> = {},
  ): void {
    const startedMs = world.nowMs;
    const request = { resource: record.resource, kind: simulatedKind, ...how };
    from.overlay.fetch(request, (outcome) => {
      const found =
        outcome.ok &&
        outcome.value.values.some(
          (value) =>
            value.exists &&
            value.signerNodeId === record.key &&
            bytesEqual(value.value, record.value),
        );
      done({ found, elapsedMs: world.nowMs - startedMs });
    });
  }

  return {
    world,
    network,
    config,
    peers,
    records,
    living,
    anyLiving,
    startAll,
    dead,
    restart,
    restartDead,
    losses,
    store,
    confirm,
    lookup,
  };
}

function simulatedConfig(rootCertificates: OverlayConfig['rootCertificates']): OverlayConfig {
  return {
    document: utf8Encode('<overlay/>'),
    overlayName,
    sequence: 1,
    expirationMs: undefined,
    topologyPlugin: 'CHORD-RELOAD',
    nodeIdLength: 16,
    rootCertificates,
    enrollmentServers: [],
    selfSignedPermitted: undefined,
    bootstrapNodes: [],
    turnDensity: 1,
    clientsPermitted: true,
    noIce: true,
    sharedSecret: undefined,
    maxMessageSize: 65_536,
    initialTtl: 100,
    reliabilityTimerMs: 3000,
    overlayLinkProtocols: ['TLS'],
    configurationSigners: [],
    kindSigners: [],
    badNodes: [],
    mandatoryExtensions: [],
    chordUpdateIntervalS: 600,
    chordPingIntervalS: 3600,
    chordReactive: true,
    requiredKinds: [
      {
        kind: simulatedKind,
        name: undefined,
        dataModel: 'DICTIONARY',
        accessControl: 'USER-NODE-MATCH',
        maxCount: 64,
        maxSizeBytes: 2000,
        maxNodeMultiple: undefined,
      },
    ],
    domainRestriction: undefined,
  };
}
