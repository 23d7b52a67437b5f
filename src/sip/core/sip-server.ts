import type { Clock } from '../../ports/clock.ts';
import type { Flow, FlowOpener } from '../../ports/flow.ts';
import type { Random } from '../../ports/random.ts';
import type { Trace } from '../../ports/trace.ts';
import type { Accounts } from '../auth/accounts.ts';
import { type Authenticator, createAuthenticator } from '../auth/authenticator.ts';
import type { Ban } from '../auth/bans.ts';
import { type FloodGuard, createFloodGuard } from '../auth/flood-guard.ts';
import { createRegEvents } from '../events/reg-events.ts';
import type { Gruus } from '../gruu/gruus.ts';
import type { LocationTable } from '../location/location-table.ts';
import { createArrivals } from '../proxy/arrivals.ts';
import type { SipRequest } from '../message/message.ts';
import type { Diversions } from '../proxy/diversion.ts';
import { createLocalTargets } from '../proxy/local-targets.ts';
import { createProxy } from '../proxy/proxy.ts';
import { readRoutes } from '../proxy/routing.ts';
import type { CallerScreen, HopAddressing, TargetResolver } from '../proxy/targets.ts';
import { type RedirectorDeps, createRedirector } from '../redirect/redirector.ts';
import type { RegistrationAdmission } from '../registrar/admission.ts';
import { createNatPinger } from '../registrar/nat-pinger.ts';
import { createRegistrar } from '../registrar/registrar.ts';
import {
  type ClientCallbacks,
  type TransactionDeps,
  type TransactionHandler,
  createTransactionLayer,
} from '../transaction/layer.ts';
import { createDispatcher } from './dispatcher.ts';
import type { Domains } from './domains.ts';
import type { TrunkPeers } from './trunk-peers.ts';
import { type ListenerPolicy, type SipSettings, defaultListenerPolicy } from './settings.ts';

export interface SipServerDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly trace: Trace;
  readonly domains: Domains;
  readonly accounts: Accounts;
  readonly location: LocationTable;
  readonly flows: FlowOpener;
  /** Usually `createPhoneHops(...)`, wrapped by the adapter for overlay flows. */
  readonly hops: HopAddressing;
  readonly resolver: TargetResolver;
  /** Absent: every change takes effect at once. */
  readonly admission?: RegistrationAdmission;
  /** Absent: no user has forwarding rules. */
  readonly diversions?: Diversions;
  /** {@link RedirectorDeps.placeHere} */
  readonly placeHere?: RedirectorDeps['placeHere'];
  /** Absent: no trunks. */
  readonly trunks?: TrunkPeers;
  /** Absent: requests from the overlay pass unchanged. */
  readonly screen?: CallerScreen;
  /** Absent: phones get no GRUUs, and the URIs of others with `gr` are treated as any. */
  readonly gruus?: Gruus;
  readonly settings: SipSettings;
  /** Policy by listener name; absent: `defaultListenerPolicy`. */
  readonly listener?: (name: string) => ListenerPolicy;
  /** Secrets for nonces, at least 16 bytes each, durable: the first one signs, all verify; may change in place. */
  readonly nonceKeys: readonly Uint8Array[];
  /** True refuses new calls and registrations with 503; what is established goes on. */
  readonly overloaded?: () => boolean;
  /** Passed to the transaction layer. */
  readonly transactions?: Pick<TransactionDeps, 'timers' | 'capacity' | 'reopen' | 'replace'>;
}

/** The SIP side of an adapter: transaction layer, registrar, proxy and redirect server in one. */
export interface SipServer {
  /** One whole message as framed by the transport. */
  receive(flow: Flow, bytes: Uint8Array): void;
  flowClosed(flow: Flow): void;
  /** The flow goes on over another connection; what was under way may be lost. */
  flowInterrupted(flow: Flow): void;
  /**
   * Refuses new calls and registrations from now on (503) and makes the location table durable;
   * established calls are not torn down, their requests still pass. `done` when durable.
   */
  stop(done: () => void): void;
  /** Sends a request of this server itself; callbacks come later, as for a client transaction. */
  request(request: SipRequest, flow: Flow, callbacks: ClientCallbacks): void;
  snapshot(): SipServerSnapshot;
  /** Ends all bans of an address, or the lock of a user (AOR); false when there is none. */
  liftBan(source: string): boolean;
  /** Transactions alive, both sides. */
  readonly transactions: number;
}

export interface SipServerSnapshot {
  /** INVITEs being forwarded that have no final answer yet. */
  readonly callsRinging: number;
  /** Response contexts of any method. */
  readonly contexts: number;
  readonly transactions: number;
  readonly aors: number;
  readonly bindings: number;
  /** REGISTERs that wait for the overlay. */
  readonly registersWaiting: number;
  /** Source addresses with failed logins. */
  readonly failingSources: number;
  /** Sources that are not served for now and users that are guessed at, at most 100 each. */
  readonly bans: readonly Ban[];
}

/** Bans in one {@link SipServerSnapshot}. */
const snapshotBans = 100;

export function createSipServer(deps: SipServerDeps): SipServer {
  const { clock, domains, flows, hops, location, settings, trace } = deps;
  const floods = floodGuard(deps);
  const authenticator = telling(floods, {
    accounts: deps.accounts,
    domains,
    clock,
    random: deps.random,
    trace,
    nonceKeys: deps.nonceKeys,
    settings: settings.auth,
    hasPhoneAt: (aor, address) =>
      location.bindings(aor).some((binding) => binding.receivedAddress === address),
  });
  const registrar = createRegistrar({
    clock,
    trace,
    domains,
    location,
    settings: settings.registrar,
    admission: deps.admission,
    gruus: deps.gruus,
  });
  // The layer wants its handler first, the roles want the layer.
  const late: { handler: TransactionHandler | undefined } = { handler: undefined };
  const layer = createTransactionLayer({
    clock,
    random: deps.random,
    trace,
    handler: {
      request: (transaction) => late.handler?.request(transaction),
      ack: (ack, flow) => late.handler?.ack(ack, flow),
      strayCancel: (cancel, flow) => late.handler?.strayCancel?.(cancel, flow) === true,
      strayResponse(response, flow) {
        if (!pinger.answered(response)) late.handler?.strayResponse(response, flow);
      },
    },
    ...(floods === undefined
      ? {}
      : { admits: (request: SipRequest, flow: Flow) => floods.admits(request, flow) }),
    ...deps.transactions,
  });
  const local = createLocalTargets({ location, flows, gruus: deps.gruus });
  const proxy = createProxy(
    {
      clock,
      random: deps.random,
      trace,
      domains,
      flows,
      hops,
      resolver: deps.resolver,
      local,
      arrivals: createArrivals({ clock, location, local }),
      settings: settings.proxy,
      diversions: deps.diversions,
      ...(deps.trunks === undefined
        ? {}
        : { answerChallenge: (sent, flow, response) => deps.trunks?.answer(sent, flow, response) }),
    },
    layer,
  );
  const regEvents = createRegEvents({
    clock,
    trace,
    domains,
    location,
    hops,
    layer,
    gruus: deps.gruus,
  });
  const pinger = createNatPinger({
    clock,
    random: deps.random,
    trace,
    domains,
    location,
    flows,
    hops,
    layer,
    settings: settings.registrar,
  });
  let stopping = false;
  late.handler = createDispatcher({
    trace,
    domains,
    hops,
    authenticator,
    registrar,
    proxy,
    redirector: createRedirector({
      domains,
      resolver: deps.resolver,
      trace,
      ...(deps.placeHere === undefined ? {} : { placeHere: deps.placeHere }),
    }),
    trunks: deps.trunks,
    screen: deps.screen,
    gruus: deps.gruus,
    regEvents,
    settings,
    listener: deps.listener ?? (() => defaultListenerPolicy),
    refusesNewWork: () => stopping || deps.overloaded?.() === true,
  });

  return {
    receive(flow, bytes) {
      layer.receive(flow, bytes);
    },
    flowClosed(flow) {
      if (flow.transport !== 'udp') location.flowClosed(flow.id);
      layer.flowClosed(flow);
    },
    flowInterrupted(flow) {
      layer.flowInterrupted(flow);
    },
    stop(done) {
      stopping = true;
      regEvents.stop();
      pinger.stop();
      location.flush(done);
    },
    request(request, flow, callbacks) {
      layer.request({ request, flow, via: hops.via(flow), callbacks });
    },
    get transactions() {
      return layer.size;
    },
    snapshot: () => ({
      callsRinging: proxy.ringing,
      contexts: proxy.contexts,
      transactions: layer.size,
      aors: location.aorCount,
      bindings: location.bindingCount,
      registersWaiting: registrar.waiting,
      failingSources: authenticator.attempts.sources,
      bans: [...(floods?.bans(snapshotBans) ?? []), ...authenticator.attempts.bans(snapshotBans)],
    }),
    liftBan(source) {
      const wasFlooding = floods?.lift(source) === true;
      return authenticator.attempts.lift(source) || wasFlooding;
    },
  };
}

/** None where nobody is asked to prove anything. */
function floodGuard(deps: SipServerDeps): FloodGuard | undefined {
  const { domains, hops, settings, trunks } = deps;
  const { challengeRegistrations, challengeRequests } = settings.auth;
  if (settings.flood.requestsPerS === 0) return undefined;
  if (!challengeRegistrations && !challengeRequests) return undefined;
  return createFloodGuard({
    ...deps,
    settings: settings.flood,
    isKnown(request, flow) {
      if (trunks?.ofFlow(flow) !== undefined) return true;
      if (!request.inDialog) return false;
      const routes = readRoutes(request, flow, hops, domains);
      return routes.ok && routes.routed.recorded;
    },
  });
}

/** An authenticator whose logins reach the guard. */
function telling(
  floods: FloodGuard | undefined,
  deps: Parameters<typeof createAuthenticator>[0],
): Authenticator {
  const authenticator = createAuthenticator(deps);
  if (floods === undefined) return authenticator;
  return {
    attempts: authenticator.attempts,
    check(request, flow, side, algorithms) {
      const result = authenticator.check(request, flow, side, algorithms);
      if (result.ok) floods.proved(flow);
      return result;
    },
  };
}
