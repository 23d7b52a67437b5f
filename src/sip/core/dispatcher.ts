import type { Flow } from '../../ports/flow.ts';
import type { Trace } from '../../ports/trace.ts';
import { type Authenticator, identityRefusal } from '../auth/authenticator.ts';
import type { RegEvents } from '../events/reg-events.ts';
import { contactRefusal, isGruu } from '../gruu/checks.ts';
import type { Gruus } from '../gruu/gruus.ts';
import { type SipRequest, type SipResponse, createResponse } from '../message/message.ts';
import { readDisposition } from '../proxy/disposition.ts';
import { withEdgePath } from '../proxy/edge-path.ts';
import type { Sender } from '../proxy/forward.ts';
import type { Proxy } from '../proxy/proxy.ts';
import { type RoutedRequest, addressesServer, readRoutes } from '../proxy/routing.ts';
import type { CallerScreen, HopAddressing } from '../proxy/targets.ts';
import { refusalOf } from '../proxy/validation.ts';
import type { Redirector } from '../redirect/redirector.ts';
import type { Registrar } from '../registrar/registrar.ts';
import type { ServerTransaction, TransactionHandler } from '../transaction/layer.ts';
import { aorOf, servedDomainOf } from './aor.ts';
import type { Domains } from './domains.ts';
import { type SipFailure, sipFailure } from './failure.ts';
import type { ListenerPolicy, SipSettings } from './settings.ts';
import type { TrunkPeer, TrunkPeers } from './trunk-peers.ts';

export interface DispatcherDeps {
  readonly trace: Trace;
  readonly domains: Domains;
  readonly hops: HopAddressing;
  readonly authenticator: Authenticator;
  readonly registrar: Registrar;
  readonly proxy: Proxy;
  readonly redirector: Redirector;
  readonly screen: CallerScreen | undefined;
  readonly trunks: TrunkPeers | undefined;
  readonly gruus: Gruus | undefined;
  readonly regEvents: RegEvents;
  readonly settings: SipSettings;
  readonly listener: (name: string) => ListenerPolicy;
  readonly refusesNewWork: () => boolean;
}

/** `Flow.listener` of connections made by AppAttach. */
const overlayListener = 'overlay';

/** Decides which role serves a request, and who may ask. */
export function createDispatcher(deps: DispatcherDeps): TransactionHandler {
  const { authenticator, domains, hops, proxy, registrar, redirector, settings, trace } = deps;
  const received = new Map<string, { add(by?: number): void }>();
  const refused = trace.counter('sip_requests_refused_total');
  const shed = trace.counter('sip_requests_shed_total');
  const ackDrops = trace.counter('sip_acks_refused_total');

  function request(transaction: ServerTransaction): void {
    const { request: incoming, flow } = transaction;
    count(incoming.method);
    if (incoming.method === 'REGISTER' && servesRegister(incoming)) {
      register(transaction);
      return;
    }
    const refusal = incoming.parsedUri.ok
      ? refusalOf(incoming)
      : sipFailure(400, 'Bad Request-URI');
    // OPTIONS that may not travel on is answered as if it were for this server (§16.3).
    if (refusal?.status === 483 && incoming.method === 'OPTIONS') {
      answerOptions(transaction);
      return;
    }
    if (refusal !== undefined) {
      refuse(transaction, refusal);
      return;
    }
    const routes = readRoutes(incoming, flow, hops, domains);
    if (!routes.ok) refuse(transaction, routes.failure);
    else dispatch(transaction, routes.routed);
  }

  function dispatch(transaction: ServerTransaction, routed: RoutedRequest): void {
    const { request: incoming } = routed;
    if (transaction.flow.listener !== overlayListener && deps.regEvents.serves(routed)) {
      subscribe(transaction, routed.request);
      return;
    }
    const forServer =
      routed.nextRoute === undefined &&
      routed.flowId === undefined &&
      incoming.parsedUri.ok &&
      addressesServer(incoming.parsedUri.value, domains);
    if (forServer) {
      if (incoming.method === 'OPTIONS') answerOptions(transaction);
      else if (incoming.method === 'REGISTER') refuse(transaction, sipFailure(403, 'Forbidden'));
      else if (incoming.method === 'SUBSCRIBE')
        refuse(transaction, incoming.inDialog ? noSubscription : unknownEvent);
      else refuse(transaction, notServed);
      return;
    }
    const inDialog = incoming.inDialog && routed.recorded;
    if (!inDialog && deps.refusesNewWork()) {
      shed.add();
      refuse(transaction, unavailable);
      return;
    }
    if (transaction.flow.listener === overlayListener) fromOverlay(transaction, routed, inDialog);
    else fromPhone(transaction, routed, inDialog);
  }

  function fromPhone(
    transaction: ServerTransaction,
    routed: RoutedRequest,
    inDialog: boolean,
  ): void {
    const { flow } = transaction;
    const policy = deps.listener(flow.listener);
    // A request to a GRUU is always proxied (RFC 5627 §6.1): behind a redirect it may not arrive.
    if (policy.role === 'redirect' && !inDialog && !isGruu(routed.request, domains)) {
      redirector.redirect(transaction, routed.request, () => {
        forPhone(transaction, routed, inDialog, policy);
      });
      return;
    }
    forPhone(transaction, routed, inDialog, policy);
  }

  function forPhone(
    transaction: ServerTransaction,
    routed: RoutedRequest,
    inDialog: boolean,
    policy: ListenerPolicy,
  ): void {
    const { flow } = transaction;
    const trunk = incomingTrunk(routed, flow);
    if (trunk !== undefined) {
      serve(transaction, routed, { ...unknownSender, trusted: trunk.trusted });
      return;
    }
    // A dialog we recorded on this very flow needs no proof again; from another flow it does.
    const known = inDialog && routed.fromRecordedFlow;
    if (known || !settings.auth.challengeRequests || isFromOutside(routed, inDialog, policy)) {
      serve(transaction, routed, unknownSender);
      return;
    }
    const auth = authenticator.check(routed.request, flow, 'proxy', policy.algorithms);
    if (!auth.ok) {
      challenge(transaction, auth.failure);
      return;
    }
    const { aor } = auth.account;
    const own = deps.trunks?.ofAccount(aor);
    if (own !== undefined && routed.request.method !== 'REGISTER') {
      serve(transaction, routed, { aor, fromOverlay: false, trusted: own.trusted });
      return;
    }
    // Whose registration it is, its own registrar will ask.
    const isRegister = routed.request.method === 'REGISTER';
    const refusal =
      inDialog || isRegister
        ? undefined
        : (identityRefusal(routed.request, aor, domains) ??
          contactRefusal(routed.request, aor, domains, deps.gruus));
    if (refusal !== undefined) refuse(transaction, refusal);
    else serve(transaction, routed, { aor, fromOverlay: false }, auth.account.redirected);
  }

  /** Known by its address; whoever shows credentials there is a user behind it. */
  function incomingTrunk({ request: incoming }: RoutedRequest, flow: Flow): TrunkPeer | undefined {
    if (incoming.method === 'REGISTER' || incoming.has('Proxy-Authorization')) return undefined;
    return deps.trunks?.ofFlow(flow);
  }

  /**
   * A caller may ask for the places instead of being forwarded to them (RFC 3841 §9.1), or be a user whose
   * phones are set up to get them.
   */
  function serve(
    transaction: ServerTransaction,
    routed: RoutedRequest,
    sender: Sender,
    redirected = false,
  ): void {
    const { request: incoming } = routed;
    if (incoming.method === 'REGISTER') {
      const edged = withEdgePath(incoming, transaction.flow, hops);
      if (edged.ok) proxy.forward(transaction, withRequest(routed, edged.value), sender);
      else refuse(transaction, edged.error);
      return;
    }
    const isLookup = routed.nextRoute === undefined && !routed.recorded && !incoming.inDialog;
    if (
      isLookup &&
      (redirected || readDisposition(incoming).redirect) &&
      !isGruu(incoming, domains)
    ) {
      redirector.redirect(transaction, incoming, () => {
        proxy.forward(transaction, routed, sender);
      });
    } else {
      proxy.forward(transaction, routed, sender);
    }
  }

  /**
   * A caller of another domain, to an address of ours, or in a dialog that leads to a phone of ours: where
   * the listener takes such calls. Who shows credentials wants them looked at.
   */
  function isFromOutside(
    { flowId, request: incoming }: RoutedRequest,
    inDialog: boolean,
    policy: ListenerPolicy,
  ): boolean {
    if (policy.acceptsOutsideCalls !== true || !incoming.parsedUri.ok) return false;
    const from = incoming.from.parsedUri;
    if (!from.ok || servedDomainOf(from.value, domains) !== undefined) return false;
    // The genuine token names the way, so nothing else can be reached (RFC 5626 §5.3.1).
    if (inDialog || flowId !== undefined) return flowId !== undefined;
    if (incoming.has('Proxy-Authorization')) return false;
    return aorOf(incoming.parsedUri.value, domains) !== undefined;
  }

  function fromOverlay(
    transaction: ServerTransaction,
    routed: RoutedRequest,
    inDialog: boolean,
  ): void {
    const { screen } = deps;
    const { flow, request: incoming } = transaction;
    if (screen === undefined) {
      proxy.forward(transaction, routed, overlaySender);
      return;
    }
    if (inDialog && !servedAnyway.has(incoming.method)) {
      const shown = screen.withoutAssertions(routed.request, flow);
      proxy.forward(transaction, withRequest(routed, shown), overlaySender);
      return;
    }
    screen.screen(routed.request, flow, (outcome) => {
      if (transaction.cancelled) {
        refuse(transaction, sipFailure(487, 'Request Terminated'));
      } else if (!outcome.ok) {
        refuse(transaction, outcome.error);
      } else {
        const shown = outcome.value;
        const sender =
          shown.from.uri === incoming.from.uri
            ? overlaySender
            : { ...overlaySender, removedFrom: incoming.from.uri };
        proxy.forward(transaction, withRequest(routed, shown), sender);
      }
    });
  }

  /** A REGISTER for a domain served elsewhere is proxied. RFC 3261 §10.3 step 1. */
  function servesRegister(incoming: SipRequest): boolean {
    const uri = incoming.parsedUri;
    return uri.ok && servedDomainOf(uri.value, domains) !== undefined;
  }

  function register(transaction: ServerTransaction): void {
    const { request: incoming, flow } = transaction;
    if (flow.listener === overlayListener) {
      refuse(transaction, sipFailure(403, 'Forbidden'));
      return;
    }
    if (deps.refusesNewWork()) {
      shed.add();
      refuse(transaction, unavailable);
      return;
    }
    let aor: string | undefined;
    if (settings.auth.challengeRegistrations) {
      const policy = deps.listener(flow.listener);
      const auth = authenticator.check(incoming, flow, 'registrar', policy.algorithms);
      if (!auth.ok) {
        challenge(transaction, auth.failure);
        return;
      }
      aor = auth.account.aor;
    }
    registrar.register({
      request: incoming,
      flow,
      aor,
      toTag: transaction.toTag,
      respond: (response) => {
        transaction.respond(response);
      },
    });
  }

  /** The server itself is the notifier: it asks with 401. */
  function subscribe(transaction: ServerTransaction, incoming: SipRequest): void {
    const { flow } = transaction;
    if (!incoming.inDialog && deps.refusesNewWork()) {
      shed.add();
      refuse(transaction, unavailable);
      return;
    }
    let aor: string | undefined;
    if (settings.auth.challengeRequests) {
      const { algorithms } = deps.listener(flow.listener);
      const auth = authenticator.check(incoming, flow, 'registrar', algorithms);
      if (!auth.ok) {
        challenge(transaction, auth.failure);
        return;
      }
      aor = auth.account.aor;
    }
    deps.regEvents.subscribe(transaction, incoming, aor);
  }

  /** RFC 3261 §11.2. */
  function answerOptions(transaction: ServerTransaction): void {
    transaction.respondOnce((toTag) =>
      createResponse(transaction.request, 200, 'OK', { toTag, headers: capabilities }),
    );
  }

  const capabilities: readonly (readonly [string, string])[] = [
    ['Accept', 'application/sdp'],
    ['Accept-Encoding', 'identity'],
    ['Accept-Language', 'en'],
    ['Supported', 'path, outbound, gruu'],
    ['Allow-Events', 'reg'],
    ...(settings.serverName === '' ? [] : [['Server', settings.serverName] as const]),
  ];

  function refuse(transaction: ServerTransaction, refusal: SipFailure): void {
    refused.add();
    transaction.respond(responseOf(transaction, refusal, transaction.toTag));
  }

  /** Whoever has proved nothing yet occupies nothing. RFC 3261 §26.3.2.4. */
  function challenge(transaction: ServerTransaction, refusal: SipFailure): void {
    refused.add();
    transaction.respondOnce((toTag) => responseOf(transaction, refusal, toTag));
  }

  function ack(incoming: SipRequest, flow: Flow): void {
    const routes = incoming.parsedUri.ok ? readRoutes(incoming, flow, hops, domains) : undefined;
    if (routes?.ok !== true || !routes.routed.recorded || refusalOf(incoming) !== undefined) {
      ackDrops.add();
      return;
    }
    const { routed } = routes;
    if (flow.listener !== overlayListener) {
      proxy.forwardAck(routed, flow, unknownSender);
      return;
    }
    const shown = deps.screen?.withoutAssertions(routed.request, flow) ?? routed.request;
    proxy.forwardAck(withRequest(routed, shown), flow, overlaySender);
  }

  /** RFC 3261 §16.10. */
  function strayCancel(cancel: SipRequest, flow: Flow): boolean {
    if (!cancel.parsedUri.ok || refusalOf(cancel) !== undefined || deps.refusesNewWork())
      return false;
    const routes = readRoutes(cancel, flow, hops, domains);
    if (!routes.ok || routes.routed.nextRoute !== undefined) return false;
    const sender = flow.listener === overlayListener ? overlaySender : unknownSender;
    return proxy.forwardCancel(routes.routed, flow, sender);
  }

  function count(method: string): void {
    const label = countedMethods.has(method) ? method : 'other';
    let counter = received.get(label);
    if (counter === undefined) {
      counter = trace.counter('sip_requests_total', { method: label });
      received.set(label, counter);
    }
    counter.add();
  }

  return {
    request,
    ack,
    strayCancel,
    // RFC 6026 §7.3: dropped; the transaction layer has counted it.
    strayResponse: () => undefined,
  };
}

const overlaySender: Sender = { aor: undefined, fromOverlay: true };
const unknownSender: Sender = { aor: undefined, fromOverlay: false };

/**
 * Requests that phones serve without looking for the dialog which their tags claim: their caller is
 * checked each time.
 */
const servedAnyway: ReadonlySet<string> = new Set([
  'MESSAGE',
  'NOTIFY',
  'OPTIONS',
  'PUBLISH',
  'REFER',
  'SUBSCRIBE',
]);

function responseOf(
  { request }: ServerTransaction,
  { headers, reason, status }: SipFailure,
  toTag: string,
): SipResponse {
  return createResponse(request, status, reason, {
    toTag,
    ...(headers === undefined ? {} : { headers }),
  });
}

function withRequest(routed: RoutedRequest, request: SipRequest): RoutedRequest {
  return request === routed.request ? routed : { ...routed, request };
}

const countedMethods: ReadonlySet<string> = new Set([
  'REGISTER',
  'INVITE',
  'BYE',
  'OPTIONS',
  'MESSAGE',
  'SUBSCRIBE',
  'NOTIFY',
  'REFER',
  'PRACK',
  'UPDATE',
  'INFO',
  'PUBLISH',
]);

const unavailable = sipFailure(503, 'Service Unavailable', [['Retry-After', '5']]);
const notServed = sipFailure(405, 'Method Not Allowed', [
  ['Allow', 'REGISTER, OPTIONS, SUBSCRIBE'],
]);
const noSubscription = sipFailure(481, 'Subscription Does Not Exist');
/** RFC 6665 §4.2.1.1: the events of this server are those of its users. */
const unknownEvent = sipFailure(489, 'Bad Event', [['Allow-Events', 'reg']]);
