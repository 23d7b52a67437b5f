import { createBoundedCache } from '../../base/bounded-cache.ts';
import { limits } from '../../base/limits.ts';
import { failure, success } from '../../base/outcome.ts';
import type { Outcome } from '../../base/outcome.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { Flow, FlowOpener, FlowTarget } from '../../ports/flow.ts';
import type { Random } from '../../ports/random.ts';
import type { Trace } from '../../ports/trace.ts';
import { aorOf } from '../core/aor.ts';
import type { Domains } from '../core/domains.ts';
import { type SipFailure, sipFailure } from '../core/failure.ts';
import type { ProxySettings } from '../core/settings.ts';
import { type SipRequest, createResponse } from '../message/message.ts';
import type { ServerTransaction, TransactionLayer } from '../transaction/layer.ts';
import type { Arrivals } from './arrivals.ts';
import type { BranchDeps } from './branch.ts';
import { createFeatureReader, hasTooManyRules } from './caller-preferences.ts';
import { readDisposition, usualDisposition } from './disposition.ts';
import { type CalleeRules, type DivertCause, type Diversions, diversionFor } from './diversion.ts';
import { createFollower } from './follower.ts';
import { type ForwardPlan, type Sender, buildForward, planForwarding } from './forward.ts';
import { diversionsOf } from './history.ts';
import type { LocalTargets } from './local-targets.ts';
import { createLoopMarks } from './loop-mark.ts';
import { createResponseContext } from './response-context.ts';
import { createPausedServers } from './retry-after.ts';
import type { RoutedRequest } from './routing.ts';
import { askForTimer } from './session-timer.ts';
import { createTargetFilter, noFilter } from './target-filter.ts';
import type {
  HopAddressing,
  OpenedFlow,
  ProxyTarget,
  ResolveContext,
  TargetResolver,
} from './targets.ts';
import { maxBreadthOf } from './validation.ts';

export interface ProxyDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly trace: Trace;
  readonly domains: Domains;
  readonly flows: FlowOpener;
  readonly hops: HopAddressing;
  readonly resolver: TargetResolver;
  readonly local: LocalTargets;
  readonly arrivals: Arrivals;
  readonly settings: ProxySettings;
  /** Absent: no user has rules for its calls. */
  readonly diversions?: Diversions | undefined;
  /** Credentials of this server for servers that challenge it (trunks). */
  readonly answerChallenge?: BranchDeps['answerChallenge'];
}

/** The stateful forking proxy of RFC 3261 §16. */
export interface Proxy {
  /** Forwards a request that passed validation and authentication. */
  forward(transaction: ServerTransaction, routed: RoutedRequest, sender: Sender): void;
  /** Forwards the ACK for a 2xx without state. */
  forwardAck(routed: RoutedRequest, flow: Flow, sender: Sender): void;
  /** Forwards a CANCEL that belongs to no context, without state; false when it leads nowhere. §16.10. */
  forwardCancel(routed: RoutedRequest, flow: Flow, sender: Sender): boolean;
  readonly contexts: number;
  readonly ringing: number;
}

export function createProxy(deps: ProxyDeps, layer: TransactionLayer): Proxy {
  const { arrivals, clock, domains, flows, hops, local, resolver, settings, trace } = deps;
  const loops = createLoopMarks(deps.random.u32());
  const branches: BranchDeps = {
    clock,
    layer,
    hops,
    flows,
    datagramsOnly: createBoundedCache(limits.sipRoles.datagramsOnly),
    timerCMs: settings.timerCMs,
    paused: createPausedServers(clock),
    ...(deps.answerChallenge === undefined ? {} : { answerChallenge: deps.answerChallenge }),
  };
  const readFeatures = createFeatureReader();
  let contexts = 0;
  let ringing = 0;
  const forwarded = trace.counter('sip_proxy_requests_total');
  const refused = trace.counter('sip_proxy_refused_total');
  const loopsFound = trace.counter('sip_proxy_loops_total');
  const ackDrops = trace.counter('sip_proxy_acks_dropped_total');
  const answers = [2, 3, 4, 5, 6].map((digit) =>
    trace.counter('sip_proxy_answers_total', { class: `${String(digit)}xx` }),
  );

  function refuse(transaction: ServerTransaction, refusal: SipFailure): void {
    refused.add();
    transaction.respond(
      createResponse(transaction.request, refusal.status, refusal.reason, {
        toTag: transaction.toTag,
        ...(refusal.headers === undefined ? {} : { headers: refusal.headers }),
      }),
    );
  }

  function forward(transaction: ServerTransaction, routed: RoutedRequest, sender: Sender): void {
    const { request } = routed;
    let mark = '';
    if (request.to.tag === undefined) {
      mark = loops.of(transaction.request);
      if (loops.isLoop(transaction.request, mark)) {
        loopsFound.add();
        refuse(transaction, sipFailure(482, 'Loop Detected'));
        return;
      }
    }
    if (contexts >= limits.sipRoles.contexts) {
      refuse(transaction, sipFailure(503, 'Service Unavailable', [['Retry-After', '5']]));
      return;
    }
    const breadth = maxBreadthOf(request, settings.maxBreadth);
    if (breadth < 1) {
      refuse(transaction, sipFailure(440, 'Max-Breadth Exceeded'));
      return;
    }
    if (asksTooMuchPrivacy(request)) {
      refuse(transaction, sipFailure(500, 'Privacy Not Available'));
      return;
    }
    const timer = askForTimer(request, settings.sessionTimer);
    if (timer !== undefined && 'status' in timer) {
      refuse(transaction, timer);
      return;
    }
    const direct = directTarget(routed, transaction.flow, sender);
    if (direct === undefined && isServed(request) && hasTooManyRules(request)) {
      refuse(transaction, sipFailure(403, 'Too Many Caller Preferences'));
      return;
    }
    const plan = planForwarding(
      routed,
      transaction.flow,
      sender,
      mark,
      domains,
      settings.maxForwards,
      timer,
    );
    start(transaction, plan, breadth, direct, sender);
  }

  function start(
    transaction: ServerTransaction,
    plan: ForwardPlan,
    breadth: number,
    direct: ProxyTarget | undefined,
    sender: Sender,
  ): void {
    const { request } = plan;
    const isInvite = request.method === 'INVITE';
    contexts++;
    if (isInvite) ringing++;
    forwarded.add();
    const { parsedUri } = request;
    const aor = direct === undefined && parsedUri.ok ? aorOf(parsedUri.value, domains) : undefined;
    let unfollow = nothing;
    let noAnswerTimer: Timer | undefined;
    const resolving: ResolveContext = {
      request,
      flow: transaction.flow,
      aor,
      authenticatedAor: sender.aor,
      fromOverlay: sender.fromOverlay,
    };
    const chosenHere = aor !== undefined;
    const rules = isInvite ? rulesFor(request, aor) : undefined;
    const forced =
      rules?.always !== undefined
        ? 'always'
        : rules?.doNotDisturb === true
          ? 'do-not-disturb'
          : undefined;
    const divert =
      rules === undefined
        ? undefined
        : (cause: DivertCause) => diversionFor(rules, forced ?? cause, request.uri);
    const context = createResponseContext({
      branches,
      transaction,
      plan,
      breadth,
      lookedUp: direct === undefined && !sender.fromOverlay,
      filter: chosenHere ? createTargetFilter(request, readFeatures) : noFilter,
      disposition: chosenHere ? readDisposition(request) : usualDisposition,
      ...(chosenHere && !sender.fromOverlay
        ? { follow: createFollower({ resolver, domains }, resolving) }
        : {}),
      ...(divert === undefined ? {} : { divert }),
      answered(status) {
        if (isInvite) ringing--;
        answers[Math.trunc(status / 100) - 2]?.add();
      },
      closed() {
        contexts--;
        unfollow();
        noAnswerTimer?.cancel();
      },
    });
    // Not written where it is assigned: V8 would make it in the old generation, and the whole call with it
    // would last until the next full collection.
    const cancel = (): void => {
      context.cancel();
    };
    transaction.onCancel = cancel;
    context.search((sink) => {
      if (direct === undefined && forced === undefined) return resolver.resolve(resolving, sink);
      if (direct === undefined) {
        sink.done(busyHere);
        return nothing;
      }
      sink.targets([direct]);
      sink.done();
      return nothing;
    });
    if (rules?.noAnswer !== undefined && aor !== undefined && ringsHere(aor, sender)) {
      noAnswerTimer = clock.after('sip-no-answer', rules.noAnswerMs, () => {
        context.noAnswer();
      });
    }
    if (isInvite && aor !== undefined && !transaction.finalSent) {
      const secureOnly = request.uri.startsWith('sips:');
      unfollow = arrivals.follow(aor, secureOnly, (target) => {
        context.late(target);
      });
    }
  }

  /** Preferences are applied by the owner of the domain only. RFC 3841 §7.2. */
  function isServed({ parsedUri }: SipRequest): boolean {
    return parsedUri.ok && aorOf(parsedUri.value, domains) !== undefined;
  }

  /** Not for GRUUs, which mean one phone (RFC 5627 §6.1), and not for ever. */
  function rulesFor(request: SipRequest, aor: string | undefined): CalleeRules | undefined {
    const rules = aor === undefined ? undefined : deps.diversions?.rulesOf(aor);
    if (rules === undefined || request.uri.includes(';gr')) return undefined;
    return diversionsOf(request) >= limits.sipRoles.redirections ? undefined : rules;
  }

  /** The adapter with the phones counts the seconds, so that two do not count apart. */
  function ringsHere(aor: string, sender: Sender): boolean {
    return sender.fromOverlay || local.of(aor, false).length > 0;
  }

  /** The next hop when Route values or an own flow token name it; then nothing is looked up. */
  function directTarget(
    routed: RoutedRequest,
    flow: Flow,
    sender: Sender,
  ): ProxyTarget | undefined {
    const { request } = routed;
    const context = { request, flow, authenticated: sender.aor !== undefined };
    const { flowId, nextRoute } = routed;
    const phone = recordedGruu(routed);
    if (nextRoute !== undefined) {
      // The Path of the phone does not count beside the routes of a dialog. RFC 5627 §6.1.
      const uri = phone?.ok === true ? phone.value.uri : request.uri;
      const open: ProxyTarget['open'] = (done) => {
        // Our own token beside it names the flow that led there before (RFC 5626 §5.3.1).
        const known = flowId === undefined ? undefined : flows.find(flowId);
        if (known !== undefined && !known.closed) {
          done(success(known));
          return nothing;
        }
        if (routed.place !== undefined) return reopen(routed.place, done);
        return hops.openRoute(nextRoute, context, done);
      };
      return { ...target(request, 'route', open), uri };
    }
    if (phone?.ok === true) return { ...phone.value, route: [] };
    if (phone?.ok === false) {
      return target(request, 'gruu', (done) => {
        done(phone);
        return nothing;
      });
    }
    if (flowId !== undefined) {
      return target(request, 'flow', (done) => openFlow(routed, flowId, done));
    }
    const { parsedUri } = request;
    if (!routed.recorded || !parsedUri.ok || aorOf(parsedUri.value, domains) !== undefined) {
      return undefined;
    }
    return target(request, 'uri', (done) => hops.openRoute(request.uri, context, done));
  }

  /** Inside a dialog a GRUU of ours stands for the contact of its phone. RFC 5627 §6.1. */
  function recordedGruu({
    recorded,
    request,
  }: RoutedRequest): Outcome<ProxyTarget, SipFailure> | undefined {
    if (!recorded || !request.uri.includes(';gr')) return undefined;
    const { parsedUri } = request;
    return parsedUri.ok ? local.ofGruu(parsedUri.value)?.found : undefined;
  }

  function target(request: SipRequest, label: string, open: ProxyTarget['open']): ProxyTarget {
    return { uri: request.uri, q: 1000, route: [], side: 'phone', open, label };
  }

  /**
   * The flow of the token; when it is gone, the way to the phone as it has registered since, or another
   * connection to the server that this one went to.
   */
  function openFlow(
    { place, request }: RoutedRequest,
    flowId: string,
    done: OpenedFlow,
  ): () => void {
    const flow = flows.find(flowId);
    if (flow !== undefined && !flow.closed) {
      done(success(flow));
      return nothing;
    }
    for (const address of [request.to, request.from]) {
      const aor = address.parsedUri.ok ? aorOf(address.parsedUri.value, domains) : undefined;
      const phone = aor === undefined ? undefined : local.ofContact(aor, request.uri);
      if (phone !== undefined) return phone.open(done);
    }
    if (place !== undefined) return reopen(place, done);
    done(failure(flowFailed));
    return nothing;
  }

  function reopen(place: FlowTarget, done: OpenedFlow): () => void {
    let waiting = true;
    flows.open(place, (outcome) => {
      if (waiting) done(outcome.ok ? success(outcome.value) : failure(flowFailed));
    });
    return () => {
      waiting = false;
    };
  }

  function forwardAck(routed: RoutedRequest, flow: Flow, sender: Sender): void {
    const direct = directTarget(routed, flow, sender);
    if (direct === undefined) {
      ackDrops.add();
      return;
    }
    const plan = planForwarding(routed, flow, sender, '', domains, settings.maxForwards);
    direct.open((outcome) => {
      if (!outcome.ok) {
        ackDrops.add();
        return;
      }
      const out = outcome.value;
      const ack = buildForward(plan, direct, out, settings.maxBreadth, hops);
      if (!layer.sendStateless(ack, out, hops.via(out))) ackDrops.add();
    });
  }

  function forwardCancel(routed: RoutedRequest, flow: Flow, sender: Sender): boolean {
    const { request } = routed;
    const { parsedUri } = request;
    const aor = parsedUri.ok ? aorOf(parsedUri.value, domains) : undefined;
    const direct =
      routed.flowId === undefined
        ? (aor === undefined ? [] : local.of(aor, request.uri.startsWith('sips:')))[0]
        : directTarget(routed, flow, sender);
    if (direct === undefined) return false;
    const plan = planForwarding(routed, flow, sender, '', domains, settings.maxForwards);
    direct.open((outcome) => {
      if (!outcome.ok) return;
      const out = outcome.value;
      const cancel = buildForward(plan, direct, out, settings.maxBreadth, hops);
      layer.sendStateless(cancel, out, hops.via(out));
    });
    return true;
  }

  return {
    forward,
    forwardAck,
    forwardCancel,
    get contexts() {
      return contexts;
    },
    get ringing() {
      return ringing;
    },
  };
}

const nothing = (): void => undefined;
/** Only identities can be withheld here; who insists on more gets nothing less. RFC 3323 §5. */
function asksTooMuchPrivacy(request: SipRequest): boolean {
  if (!request.has('Privacy')) return false;
  const levels = request.rows('Privacy').join(';').toLowerCase();
  return /\bcritical\b/.test(levels) && /\b(?:header|session|user)\b/.test(levels);
}

const busyHere = sipFailure(486, 'Busy Here');
const flowFailed = sipFailure(430, 'Flow Failed');
