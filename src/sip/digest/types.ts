/** Algorithms of RFC 8760 that this server offers and checks. */
export type DigestAlgorithm =
  'MD5' | 'SHA-256' | 'SHA-512-256' | 'MD5-sess' | 'SHA-256-sess' | 'SHA-512-256-sess';

/** One WWW-Authenticate or Proxy-Authenticate value. RFC 7616 §3.3. */
export interface DigestChallenge {
  readonly realm: string;
  readonly nonce: string;
  readonly algorithm: DigestAlgorithm;
  readonly qop: readonly ('auth' | 'auth-int')[];
  readonly opaque?: string | undefined;
  readonly stale?: boolean;
}

/** One Authorization or Proxy-Authorization value. RFC 7616 §3.4. */
export interface DigestCredentials {
  readonly username: string;
  readonly realm: string;
  readonly nonce: string;
  readonly uri: string;
  /** Lower-case hexadecimal. */
  readonly response: string;
  /** As sent; MD5 when absent; `undefined` for one we do not know. */
  readonly algorithm: DigestAlgorithm | undefined;
  readonly cnonce: string | undefined;
  readonly opaque: string | undefined;
  readonly qop: string | undefined;
  /** Eight hexadecimal digits as sent. */
  readonly nc: string | undefined;
}

/** What became of a nonce; see {@link Nonces}. */
export type NonceVerdict = 'fresh' | 'stale' | 'foreign' | 'replayed';

/** Stateless nonces: time and random bits under an HMAC with a durable key. RFC 7616 §5.4. */
export interface Nonces {
  create(): string;
  /**
   * `fresh`: ours, in time, and these credentials were not seen before. `stale`: ours but too old.
   * `foreign`: not ours. `replayed`: the same nonce, nc and response came before in another request.
   * Call it after the response has been verified.
   */
  check(credentials: DigestCredentials): NonceVerdict;
}
