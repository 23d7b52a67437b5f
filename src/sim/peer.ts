/** One simulated peer: the production overlay on simulated ports, and its life. */
import type { NodeId } from '../base/ids.ts';
import type { Certificate, Identity } from '../ports/certificates.ts';
import type { TransportAddress } from '../ports/connection.ts';
import type { OverlayConfig } from '../ports/overlay-config.ts';
import { silentTrace, type Counter, type Trace } from '../ports/trace.ts';
import { createOverlay } from '../overlay/peer.ts';
import type { OverlayPeer } from '../overlay/peer-api.ts';
import { createKindRegistry } from '../storage/kinds.ts';
import type { Topology, TopologyFactory } from '../topology/plugin.ts';
import type { SimulatedHost } from './host.ts';
import type { SimulatedAuthority } from './identities.ts';
import { createSimulatedDisk, type SimulatedDisk } from './memory-store.ts';
import type { SimulatedNetwork } from './network.ts';

export interface SimulatedPeer {
  readonly host: SimulatedHost;
  readonly nodeId: NodeId;
  readonly address: TransportAddress;
  readonly disk: SimulatedDisk;
  /** The overlay of the current run. */
  readonly overlay: OverlayPeer;
  /** The topology inside it, for checkers. */
  readonly topology: Topology;
  readonly alive: boolean;
  start(bootstrap: readonly TransportAddress[] | 'first'): void;
  /** Starts the process without letting it look for others; {@link SimulatedPeer.begin} follows. */
  prepare(): void;
  /** Lets a prepared peer look for the others; one that has joined already keeps its place. */
  begin(bootstrap: readonly TransportAddress[] | 'first'): void;
  /** Ends the process at once; `silently`: nobody is told (power cut). */
  crash(silently: boolean): void;
  /** Starts it again, with or without its disk. */
  restart(
    bootstrap: readonly TransportAddress[] | 'first',
    options: { readonly keepDisk: boolean },
  ): void;
}

export interface SimulatedPeerDependencies {
  readonly host: SimulatedHost;
  readonly nodeId: NodeId;
  readonly authority: SimulatedAuthority;
  readonly network: SimulatedNetwork;
  readonly config: OverlayConfig;
  readonly topology: TopologyFactory;
}

/** Time for a signature or its check, and for a durable write. */
const cryptoMs = 0.05;
const diskMs = 2;
const linkPort = 6084;
const counter: Counter = { add: () => undefined };
/** Keeps nothing, and needs no memory for it. */
const quietTrace: Trace = { ...silentTrace, counter: () => counter };

export function createSimulatedPeer(dependencies: SimulatedPeerDependencies): SimulatedPeer {
  const { host, nodeId, authority, network, config } = dependencies;
  const soon = (run: () => void): void => host.later(cryptoMs, run);
  const address: TransportAddress = { address: addressOf(host.index), port: linkPort };
  const identity: Identity = authority.issue(nodeId, `node-${host.index}@sim.example`, soon);
  const chain: readonly Certificate[] = [identity.certificate];
  let disk = createSimulatedDisk();
  let overlay: OverlayPeer | undefined;
  let topology: Topology | undefined;

  function prepare(): void {
    host.start();
    const booted = createOverlay({
      identity,
      config,
      clock: host.clock,
      random: host.random,
      trace: quietTrace,
      dialer: network.dialer(address, { host, nodeId, chain }),
      verifier: authority.verifier(soon),
      kinds: createKindRegistry(),
      store: disk.open((run) => host.later(diskMs, run)),
      topology: (topologyHost) => (topology = dependencies.topology(topologyHost)),
      candidates: () => [address],
      appCandidates: () => [],
    });
    overlay = booted;
    network.listen(address, { host, nodeId, chain, accept: (one) => booted.acceptLink(one) });
  }

  function begin(bootstrap: readonly TransportAddress[] | 'first'): void {
    const started = running().start({ bootstrap });
    if (!started.ok) throw new Error(started.error);
  }

  function boot(bootstrap: readonly TransportAddress[] | 'first'): void {
    prepare();
    begin(bootstrap);
  }

  function running(): OverlayPeer {
    if (overlay === undefined) throw new Error('this peer has not been started');
    return overlay;
  }

  return {
    host,
    nodeId,
    address,
    get disk() {
      return disk;
    },
    get overlay() {
      return running();
    },
    get topology() {
      if (topology === undefined) throw new Error('this peer has not been started');
      return topology;
    },
    get alive() {
      return host.state !== 'dead';
    },
    start: boot,
    prepare,
    begin,
    crash(silently) {
      network.dropHost(host, silently);
      host.die();
    },
    restart(bootstrap, { keepDisk }) {
      if (!keepDisk) disk = createSimulatedDisk();
      boot(bootstrap);
    },
  };
}

function addressOf(index: number): string {
  const number = index + 1;
  return `10.${(number >>> 16) & 255}.${(number >>> 8) & 255}.${number & 255}`;
}
