import type { Domains } from '../core/domains.ts';
import { bareHost } from '../core/aor.ts';
import { type SipFailure, sipFailure } from '../core/failure.ts';
import type { SipRequest } from '../message/message.ts';
import { type SipUri, formatUri, parseUri } from '../message/uri.ts';
import type { Flow } from '../../ports/flow.ts';

/** Option tags a proxy of ours supports in Proxy-Require. */
const proxyExtensions: ReadonlySet<string> = new Set<string>();

/** RFC 3261 §16.3 steps 1 to 5: whether the request can be forwarded at all. */
export function refusalOf(request: SipRequest): SipFailure | undefined {
  const scheme = request.uri.slice(0, request.uri.indexOf(':')).toLowerCase();
  if (scheme !== 'sip' && scheme !== 'sips' && scheme !== 'tel') {
    return sipFailure(416, 'Unsupported URI Scheme');
  }
  if (maxForwardsOf(request) === 0) return sipFailure(483, 'Too Many Hops');
  if (request.has('Proxy-Require')) {
    const unknown = request
      .values('Proxy-Require')
      .filter((tag) => !proxyExtensions.has(tag.toLowerCase()));
    if (unknown.length > 0) {
      return sipFailure(420, 'Bad Extension', [['Unsupported', unknown.join(', ')]]);
    }
  }
  return undefined;
}

/** `undefined` when absent or not a number up to 255 (then it counts as absent). */
export function maxForwardsOf(request: SipRequest): number | undefined {
  const text = request.header('Max-Forwards');
  if (text === undefined || !/^\d{1,3}$/.test(text)) return undefined;
  const value = Number(text);
  return value <= 255 ? value : undefined;
}

/** Max-Breadth of RFC 5393 §5.3: the received value, bounded; `maximum` when absent. */
export function maxBreadthOf(request: SipRequest, maximum: number): number {
  const text = request.header('Max-Breadth');
  if (text === undefined || !/^\d{1,9}$/.test(text)) return maximum;
  return Math.min(Number(text), maximum);
}

/** A maddr that names this server on the port and transport of arrival goes away. RFC 3261 §16.4. */
export function withoutOwnMaddr(uri: SipUri, flow: Flow, domains: Domains): string | undefined {
  const maddr = uri.params.get('maddr');
  if (maddr === undefined) return undefined;
  const transport = uri.params.get('transport')?.toLowerCase() ?? 'udp';
  const port = uri.port ?? (uri.scheme === 'sips' ? 5061 : 5060);
  if (port !== flow.local.port || transport !== flow.transport) return undefined;
  const host = bareHost({ ...uri, host: maddr });
  if (!domains.isSelf(host, uri.port)) return undefined;
  const params = new Map(uri.params);
  params.delete('maddr');
  params.delete('transport');
  return formatUri({ ...uri, port: undefined, params });
}

/** A contact as Request-URI: without header part and method parameter. RFC 3261 §16.6 step 2, §19.1.5. */
export function requestUriOf(contact: string): string {
  if (!contact.includes('?') && !/;method=/i.test(contact)) return contact;
  const parsed = parseUri(contact);
  if (!parsed.ok) return contact;
  const params = new Map(parsed.value.params);
  params.delete('method');
  return formatUri({ ...parsed.value, params, headers: undefined });
}
