/**
 * A RELOAD peer: link table, forwarding, transactions, attach, bootstrap, storage and topology put
 * together. RFC 6940 §6.
 */
import { limits } from '../base/limits.ts';
import type { NodeId } from '../base/ids.ts';
import type { IceConnector } from '../link/ice-connector.ts';
import { failure } from '../base/outcome.ts';
import type { Timer } from '../ports/clock.ts';
import type { OverlayConfig } from '../ports/overlay-config.ts';
import { createStorage } from '../storage/create-storage.ts';
import type { Topology } from '../topology/plugin.ts';
import { createTrust } from '../trust/trust.ts';
import { overlayHash } from '../wire/reload/header.ts';
import { messageCodes } from '../wire/reload/message-codes.ts';
import { createAppAttacher } from './app-attach.ts';
import { createAttacher } from './attach.ts';
import { basicMethods } from './basic-methods.ts';
import { discard } from './candidates.ts';
import { createBootstrap } from './bootstrap.ts';
import { createClient, type Client, type ClientRouting } from './client.ts';
import { createConfigOffers } from './config-offers.ts';
import { createCopier } from './copier.ts';
import { createIdentities } from './identities.ts';
import { createIntroducer } from './introduction.ts';
import { createIncoming, type Incoming, type RequestHandler } from './incoming.ts';
import { createLinkTable } from './link-table.ts';
import { noIceLinkTypes, usesIce, type NoIceLinkType } from './link-types.ts';
import { createLocalRequests } from './local-requests.ts';
import { createMessageSecurity } from './message-security.ts';
import type { OverlayChange, OverlayDependencies, OverlayPeer } from './peer-api.ts';
import { createQueries } from './queries.ts';
import { createRouter, type Router } from './router.ts';
import { createStunServers } from './stun-servers.ts';
import { createStorageClient } from './storage-client.ts';
import { createStorageService } from './storage-service.ts';
import { createTopologyHost } from './topology-host.ts';
import { createTransactions, maxTransmissions, type Transactions } from './transactions.ts';
import { createValueSecurity } from './value-security.ts';
import { createViaLists } from './via-lists.ts';

/** Throws UsageError when the node certificate carries no Node-ID. Nothing is dialed before `start`. */
export function createOverlay(dependencies: OverlayDependencies): OverlayPeer {
  const { clock, random, trace, dialer } = dependencies;
  const identities = createIdentities(dependencies.identity);
  const { self } = identities;
  const startedMs = clock.monotonicMs();
  const listeners: ((what: OverlayChange) => void)[] = [];
  let config: OverlayConfig = dependencies.config;
  let hash = overlayHash(config.overlayName);
  let idleTimer: Timer | undefined;
  let stopping = false;
  let loaded = false;
  let client: Client | undefined;

  const currentConfig = (): OverlayConfig => config;
  const ice = (): IceConnector | undefined => (usesIce(config) ? dependencies.ice : undefined);
  const linkTypes = (): readonly NoIceLinkType[] =>
    noIceLinkTypes(config, dependencies.linkTypes ?? ['TLS-TCP-FH-NO-ICE']);
  const later = (run: () => void): void => {
    clock.after('overlay-later', 0, run);
  };
  const uptimeS = (): number => Math.floor((clock.monotonicMs() - startedMs) / 1000);
  const notify = (what: OverlayChange): void => {
    for (const listener of listeners) listener(what);
  };

  const trust = createTrust({
    verifier: dependencies.verifier,
    clock,
    trace,
    config: currentConfig,
  });
  const security = createMessageSecurity(trust);
  const introducer = createIntroducer({
    identity: dependencies.identity,
    clock,
    random,
    trace,
    config: currentConfig,
    overlayHash: () => hash,
    security,
  });
  const linkDialer = introducer.introducing(dialer);
  const links = createLinkTable({
    self,
    clock,
    trace,
    maxMessageBytes: () => config.maxMessageSize,
    neighborRate: dependencies.neighborRate ?? limits.overlay.neighborRate,
    authenticate: (chain) => security.authenticate(chain),
    isNeeded: (nodeId) => neededNodes().has(nodeId),
    events: {
      message: (entry, bytes) => router.receive(entry, bytes),
      oversized: (entry, prefix) => router.receiveOversized(entry, prefix),
      up(entry) {
        viaLists.linkUp(entry.nodeId);
        stunServers.linkUp(entry.nodeId, entry.link.connection);
        bootstrap.linkUp(entry);
        topology.linkUp(entry.nodeId);
        attacher.linkUp(entry);
        notify('links');
      },
      down(nodeId) {
        viaLists.linkDown(nodeId);
        stunServers.linkDown(nodeId);
        topology.linkDown(nodeId);
        bootstrap.linkDown(nodeId);
        client?.linkDown(nodeId);
        notify('links');
      },
      suspect: (nodeId, suspect) => topology.linkSuspect(nodeId, suspect),
    },
  });
  const stunServers = createStunServers();
  const configOffers = createConfigOffers({
    clock,
    trace,
    config: currentConfig,
    transactions: () => transactions,
  });
  const viaLists = createViaLists({
    self,
    mode: dependencies.viaListMode ?? 'full',
    clock,
    random,
    trace,
    lifetimeMs: () => maxTransmissions * config.reliabilityTimerMs,
  });
  const router: Router = createRouter({
    self,
    trace,
    config: currentConfig,
    link: (nodeId) => links.get(nodeId),
    nextHop: (target, exclude) => topology.nextHop(target, exclude),
    bootstrapPeer: () =>
      topology.state === 'joined' ? undefined : (client?.peer() ?? bootstrap.peer()),
    isHosted: (nodeId) => identities.isHosted(nodeId),
    acceptsOpaque: dependencies.acceptsOpaque ?? (() => false),
    viaLists,
    fragmentBytes: dependencies.fragmentBytes,
    answersBadHeaders: dependencies.answersBadHeaders ?? false,
    deliver: (message, at) => incoming.deliver(message, at),
    refuse: (message, code, text) => incoming.refuseInTransit(message, code, text),
    later,
  });
  const transactions: Transactions = createTransactions({
    identity: dependencies.identity,
    nodeId: self,
    overlay: () => hash,
    clock,
    random,
    trace,
    config: currentConfig,
    security,
    send: (message) => router.send(message),
    isCloseEnough: (signer, resource) =>
      signer === self || topology.isCloseEnough(signer, resource),
    later,
    endsHere([destination, ...further]) {
      if (destination === undefined || further.length > 0) return false;
      if (destination.type === 'node') return destination.nodeId === self;
      return (
        destination.type === 'resource' &&
        topology.state === 'joined' &&
        topology.nextHop(destination.resource).kind === 'self'
      );
    },
    handleLocally: createLocalRequests({
      self,
      identity: dependencies.identity,
      security,
      handlers: () => handlers,
      later,
    }),
    peerHasOldConfig: (nodeId) => configOffers.offer(nodeId, [{ type: 'node', nodeId }]),
    peerLacksKinds: (nodeId, lacking) => configOffers.offerKinds(nodeId, lacking),
  });
  const attacher = createAttacher({
    self,
    clock,
    random,
    trace,
    dialer: linkDialer,
    ice,
    linkTypes,
    links,
    transactions,
    candidates: dependencies.candidates,
    sendUpdateTo(nodeId) {
      // An Update would make a client a way for the messages of others.
      if (client === undefined) topology.sendUpdateTo(nodeId);
    },
    learned: (nodeId, address) => bootstrap.learned(nodeId, address),
    pathFound: (nodeId, path) => stunServers.pathFound(nodeId, path),
    later,
  });
  const appAttacher = createAppAttacher({
    clock,
    random,
    trace,
    dialer: dependencies.applicationDialer ?? dialer,
    ice,
    linkTypes,
    transactions,
    authenticate: (chain) => security.authenticate(chain),
    addresses(application) {
      const own = dependencies.appCandidates(application);
      return own.length > 0 ? own : dependencies.candidates();
    },
    later,
  });
  const { kinds } = dependencies;
  const configureKinds = (): void => {
    for (const problem of kinds.configure(config.requiredKinds)) {
      trace.log('warn', 'kind-refused', { problem });
    }
  };
  configureKinds();
  const storage = createStorage({
    clock,
    trace,
    store: dependencies.store,
    kinds,
    trust,
    verifier: dependencies.verifier,
  });
  const copier = createCopier({ trace, storage, kinds, transactions, later });
  const storageService = createStorageService({
    storage,
    copier,
    topology: () => topology,
    nodeIdLength: () => config.nodeIdLength,
    later,
  });
  const storageClient = createStorageClient({
    clock,
    trace,
    kind: (kind) => kinds.get(kind),
    nodeIdLength: () => config.nodeIdLength,
    values: createValueSecurity(trust, clock),
    fetchHolders: dependencies.fetchHolders,
    transactions,
    later,
  });
  const bootstrap = createBootstrap({
    self,
    clock,
    random,
    trace,
    dialer: linkDialer,
    store: dependencies.store,
    links,
    topology: () => (client === undefined ? topology : outsideRing),
    configured: () => config.bootstrapNodes,
    probeRing: (via, done) => queries.probeRing(self, via, done),
    ownAddresses: dependencies.candidates,
  });
  const topology: Topology = dependencies.topology(
    createTopologyHost({
      self,
      config: currentConfig,
      clock,
      random,
      trace,
      links,
      transactions,
      attacher,
      bootstrap: () => bootstrap,
      copyRange: storageService.copyRange,
      dropResources: storageService.dropResources,
      changed(what) {
        if (what === 'state' && topology.state === 'joined') bootstrap.joined();
        notify(what);
      },
    }),
  );
  /** What a client shows to the bootstrap instead of a topology to join. */
  const outsideRing: Pick<Topology, 'state' | 'join'> = {
    state: 'idle',
    join(first) {
      if (!first) client?.linked();
    },
  };
  const handlers = new Map<number, RequestHandler>([
    ...basicMethods({
      clock,
      random,
      topology: () => topology,
      uptimeS,
      storedResources: () => storage.figures().resources,
      onConfigUpdate: dependencies.onConfigUpdate,
      updated: () => client?.updated(),
    }),
    [messageCodes.attachReq, (request) => attacher.handle(request)],
    [messageCodes.appAttachReq, (request) => appAttacher.handle(request)],
    ...storageService.handlers,
  ]);
  const incoming: Incoming = createIncoming({
    self,
    clock,
    trace,
    config: currentConfig,
    security,
    transactions,
    send: (message) => router.send(message),
    identityOf: (nodeId) => identities.of(nodeId),
    handlers,
    knownExtensions: new Set(),
    peerHasOldConfig: (nodeId, path) => configOffers.offer(nodeId, path),
  });
  const queries = createQueries({ transactions, random });

  function neededNodes(): ReadonlySet<NodeId> {
    const { predecessors, successors, fingers, routable } = topology.snapshot();
    return new Set([...predecessors, ...successors, ...fingers, ...routable]);
  }

  /** Links that only served a join or a client long gone are closed after a while. */
  function closeIdleLinks(): void {
    idleTimer = clock.after('overlay-idle-links', limits.overlay.idleLinkMs / 2, closeIdleLinks);
    const needed = neededNodes();
    const now = clock.monotonicMs();
    for (const entry of [...links.entries()]) {
      const idle = now - entry.usedAtMs >= limits.overlay.idleLinkMs;
      if (idle && !needed.has(entry.nodeId)) entry.link.close('idle');
    }
  }

  function becomeClient(routing: ClientRouting): void {
    client = createClient({
      self,
      routing,
      severalNodeIds: dependencies.identity.certificate.nodeIds.length > 1,
      clock,
      trace,
      attacher,
      transactions,
      anyPeer: () => bootstrap.peer(),
      ready: () => notify('state'),
    });
  }

  function stop(done: () => void): void {
    if (stopping) {
      later(done);
      return;
    }
    stopping = true;
    client?.stop();
    idleTimer?.cancel();
    bootstrap.stop();
    let finished = false;
    const finish = (): void => {
      if (finished) return;
      finished = true;
      timeout.cancel();
      transactions.close();
      links.closeAll('leaving');
      storage.close();
      done();
    };
    const timeout = clock.after('overlay-stop', limits.overlay.stopMs, finish);
    topology.leave(finish);
  }

  return {
    nodeId: self,
    config: currentConfig,
    state: () => topology.state,
    isReady: () => topology.state === 'joined' || client?.peer() !== undefined,
    store: storageClient.store,
    fetch: storageClient.fetch,
    stat: storageClient.stat,
    appAttach: (destination, application, done, answered) =>
      appAttacher.appAttach(destination, application, done, answered),
    onApplication: (application, accepted) => appAttacher.onApplication(application, accepted),
    hostIdentity: (identity) => identities.host(identity),
    unhostIdentity: (nodeId) => identities.unhost(nodeId),
    start({ bootstrap: addresses, client: routing }) {
      if (routing !== undefined && !config.clientsPermitted) {
        return failure('the overlay does not permit clients');
      }
      const read = storage.load();
      if (!read.ok) return read;
      loaded = true;
      // What a configuration that came while this peer was down has discarded goes now (§11.1).
      storage.dropKinds((kind) => kinds.get(kind) !== undefined);
      if (routing !== undefined) becomeClient(routing);
      idleTimer = clock.after('overlay-idle-links', limits.overlay.idleLinkMs / 2, closeIdleLinks);
      bootstrap.start(addresses);
      return read;
    },
    stop,
    promote() {
      if (client === undefined) return;
      client.stop();
      client = undefined;
      topology.join(false);
    },
    address: () => client?.address() ?? [{ type: 'node', nodeId: self }],
    acceptLink(connection) {
      introducer.introduce(connection, (introduced) => {
        if (!introduced.ok) return;
        const { value } = introduced;
        if (stopping) discard(value, 'leaving');
        else links.add(value, attacher.awaited(value.peerChain[0]?.nodeIds ?? []));
      });
    },
    acceptApplication: (application, connection) => appAttacher.accept(application, connection),
    stunServers: () => stunServers.servers(),
    ping: (destination, done) => queries.ping(destination, done),
    probe: (nodeId, done) => queries.probe(nodeId, done),
    find: (resource, kinds, done) => queries.find(resource, kinds, done),
    routeQuery: (nodeId, destination, done, options) =>
      queries.routeQuery(nodeId, destination, done, options),
    updateConfig(next) {
      const discarded = new Set(config.requiredKinds.map(({ kind }) => kind));
      for (const { kind } of next.requiredKinds) discarded.delete(kind);
      config = next;
      hash = overlayHash(config.overlayName);
      const bad = new Set(config.badNodes);
      for (const entry of [...links.entries()]) {
        if (bad.has(entry.nodeId)) entry.link.close('bad node');
      }
      configureKinds();
      if (loaded)
        storage.dropKinds((kind) => !discarded.has(kind) && kinds.get(kind) !== undefined);
      transactions.configChanged();
    },
    onChange(listener) {
      listeners.push(listener);
    },
    snapshot: () => ({
      nodeId: self,
      overlayName: config.overlayName,
      configSequence: config.sequence,
      state: topology.state,
      uptimeS: uptimeS(),
      topology: topology.snapshot(),
      links: links.snapshot(),
      storage: storage.figures(),
      pending: {
        requests: transactions.size,
        attaches: attacher.size,
        applicationAttaches: appAttacher.size,
        replications: copier.size,
      },
      hostedIdentities: identities.size,
    }),
  };
}
