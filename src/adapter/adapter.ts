/**
 * The coupling of a SIP server and an overlay peer: REGISTER becomes a record, a call becomes a lookup
 * and an AppAttach connection, and what the other adapters send comes in (DESIGN §4, §5).
 */
import type { NodeId } from '../base/ids.ts';
import type { Overlay } from '../overlay/api.ts';
import type { AccountDirectory } from '../ports/accounts.ts';
import type { Identity } from '../ports/certificates.ts';
import type { Clock } from '../ports/clock.ts';
import type { Flow, FlowOpener, FlowTarget, SipTransportName } from '../ports/flow.ts';
import type { Random } from '../ports/random.ts';
import type { Resolver } from '../ports/resolver.ts';
import type { Store } from '../ports/store.ts';
import type { Trace } from '../ports/trace.ts';
import type { ListenerPolicy, SipSettings } from '../sip/core/settings.ts';
import { createSipServer } from '../sip/core/sip-server.ts';
import type { SipServerSnapshot } from '../sip/core/sip-server.ts';
import { type Locator, createLocator } from '../sip/dns/locator.ts';
import { createLocationTable } from '../sip/location/create-location-table.ts';
import type { LocationTable } from '../sip/location/location-table.ts';
import { canonicalAddress } from '../sip/message/ip.ts';
import { createLocalTargets } from '../sip/proxy/local-targets.ts';
import { type NextHops, createNextHops, isForbiddenPlace } from '../sip/proxy/next-hop.ts';
import { createPhoneHops } from '../sip/proxy/phone-hops.ts';
import { createReplyHops } from '../sip/proxy/reply-hop.ts';
import type { PhoneHopsDeps } from '../sip/proxy/phone-hops.ts';
import type { TransactionDeps } from '../sip/transaction/types.ts';
import type { SipConnectionSettings } from '../usages/sip/connection.ts';
import { createSipConnections } from '../usages/sip/connections.ts';
import type { SipConnectionsSnapshot } from '../usages/sip/connections.ts';
import { createSipLookup } from '../usages/sip/lookup.ts';
import type { SipLookup } from '../usages/sip/lookup.ts';
import type { PublicAddress } from '../usages/sip/public-address.ts';
import { createOverlayHops } from './addressing.ts';
import { createDomains } from './domains.ts';
import type { AdapterDomains } from './domains.ts';
import { createAdapterGruus } from './gruus.ts';
import { createFailedLookups } from './failed-lookups.ts';
import { createIdentityScreen } from './identity-screen.ts';
import type { UnprovedCallerPolicy } from './identity-screen.ts';
import { createForwarding } from './forwarding.ts';
import { createKeyring } from './keys.ts';
import { createNumberRoutes } from './number-routes.ts';
import type { NumberRoute } from './number-routes.ts';
import { createOverlayFlows } from './overlay-flows.ts';
import { createPublisher } from './publisher.ts';
import { publicationStates } from './publication.ts';
import type { PublicationSnapshot, PublicationState } from './publication.ts';
import { createResolver } from './resolver.ts';
import { sipAccounts } from './sip-accounts.ts';
import { createToldPlaces } from './told-places.ts';
import type { TrunkSettings } from '../ports/trunk.ts';
import { createTrunks } from './trunks.ts';
import type { TrunkSnapshot, Trunks } from './trunks.ts';
import type { ResolverSettings } from './resolver.ts';

export interface Adapter {
  /** One whole SIP message from a phone-side flow. */
  receive(flow: Flow, bytes: Uint8Array): void;
  /** A phone-side flow is gone. */
  flowClosed(flow: Flow): void;
  /** Publishes what the last run left, and follows accounts and bindings. Call once. */
  start(): void;
  /**
   * New calls are refused, established ones are not torn down; records stay unless `retire`. `done`
   * later, once, when everything is durable, in bounded time.
   */
  stop(options: { readonly retire: boolean }, done: () => void): void;
  /** The overlay was joined (again). */
  overlayReady(): void;
  /** The node gave a sign of life outside SIP: it is no longer avoided. */
  heardFrom(nodeId: NodeId): void;
  /** {@link AdapterDeps.identityFor} has something new for this user. */
  identityChanged(aor: string): void;
  snapshot(): AdapterSnapshot;
  /** Ends all bans of an address, or the lock of a user (AOR); false when there is none. */
  liftBan(source: string): boolean;
  /** SIP transactions alive. */
  transactions(): number;
  readonly domains: AdapterDomains;
  readonly location: LocationTable;
  /** True for opaque ids that this adapter has made for its GRUUs (RFC 7904 §6). */
  acceptsOpaque(id: Uint8Array): boolean;
  /** For commands that ask the overlay where a user is. */
  readonly lookup: SipLookup;
}

export interface AdapterSnapshot {
  readonly sip: SipServerSnapshot;
  readonly trunks: readonly TrunkSnapshot[];
  readonly publications: Readonly<Record<PublicationState, number>>;
  /** At most 1000, those in trouble first. */
  readonly registrations: readonly (PublicationSnapshot & { readonly bindings: number })[];
  readonly connections: SipConnectionsSnapshot;
}

export interface AdapterSettings {
  readonly sip: SipSettings;
  readonly unprovedCaller: UnprovedCallerPolicy;
  readonly connections?: Partial<SipConnectionSettings>;
  readonly resolver?: Partial<ResolverSettings>;
  /** 0..1000; how long the result of a lookup is used again. */
  readonly lookupCacheMs?: number;
  /** Age at which a key for nonces or flow tokens stops signing. */
  readonly keyLifetimeMs?: number;
}

export interface AdapterDeps {
  readonly overlay: Overlay;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly trace: Trace;
  readonly accounts: AccountDirectory;
  /**
   * The user's identity at this adapter: rfc822Name = AOR, a Node-ID of its own. `undefined` while
   * not enrolled. Still given for a disabled user, whose record has to be removed.
   */
  identityFor(aor: string): Identity | undefined;
  /** Phone-side flows. */
  readonly opener: FlowOpener;
  /** Addresses, host names and aliases of this box. */
  ownHosts(): Iterable<string>;
  /** Ports of the SIP listeners. */
  ownPorts(): ReadonlySet<number>;
  /** Where calls are taken beside the overlay, for redirected callers; among own hosts and ports. */
  readonly publicAddresses?: readonly PublicAddress[];
  readonly advertised?: PhoneHopsDeps['advertised'];
  /** The way to other domains; absent: only to URIs with a numeric host. */
  readonly outside?: OutsideDeps;
  readonly listener?: (name: string) => ListenerPolicy;
  readonly overloaded?: () => boolean;
  readonly timers?: TransactionDeps['timers'];
  readonly settings: AdapterSettings;
}

/** What it takes to find servers of other domains (RFC 3263). */
export interface OutsideDeps {
  readonly resolver: Resolver;
  /** Transports that requests can leave by, most preferred first. */
  readonly transports: readonly SipTransportName[];
  /** True where all listeners are on loopback (labs): then other loopback addresses may be reached. */
  readonly loopback: boolean;
  readonly trunks?: readonly TrunkSettings[];
  readonly numberRoutes?: readonly NumberRoute[];
}

/** Publications in one {@link AdapterSnapshot}. */
const snapshotEntries = 1000;

export function createAdapter(deps: AdapterDeps): Adapter {
  const { overlay, store, clock, random, trace, settings, publicAddresses = [] } = deps;
  const domains = createDomains({
    config: () => overlay.config(),
    ownHosts: () => deps.ownHosts(),
    ownPorts: () => deps.ownPorts(),
  });
  const location = createLocationTable({ clock, trace, store });
  const keyLifetime =
    settings.keyLifetimeMs === undefined ? {} : { rotateAfterMs: settings.keyLifetimeMs };
  const nonceKeys = createKeyring({ store, clock, random, name: 'nonce', ...keyLifetime });
  const flowKeys = createKeyring({ store, clock, random, name: 'flow', ...keyLifetime });

  const gruus = createAdapterGruus({
    nodeId: overlay.nodeId,
    domains,
    store,
    clock,
    random,
    ...keyLifetime,
  });

  const lookup = createSipLookup({
    overlay,
    clock,
    trace,
    isHosted: (host) => domains.isHosted(host),
    ...(settings.lookupCacheMs === undefined ? {} : { cacheMs: settings.lookupCacheMs }),
  });
  const connections = createSipConnections({
    overlay,
    clock,
    trace,
    ...(settings.connections === undefined ? {} : { settings: settings.connections }),
    onOpen: (connection) => flows.adopt(connection),
  });
  const flows = createOverlayFlows({
    connections: () => connections,
    clock,
    trace,
    message(flow, bytes) {
      forgetFailed(bytes);
      server.receive(flow, bytes);
    },
    closed: (flow) => server.flowClosed(flow),
    interrupted: (flow) => server.flowInterrupted(flow),
  });
  const forgetFailed = createFailedLookups({ domains, lookup });
  const nextHops = deps.outside === undefined ? undefined : outsideHops(deps.outside);
  const hops = createOverlayHops({
    nodeId: overlay.nodeId,
    flows,
    ...(deps.outside === undefined
      ? {}
      : { replies: createReplyHops({ ...waysOut(deps.outside), flows: deps.opener }) }),
    phones: createPhoneHops({
      domains,
      flows: deps.opener,
      tokenKeys: flowKeys.all,
      ...(deps.advertised === undefined ? {} : { advertised: deps.advertised }),
      ...(nextHops === undefined ? {} : { nextHops }),
    }),
  });
  const trunks = deps.outside === undefined ? undefined : outsideTrunks(deps.outside);
  const forwarding = createForwarding({ accounts: deps.accounts });
  const publisher = createPublisher({
    overlay,
    location,
    store,
    clock,
    random,
    trace,
    identityFor: (aor) => deps.identityFor(aor),
    forwarding,
    acceptsAor: (aor) => domains.filter().acceptsAor(aor),
    publicAddresses,
  });
  const places = createToldPlaces({ domain: domains.canonical });
  const resolver = createResolver({
    nodeId: overlay.nodeId,
    clock,
    trace,
    accounts: deps.accounts,
    location,
    local: createLocalTargets({ location, flows: deps.opener, gruus }),
    lookup,
    flows,
    hops,
    forwarding,
    places,
    numbers: createNumberRoutes(deps.outside?.numberRoutes ?? []),
    ...(trunks === undefined ? {} : { trunks }),
    missing: (aor) => publisher.noticeMissing(aor),
    ...(settings.resolver === undefined ? {} : { settings: settings.resolver }),
  });
  const server = createSipServer({
    clock,
    random,
    trace,
    domains,
    accounts: sipAccounts(deps.accounts),
    location,
    flows: deps.opener,
    hops,
    resolver,
    diversions: forwarding,
    placeHere: (aor, caller) =>
      places.of(aor, { destinations: overlay.address(), addresses: publicAddresses }, caller),
    ...(trunks === undefined ? {} : { trunks }),
    admission: publisher.admission,
    gruus,
    screen: createIdentityScreen({
      clock,
      trace,
      domains,
      lookup,
      policy: settings.unprovedCaller,
    }),
    settings: settings.sip,
    ...(deps.listener === undefined ? {} : { listener: deps.listener }),
    nonceKeys: nonceKeys.all,
    ...(deps.overloaded === undefined ? {} : { overloaded: deps.overloaded }),
    transactions: {
      reopen: (via, lost, done) => hops.reopen(via, lost, done),
      replace(lost, done) {
        const place = nextHops?.placeOf(lost);
        if (place === undefined) return false;
        deps.opener.open(place, (outcome) => {
          done(outcome.ok ? outcome.value : undefined);
        });
        return true;
      },
      ...(deps.timers === undefined ? {} : { timers: deps.timers }),
    },
  });
  let unfollow: () => void = () => undefined;
  for (const state of publicationStates) {
    trace.gauge('sip_publications', () => publisher.counts()[state], { state });
  }
  trace.gauge('sip_overlay_connections', () => connections.snapshot().open.length);

  function outsideHops(outside: OutsideDeps): NextHops {
    return createNextHops({ ...waysOut(outside), flows: deps.opener, trace });
  }

  /** Never to this box itself, and to loopback in labs only: no way to ports that are not for phones. */
  function waysOut({ loopback, resolver, transports }: OutsideDeps): {
    locator: Locator;
    mayReach(place: FlowTarget): boolean;
  } {
    const own = new Set([...deps.ownHosts()].map(canonicalAddress));
    return {
      locator: createLocator({ resolver, random, transports }),
      mayReach: ({ address }) =>
        !own.has(canonicalAddress(address)) &&
        (!isForbiddenPlace(address) || (loopback && isLoopback(address))),
    };
  }

  /** Trunks stand where the operator says, on this box too. */
  function outsideTrunks({ resolver, transports, trunks: settingsOf = [] }: OutsideDeps): Trunks {
    return createTrunks({
      trunks: settingsOf,
      nextHops: createNextHops({
        flows: deps.opener,
        locator: createLocator({ resolver, random, transports }),
        trace,
        mayReach: () => true,
      }),
      clock,
      random,
      trace,
      request: (request, flow, callbacks) => {
        server.request(request, flow, callbacks);
      },
      contactHost(flow) {
        const { host, port } = hops.via(flow);
        return port === undefined ? host : `${host}:${String(port)}`;
      },
    });
  }

  /** Bindings of a user who may not be served any more go; the record follows them. */
  function dropDisabled(aor: string): void {
    if (deps.accounts.lookup(aor)?.enabled !== true) location.removeAll(aor);
  }

  function registrations(): AdapterSnapshot['registrations'] {
    return publisher
      .snapshot(snapshotEntries)
      .map((entry) => ({ ...entry, bindings: location.bindings(entry.aor).length }));
  }

  return {
    receive: (flow, bytes) => server.receive(flow, bytes),
    flowClosed: (flow) => server.flowClosed(flow),
    start() {
      // Without any account nothing is known yet, which is no reason to forget the phones.
      const isLoaded = !deps.accounts.accounts()[Symbol.iterator]().next().done;
      if (isLoaded) for (const aor of [...location.aors()]) dropDisabled(aor);
      publisher.start();
      trunks?.start();
      unfollow = deps.accounts.onChange((change) => {
        const aor = change.kind === 'set' ? change.account.aor : change.aor;
        dropDisabled(aor);
        // Its forwarding rules may ask for another record.
        publisher.identityChanged(aor);
      });
    },
    stop(options, done) {
      unfollow();
      trunks?.stop();
      const end = (): void => {
        publisher.stop();
        nonceKeys.stop();
        flowKeys.stop();
        gruus.stop();
        server.stop(() => {
          location.stop();
          flows.stop();
          connections.stop('stopping');
          done();
        });
      };
      if (options.retire) publisher.retire(end);
      else end();
    },
    overlayReady: () => publisher.overlayReady(),
    heardFrom: (nodeId) => connections.heardFrom(nodeId),
    identityChanged: (aor) => publisher.identityChanged(aor),
    liftBan: (source) => server.liftBan(source),
    transactions: () => server.transactions,
    snapshot: () => ({
      sip: server.snapshot(),
      trunks: trunks?.snapshot() ?? [],
      publications: publisher.counts(),
      registrations: registrations(),
      connections: connections.snapshot(),
    }),
    acceptsOpaque: (id) => gruus.isGenuine(id),
    domains,
    location,
    lookup,
  };
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || canonicalAddress(address) === '::1';
}
