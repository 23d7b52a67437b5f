import type { Outcome } from '../../base/outcome.ts';

/** A SIP, SIPS or other URI in its parts. RFC 3261 §19.1. */
export interface SipUri {
  /** Lower case: `sip`, `sips`, `tel` or any other. */
  readonly scheme: string;
  /** As received (percent-escapes kept); the number for `tel`; `undefined` when absent. */
  readonly user: string | undefined;
  readonly password: string | undefined;
  /** As received; an IPv6 reference keeps its brackets; for other schemes everything after the colon. */
  readonly host: string;
  readonly port: number | undefined;
  /** Lower-case names, values as received, `undefined` for a flag. */
  readonly params: ReadonlyMap<string, string | undefined>;
  /** Text after `?`. */
  readonly headers: string | undefined;
}

export declare function parseUri(text: string): Outcome<SipUri>;
export declare function formatUri(
  parts: Partial<SipUri> & { readonly scheme: string; readonly host: string },
): string;
/** RFC 3261 §19.1.4; IPv6 hosts by value. */
export declare function uriEquals(a: SipUri, b: SipUri): boolean;
/** `sip:user@host`: user percent-decoded, host in lower case, no port, no parameters. RFC 3261 §10.3. */
export declare function canonicalAor(uri: SipUri): string;
