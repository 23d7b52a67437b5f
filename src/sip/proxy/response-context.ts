import { type SipFailure, sipFailure } from '../core/failure.ts';
import { type SipResponse, createResponse } from '../message/message.ts';
import type { ServerTransaction } from '../transaction/layer.ts';
import { type BranchFinal, createBestResponse } from './best-response.ts';
import { type Branch, type BranchCallbacks, type BranchDeps, startBranch } from './branch.ts';
import { type ForwardPlan, restoreResponse } from './forward.ts';
import { createTargetSet } from './target-set.ts';
import type { ProxyTarget, TargetSink } from './targets.ts';

export interface ContextOptions {
  readonly branches: BranchDeps;
  readonly transaction: ServerTransaction;
  readonly plan: ForwardPlan;
  /** Branches that may be pending together. RFC 5393 §5.3.3. */
  readonly breadth: number;
  /**
   * The targets come from a lookup, and a phone asks: a dead flow (430) is no news for it, it gets 480.
   * Another adapter is told, as it may know other ways to the same phone (RFC 5626 §5.3).
   */
  readonly lookedUp: boolean;
  /** Called once, when the last branch is over. */
  closed(): void;
  /** Called once, with the final status sent; 0 when none was sent. */
  answered(status: number): void;
}

/** One request being forwarded: its targets, branches and the choice of the answer. RFC 3261 §16. */
export interface ResponseContext extends TargetSink {
  /** The caller gave up. */
  cancel(): void;
}

/** When the best a caller can know is that the phone's way is dead. */
const unreachable = sipFailure(480, 'Temporarily Unavailable');
const nobody = sipFailure(408, 'Request Timeout');
const terminated = sipFailure(487, 'Request Terminated');
const tooWide = sipFailure(440, 'Max-Breadth Exceeded');
/** q above which nothing can come: such targets need not wait for the rest of the lookup. */
const highestQ = 1000;
const completedElsewhere = 'SIP;cause=200;text="Call completed elsewhere"';

export function createResponseContext(options: ContextOptions): ResponseContext {
  const { plan, transaction } = options;
  const { request } = plan;
  const isInvite = request.method === 'INVITE';
  const targets = createTargetSet();
  const best = createBestResponse();
  const active = new Set<Branch>();
  let currentQ = -1;
  let freeBreadth = options.breadth;
  let resolving = true;
  let lookupFailure: SipFailure | undefined;
  /** No new branches: a 2xx or 6xx came, or the caller gave up. */
  let settled = false;
  let cancelled = false;
  let finalSent = false;
  let closed = false;
  /** Branches being started, which may end before {@link startBranch} returns. */
  let starting = 0;

  function advance(): void {
    while (!settled && mayStart()) startNext();
    if (active.size === 0 && starting === 0 && (settled || !resolving)) finish();
  }

  /** Equal q together; lower ones after those, and only when no higher one can appear any more. */
  function mayStart(): boolean {
    const q = targets.nextQ;
    if (q === undefined || freeBreadth < 1) return false;
    if (q >= currentQ && currentQ >= 0 && active.size + starting > 0) return true;
    return active.size + starting === 0 && (q >= highestQ || !resolving);
  }

  function startNext(): void {
    const q = targets.nextQ ?? 0;
    currentQ = q;
    // While more targets may appear, some of the breadth is kept for them.
    const claims = targets.countOf(q) + (resolving ? 1 : 0);
    const share = Math.max(1, Math.trunc(freeBreadth / claims));
    const target = targets.take();
    if (target === undefined) return;
    freeBreadth -= share;
    const run: { branch: Branch | undefined; over: boolean } = { branch: undefined, over: false };
    const callbacks: BranchCallbacks = {
      provisional: onProvisional,
      success: onSuccess,
      ended(final) {
        run.over = true;
        freeBreadth += share;
        if (run.branch !== undefined) active.delete(run.branch);
        onEnded(final);
      },
    };
    starting++;
    const branch = startBranch(options.branches, plan, target, share, callbacks);
    starting--;
    run.branch = branch;
    if (!run.over) active.add(branch);
  }

  function onProvisional(response: SipResponse): void {
    if (!finalSent && isInvite)
      transaction.respond(restoreResponse(plan, transaction.request, response));
  }

  /** Every 2xx to INVITE goes up at once, also after a final response. RFC 3261 §16.7 step 5. */
  function onSuccess(response: SipResponse): void {
    if (finalSent && !isInvite) return;
    const first = !finalSent;
    finalSent = true;
    transaction.respond(restoreResponse(plan, transaction.request, response));
    if (first) options.answered(response.status);
    settle(completedElsewhere);
  }

  function onEnded(final: BranchFinal | undefined): void {
    if (final !== undefined) {
      best.add(final);
      if (final.status >= 600) settle(undefined);
    }
    if (starting === 0) advance();
  }

  function settle(reason: string | undefined): void {
    if (settled) return;
    settled = true;
    targets.clear();
    for (const branch of [...active]) branch.cancel(reason);
  }

  function finish(): void {
    if (closed) return;
    closed = true;
    if (!finalSent) {
      finalSent = true;
      answer();
    }
    options.closed();
  }

  function answer(): void {
    const chosen = best.best;
    if (cancelled && (chosen === undefined || chosen.response === undefined)) refuse(terminated);
    else if (chosen === undefined) refuse(lookupFailure ?? (freeBreadth < 1 ? tooWide : nobody));
    else if (chosen.response === undefined) refuse(chosen.failure);
    else relay(chosen.response);
  }

  /** 408 is never sent for a non-INVITE: its sender has given up by then. RFC 4320 §4.2. */
  function refuse(failure: SipFailure): void {
    const told = options.lookedUp && failure.status === 430 ? unreachable : failure;
    const status = told.status === 503 && told.headers === undefined ? 500 : told.status;
    options.answered(status);
    if (status === 408 && !isInvite) return;
    const reason = status === told.status ? told.reason : 'Server Internal Error';
    transaction.respond(
      createResponse(transaction.request, status, reason, {
        toTag: transaction.toTag,
        ...(told.headers === undefined ? {} : { headers: told.headers }),
      }),
    );
  }

  function relay(response: SipResponse): void {
    const { status } = response;
    if ((status === 430 && options.lookedUp) || status === 503) {
      refuse(status === 430 ? unreachable : sipFailure(500, 'Server Internal Error'));
      return;
    }
    if (status === 408 && !isInvite) {
      options.answered(status);
      return;
    }
    let answer = restoreResponse(plan, transaction.request, response);
    if (status === 401 || status === 407) {
      const more = best.challenges();
      if (more.length > 0) {
        const editor = answer.edit();
        for (const [name, value] of more) editor.append(name, value);
        answer = editor.build();
      }
    }
    options.answered(status);
    transaction.respond(answer);
  }

  return {
    targets(found: readonly ProxyTarget[]) {
      if (!resolving || settled) return;
      if (targets.add(found) > 0 && starting === 0) advance();
    },
    done(failure) {
      if (!resolving) return;
      resolving = false;
      lookupFailure = failure;
      if (starting === 0) advance();
    },
    cancel() {
      if (cancelled || finalSent) return;
      cancelled = true;
      resolving = false;
      settle(undefined);
      advance();
    },
  };
}
