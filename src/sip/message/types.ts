import type { Outcome } from '../../base/outcome.ts';
import type { NameAddr } from './name-addr.ts';
import type { SipUri } from './uri.ts';
import type { Via } from './via.ts';

/**
 * Name of a header field, long or compact form, any case. The canonical long form
 * (`Record-Route`, `Call-ID`) is found fastest.
 */
export type HeaderName = string;

/** A whole SIP message; an immutable value. RFC 3261 §7. */
export type SipMessage = SipRequest | SipResponse;

/** What requests and responses have in common. The five fields below always exist and parse. */
export interface SipMessageBase {
  readonly callId: string;
  readonly cseq: CSeq;
  readonly from: NameAddr;
  readonly to: NameAddr;
  /** The topmost Via value. */
  readonly via: Via;
  /** As many bytes as Content-Length says; empty when there is none. */
  readonly body: Uint8Array;
  /** First row of that name: trimmed, unfolded, latin1 text; `undefined` when absent. */
  header(name: HeaderName): string | undefined;
  /** Every row of that name in order. */
  rows(name: HeaderName): readonly string[];
  /** Values of a comma-separated field over all its rows, in order, at most `limits.sipMessage.headerValues`. RFC 3261 §7.3.1. */
  values(name: HeaderName): readonly string[];
  has(name: HeaderName): boolean;
  /** Every row as name (as received) and value, in order. */
  allRows(): Iterable<readonly [name: string, value: string]>;
  /** Records changes on a copy; this message stays as it is. */
  edit(): MessageEditor;
  /** The received bytes, or the built ones; the caller must not change them. */
  toBytes(): Uint8Array;
}

export interface SipRequest extends SipMessageBase {
  readonly kind: 'request';
  readonly method: string;
  /** The Request-URI as received. */
  readonly uri: string;
  /** The Request-URI; parsed once. */
  readonly parsedUri: Outcome<SipUri>;
  /** True when To has a tag: sent inside a dialog. */
  readonly inDialog: boolean;
  edit(): MessageEditor<SipRequest>;
}

export interface SipResponse extends SipMessageBase {
  readonly kind: 'response';
  /** 100..699. */
  readonly status: number;
  readonly reason: string;
  edit(): MessageEditor<SipResponse>;
}

/** CSeq of RFC 3261 §20.16. */
export interface CSeq {
  /** 0..2^32-1. */
  readonly number: number;
  readonly method: string;
}

/**
 * Changes to one message. Every setter throws {@link UsageError} when a name, value or URI holds CR,
 * LF or NUL or a code unit above 255. Calls may be chained.
 */
export interface MessageEditor<M extends SipMessage = SipMessage> {
  /** Requests only. */
  setUri(uri: string): MessageEditor<M>;
  /** Requests only; CSeq is left alone. */
  setMethod(method: string): MessageEditor<M>;
  /** Replaces all rows of that name by one, at the place of the first, or at the end. */
  set(name: HeaderName, value: string): MessageEditor<M>;
  /** A new row before the first of that name, or before all rows. */
  prepend(name: HeaderName, value: string): MessageEditor<M>;
  /** A new row after the last of that name, or at the end. */
  append(name: HeaderName, value: string): MessageEditor<M>;
  /** Removes all rows of that name. */
  remove(name: HeaderName): MessageEditor<M>;
  /** Removes the first comma-separated value (and its row when it was the only one). */
  removeFirstValue(name: HeaderName): MessageEditor<M>;
  /** Replaces the first comma-separated value; no effect when there is none. */
  replaceFirstValue(name: HeaderName, value: string): MessageEditor<M>;
  /** Sets or removes (`undefined`) Content-Type, replaces the body; Content-Length follows. */
  setBody(contentType: string | undefined, body: Uint8Array): MessageEditor<M>;
  /** The edited message; throws {@link UsageError} when it lost a mandatory field. */
  build(): M;
}

/** Why bytes are not a SIP message that can be worked on. */
export interface SipParseError {
  /** A stable kebab-case word for counters and logs, such as `no-cseq`. */
  readonly reason: string;
  /** The answer owed for a request that can be answered at all (never for ACK). */
  readonly reply?: ErrorReply;
}

/** A minimal response to an unreadable request: its Via, From, To, Call-ID and CSeq as received. */
export interface ErrorReply {
  /** 400 or 505. */
  readonly status: number;
  /** Topmost, to find where the response goes. */
  readonly via: Via;
  /** The response with `topVia` in the place of the topmost Via value. */
  toBytes(topVia: string): Uint8Array;
}
