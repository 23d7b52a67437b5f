import { type SipUri, decodeEscapes } from '../message/uri.ts';
import type { Domains } from './domains.ts';

/** The host of a URI without the brackets of an IPv6 reference. */
export function bareHost(uri: SipUri): string {
  return uri.host.startsWith('[') ? uri.host.slice(1, -1) : uri.host;
}

/** The served domain a SIP URI belongs to, `undefined` when it is foreign or not SIP. */
export function servedDomainOf(uri: SipUri, domains: Domains): string | undefined {
  if (uri.scheme !== 'sip' && uri.scheme !== 'sips') return undefined;
  return domains.servedDomain(bareHost(uri), uri.port);
}

/** The user part as an account name: percent-escapes decoded; `undefined` when absent. */
export function userOf(uri: SipUri): string | undefined {
  if (uri.user === undefined || uri.user === '') return undefined;
  return uri.user.includes('%') ? decodeEscapes(uri.user) : uri.user;
}

/**
 * Canonical address of record, `user@domain` without scheme: every address, name and alias of this
 * server becomes the domain it stands for. `undefined` for a foreign domain or a URI without user.
 * RFC 3261 §10.3 step 5.
 */
export function aorOf(uri: SipUri, domains: Domains): string | undefined {
  const domain = servedDomainOf(uri, domains);
  if (domain === undefined) return undefined;
  const user = userOf(uri);
  return user === undefined ? undefined : `${user}@${domain}`;
}
