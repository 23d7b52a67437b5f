import type { Clock, Timer } from '../../ports/clock.ts';
import type { Flow } from '../../ports/flow.ts';
import { type SipFailure, sipFailure } from '../core/failure.ts';
import type { SipResponse } from '../message/message.ts';
import type { ClientTransaction, TransactionLayer } from '../transaction/layer.ts';
import type { BranchFinal } from './best-response.ts';
import { type ForwardPlan, buildForward } from './forward.ts';
import type { HopAddressing, ProxyTarget } from './targets.ts';

export interface BranchDeps {
  readonly clock: Clock;
  readonly layer: TransactionLayer;
  readonly hops: HopAddressing;
  readonly timerCMs: number;
}

export interface BranchCallbacks {
  /** 101..199. */
  provisional(response: SipResponse): void;
  /** 2xx; for INVITE also after {@link ended}, more than once. */
  success(response: SipResponse): void;
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
  let ways: readonly ProxyTarget[] = target.alternates ?? [];
  let client: ClientTransaction | undefined;
  let giveUp: (() => void) | undefined;
  let timer: Timer | undefined;
  let timerCDueMs = 0;
  let over = false;
  let cancelling = false;

  open(target);

  function open(way: ProxyTarget): void {
    const attempt = { answered: false };
    const stop = way.open((outcome) => {
      if (attempt.answered || over) return;
      attempt.answered = true;
      giveUp = undefined;
      if (outcome.ok) send(way, outcome.value);
      else tryNext(own(outcome.error));
    });
    if (!attempt.answered) giveUp = stop;
  }

  function send(way: ProxyTarget, flow: Flow): void {
    const sentBy = hops.via(flow);
    const via =
      plan.viaMark === ''
        ? sentBy
        : { ...sentBy, extraParams: (sentBy.extraParams ?? '') + plan.viaMark };
    const current = layer.request({
      request: buildForward(plan, way, flow, breadth, hops),
      flow,
      via,
      callbacks: {
        response: (response) => {
          onResponse(current, response);
        },
        failed: (kind) => {
          if (current !== client) return;
          tryNext(own(kind === 'timeout' ? timedOut : lostOn(way)));
        },
      },
    });
    client = current;
    if (isInvite) startTimerC();
  }

  function onResponse(from: ClientTransaction, response: SipResponse): void {
    const { status } = response;
    if (status >= 200 && status < 300) {
      const mine = from === client && !over;
      if (mine) {
        over = true;
        timer?.cancel();
      }
      callbacks.success(response);
      if (mine) callbacks.ended(undefined);
      return;
    }
    if (from !== client || over) return;
    if (status > 100 && status < 200) {
      timerCDueMs = clock.monotonicMs() + deps.timerCMs;
      callbacks.provisional(response);
    } else if (status >= 300) {
      const final = { status, response };
      if (status === 408 || status === 430) tryNext(final);
      else end(final);
    }
  }

  function tryNext(final: BranchFinal): void {
    const next = ways[0];
    if (next === undefined || cancelling) {
      end(final);
      return;
    }
    ways = ways.slice(1);
    client = undefined;
    timer?.cancel();
    timer = undefined;
    open(next);
  }

  /** One timer that is looked at again when provisional responses moved its due time. */
  function startTimerC(): void {
    timerCDueMs = clock.monotonicMs() + deps.timerCMs;
    armTimerC(deps.timerCMs);
  }

  function armTimerC(delayMs: number): void {
    timer = clock.after('sip-timer-c', delayMs, () => {
      const leftMs = timerCDueMs - clock.monotonicMs();
      if (leftMs > 0) {
        armTimerC(leftMs);
      } else if (client?.proceeding === true) {
        cancelClient(undefined);
      } else {
        const silent = client;
        tryNext(own(timedOut));
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
const terminated = sipFailure(487, 'Request Terminated');

function lostOn(way: ProxyTarget): SipFailure {
  return way.side === 'overlay' ? nodeLost : transportFailed;
}

function own(failure: SipFailure): BranchFinal {
  return { status: failure.status, response: undefined, failure };
}
