/** The adapter side of a box: an overlay peer coupled to a SIP server. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { AuthorityAdmin, BanAdmin } from '../../admin/sources.ts';
import { createAdapter, type Adapter } from '../../adapter/adapter.ts';
import { createOverload } from '../../adapter/overload.ts';
import { failure, success, type Outcome } from '../../base/outcome.ts';
import type { NodeId } from '../../base/ids.ts';
import { createDnsResolver } from '../../node/dns-resolver.ts';
import type { FeedFollower } from '../../node/feed-follower.ts';
import { type DrachtioEdge, withEdge } from '../../node/edge/drachtio-edge.ts';
import { createLoadMeter } from '../../node/load-meter.ts';
import { createIdentity, createRenewableIdentity } from '../../node/identity.ts';
import type { HostStore } from '../../node/store.ts';
import type { Settings } from '../../node/settings.ts';
import type { NumberRouteSettings } from '../../node/settings-sip.ts';
import type { SipListenError } from '../../node/sip-addresses.ts';
import {
  createSipTransports,
  type SipTransports,
  type StunHandler,
} from '../../node/sip-transports.ts';
import type { OverlayPeer, OverlaySnapshot } from '../../overlay/peer-api.ts';
import type { SipTransportName } from '../../ports/flow.ts';
import type { Trace } from '../../ports/trace.ts';
import { createStreamFramer } from '../../sip/message/stream-framer.ts';
import { createKindRegistry } from '../../storage/kinds.ts';
import { createCertificateStore } from '../../usages/certificates/certificate-store.ts';
import { certificateByNodeKind, certificateByUserKind } from '../../usages/certificates/kinds.ts';
import { createCertificatePublisher } from '../../usages/certificates/publisher.ts';
import { createUserCertificatePublisher } from '../../usages/certificates/user-publisher.ts';
import { sipRegistrationKind } from '../../usages/sip/kind.ts';
import { turnServiceKind } from '../../usages/turn/kind.ts';
import { bindingAnswer } from '../../wire/stun/binding-answer.ts';
import { CommandError } from '../command.ts';
import { keepConfiguration } from './configuration-keeper.ts';
import { createDrachtioFront, edgeHosts, isEdgeFlow } from './drachtio-front.ts';
import { createHome } from './home.ts';
import { loadMembership, saveNodeIdentity, type Membership } from './membership.ts';
import { createNodeRenewal } from './node-renewal.ts';
import { createOverlayRole } from './overlay-role.ts';
import { ownHosts, shownAddress } from './own-addresses.ts';
import { openBoxStore, type Platform } from './platform.ts';
import { certifiedName, sipTls, sipTlsFiles, watchSipTls } from './sip-certificates.ts';
import { edgePolicies, portSetting, sipListeners } from './sip-listeners.ts';
import { lookupForAdmin } from './lookup.ts';
import { createTurnRole } from './turn-role.ts';
import { publicAddresses, sipSettings } from './sip-settings.ts';

export interface AdapterRole {
  readonly overlay: OverlayPeer;
  /** Serves phones and joins the ring. */
  start(): Promise<void>;
  stop(): Promise<void>;
  status(): object;
  ring(): object;
  lookup(aor: string): Promise<Outcome<object>>;
  readonly bans: BanAdmin;
  /** Users kept at this box; `undefined` where the authority keeps them. */
  readonly users: AuthorityAdmin | undefined;
}

/** Tells the supervisor that the box wants to be started again (EX_TEMPFAIL). */
const restartExitCode = 75;

/** Most phones ring earlier: their 180 then spares the 100, and nobody waits longer than 200 ms for a first word. */
const tryingMs = 100;

export async function createAdapterRole(
  settings: Settings,
  dir: string,
  platform: Platform,
): Promise<AdapterRole> {
  const membership = loadMembership(dir, platform.verifier);
  const directory = join(dir, 'store');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const store = await openBoxStore(directory);
  const undo: (() => Promise<void>)[] = [() => store.close()];
  try {
    return await assemble({ settings, dir, platform, membership, directory, store, undo });
  } catch (error) {
    for (const one of undo.reverse()) await one();
    throw error;
  }
}

async function assemble(parts: {
  readonly settings: Settings;
  readonly dir: string;
  readonly platform: Platform;
  readonly membership: Membership;
  readonly directory: string;
  readonly store: HostStore;
  /** What a failure has to close; last first. */
  readonly undo: (() => Promise<void>)[];
}): Promise<AdapterRole> {
  const { settings, dir, platform, membership, directory, store } = parts;
  const { clock, trace, verifier, signatures } = platform;
  const { nodeKey, nodeCertificate, configuration } = membership;
  const keeper = keepConfiguration(platform, dir, configuration);
  const identity = createRenewableIdentity(
    createIdentity(nodeKey, nodeCertificate, [], signatures),
  );

  const created = createHome({ settings, platform, store, membership, keeper });
  if (!created.ok) throw new CommandError(storeAdvice(directory, created.error));
  const home = created.value;
  const { follower } = home;

  const kinds = createKindRegistry();
  kinds.register(sipRegistrationKind(() => keeper.current()));
  kinds.register(certificateByNodeKind(verifier));
  kinds.register(certificateByUserKind(verifier));
  kinds.register(turnServiceKind());
  const overlayRole = await createOverlayRole({
    ...platform,
    settings,
    identity,
    privateKey: nodeKey,
    config: keeper.current(),
    store,
    kinds,
    onConfigUpdate: (update, done) => keeper.onConfigUpdate(update, done),
    acceptsOpaque: (id) => adapter.acceptsOpaque(id),
    turnServers: () => turn.servers(),
  });
  parts.undo.push(async () => await overlayRole.stop());
  const { overlay } = overlayRole;
  const turn = createTurnRole({
    ...platform,
    settings,
    overlay,
    identity,
    reflexive: () => overlayRole.reflexive(),
  });

  const told = publicAddresses(settings);
  const hosts = ownHosts(
    [settings.sip.address, ...settings.sip.listeners.map((listener) => listener.address)],
    [
      ...settings.sip.aliases,
      ...edgeHosts(settings),
      ...told.map(({ host }) => host.replace(/^\[|\]$/g, '')),
    ],
  );
  const listeners = await sipListeners(settings, dir, hosts);
  const secureName = certifiedName(settings, listeners.find(({ tls }) => tls !== undefined)?.tls);
  if (secureName !== undefined && !hosts.includes(secureName)) hosts.push(secureName);
  const policies = new Map([
    ...listeners.map((listener) => [listener.name, listener.policy] as const),
    ...edgePolicies(settings),
  ]);
  const transports = createSipTransports({
    listeners,
    events: {
      message: (flow, bytes) => adapter.receive(flow, bytes),
      closed: (flow) => adapter.flowClosed(flow),
    },
    trace,
    createFramer: createStreamFramer,
    stun: stunAnswers(trace),
  });
  const front = await createDrachtioFront(settings, {
    nodeKey,
    nowMs: () => clock.monotonicMs(),
    trace,
    events: { message: (flow, bytes) => adapter.receive(flow, bytes) },
  });
  const ports = new Set([...listeners, ...told].map(({ port }) => port));
  const load = createLoadMeter(trace);
  parts.undo.push(() => {
    load.stop();
    return Promise.resolve();
  });
  const overloaded = createOverload({
    clock,
    trace,
    settings: {
      maxDelayMs: settings.sip.overloadDelayMs,
      maxTransactions: settings.sip.overloadTransactions,
    },
    delayMs: () => load.delayMs(),
    transactions: () => adapter.transactions(),
  });
  const adapter: Adapter = createAdapter({
    ...platform,
    overlay,
    store,
    accounts: follower.accounts,
    identityFor: (aor) => follower.identityFor(aor),
    opener: front === undefined ? transports.opener : withEdge(transports.opener, front),
    ownHosts: () => hosts,
    ownPorts: () => (front === undefined ? ports : new Set([...ports, ...front.ports()])),
    publicAddresses: told,
    // Between a drachtio server and this box, the hop's own address counts.
    advertised: (flow) => (isEdgeFlow(flow) ? undefined : shownAddress(flow, secureName)),
    overloaded,
    outside: {
      resolver: createDnsResolver(settings.sip.dnsServers, trace),
      transports: outgoingTransports(front === undefined ? listeners : [{ transport: 'udp' }]),
      trunks: settings.sip.trunks,
      numberRoutes: settings.sip.numberRoutes.map((route) => numberRoute(route, settings.domain)),
      loopback:
        front === undefined && listeners.every(({ address }) => /^(?:127\.|::1$)/.test(address)),
    },
    timers: { tryingMs },
    listener: (name) => policies.get(name) ?? { algorithms: ['MD5'], role: 'proxy' },
    settings: {
      sip: sipSettings(settings),
      // A result used again could send a call to where the phone was a moment ago.
      lookupCacheMs: 0,
      unprovedCaller: settings.sip.callerPolicy === 'anonymise' ? 'anonymise' : 'refuse',
    },
  });

  const certificates = createCertificateStore({ overlay, clock, verifier });
  const { userCertificatesPerS } = settings.overlay;
  const userPublisher =
    userCertificatesPerS === 0
      ? undefined
      : createUserCertificatePublisher({
          clock,
          trace,
          certificates,
          identityFor: (aor) => follower.identityFor(aor),
          paceMs: 1000 / userCertificatesPerS,
        });
  const publisher = createCertificatePublisher({
    clock,
    trace,
    certificates,
    identity,
  });
  const renewal = createNodeRenewal({
    certificate: nodeCertificate,
    clock,
    trace,
    async renew() {
      const renewed = await home.renewNode();
      if (!renewed.ok) return renewed;
      const { privateKey, certificate } = renewed.value;
      if (certificate.nodeIds[0] !== overlay.nodeId) {
        return failure('the authority gave this box another Node-ID');
      }
      saveNodeIdentity(dir, privateKey, certificate.der);
      identity.replace(createIdentity(privateKey, certificate, [], signatures));
      overlayRole.identityReplaced(privateKey);
      publisher.renewed(identity);
      follower.useCertificate(certificate, privateKey);
      return success(certificate);
    },
  });

  let unwatchCertificates: () => void = () => undefined;
  /** Set while the box waits for a configuration that has not expired. */
  let joinLate: (() => void) | undefined;
  keeper.onChange((config, consequence) => {
    overlay.updateConfig(config);
    // RFC 6940 §11.1: who cannot meet the configuration leaves; its phones can still call each other.
    if (consequence?.type === 'exit') overlayRole.leave(() => undefined);
    // The new process starts from the configuration that has just been saved.
    if (consequence?.type === 'rejoin') overlayRole.leave(() => process.exit(restartExitCode));
    if (consequence === undefined) joinLate?.();
  });
  follower.onConfig((document) => keeper.offer(document, () => undefined));
  follower.onIdentity((aor, userIdentity) => {
    overlay.hostIdentity(userIdentity);
    adapter.identityChanged(aor);
    userPublisher?.add(aor);
  });
  const linked = new Set<NodeId>();
  overlay.onChange((what) => {
    if (what === 'links') {
      const now = new Set(overlay.snapshot().links.map((link) => link.nodeId));
      for (const nodeId of now) if (!linked.has(nodeId)) adapter.heardFrom(nodeId);
      linked.clear();
      for (const nodeId of now) linked.add(nodeId);
    }
    if (what !== 'state' || !overlay.isReady()) return;
    adapter.overlayReady();
    publisher.joined();
    userPublisher?.joined();
    turn.joined();
  });

  return {
    overlay,
    async start() {
      await startListening(transports, front);
      unwatchCertificates = watchSipTls({
        files: sipTlsFiles(settings, dir),
        load: async () => await sipTls(settings, dir, hosts),
        use: transports.useTls,
        trace,
      });
      adapter.start();
      for (const { aor } of follower.accounts.accounts()) {
        const known = follower.identityFor(aor);
        if (known === undefined) continue;
        overlay.hostIdentity(known);
        userPublisher?.add(aor);
      }
      follower.start(keeper.current().sequence);
      if (keeper.isExpired()) {
        trace.log('error', 'configuration-expired', { authority: membership.authority?.url });
        joinLate = () => {
          joinLate = undefined;
          overlayRole.join();
        };
      } else overlayRole.join();
      renewal.start();
      home.startRefresh();
    },
    async stop() {
      unwatchCertificates();
      load.stop();
      renewal.stop();
      publisher.stop();
      userPublisher?.stop();
      turn.stop();
      home.stopRefresh();
      await new Promise<void>((resolve) => adapter.stop({ retire: false }, resolve));
      await front?.close();
      await transports.close();
      await overlayRole.stop();
      await follower.stop();
      await store.close();
    },
    status: () => ({
      nodeId: overlay.nodeId,
      ring: ringOf(overlay.snapshot()),
      ...(front === undefined ? {} : { drachtio: front.state }),
      ...statusOf(adapter, follower, overlay.snapshot()),
    }),
    ring: () => ringOf(overlay.snapshot()),
    lookup: async (aor) => await lookupForAdmin(adapter, clock, aor),
    bans: {
      list: () => adapter.snapshot().sip.bans,
      lift: (source) =>
        adapter.liftBan(source) || adapter.liftBan(`${source}@${adapter.domains.canonical}`),
    },
    users: home.users,
  };
}

/** The drachtio server's hop last: its server may send at once. */
async function startListening(
  transports: SipTransports,
  front: DrachtioEdge | undefined,
): Promise<void> {
  try {
    await transports.start();
    await front?.start();
  } catch (error) {
    const { message, listener } = error as SipListenError;
    throw new CommandError(`${message} (setting ${portSetting(listener)})`);
  }
}

/** Users of the domain may be named without it. */
function numberRoute(route: NumberRouteSettings, domain: string): NumberRouteSettings {
  const { user } = route;
  if (user === undefined || user.includes('@')) return route;
  return { ...route, user: `${user}@${domain.toLowerCase()}` };
}

/** UDP needs a listener to leave from; connections are made without one. */
function outgoingTransports(listeners: readonly { transport: string }[]): SipTransportName[] {
  const hasUdp = listeners.some(({ transport }) => transport === 'udp');
  return hasUdp ? ['udp', 'tcp', 'tls'] : ['tcp', 'tls'];
}

function storeAdvice(directory: string, problem: string): string {
  return `${problem}. The store is ${directory}: restore it from a backup, or move it away; the box then fetches accounts anew and phones register again.`;
}

/** Keep-alives of phones with outbound (RFC 5626 §5.4). */
function stunAnswers(trace: Trace): StunHandler {
  const answered = trace.counter('sip_stun_answers_total');
  return (bytes, remote, reply) => {
    const answer = bindingAnswer(bytes, remote);
    if (answer === undefined) return;
    answered.add();
    reply(answer);
  };
}

function ringOf(snapshot: OverlaySnapshot): object {
  return { ...snapshot.topology, links: snapshot.links };
}

function statusOf(adapter: Adapter, follower: FeedFollower, overlay: OverlaySnapshot): object {
  const { sip, trunks, publications, registrations, connections } = adapter.snapshot();
  return {
    configSequence: overlay.configSequence,
    storage: overlay.storage,
    pending: overlay.pending,
    sip,
    trunks,
    publications,
    registrations: registrations.map(({ state, ...rest }) => ({ ...rest, overlay: state })),
    connections,
    authority: follower.state(),
  };
}
