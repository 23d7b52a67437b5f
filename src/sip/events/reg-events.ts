/** The notifier of the registration event package: phones see where else their user is registered. */
import { limits } from '../../base/limits.ts';
import { latin1Decode, latin1Encode, utf8Encode } from '../../base/text.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { Flow, SipTransportName } from '../../ports/flow.ts';
import type { Trace } from '../../ports/trace.ts';
import { aorOf } from '../core/aor.ts';
import type { Domains } from '../core/domains.ts';
import { type SipFailure, sipFailure } from '../core/failure.ts';
import type { Gruus } from '../gruu/gruus.ts';
import type { Binding, LocationEvent } from '../location/binding.ts';
import type { LocationTable } from '../location/location-table.ts';
import { type SipRequest, createRequest, createResponse } from '../message/message.ts';
import type { RoutedRequest } from '../proxy/routing.ts';
import type { HopAddressing } from '../proxy/targets.ts';
import type { ServerTransaction, TransactionLayer } from '../transaction/types.ts';
import { type ContactEnd, contactId, formatRegInfo } from './reg-info.ts';
import { eventPackage, readSubscribe, regInfoType } from './subscribe-request.ts';

export interface RegEventsDeps {
  readonly clock: Clock;
  readonly trace: Trace;
  readonly domains: Domains;
  readonly location: LocationTable;
  readonly hops: Pick<HopAddressing, 'via'>;
  readonly layer: Pick<TransactionLayer, 'request'>;
  readonly gruus: Gruus | undefined;
}

/** RFC 3680 on RFC 6665. Subscriptions do not outlive the process: phones subscribe again. */
export interface RegEvents {
  /** A SUBSCRIBE for this notifier: to the reg package of an address served here, or inside a subscription. */
  serves(routed: RoutedRequest): boolean;
  /** `aor`: proved by digest; only the user itself may look. `undefined` where nobody is asked. */
  subscribe(transaction: ServerTransaction, request: SipRequest, aor: string | undefined): void;
  readonly size: number;
  /** Ends all timers; nobody is notified any more. */
  stop(): void;
}

interface Subscription {
  readonly key: string;
  readonly aor: string;
  readonly callId: string;
  /** Whole From and To of the NOTIFYs. */
  readonly local: string;
  readonly remote: string;
  readonly routes: readonly string[];
  event: string;
  target: string;
  flow: Flow;
  remoteCseq: number;
  cseq: number;
  version: number;
  expiresAtMs: number;
  expiry: Timer | undefined;
  /** What the last document showed, by {@link contactId}. */
  shown: ReadonlyMap<string, Binding>;
  gone: { readonly binding: Binding; readonly end: ContactEnd }[];
  /** A NOTIFY is under way, or planned. */
  busy: boolean;
  changed: boolean;
  lastNotifyMs: number;
}

/** RFC 3680 §4.10: not more often than this to one subscriber. */
const paceMs = 5000;
/** A phone that registers two contacts at once gets one document. */
const settleMs = 50;

const endOf: Readonly<Record<LocationEvent['cause'], ContactEnd>> = {
  register: 'unregistered',
  expiry: 'expired',
  removed: 'deactivated',
};

export function createRegEvents(deps: RegEventsDeps): RegEvents {
  const { clock, domains, gruus, hops, layer, location, trace } = deps;
  const subscriptions = new Map<string, Subscription>();
  const byAor = new Map<string, Set<Subscription>>();
  let stopped = false;
  const accepted = trace.counter('sip_subscriptions_total', { result: 'accepted' });
  const rejected = trace.counter('sip_subscriptions_total', { result: 'rejected' });
  const notified = trace.counter('sip_notifies_total', { result: 'sent' });
  const failed = trace.counter('sip_notifies_total', { result: 'failed' });
  trace.gauge('sip_reg_subscriptions', () => subscriptions.size);
  const unfollow = location.onChange((event) => {
    if (byAor.size > 0 && (event.content || event.first || event.last)) follow(event);
  });

  function follow({ aor, cause }: LocationEvent): void {
    for (const subscription of byAor.get(aor) ?? []) {
      const left = new Set(location.bindings(aor).map(contactId));
      const known = new Set(subscription.gone.map(({ binding }) => contactId(binding)));
      for (const [id, binding] of subscription.shown) {
        if (!left.has(id) && !known.has(id)) subscription.gone.push({ binding, end: endOf[cause] });
      }
      subscription.changed = true;
      plan(subscription);
    }
  }

  function plan(subscription: Subscription): void {
    if (subscription.busy) return;
    subscription.busy = true;
    const restMs = subscription.lastNotifyMs + paceMs - clock.monotonicMs();
    clock.after('sip-reg-notify', Math.max(settleMs, restMs), () => {
      subscription.busy = false;
      if (subscriptions.get(subscription.key) === subscription) notify(subscription, undefined);
    });
  }

  /** `reason` ends the subscription. */
  function notify(subscription: Subscription, reason: string | undefined): void {
    const { aor, event, flow } = subscription;
    const nowMs = clock.wallMs();
    const bindings = location.bindings(aor);
    const left = new Set(bindings.map(contactId));
    const body = formatRegInfo({
      aor,
      version: subscription.version++,
      bindings,
      isKnown: (binding) => subscription.shown.has(contactId(binding)),
      gone: subscription.gone.filter(({ binding }) => !left.has(contactId(binding))),
      nowMs,
      publicGruu:
        gruus === undefined ? undefined : (instance) => gruus.publicGruu(aor, instance, 'sip'),
    });
    subscription.gone = [];
    subscription.shown = new Map(bindings.map((binding) => [contactId(binding), binding]));
    subscription.changed = false;
    subscription.lastNotifyMs = clock.monotonicMs();
    if (reason !== undefined) remove(subscription);
    if (flow.closed || stopped) {
      drop(subscription);
      return;
    }
    const leftS = Math.max(0, Math.round((subscription.expiresAtMs - nowMs) / 1000));
    const state =
      reason === undefined ? `active;expires=${String(leftS)}` : `terminated;reason=${reason}`;
    subscription.busy = true;
    notified.add();
    layer.request({
      request: createRequest({
        method: 'NOTIFY',
        uri: subscription.target,
        from: subscription.local,
        to: subscription.remote,
        callId: subscription.callId,
        cseq: ++subscription.cseq,
        route: subscription.routes,
        headers: [
          ['Event', event],
          ['Subscription-State', state],
          ['Contact', contactOf(flow)],
        ],
        body: utf8Encode(body),
        contentType: regInfoType,
      }),
      flow,
      via: hops.via(flow),
      callbacks: {
        response({ status }) {
          if (status < 200) return;
          subscription.busy = false;
          // A phone that is only overloaded is told of the next change. RFC 6665 §4.2.2.
          if (status >= 300 && status !== 500 && status !== 503) drop(subscription);
          else if (subscription.changed && isAlive(subscription)) plan(subscription);
        },
        failed() {
          drop(subscription);
        },
      },
    });
  }

  function isAlive(subscription: Subscription): boolean {
    return subscriptions.get(subscription.key) === subscription;
  }

  function drop(subscription: Subscription): void {
    if (!isAlive(subscription)) return;
    failed.add();
    remove(subscription);
  }

  function remove(subscription: Subscription): void {
    subscription.expiry?.cancel();
    subscriptions.delete(subscription.key);
    const members = byAor.get(subscription.aor);
    if (members?.delete(subscription) === true && members.size === 0) {
      byAor.delete(subscription.aor);
    }
  }

  function contactOf(flow: Flow): string {
    const { host, port } = hops.via(flow);
    const shown = port === undefined ? host : `${host}:${String(port)}`;
    return `<sip:${shown}${transportParam[flow.transport]}>`;
  }

  function refuse(transaction: ServerTransaction, refusal: SipFailure): void {
    rejected.add();
    transaction.respond(
      createResponse(transaction.request, refusal.status, refusal.reason, {
        toTag: transaction.toTag,
        ...(refusal.headers === undefined ? {} : { headers: refusal.headers }),
      }),
    );
  }

  /** The subscription of a request inside one; a new one else. */
  function find(
    transaction: ServerTransaction,
    request: SipRequest,
    aor: string | undefined,
  ): Subscription | SipFailure {
    const known = request.to.tag === undefined ? undefined : subscriptions.get(keyOf(request));
    if (known !== undefined) {
      if (aor !== undefined && aor !== known.aor) return forbidden;
      if (request.cseq.number <= known.remoteCseq) return sipFailure(500, 'CSeq Out of Order');
      return known;
    }
    const target = request.parsedUri.ok ? aorOf(request.parsedUri.value, domains) : undefined;
    if (request.to.tag !== undefined || target === undefined) {
      return sipFailure(481, 'Subscription Does Not Exist');
    }
    if (aor !== undefined && aor !== target) return forbidden;
    const ofAor = byAor.get(target)?.size ?? 0;
    const { subscriptions: most, subscriptionsPerAor } = limits.sipRoles;
    if (subscriptions.size >= most || ofAor >= subscriptionsPerAor) {
      return sipFailure(503, 'Too Many Subscriptions', [['Retry-After', '60']]);
    }
    const { toTag } = transaction;
    return {
      key: `${own(request.callId)}\n${toTag}`,
      aor: own(target),
      callId: own(request.callId),
      local: `${own(request.to.raw)};tag=${toTag}`,
      remote: own(request.from.raw),
      routes: request.values('Record-Route').map(own),
      event: '',
      target: '',
      flow: transaction.flow,
      remoteCseq: 0,
      cseq: 0,
      version: 0,
      expiresAtMs: 0,
      expiry: undefined,
      shown: new Map(),
      gone: [],
      busy: false,
      changed: false,
      lastNotifyMs: -paceMs,
    };
  }

  return {
    serves({ flowId, nextRoute, request }) {
      if (request.method !== 'SUBSCRIBE' || nextRoute !== undefined) return false;
      if (request.to.tag !== undefined) return subscriptions.has(keyOf(request));
      if (flowId !== undefined || eventPackage(request) !== 'reg') return false;
      return request.parsedUri.ok && aorOf(request.parsedUri.value, domains) !== undefined;
    },
    subscribe(transaction, request, aor) {
      const read = readSubscribe(request);
      const subscription = read.ok ? find(transaction, request, aor) : read.error;
      if (!read.ok || 'status' in subscription) {
        refuse(transaction, read.ok ? (subscription as SipFailure) : read.error);
        return;
      }
      const { event, expiresS, target } = read.value;
      const { flow } = transaction;
      accepted.add();
      subscription.event = own(event);
      subscription.target = own(target);
      subscription.flow = flow;
      subscription.remoteCseq = request.cseq.number;
      subscription.expiresAtMs = clock.wallMs() + expiresS * 1000;
      subscription.expiry?.cancel();
      subscriptions.set(subscription.key, subscription);
      const members = byAor.get(subscription.aor);
      if (members === undefined) byAor.set(subscription.aor, new Set([subscription]));
      else members.add(subscription);
      subscription.expiry = clock.after('sip-subscription', expiresS * 1000, () => {
        notify(subscription, 'timeout');
      });
      transaction.respond(
        createResponse(transaction.request, 200, 'OK', {
          toTag: transaction.toTag,
          headers: [
            ['Contact', contactOf(flow)],
            ['Expires', String(expiresS)],
          ],
        }),
      );
      notify(subscription, expiresS === 0 ? 'timeout' : undefined);
    },
    get size() {
      return subscriptions.size;
    },
    stop() {
      stopped = true;
      unfollow();
      for (const subscription of [...subscriptions.values()]) remove(subscription);
    },
  };
}

const forbidden = sipFailure(403, 'Not Your Address of Record');

function keyOf(request: SipRequest): string {
  return `${request.callId}\n${request.to.tag ?? ''}`;
}

/** A copy that does not hold on to the whole message. */
function own(text: string): string {
  return text.length < 13 ? text : latin1Decode(latin1Encode(text));
}

const transportParam: Readonly<Record<SipTransportName, string>> = {
  udp: '',
  tcp: ';transport=tcp',
  tls: ';transport=tls',
  ws: ';transport=ws',
  wss: ';transport=ws',
};
