/** How a caller wants its request to be handled: Request-Disposition. RFC 3841 §9.1. */
import type { SipRequest } from '../message/message.ts';

export interface Disposition {
  /** Answer with the targets instead of forwarding. */
  readonly redirect: boolean;
  /** False: to one target only. */
  readonly fork: boolean;
  /** False: a 3xx is the caller's own affair. */
  readonly recurse: boolean;
  /** `undefined`: as the server likes. */
  readonly parallel: boolean | undefined;
  /** False: when one phone has answered, the others are not cancelled. */
  readonly cancel: boolean;
}

/** Where the request says nothing, or is not for this server to decide. */
export const usualDisposition: Disposition = {
  redirect: false,
  fork: true,
  recurse: true,
  parallel: undefined,
  cancel: true,
};

/** `queue` is not served, which its definition allows; unknown directives are ignored. */
export function readDisposition(request: SipRequest): Disposition {
  if (!request.has('Request-Disposition')) return usualDisposition;
  const directives = new Set(request.values('Request-Disposition').map((v) => v.toLowerCase()));
  return {
    redirect: directives.has('redirect'),
    fork: !directives.has('no-fork'),
    recurse: !directives.has('no-recurse'),
    parallel: directives.has('sequential') ? false : directives.has('parallel') ? true : undefined,
    cancel: !directives.has('no-cancel'),
  };
}
