import { limits } from '../../base/limits.ts';
import { failure, success } from '../../base/outcome.ts';
import type { Outcome } from '../../base/outcome.ts';
import { type SipFailure, sipFailure } from '../core/failure.ts';
import type { SipRequest } from '../message/message.ts';
import { parseNameAddr } from '../message/name-addr.ts';

/** A SUBSCRIBE to the reg package as its notifier understands it. RFC 6665 §4.2.1, RFC 3680 §4. */
export interface SubscribeRequest {
  /** Value of Event, with its id. */
  readonly event: string;
  /** Granted seconds; 0 ends the subscription, or only fetches. */
  readonly expiresS: number;
  /** Where NOTIFYs go. */
  readonly target: string;
}

export const regInfoType = 'application/reginfo+xml';

/** RFC 3680 §4.4. */
const defaultExpiresS = 3761;
const minExpiresS = 60;
const maxExpiresS = 7200;

/** `reg` of `reg;id=7`, in lower case; empty without Event. */
export function eventPackage(request: SipRequest): string {
  return (request.header('Event') ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

export function readSubscribe(request: SipRequest): Outcome<SubscribeRequest, SipFailure> {
  if (request.has('Require')) {
    const unknown = request.values('Require').join(', ');
    return failure(sipFailure(420, 'Bad Extension', [['Unsupported', unknown]]));
  }
  if (!acceptsRegInfo(request)) {
    return failure(sipFailure(406, 'Not Acceptable', [['Accept', regInfoType]]));
  }
  const contacts = request.values('Contact');
  const contact = parseNameAddr(contacts[0] ?? '');
  const isUsable =
    contacts.length === 1 &&
    contact.ok &&
    contact.value.parsedUri.ok &&
    /^sips?:/i.test(contact.value.uri) &&
    contact.value.uri.length <= limits.sipRoles.textBytes;
  if (!isUsable) return failure(sipFailure(400, 'One SIP Contact'));
  const event = request.header('Event') ?? '';
  const tooLong = [event, request.callId, request.from.raw, request.to.raw].some(
    (text) => text.length > limits.sipRoles.textBytes,
  );
  if (tooLong) return failure(sipFailure(400, 'Header Too Long'));
  const expires = request.header('Expires');
  const wantedS = expires === undefined ? defaultExpiresS : Number(expires);
  if (expires !== undefined && !/^\d{1,10}$/.test(expires)) {
    return failure(sipFailure(400, 'Malformed Expires'));
  }
  if (wantedS > 0 && wantedS < minExpiresS) {
    return failure(sipFailure(423, 'Interval Too Brief', [['Min-Expires', String(minExpiresS)]]));
  }
  return success({
    event,
    expiresS: Math.min(wantedS, maxExpiresS),
    target: contact.value.uri,
  });
}

function acceptsRegInfo(request: SipRequest): boolean {
  if (!request.has('Accept')) return true;
  return request
    .values('Accept')
    .map((range) => range.split(';', 1)[0]?.trim().toLowerCase())
    .some((type) => type === regInfoType || type === 'application/*' || type === '*/*');
}
