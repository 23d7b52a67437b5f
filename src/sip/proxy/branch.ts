import type { BoundedCache } from '../../base/bounded-cache.ts';
import { limits } from '../../base/limits.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { Flow, FlowOpener } from '../../ports/flow.ts';
import { type SipFailure, sipFailure } from '../core/failure.ts';
import type { SipRequest, SipResponse } from '../message/message.ts';
import type { ClientTransaction, TransactionLayer } from '../transaction/layer.ts';
import type { BranchFinal } from './best-response.ts';
import { type ForwardPlan, buildForward } from './forward.ts';
import type { PausedServers } from './retry-after.ts';
import type { HopAddressing, OpenFlow, ProxyTarget } from './targets.ts';

export interface BranchDeps {
  readonly clock: Clock;
  readonly layer: TransactionLayer;
  readonly hops: HopAddressing;
  readonly timerCMs: number;
  readonly flows: FlowOpener;
  /** Until when the neighbour of a UDP flow counts as one that takes no connections, by flow id. */
  readonly datagramsOnly: BoundedCache<string, number>;
  readonly paused: PausedServers;
  /** Credentials for a server that challenges: the request again with them, `undefined` when there are none. */
  answerChallenge?(sent: SipRequest, flow: Flow, response: SipResponse): SipRequest | undefined;
}

export interface BranchCallbacks {
  /** 101..199. */
  provisional(response: SipResponse): void;
  /** 2xx; for INVITE also after {@link ended}, more than once. */
  success(response: SipResponse): void;
  /** After a 2xx to INVITE: what takes further ones instead, and holds on to nothing but what that needs. */
  furtherSuccess(): (response: SipResponse) => void;
  /** The branch is over; exactly once. `undefined` after a 2xx. */
  ended(final: BranchFinal | undefined): void;
}

/** One target of a fork with its alternates, one client transaction at a time. */
export interface Branch {
  readonly target: ProxyTarget;
  /** Max-Breadth given to it. */
  readonly breadth: number;
  /** Ends it: a pending INVITE is cancelled, an attempt to open a flow given up. */
  cancel(reason: string | undefined): void;
}

/** How long a cancelled INVITE may take to end. RFC 3261 §9.1. */
const afterCancelMs = 32_000;

const datagramsOnlyMs = 600_000;
/** A phone behind a packet filter that answers nothing must not make its caller wait. */
const connectionWaitMs = 500;

/** Starts at once; `callbacks` may be called inside this call. */
export function startBranch(
  deps: BranchDeps,
  plan: ForwardPlan,
  target: ProxyTarget,
  breadth: number,
  callbacks: BranchCallbacks,
): Branch {
  const { clock, hops, layer } = deps;
  const isInvite = plan.request.method === 'INVITE';
  const isFresh = !plan.request.inDialog;
  let ways: readonly ProxyTarget[] = target.alternates ?? [];
  /** The next address of the way being tried. */
  let nextAddress: OpenFlow | undefined;
  let client: ClientTransaction | undefined;
  let giveUp: (() => void) | undefined;
  let timer: Timer | undefined;
  let timerCDueMs = 0;
  let over = false;
  let cancelling = false;

  open(target, (done) => target.open(done));

  function open(way: ProxyTarget, opener: OpenFlow): void {
    const attempt = { answered: false };
    nextAddress = undefined;
    const stop = opener((outcome, next) => {
      if (attempt.answered || over) return;
      attempt.answered = true;
      giveUp = undefined;
      nextAddress = next;
      if (!outcome.ok) tryNext(way, own(outcome.error));
      else if (isFresh && deps.paused.isPaused(outcome.value)) tryNext(way, own(paused));
      else if (isTooLarge(way, outcome.value)) sendLarge(way, outcome.value);
      else send(way, outcome.value, undefined);
    });
    if (!attempt.answered) giveUp = stop;
  }

  /** Datagrams beyond this size may be cut to pieces that do not arrive. RFC 3261 §18.1.1. */
  function isTooLarge(way: ProxyTarget, flow: Flow): boolean {
    if (flow.transport !== 'udp' || way.streams !== true) return false;
    if (clock.monotonicMs() < (deps.datagramsOnly.get(flow.id) ?? 0)) return false;
    const { length } = buildForward(plan, way, flow, breadth, hops).toBytes();
    return length + limits.sipRoles.viaBytes > limits.sipRoles.datagramBytes;
  }

  /** By TCP to the same place; by UDP after all where nobody takes the connection. */
  function sendLarge(way: ProxyTarget, datagrams: Flow): void {
    let waiting = true;
    const wait = clock.after('sip-large-request', connectionWaitMs, () => {
      settle(undefined);
    });
    giveUp = () => {
      waiting = false;
      wait.cancel();
    };
    const settle = (stream: Flow | undefined): void => {
      if (!waiting || over) return;
      giveUp?.();
      giveUp = undefined;
      // Nobody waits a second time for a connection that cannot be made.
      if (stream === undefined) {
        deps.datagramsOnly.set(datagrams.id, clock.monotonicMs() + datagramsOnlyMs);
      }
      send(way, stream ?? datagrams, undefined, datagrams);
    };
    const { address, port } = datagrams.remote;
    deps.flows.open({ transport: 'tcp', address, port }, (outcome) => {
      settle(outcome.ok ? outcome.value : undefined);
    });
  }

  /** `lasting`: the way that later requests of the dialog take, also after a restart. */
  function send(
    way: ProxyTarget,
    flow: Flow,
    again: SipRequest | undefined,
    lasting: Flow = flow,
  ): void {
    const sentBy = hops.via(flow);
    const request = again ?? buildForward(plan, way, lasting, breadth, hops);
    let answered = false;
    const via =
      plan.viaMark === ''
        ? sentBy
        : { ...sentBy, extraParams: (sentBy.extraParams ?? '') + plan.viaMark };
    const current = layer.request({
      request,
      flow,
      via,
      callbacks: {
        response: (response) => {
          answered = true;
          if (again === undefined && isChallenge(response.status) && current === client) {
            const more = over ? undefined : deps.answerChallenge?.(request, flow, response);
            if (more !== undefined && !cancelling) {
              timer?.cancel();
              send(way, flow, more);
              return;
            }
          }
          onResponse(way, current, response);
        },
        failed: (kind) => {
          if (current !== client) return;
          // Who has rung or said Trying is there: only its answer is missing (RFC 3263 §4.3).
          if (answered) nextAddress = undefined;
          tryNext(way, own(kind === 'timeout' ? timedOut : lostOn(way)));
        },
      },
    });
    client = current;
    if (isInvite) startTimerC(way);
  }

  function onResponse(way: ProxyTarget, from: ClientTransaction, response: SipResponse): void {
    const { status } = response;
    if (status >= 200 && status < 300) {
      const mine = from === client && !over;
      if (mine) {
        over = true;
        timer?.cancel();
      }
      callbacks.success(response);
      if (isInvite) from.settle(callbacks.furtherSuccess());
      if (mine) callbacks.ended(undefined);
      return;
    }
    if (from !== client || over) return;
    if (status > 100 && status < 200) {
      timerCDueMs = clock.monotonicMs() + deps.timerCMs;
      callbacks.provisional(response);
    } else if (status >= 300) {
      const final = { status, response };
      if (status === 503) deps.paused.note(from.flow, response);
      else if (status !== 408 && status !== 430) nextAddress = undefined;
      if (status === 408 || status === 430 || (status === 503 && nextAddress !== undefined)) {
        if (status !== 503) nextAddress = undefined;
        tryNext(way, final);
      } else end(final);
    }
  }

  /** The next address of the same place, else the next way to the same phone. */
  function tryNext(way: ProxyTarget, final: BranchFinal): void {
    const address = nextAddress;
    const next = address === undefined ? ways[0] : way;
    if (next === undefined || cancelling) {
      end(final);
      return;
    }
    if (address === undefined) ways = ways.slice(1);
    client = undefined;
    timer?.cancel();
    timer = undefined;
    open(next, address ?? ((done) => next.open(done)));
  }

  /** One timer that is looked at again when provisional responses moved its due time. */
  function startTimerC(way: ProxyTarget): void {
    timerCDueMs = clock.monotonicMs() + deps.timerCMs;
    armTimerC(way, deps.timerCMs);
  }

  function armTimerC(way: ProxyTarget, delayMs: number): void {
    timer = clock.after('sip-timer-c', delayMs, () => {
      const leftMs = timerCDueMs - clock.monotonicMs();
      if (leftMs > 0) {
        armTimerC(way, leftMs);
      } else if (client?.proceeding === true) {
        cancelClient(undefined);
      } else {
        const silent = client;
        tryNext(way, own(timedOut));
        silent?.abandon();
      }
    });
  }

  function cancelClient(reason: string | undefined): void {
    cancelling = true;
    const cancelled = client;
    if (cancelled === undefined) return;
    cancelled.cancel(reason === undefined ? undefined : [['Reason', reason]]);
    timer?.cancel();
    timer = clock.after('sip-after-cancel', afterCancelMs, () => {
      end(own(timedOut));
      cancelled.abandon();
    });
  }

  function end(final: BranchFinal): void {
    if (over) return;
    over = true;
    timer?.cancel();
    callbacks.ended(final);
  }

  return {
    target,
    breadth,
    cancel(reason) {
      if (over || cancelling) return;
      cancelling = true;
      if (client === undefined) {
        giveUp?.();
        end(own(terminated));
      } else if (isInvite) {
        cancelClient(reason);
      }
    },
  };
}

const timedOut = sipFailure(408, 'Request Timeout');
/** A transport error counts as 503 (RFC 3261 §16.9); the caller then sees 500. */
const transportFailed = sipFailure(503, 'Service Unavailable');
/** The other adapter is gone, and with it the phones behind it. */
const nodeLost = sipFailure(480, 'Temporarily Unavailable');
/** As if the server had answered once more what it answered before. */
const paused = sipFailure(503, 'Service Unavailable');
const terminated = sipFailure(487, 'Request Terminated');

function lostOn(way: ProxyTarget): SipFailure {
  return way.side === 'overlay' ? nodeLost : transportFailed;
}

function isChallenge(status: number): boolean {
  return status === 401 || status === 407;
}

function own(failure: SipFailure): BranchFinal {
  return { status: failure.status, response: undefined, failure };
}
