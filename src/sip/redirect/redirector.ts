import type { Trace } from '../../ports/trace.ts';
import { aorOf } from '../core/aor.ts';
import type { Domains } from '../core/domains.ts';
import { type SipFailure, sipFailure } from '../core/failure.ts';
import { type SipRequest, createResponse } from '../message/message.ts';
import { parseUri, uriEquals } from '../message/uri.ts';
import { createFeatureReader, statesPreferences } from '../proxy/caller-preferences.ts';
import { createTargetFilter, noFilter } from '../proxy/target-filter.ts';
import { type TargetSet, createTargetSet } from '../proxy/target-set.ts';
import type { ProxyTarget, TargetResolver } from '../proxy/targets.ts';
import type { ServerTransaction } from '../transaction/layer.ts';

/** A redirect server: answers 302 with the places it knows and never sends a request. RFC 3261 §8.3. */
export interface Redirector {
  redirect(transaction: ServerTransaction, request: SipRequest): void;
}

export function createRedirector(deps: {
  readonly domains: Domains;
  readonly resolver: TargetResolver;
  readonly trace: Trace;
}): Redirector {
  const { domains, resolver } = deps;
  const readFeatures = createFeatureReader();
  const redirected = deps.trace.counter('sip_redirects_total', { result: 'redirected' });
  const refused = deps.trace.counter('sip_redirects_total', { result: 'refused' });

  return {
    redirect(transaction, request) {
      const { parsedUri } = request;
      const aor = parsedUri.ok ? aorOf(parsedUri.value, domains) : undefined;
      const targets = createTargetSet();
      const filter = aor === undefined ? noFilter : createTargetFilter(request, readFeatures);
      const isRanked = statesPreferences(request);
      const search = { over: false, stop: (): void => undefined };

      function answer(status: number, reason: string, headers: SipFailure['headers']): void {
        search.over = true;
        (status === 302 ? redirected : refused).add();
        transaction.respond(
          createResponse(transaction.request, status, reason, {
            toTag: transaction.toTag,
            ...(headers === undefined ? {} : { headers }),
          }),
        );
      }

      function finish(failure: SipFailure | undefined): void {
        const contacts: [string, string][] = [];
        if (targets.nextRank === undefined) {
          for (const target of filter.spared()) targets.add(target);
        }
        const ordered = orderOf(targets, isRanked);
        for (const { q, target } of ordered) {
          const shown = target.redirectUri ?? target.uri;
          const uri = parseUri(shown);
          if (!uri.ok || (parsedUri.ok && uriEquals(uri.value, parsedUri.value))) continue;
          contacts.push(['Contact', `<${shown}>;q=${q.toFixed(3)}`]);
        }
        const { status, reason, headers } = failure ?? sipFailure(404, 'Not Found');
        if (contacts.length > 0) answer(302, 'Moved Temporarily', contacts);
        else answer(status, reason, headers);
      }

      transaction.onCancel = () => {
        if (search.over) return;
        search.stop();
        answer(487, 'Request Terminated', undefined);
      };
      search.stop = resolver.resolve(
        {
          request,
          flow: transaction.flow,
          aor,
          authenticatedAor: undefined,
          fromOverlay: false,
        },
        {
          targets(found) {
            if (search.over) return;
            for (const target of found) {
              const rank = filter.rank(target);
              if (rank !== undefined) targets.add(target, rank);
            }
          },
          done(failure) {
            if (!search.over) finish(failure);
          },
        },
      );
    },
  };
}

/**
 * Empties the set. The callee's own q values, or, where the caller stated preferences, values that give
 * the order they lead to. RFC 3841 §7.2.4.
 */
function orderOf(targets: TargetSet, isRanked: boolean): { target: ProxyTarget; q: number }[] {
  const found: { target: ProxyTarget; rank: number }[] = [];
  for (let rank = targets.nextRank; rank !== undefined; rank = targets.nextRank) {
    const target = targets.take();
    if (target !== undefined) found.push({ target, rank });
  }
  const ranks = [...new Set(found.map(({ rank }) => rank))];
  return found.map(({ rank, target }) => ({
    target,
    q: isRanked ? (ranks.length - ranks.indexOf(rank)) / ranks.length : target.q / 1000,
  }));
}
