import type { Trace } from '../../ports/trace.ts';
import { aorOf } from '../core/aor.ts';
import type { Domains } from '../core/domains.ts';
import { type SipFailure, sipFailure } from '../core/failure.ts';
import { type SipRequest, createResponse } from '../message/message.ts';
import { parseUri, uriEquals } from '../message/uri.ts';
import { createTargetSet } from '../proxy/target-set.ts';
import type { TargetResolver } from '../proxy/targets.ts';
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
  const redirected = deps.trace.counter('sip_redirects_total', { result: 'redirected' });
  const refused = deps.trace.counter('sip_redirects_total', { result: 'refused' });

  return {
    redirect(transaction, request) {
      const { parsedUri } = request;
      const aor = parsedUri.ok ? aorOf(parsedUri.value, domains) : undefined;
      const targets = createTargetSet();
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
        for (let next = targets.take(); next !== undefined; next = targets.take()) {
          const uri = parseUri(next.uri);
          if (!uri.ok || (parsedUri.ok && uriEquals(uri.value, parsedUri.value))) continue;
          contacts.push(['Contact', `<${next.uri}>;q=${(next.q / 1000).toFixed(3)}`]);
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
            if (!search.over) for (const target of found) targets.add(target);
          },
          done(failure) {
            if (!search.over) finish(failure);
          },
        },
      );
    },
  };
}
