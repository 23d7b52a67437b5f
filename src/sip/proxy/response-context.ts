import { type SipFailure, sipFailure } from '../core/failure.ts';
import { type SipResponse, createResponse } from '../message/message.ts';
import type { ServerTransaction } from '../transaction/layer.ts';
import { type BranchFinal, createBestResponse } from './best-response.ts';
import { type Branch, type BranchCallbacks, type BranchDeps, startBranch } from './branch.ts';
import {
  type ForwardPlan,
  type Restoration,
  lastingRestoration,
  restorationOf,
  restoreResponse,
} from './forward.ts';
import { type DivertCause, type Diversion, causeOf } from './diversion.ts';
import type { Disposition } from './disposition.ts';
import { type RedirectContact, contactsOf, isRedirection, withContacts } from './redirection.ts';
import type { TargetFilter } from './target-filter.ts';
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
  readonly filter: TargetFilter;
  readonly disposition: Disposition;
  /**
   * Looks for the targets of a Contact in a 3xx. `false`: it is not for this server to follow;
   * `undefined`: it has been followed before.
   */
  follow?(contact: RedirectContact, cause: RedirectCause): Search | false | undefined;
  /** What the callee wants done with a call that failed for this cause. */
  divert?(cause: DivertCause): Diversion | undefined;
  /** Called once, when the last branch is over. */
  closed(): void;
  /** Called once, with the final status sent; 0 when none was sent. */
  answered(status: number): void;
}

/** What led to a redirection. */
export interface RedirectCause {
  readonly status: number;
  readonly diversions: readonly string[];
  /** The callee's own rule, not what some phone or server answered. */
  readonly isRule: boolean;
}

/** Begins to look for targets; the result gives the search up. */
export type Search = (sink: TargetSink) => () => void;

/** One request being forwarded: its targets, branches and the choice of the answer. RFC 3261 §16. */
export interface ResponseContext {
  /** Adds the targets that a search finds; the request is not answered before all searches are over. */
  search(begin: Search): void;
  /** A target that appeared after the searches were over; ignored once there is an answer. */
  late(target: ProxyTarget): void;
  /** The callee's phones have rung long enough: they are cancelled, and {@link ContextOptions.divert} is asked. */
  noAnswer(): void;
  /** The caller gave up. */
  cancel(): void;
}

/** When the best a caller can know is that the phone's way is dead. */
const unreachable = sipFailure(480, 'Temporarily Unavailable');
const nobody = sipFailure(408, 'Request Timeout');
const terminated = sipFailure(487, 'Request Terminated');
const tooWide = sipFailure(440, 'Max-Breadth Exceeded');
const noneWanted = sipFailure(480, 'Temporarily Unavailable');
const completedElsewhere = 'SIP;cause=200;text="Call completed elsewhere"';

export function createResponseContext(options: ContextOptions): ResponseContext {
  const { disposition, filter, plan, transaction } = options;
  const { request } = plan;
  const isInvite = request.method === 'INVITE';
  const restoration = restorationOf(plan, transaction.request);
  const targets = createTargetSet();
  const best = createBestResponse();
  const active = new Set<Branch>();
  const stops: (() => void)[] = [];
  let currentRank = -1;
  let freeBreadth = options.breadth;
  let searches = 0;
  let started = 0;
  let lookupFailure: SipFailure | undefined;
  /** No new branches: a 2xx or 6xx came, or the caller gave up. */
  let settled = false;
  let cancelled = false;
  /** The callee's phones were cancelled because they rang too long. */
  let rangOut = false;
  let diverted = false;
  let finalSent = false;
  let closed = false;
  /** Branches being started, which may end before {@link startBranch} returns. */
  let starting = 0;

  function advance(): void {
    if (searches === 0 && started === 0 && targets.nextRank === undefined && !settled) {
      for (const target of filter.spared()) targets.add(target);
    }
    while (!settled && mayStart()) startNext();
    if (active.size === 0 && starting === 0 && (settled || searches === 0)) finish();
  }

  /** Equal ranks together; lower ones after those, and only when no higher one can appear any more. */
  function mayStart(): boolean {
    const rank = targets.nextRank;
    if (rank === undefined || freeBreadth < 1) return false;
    const busy = active.size + starting > 0;
    if (!disposition.fork && started > 0) return false;
    if (busy) return disposition.parallel !== false && rank >= currentRank && currentRank >= 0;
    return rank >= filter.highestRank || searches === 0;
  }

  function startNext(): void {
    const rank = targets.nextRank ?? 0;
    // While more targets may appear, some of the breadth is kept for them.
    const claims = targets.countOf(rank) + (searches > 0 ? 1 : 0);
    if (disposition.parallel === true && claims > freeBreadth && active.size === 0) {
      refuseFork();
      return;
    }
    currentRank = rank;
    const share = Math.max(1, Math.trunc(freeBreadth / claims));
    const target = targets.take();
    if (target === undefined) return;
    freeBreadth -= share;
    const run: { branch: Branch | undefined; over: boolean } = { branch: undefined, over: false };
    const callbacks: BranchCallbacks = {
      provisional: onProvisional,
      success: onSuccess,
      furtherSuccess: () => relayTo(transaction.furtherSuccess(), lastingRestoration(restoration)),
      ended(final) {
        run.over = true;
        freeBreadth += share;
        if (run.branch !== undefined) active.delete(run.branch);
        onEnded(final);
      },
    };
    starting++;
    started++;
    const branch = startBranch(options.branches, plan, target, share, callbacks);
    starting--;
    run.branch = branch;
    if (!run.over) active.add(branch);
  }

  /** The caller insists on a parallel search for which the breadth does not suffice. RFC 5393 §5.3.3. */
  function refuseFork(): void {
    settled = true;
    targets.clear();
    lookupFailure = tooWide;
  }

  function onProvisional(response: SipResponse): void {
    if (!finalSent && isInvite) transaction.respond(restoreResponse(restoration, response));
  }

  /** Every 2xx to INVITE goes up at once, also after a final response. RFC 3261 §16.7 step 5. */
  function onSuccess(response: SipResponse): void {
    if (finalSent && !isInvite) return;
    const first = !finalSent;
    finalSent = true;
    transaction.respond(restoreResponse(restoration, response));
    if (first) options.answered(response.status);
    settle(completedElsewhere);
  }

  function onEnded(final: BranchFinal | undefined): void {
    if (final !== undefined) {
      // Searches that report at once wait until this answer has been put away.
      starting++;
      const kept = recursed(final);
      starting--;
      if (kept !== undefined) best.add(kept);
      if (final.status >= 600) settle(undefined);
    }
    if (starting === 0) advance();
  }

  /**
   * Follows the Contacts of a 3xx that lead to places of ours; what is left of the response when others
   * remain. RFC 3261 §16.7 step 4.
   */
  function recursed(final: BranchFinal): BranchFinal | undefined {
    const { response, status } = final;
    if (response === undefined || !isRedirection(status)) return final;
    if (options.follow === undefined || !disposition.recurse || settled) return final;
    const left: string[] = [];
    let followed = 0;
    for (const contact of contactsOf(response)) {
      const found = options.follow(contact, {
        status,
        diversions: response.values('Diversion'),
        isRule: false,
      });
      if (found === false) {
        left.push(contact.raw);
        continue;
      }
      followed++;
      if (found !== undefined) search(found);
    }
    if (followed === 0) return final;
    return left.length === 0 ? undefined : { status, response: withContacts(response, left) };
  }

  function settle(reason: string | undefined): void {
    if (settled) return;
    settled = true;
    targets.clear();
    if (reason === completedElsewhere && !disposition.cancel) return;
    for (const branch of [...active]) branch.cancel(reason);
  }

  /** Goes on with the callee's rule for a call that failed; true when the request is not over. */
  function divert(): boolean {
    if (diverted || finalSent || cancelled || options.divert === undefined) return false;
    const status = best.best?.status ?? lookupFailure?.status ?? 408;
    const cause = rangOut ? 'no-answer' : causeOf(status, best.best !== undefined);
    const diversion = cause === undefined ? undefined : options.divert(cause);
    if (diversion === undefined) return false;
    diverted = true;
    const found = options.follow?.(diversion.contact, {
      status: diversion.status,
      diversions: [diversion.said],
      isRule: true,
    });
    if (found === undefined && options.follow !== undefined) return false;
    if (found === undefined || found === false) {
      redirect(diversion);
      return false;
    }
    settled = false;
    currentRank = -1;
    search(found);
    return true;
  }

  /** The caller, or its adapter, goes on with the call. */
  function redirect({ contact, said }: Diversion): void {
    finalSent = true;
    options.answered(302);
    transaction.respond(
      createResponse(transaction.request, 302, 'Moved Temporarily', {
        toTag: transaction.toTag,
        headers: [
          ['Contact', contact.raw],
          ['Diversion', said],
        ],
      }),
    );
  }

  function finish(): void {
    if (closed || divert()) return;
    closed = true;
    for (const stop of stops) stop();
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
    let answer = restoreResponse(restoration, response);
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

  function search(begin: Search): void {
    let open = true;
    searches++;
    const stop = begin({
      targets(found) {
        if (!open || settled) return;
        let added = 0;
        for (const target of found) {
          const rank = filter.rank(target);
          if (rank === undefined) lookupFailure = noneWanted;
          else if (targets.add(target, rank)) added++;
        }
        if (added > 0 && starting === 0) advance();
      },
      done(failure) {
        if (!open || cancelled) return;
        open = false;
        searches--;
        lookupFailure ??= failure;
        if (starting === 0) advance();
      },
    });
    stops.push(stop);
    if (closed) stop();
  }

  return {
    search,
    late(target) {
      if (settled || closed || finalSent) return;
      const rank = filter.rank(target);
      if (rank !== undefined && targets.add(target, rank) && starting === 0) advance();
    },
    noAnswer() {
      if (settled || finalSent || cancelled || closed) return;
      rangOut = true;
      settle(undefined);
      advance();
    },
    cancel() {
      if (cancelled || finalSent) return;
      cancelled = true;
      searches = 0;
      settle(undefined);
      advance();
    },
  };
}

/** Apart, so that what takes late 2xx holds on to nothing else of the call. */
function relayTo(
  send: (response: SipResponse) => void,
  restoration: Restoration,
): (response: SipResponse) => void {
  return (response) => {
    send(restoreResponse(restoration, response));
  };
}
