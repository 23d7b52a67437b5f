import { aorOf, servedDomainOf } from '../core/aor.ts';
import type { Domains } from '../core/domains.ts';
import { type SipFailure, sipFailure } from '../core/failure.ts';
import type { SipRequest } from '../message/message.ts';
import { parseNameAddr } from '../message/name-addr.ts';
import type { Gruus } from './gruus.ts';

/** The Request-URI is a GRUU of a domain served here, of this server or of another one. */
export function isGruu({ parsedUri, uri }: SipRequest, domains: Domains): boolean {
  if (!uri.includes(';gr') || !parsedUri.ok) return false;
  return parsedUri.value.params.has('gr') && servedDomainOf(parsedUri.value, domains) !== undefined;
}

/**
 * A GRUU in Contact must be one of the sender: in that of another the dialog would be led to somebody
 * else. Temporary ones of other servers tell nobody whose they are, they pass. RFC 5627 §6.2.
 */
export function contactRefusal(
  request: SipRequest,
  aor: string,
  domains: Domains,
  gruus: Gruus | undefined,
): SipFailure | undefined {
  const text = request.header('Contact');
  if (text?.includes(';gr') !== true) return undefined;
  const contact = parseNameAddr(text);
  if (!contact.ok || !contact.value.parsedUri.ok) return sipFailure(400, 'Malformed Contact');
  const uri = contact.value.parsedUri.value;
  if (!uri.params.has('gr') || servedDomainOf(uri, domains) === undefined) return undefined;
  const meaning = gruus?.read(uri);
  if (meaning === 'invalid') return notYours;
  const owner = meaning === undefined ? aorOf(uri, domains) : meaning.aor;
  const isHidden = meaning === undefined && uri.user === temporaryUser;
  return owner === aor || isHidden ? undefined : notYours;
}

/** User part of temporary GRUUs: who it is stands in the token. */
export const temporaryUser = 'anonymous';

const notYours = sipFailure(403, 'Contact Is Not Yours');
