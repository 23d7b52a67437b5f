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

/** A redirect server: answers 302 with the places it knows and sends no request. RFC 3261 §8.3. */
export interface Redirector {
  /**
   * `otherwise` is called, at most once and instead of an answer, when only this server can reach the
   * place: a trunk, or the very URI that the caller named.
   */
  redirect(transaction: ServerTransaction, request: SipRequest, otherwise: () => void): void;
}

export interface RedirectorDeps {
  readonly domains: Domains;
  readonly resolver: TargetResolver;
  readonly trace: Trace;
  /**
   * A URI that leads whoever uses it to the phones of a user at this server, for those whose own Contact
   * leads nobody else there. Absent: there is none.
   */
  readonly placeHere?: (
    aor: string,
    caller: { readonly sips: boolean; readonly transport: string },
  ) => string;
}

export function createRedirector(deps: RedirectorDeps): Redirector {
  const { domains, resolver } = deps;
  const readFeatures = createFeatureReader();
  const redirected = deps.trace.counter('sip_redirects_total', { result: 'redirected' });
  const refused = deps.trace.counter('sip_redirects_total', { result: 'refused' });
  const proxied = deps.trace.counter('sip_redirects_total', { result: 'proxied' });

  return {
    redirect(transaction, request, otherwise) {
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

      /** `undefined` where the target cannot be told. */
      function shown({ side, toldAs, uri }: ProxyTarget): string | undefined {
        const told = toldAs === undefined ? uri : toldAs();
        if (told !== undefined || side !== 'phone' || aor === undefined) return told;
        const sips = parsedUri.ok && parsedUri.value.scheme === 'sips';
        const { placeHere = (): string => uri } = deps;
        return placeHere(aor, { sips, transport: transaction.flow.transport });
      }

      /** Equal by RFC 3261 §19.1.4, but a GRUU is another place than the address it belongs to. */
      function isRequested(uri: string): boolean {
        const parsed = parseUri(uri);
        if (!parsed.ok || !parsedUri.ok) return !parsed.ok;
        const [told, asked] = [parsed.value, parsedUri.value];
        return told.params.get('gr') === asked.params.get('gr') && uriEquals(told, asked);
      }

      function finish(failure: SipFailure | undefined): void {
        if (targets.nextRank === undefined) {
          for (const target of filter.spared()) targets.add(target);
        }
        const contacts = new Map<string, string>();
        const untold = { onlyHere: false, circular: false };
        function tell(target: ProxyTarget, q: number): void {
          const uri = shown(target);
          if (uri === undefined) untold.onlyHere = true;
          else if (isRequested(uri)) untold.circular = true;
          else if (!contacts.has(uri)) contacts.set(uri, `<${uri}>;q=${q.toFixed(3)}`);
        }
        const ordered = orderOf(targets, isRanked);
        for (const { q, target } of ordered) tell(target, q);
        // The same phones by way of adapters where they were before.
        const leastQ = ordered.at(-1)?.q ?? 0;
        for (const { target } of ordered) {
          for (const other of target.alternates ?? []) {
            if (other.side === 'overlay') tell(other, leastQ / 2);
          }
        }
        if (untold.onlyHere || (untold.circular && contacts.size === 0)) {
          search.over = true;
          proxied.add();
          otherwise();
          return;
        }
        const { status, reason, headers } = failure ?? sipFailure(404, 'Not Found');
        const rows = [...contacts.values()].map((value): [string, string] => ['Contact', value]);
        if (rows.length > 0) answer(302, 'Moved Temporarily', rows);
        else answer(status, reason, headers);
      }

      function cancel(): void {
        if (search.over) return;
        search.stop();
        answer(487, 'Request Terminated', undefined);
      }
      // Not written where it is assigned: V8 would make it in the old generation, with all it holds on to.
      transaction.onCancel = cancel;
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
