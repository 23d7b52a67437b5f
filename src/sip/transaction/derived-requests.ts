import { createRequest } from '../message/message.ts';
import type { SipRequest, SipResponse } from '../message/types.ts';

/**
 * The ACK for a 300-699: Request-URI, Call-ID, From and Route of the INVITE, To of the response, the
 * INVITE's topmost Via as its only one, the same CSeq number. RFC 3261 §17.1.1.3.
 */
export function buildAck(invite: SipRequest, response: SipResponse): SipRequest {
  return derive(invite, 'ACK', response.to.raw, []);
}

/** The CANCEL of an INVITE. RFC 3261 §9.1; no Require, no Proxy-Require. */
export function buildCancel(
  invite: SipRequest,
  headers: readonly (readonly [string, string])[],
): SipRequest {
  return derive(invite, 'CANCEL', invite.to.raw, headers);
}

function derive(
  invite: SipRequest,
  method: string,
  to: string,
  headers: readonly (readonly [string, string])[],
): SipRequest {
  return createRequest({
    method,
    uri: invite.uri,
    via: invite.via.raw,
    route: invite.rows('Route'),
    from: invite.from.raw,
    to,
    callId: invite.callId,
    cseq: invite.cseq.number,
    headers,
  });
}

/** The response as it goes up to the roles. */
export function withoutTopVia(response: SipResponse): SipResponse {
  return response.edit().removeFirstValue('Via').build();
}
