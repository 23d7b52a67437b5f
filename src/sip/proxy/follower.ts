/** Recursion on redirections within the domains served here. RFC 3261 §16.5, §16.7 step 4. */
import { limits } from '../../base/limits.ts';
import { aorOf } from '../core/aor.ts';
import type { Domains } from '../core/domains.ts';
import { type SipUri, parseUri } from '../message/uri.ts';
import { historyHeaders } from './history.ts';
import type { RedirectContact } from './redirection.ts';
import type { RedirectCause, Search } from './response-context.ts';
import type { ProxyTarget, ResolveContext, TargetResolver } from './targets.ts';
import { requestUriOf } from './validation.ts';

/** See `ContextOptions.follow`. A place is looked for once, and the request's own counts as seen. */
export function createFollower(
  deps: { readonly resolver: TargetResolver; readonly domains: Domains },
  first: ResolveContext,
): (contact: RedirectContact, cause: RedirectCause) => Search | false | undefined {
  const { domains, resolver } = deps;
  const seen = new Set<string>();
  const own = first.request.parsedUri;
  if (own.ok && first.aor !== undefined) seen.add(placeOf(first.aor, own.value));

  return (contact, cause) => {
    const uri = requestUriOf(contact.uri);
    const parsed = parseUri(uri);
    const aor = parsed.ok ? aorOf(parsed.value, domains) : undefined;
    // Other domains and numbers only by the callee's own rule, and then on the callee's account.
    if (!parsed.ok || (aor === undefined && !cause.isRule)) return false;
    // What was asked to be secure all the way stays so (RFC 3261 §19.1, §26.2.2).
    if (first.request.uri.startsWith('sips:') && parsed.value.scheme !== 'sips') return false;
    const place = placeOf(aor ?? uri, parsed.value);
    if (seen.has(place)) return undefined;
    if (seen.size > limits.sipRoles.redirections) return false;
    seen.add(place);
    const extraHeaders = historyHeaders(first.request, {
      from: first.request.uri,
      to: uri,
      cause: cause.status,
      diversions: cause.diversions,
    });
    const payer = cause.isRule ? first.aor : first.authenticatedAor;
    const request = first.request.edit().setUri(uri).build();
    return (sink) =>
      resolver.resolve(
        { ...first, request, aor, authenticatedAor: payer },
        {
          targets(found) {
            sink.targets(found.map((target) => redirected(target, contact.q, extraHeaders)));
          },
          done: (failure) => {
            sink.done(failure);
          },
        },
      );
  };
}

function placeOf(aor: string, uri: SipUri): string {
  return `${uri.scheme}:${aor};${uri.params.get('gr') ?? ''}`;
}

function redirected(
  target: ProxyTarget,
  q: number,
  headers: readonly (readonly [name: string, value: string])[],
): ProxyTarget {
  const extraHeaders = [...headers, ...(target.extraHeaders ?? [])];
  const alternates = target.alternates?.map((other) => redirected(other, 1000, headers));
  return {
    ...target,
    q: Math.round((target.q * q) / 1000),
    extraHeaders,
    ...(alternates === undefined ? {} : { alternates }),
  };
}
