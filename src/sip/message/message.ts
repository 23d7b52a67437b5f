import type { Outcome } from '../../base/outcome.ts';
import type { HeaderName, SipMessage, SipParseError, SipRequest, SipResponse } from './types.ts';

export type {
  CSeq,
  HeaderName,
  MessageEditor,
  SipMessage,
  SipMessageBase,
  SipParseError,
  SipRequest,
  SipResponse,
} from './types.ts';

/** Reads one whole message, as framed by its transport. Cost is linear in its size. */
export declare function parseMessage(bytes: Uint8Array): Outcome<SipMessage, SipParseError>;

export interface ResponseOptions {
  /** Added to To when the request has no tag there (never to a 100). */
  readonly toTag?: string | undefined;
  readonly headers?: readonly (readonly [HeaderName, string])[];
  /** Goes with `contentType`. */
  readonly body?: Uint8Array;
  readonly contentType?: string;
}

/**
 * A response with Via, From, To, Call-ID and CSeq of the request (RFC 3261 §8.2.6), Timestamp on a
 * 100, Record-Route on the 101..299 that may form a dialog (RFC 3261 §12.1.1).
 */
export declare function createResponse(
  request: SipRequest,
  status: number,
  reason?: string,
  options?: ResponseOptions,
): SipResponse;

export interface RequestParts {
  readonly method: string;
  readonly uri: string;
  /** Whole header values, tags included. */
  readonly from: string;
  readonly to: string;
  readonly callId: string;
  /** Sequence number; the method is appended. */
  readonly cseq: number;
  /** Absent for a request handed to the transaction layer, which adds its own. */
  readonly via?: string;
  readonly route?: readonly string[];
  /** 70 when absent. */
  readonly maxForwards?: number;
  readonly headers?: readonly (readonly [HeaderName, string])[];
  readonly body?: Uint8Array;
  readonly contentType?: string;
}

/** Without `via` the result has no usable `via` field until the transaction layer added one. */
export declare function createRequest(parts: RequestParts): SipRequest;

/** The phrase of RFC 3261 §21 and its extensions; `Unknown` for others. */
export declare function reasonPhrase(status: number): string;
