import type { SipRequest } from '../message/types.ts';

/** "z9hG4bK", the mark of RFC 3261 branches (§8.1.1.7). */
export const branchCookie = 'z9hG4bK';

/**
 * The key under which a request finds its server transaction, for the given method (ACK and CANCEL
 * look for the INVITE). RFC 3261 §17.2.3: branch, sent-by and method; without the cookie, or with the
 * bare cookie (RFC 4475 §3.2.1), the RFC 2543 rule: Request-URI, From tag, Call-ID, CSeq, top Via.
 */
export function serverKey(request: SipRequest, method: string): string {
  const { via } = request;
  const { branch } = via;
  if (branch !== undefined && branch.length > branchCookie.length && hasCookie(branch)) {
    return `${branch}|${via.host.toLowerCase()}|${String(via.port ?? 0)}|${method}`;
  }
  const { from, callId, cseq } = request;
  return `|${request.uri}|${from.tag ?? ''}|${callId}|${String(cseq.number)}|${via.raw}|${method}`;
}

/** Branches are compared without case (RFC 3261 §7.3.1), and so is the cookie. */
function hasCookie(branch: string): boolean {
  return /^z9hg4bk/i.test(branch);
}

/** The key of a client transaction: RFC 3261 §17.1.3. */
export function clientKey(branch: string, method: string): string {
  return method === 'INVITE' ? branch : `${branch}|${method}`;
}

/** What makes two requests that came by different paths the same (RFC 3261 §8.2.2.2). */
export function mergeKey(request: SipRequest): string {
  const { from, callId, cseq } = request;
  return `${from.tag ?? ''}|${callId}|${String(cseq.number)}|${cseq.method}`;
}
