/** Digest verifiers of one user; passwords are never kept. */
export interface Account {
  /** Canonical, without scheme. */
  readonly aor: string;
  /** MD5(user:realm:password), lower-case hexadecimal. */
  readonly ha1Md5: string | undefined;
  /** SHA-256(user:realm:password), lower-case hexadecimal. */
  readonly ha1Sha256: string | undefined;
  /** The same with the whole AOR as user name, for phones that log in that way. */
  readonly ha1Md5AtDomain?: string | undefined;
  readonly ha1Sha256AtDomain?: string | undefined;
  /** SHA-512/256(user:realm:password), where it is kept. */
  readonly ha1Sha512t256?: string | undefined;
  readonly ha1Sha512t256AtDomain?: string | undefined;
  readonly enabled: boolean;
  /** What this user calls is answered 302 with the places, where callers can reach them by themselves. */
  readonly redirected?: boolean;
}

export interface Accounts {
  /**
   * By the name in digest credentials, case-sensitive: the user part, for further domains the AOR.
   * Synchronous, from the adapter's own copy.
   */
  lookup(name: string): Account | undefined;
}
