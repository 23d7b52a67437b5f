/** What a 3xx offers to a proxy that recurses. RFC 3261 §16.5, §16.7 step 4. */
import { limits } from '../../base/limits.ts';
import type { SipResponse } from '../message/message.ts';
import { parseNameAddr } from '../message/name-addr.ts';

export interface RedirectContact {
  /** The whole value as received. */
  readonly raw: string;
  /** Without brackets. */
  readonly uri: string;
  /** 0..1000. */
  readonly q: number;
}

/** Only these name other places for the same request; 305 and 380 ask for something else. */
export function isRedirection(status: number): boolean {
  return status === 300 || status === 301 || status === 302;
}

/** The Contacts that can be read, best first. */
export function contactsOf(response: SipResponse): readonly RedirectContact[] {
  const found: RedirectContact[] = [];
  for (const raw of response.values('Contact').slice(0, limits.sipRoles.redirectContacts)) {
    const contact = parseNameAddr(raw);
    if (!contact.ok) continue;
    found.push({ raw, uri: contact.value.uri, q: qualityOf(contact.value.params.get('q')) });
  }
  return found.sort((a, b) => b.q - a.q);
}

function qualityOf(text: string | undefined): number {
  if (text === undefined || !/^(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(text)) return 1000;
  return Math.round(Number(text) * 1000);
}

/** The response with those Contacts only. */
export function withContacts(response: SipResponse, raws: readonly string[]): SipResponse {
  return response.edit().set('Contact', raws.join(', ')).build();
}
