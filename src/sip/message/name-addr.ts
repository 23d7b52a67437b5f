import type { Outcome } from '../../base/outcome.ts';
import type { SipUri } from './uri.ts';

/** A `name-addr` or `addr-spec` with header parameters (From, To, Contact, Route …). RFC 3261 §20.10, §25.1. */
export interface NameAddr {
  /** Display name without quotes and escapes; `undefined` when absent. */
  readonly display: string | undefined;
  /** The URI as received, without `<>`. */
  readonly uri: string;
  /** The parsed URI; parsed on first use. */
  readonly parsedUri: Outcome<SipUri>;
  /** Header parameters: lower-case names; values without quotes; `undefined` for a flag. */
  readonly params: ReadonlyMap<string, string | undefined>;
  /** The `tag` parameter. */
  readonly tag: string | undefined;
  /** The whole value as received. */
  readonly raw: string;
}

export declare function parseNameAddr(text: string): Outcome<NameAddr>;
export declare function formatNameAddr(parts: {
  readonly display?: string | undefined;
  readonly uri: string;
  readonly params?: Iterable<readonly [string, string | undefined]>;
}): string;
