/** One simulated peer: the production overlay on simulated ports, and its life. */
import type { NodeId } from '../base/ids.ts';
import type { Certificate, Identity } from '../ports/certificates.ts';
import type { Dialer, SecureConnection, TransportAddress } from '../ports/connection.ts';
import { silentTrace, type Counter, type Trace } from '../ports/trace.ts';
import { createOverlay } from '../overlay/peer.ts';
import type { OverlayPeer } from '../overlay/peer-api.ts';
import type { ConfigurationKeeper } from '../overlay-config/keeper.ts';
import { createKindRegistry } from '../storage/kinds.ts';
import type { Topology, TopologyFactory } from '../topology/plugin.ts';
import type { SimulatedConfiguration } from './configuration.ts';
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
  /** Holds its configuration; absent in rings without configuration documents. */
  readonly keeper: ConfigurationKeeper | undefined;
  readonly alive: boolean;
  /** Starts the process; after a crash with what is left on its disk. */
  start(bootstrap: readonly TransportAddress[] | 'first'): void;
  /** Starts the process without letting it look for others; {@link SimulatedPeer.begin} follows. */
  prepare(): void;
  /** Lets a prepared peer look for the others; one that has joined already keeps its place. */
  begin(bootstrap: readonly TransportAddress[] | 'first'): void;
  /** Ends the process at once. */
  crash(how: CrashOptions): void;
}

export interface CrashOptions {
  /** The other sides are not told, as after a power cut. */
  readonly silently: boolean;
  /** It will come back with what it had; absent: the disk is gone too. */
  readonly keepsDisk?: boolean;
}

/** Puts something of its own between a peer and its connections. */
export type Tamper = (connection: SecureConnection) => SecureConnection;

export interface SimulatedPeerDependencies {
  readonly host: SimulatedHost;
  readonly nodeId: NodeId;
  readonly authority: SimulatedAuthority;
  readonly network: SimulatedNetwork;
  readonly configuration: SimulatedConfiguration;
  readonly topology: TopologyFactory;
  /** Absent: an honest peer. */
  readonly tamper?: (host: SimulatedHost, identity: Identity) => Tamper;
}

/** Time for a signature or its check, and for a durable write. */
const cryptoMs = 0.05;
const diskMs = 2;
const linkPort = 6084;
const counter: Counter = { add: () => undefined };
/** Keeps nothing, and needs no memory for it. */
const quietTrace: Trace = { ...silentTrace, counter: () => counter };

export function createSimulatedPeer(dependencies: SimulatedPeerDependencies): SimulatedPeer {
  const { host, nodeId, authority, network, configuration } = dependencies;
  const soon = (run: () => void): void => host.later(cryptoMs, run);
  const address: TransportAddress = { address: addressOf(host.index), port: linkPort };
  const identity: Identity = authority.issue(nodeId, `node-${host.index}@sim.example`, soon);
  const chain: readonly Certificate[] = [identity.certificate];
  const tamper = dependencies.tamper?.(host, identity);
  let disk = createSimulatedDisk();
  let overlay: OverlayPeer | undefined;
  let topology: Topology | undefined;
  let keeper: ConfigurationKeeper | undefined;

  function prepare(): void {
    host.start();
    const verifier = authority.verifier(soon);
    const store = disk.open((run) => host.later(diskMs, run));
    const kept = configuration.keep({ clock: host.clock, trace: quietTrace, verifier, store });
    keeper = kept;
    const dialer = network.dialer(address, { host, nodeId, chain });
    const booted = createOverlay({
      identity,
      config: kept?.current() ?? configuration.initial,
      clock: host.clock,
      random: host.random,
      trace: quietTrace,
      dialer: tamper === undefined ? dialer : tampered(dialer, tamper),
      verifier,
      kinds: createKindRegistry(),
      store,
      topology: (topologyHost) => (topology = dependencies.topology(topologyHost)),
      candidates: () => [address],
      appCandidates: () => [],
      ...(kept === undefined
        ? {}
        : { onConfigUpdate: (update, done) => kept.onConfigUpdate(update, done) }),
    });
    kept?.onChange((config) => booted.updateConfig(config));
    overlay = booted;
    const accept = (one: SecureConnection): void => booted.acceptLink(tamper?.(one) ?? one);
    network.listen(address, { host, nodeId, chain, accept });
  }

  function begin(bootstrap: readonly TransportAddress[] | 'first'): void {
    const started = running().start({ bootstrap });
    if (!started.ok) throw new Error(started.error);
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
    get keeper() {
      return keeper;
    },
    get alive() {
      return host.state !== 'dead';
    },
    start(bootstrap) {
      prepare();
      begin(bootstrap);
    },
    prepare,
    begin,
    crash({ silently, keepsDisk = false }) {
      network.dropHost(host, silently);
      host.die();
      if (!keepsDisk) disk = createSimulatedDisk();
    },
  };
}

function tampered(dialer: Dialer, tamper: Tamper): Dialer {
  return {
    dial: (target, timeoutMs, done) =>
      dialer.dial(target, timeoutMs, (outcome) =>
        done(outcome.ok ? { ok: true, value: tamper(outcome.value) } : outcome),
      ),
  };
}

function addressOf(index: number): string {
  const number = index + 1;
  return `10.${(number >>> 16) & 255}.${(number >>> 8) & 255}.${number & 255}`;
}
