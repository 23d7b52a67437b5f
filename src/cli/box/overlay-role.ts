/** The overlay side of a box: its peer with real links, and the ports on which others connect. */
import type { KeyObject } from 'node:crypto';
import type { Identity, Verifier } from '../../ports/certificates.ts';
import type { Dialer, SecureConnection, TransportAddress } from '../../ports/connection.ts';
import type { OverlayConfig } from '../../ports/overlay-config.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import type { Store } from '../../ports/store.ts';
import type { HostTrace } from '../../node/trace.ts';
import type { Settings } from '../../node/settings.ts';
import { createDialer, listenSecure, openKeyLog, type SecureListener } from '../../node/tls.ts';
import { usesIce } from '../../overlay/link-types.ts';
import { createOverlay } from '../../overlay/peer.ts';
import type { OverlayDependencies, OverlayPeer } from '../../overlay/peer-api.ts';
import type { TurnServer } from '../../link/ice/types.ts';
import type { KindRegistry } from '../../storage/kinds.ts';
import { createChord } from '../../topology/chord/chord.ts';
import { applicationIds } from '../../wire/reload/app-attach.ts';
import { CommandError } from '../command.ts';
import { createDatagramLinks, possibleLinkTypes, usesDatagrams } from './datagram-links.ts';
import { isSpecific, machineAddresses } from './own-addresses.ts';

export interface OverlayRoleOptions {
  readonly settings: Settings;
  readonly identity: Identity;
  readonly privateKey: KeyObject;
  readonly config: OverlayConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly store: Store;
  readonly trace: HostTrace;
  readonly verifier: Verifier;
  readonly kinds: KindRegistry;
  readonly onConfigUpdate: NonNullable<OverlayDependencies['onConfigUpdate']>;
  /** TURN servers that the overlay knows, for connections by ICE; absent: none. */
  readonly turnServers?: () => readonly TurnServer[];
  readonly acceptsOpaque?: NonNullable<OverlayDependencies['acceptsOpaque']>;
}

export interface OverlayRole {
  readonly overlay: OverlayPeer;
  /** Where others see this box, as far as ICE has found out. */
  reflexive(): readonly string[];
  /** Joins through the bootstrap nodes, or is the first peer when it is the only one listed. */
  join(): void;
  /** Leaves the ring for good; `done` is called later. */
  leave(done: () => void): void;
  /** New connections show the certificate that the identity has now; its key is this one. */
  identityReplaced(key: KeyObject): void;
  /** Leaves the ring, then closes all ports. */
  stop(): Promise<void>;
}

const handshakeTimeoutMs = 5000;
const maxConnections = 1000;

/** Listens first, so that candidates are true from the first message on. */
export async function createOverlayRole(options: OverlayRoleOptions): Promise<OverlayRole> {
  const { settings, identity, privateKey, trace, verifier } = options;
  const { link } = settings;
  const keyLog =
    link.keyLog === ''
      ? undefined
      : openKeyLog(link.keyLog, (error) => trace.log('error', 'key-log-failed', { error }));
  let shown = { privateKey, chain: [identity.certificate, ...identity.chain] };
  const tls = { verifier, trace, identity: () => shown, keyLog };
  const addresses = publicAddresses(settings);
  const at = (port: number): TransportAddress[] => addresses.map((address) => ({ address, port }));
  const { sip, sips } = applicationIds;
  const appPort = (application: number): number =>
    application === sips ? link.sipsPort : link.sipPort;

  const dialing = {
    ...tls,
    ...(isSpecific(link.address) ? { localAddress: link.address } : {}),
  };
  const { sharedSecret } = options.config;
  const own = new Set(at(link.port).map(text));
  const datagrams = usesDatagrams(options.config)
    ? createDatagramLinks({
        ...options,
        ...tls,
        stunPeers: () => overlay.stunServers(),
        turnServers: options.turnServers ?? (() => []),
        isOwn: (address) => own.has(text(address)),
      })
    : undefined;
  const dialerFor = (secret?: string): Dialer => {
    const streams = createDialer({ ...dialing, sharedSecret: secret });
    return datagrams === undefined ? streams : datagrams.dialer(streams);
  };
  const overlay: OverlayPeer = createOverlay({
    ...options,
    topology: createChord,
    dialer: dialerFor(sharedSecret),
    // Calls between boxes rest on certificates whatever admits a box to the overlay (RFC 7904 §5.1).
    applicationDialer: dialerFor(),
    ...(datagrams?.ice === undefined ? {} : { ice: datagrams.ice }),
    linkTypes: possibleLinkTypes,
    candidates: () => at(link.port),
    appCandidates: (application) => at(appPort(application)),
    ...overlayOptions(settings),
  });

  const listeners: SecureListener[] = [];
  let promotion: Timer | undefined;
  const listen = async (
    port: number,
    what: string,
    onConnection: Parameters<typeof listenSecure>[0]['onConnection'],
    secret?: string,
  ): Promise<void> => {
    const listener = await listenSecure({
      ...tls,
      sharedSecret: secret,
      host: link.address,
      port,
      onConnection,
      handshakeTimeoutMs,
      maxConnections,
    });
    if (!listener.ok) throw new CommandError(`${what}: ${listener.error}`);
    listeners.push(listener.value);
  };
  const closeAll = async (): Promise<void> => {
    datagrams?.close();
    for (const listener of listeners) await listener.close(true);
    keyLog?.close();
  };
  const acceptLink = (connection: SecureConnection): void => overlay.acceptLink(connection);
  const listenAll = async (): Promise<void> => {
    await listen(link.port, 'overlay links (link.port)', acceptLink, sharedSecret);
    await datagrams?.listen(link.port, 'overlay links (link.port)', acceptLink);
    // With ICE each connection finds a way of its own; nobody dials a port for applications.
    for (const application of usesIce(options.config) ? [] : [sip, sips]) {
      const what = `SIP between boxes (link.${application === sip ? 'sipPort' : 'sipsPort'})`;
      const accept = (connection: SecureConnection): void =>
        overlay.acceptApplication(application, connection);
      await listen(appPort(application), what, accept);
      await datagrams?.listen(appPort(application), what, accept);
    }
  };
  await listenAll().catch(async (error: unknown) => {
    await closeAll();
    throw error;
  });

  return {
    overlay,
    reflexive: () => datagrams?.reflexive() ?? [],
    identityReplaced(key) {
      shown = { privateKey: key, chain: [identity.certificate, ...identity.chain] };
    },
    join() {
      const bootstrap = bootstrapNodes(options.config, settings);
      const others = bootstrap.filter((node) => !own.has(text(node)));
      const { role, clientRouting, promoteAfterS } = settings.overlay;
      if (role === 'client' && others.length === 0) {
        throw new CommandError('a client (overlay.role) needs a bootstrap node other than itself');
      }
      const started = overlay.start({
        bootstrap: others.length === 0 ? 'first' : others,
        ...(role === 'client'
          ? { client: clientRouting === 'any-peer' ? 'any-peer' : 'responsible-peer' }
          : {}),
      });
      if (!started.ok) throw new CommandError(started.error);
      if (role === 'client' && promoteAfterS > 0) {
        promotion = options.clock.after('promotion', promoteAfterS * 1000, () => {
          trace.log('info', 'promoted', { afterS: promoteAfterS });
          overlay.promote();
        });
      }
    },
    leave: (done) => overlay.stop(done),
    async stop() {
      promotion?.cancel();
      await new Promise<void>((resolve) => overlay.stop(resolve));
      await closeAll();
    },
  };
}

const viaListModes = ['full', 'slots', 'opaque', 'state'] as const;
const smallestFragmentBytes = 300;

/** What the settings say about the peer beyond its links. Throws CommandError for what cannot work. */
export function overlayOptions({
  overlay,
}: Pick<Settings, 'overlay'>): Pick<
  OverlayDependencies,
  'viaListMode' | 'fragmentBytes' | 'neighborRate' | 'fetchHolders'
> {
  const { fragmentBytes, neighborMessagesPerS, neighborBurst } = overlay;
  if (fragmentBytes > 0 && fragmentBytes < smallestFragmentBytes) {
    throw new CommandError(`overlay.fragmentBytes: at least ${smallestFragmentBytes}, or 0`, 2);
  }
  if (neighborMessagesPerS < 1 || neighborBurst < 1) {
    throw new CommandError('overlay.neighborMessagesPerS and neighborBurst: at least 1', 2);
  }
  return {
    viaListMode: viaListModes.find((mode) => mode === overlay.viaLists) ?? 'full',
    ...(fragmentBytes > 0 ? { fragmentBytes } : {}),
    neighborRate: { perSecond: neighborMessagesPerS, burst: neighborBurst },
    fetchHolders: overlay.fetchFrom === 'replicas' ? 'all' : 'responsible',
  };
}

function bootstrapNodes(config: OverlayConfig, settings: Settings): TransportAddress[] {
  const added = settings.link.bootstrap.map((entry) => {
    const colon = entry.lastIndexOf(':');
    const port = Number(entry.slice(colon + 1));
    if (colon < 1 || !Number.isInteger(port)) {
      throw new CommandError(`link.bootstrap: "${entry}" is not ADDRESS:PORT`, 2);
    }
    return { address: entry.slice(0, colon).replace(/^\[|\]$/g, ''), port };
  });
  return [...added, ...config.bootstrapNodes];
}

function text(address: TransportAddress): string {
  return `${address.address}:${address.port}`;
}

/** Where other boxes reach this one: as set, else the listening address, else all of this machine's. */
export function publicAddresses(settings: Settings): readonly string[] {
  const { publicAddresses: given, address } = settings.link;
  if (given.length > 0) return given;
  return isSpecific(address) ? [address] : machineAddresses();
}
