import { servedDomainOf } from '../core/aor.ts';
import type { Domains } from '../core/domains.ts';
import type { NameAddr } from '../message/name-addr.ts';
import { type SipUri, decodeEscapes, parseUri } from '../message/uri.ts';

/**
 * A phone that knows this server by address only says `alice@192.0.2.1`. Everybody else sees
 * `alice@lab.example`: From and To are rewritten in its requests, and what it wrote is put back into the
 * responses it gets. In requests of the other side inside the dialog the phone's own spelling is put back
 * too (some phones compare dialog URIs as RFC 2543 did); the hosts travel as parameters of the
 * Record-Route value on the phone's side.
 */
export interface PhoneSpelling {
  /** `host[:port]` that the phone uses in From, as it wrote it. */
  readonly from: string | undefined;
  readonly to: string | undefined;
}

/** The header value with a canonical host; `undefined` when it is canonical already or foreign. */
export function canonicalValue(address: NameAddr, domains: Domains): string | undefined {
  const uri = address.parsedUri;
  if (!uri.ok) return undefined;
  const domain = servedDomainOf(uri.value, domains);
  if (domain === undefined || isSpelled(uri.value, domain)) return undefined;
  return withUri(address, withHost(address.uri, uri.value, domain));
}

/** `host[:port]` when the phone spelled the domain in another way. */
export function spellingOf(address: NameAddr, domains: Domains): string | undefined {
  const uri = address.parsedUri;
  if (!uri.ok) return undefined;
  const domain = servedDomainOf(uri.value, domains);
  return domain === undefined || isSpelled(uri.value, domain) ? undefined : hostPort(uri.value);
}

/** Puts the phone's spelling back; `undefined` when the value is not of our domain. */
export function spelledValue(
  address: NameAddr,
  spelling: string,
  domains: Domains,
): string | undefined {
  const uri = address.parsedUri;
  if (!uri.ok || servedDomainOf(uri.value, domains) === undefined) return undefined;
  return withUri(address, withHost(address.uri, uri.value, spelling));
}

/**
 * What is left of an identity that was not proved (RFC 3323 §4.1.1.3): an anonymous value with the tag,
 * which identifies the dialog.
 */
export function anonymousValue(address: NameAddr): string {
  const { tag } = address;
  return `"Anonymous" <sip:anonymous@anonymous.invalid>${tag === undefined ? '' : `;tag=${tag}`}`;
}

/**
 * The dialog of a caller whose identity was removed goes on under both names. Two parameters of
 * Record-Route say so, for either direction: `anon` on the callee's side keeps the caller anonymous, `ou`
 * on the caller's side gives its own URI back to it.
 */
export interface HiddenCaller {
  readonly staysAnonymous: boolean;
  /** The URI by which the receiver knows itself. */
  readonly ownUri: string | undefined;
}

export const anonymousParam = ';anon';

export function ownUriParam(uri: string): string {
  return `;ou=${encodeURIComponent(uri)}`;
}

/** Reads {@link anonymousParam} and {@link ownUriParam} from an own Route. */
export function readHiddenCaller(route: string): HiddenCaller | undefined {
  if (!route.includes(';anon') && !route.includes(';ou=')) return undefined;
  const uri = parseUri(route);
  if (!uri.ok) return undefined;
  const own = decodeEscapes(uri.value.params.get('ou') ?? '');
  return {
    staysAnonymous: uri.value.params.has('anon'),
    ownUri: /^[!-;=?-~]+$/.test(own) && parseUri(own).ok ? own : undefined,
  };
}

/** Parameters of the Record-Route value on the phone's side, `''` when it speaks canonically. */
export function spellingParams(spelling: PhoneSpelling): string {
  const from = spelling.from === undefined ? '' : `;fh=${spelling.from}`;
  return spelling.to === undefined ? from : `${from};th=${spelling.to}`;
}

/** Reads {@link spellingParams} from an own Route; only hosts that stand for a domain of ours count. */
export function readSpelling(route: string, domains: Domains): PhoneSpelling | undefined {
  if (!route.includes(';fh=') && !route.includes(';th=')) return undefined;
  const uri = parseUri(route);
  if (!uri.ok) return undefined;
  return {
    from: servedSpelling(uri.value.params.get('fh'), domains),
    to: servedSpelling(uri.value.params.get('th'), domains),
  };
}

function servedSpelling(text: string | undefined, domains: Domains): string | undefined {
  if (text === undefined) return undefined;
  const uri = parseUri(`sip:${text}`);
  if (!uri.ok || uri.value.params.size > 0 || uri.value.headers !== undefined) return undefined;
  return servedDomainOf(uri.value, domains) === undefined ? undefined : text;
}

function isSpelled(uri: SipUri, domain: string): boolean {
  return uri.port === undefined && uri.host.toLowerCase() === domain;
}

function hostPort(uri: SipUri): string {
  return uri.port === undefined ? uri.host : `${uri.host}:${String(uri.port)}`;
}

/** The URI text with another host (and port), everything else as received. */
function withHost(text: string, uri: SipUri, host: string): string {
  let at = uri.scheme.length + 1;
  if (uri.user !== undefined) at += uri.user.length + 1;
  if (uri.password !== undefined) at += uri.password.length + 1;
  const old = hostPort(uri);
  return text.startsWith(old, at) ? text.slice(0, at) + host + text.slice(at + old.length) : text;
}

/** The value with another URI, every other byte as received. */
function withUri(address: NameAddr, uri: string): string | undefined {
  const { raw } = address;
  const open = openingBracket(raw);
  const at = open < 0 ? 0 : open + 1;
  if (!raw.startsWith(address.uri, at)) return undefined;
  return raw.slice(0, at) + uri + raw.slice(at + address.uri.length);
}

/** Position of the `<` before the URI: the first one outside a quoted display name. */
function openingBracket(raw: string): number {
  let quoted = false;
  for (let i = 0; i < raw.length; i++) {
    const c = raw[i];
    if (quoted && c === '\\') i++;
    else if (c === '"') quoted = !quoted;
    else if (!quoted && c === '<') return i;
    else if (!quoted && c === ';') return -1;
  }
  return -1;
}
