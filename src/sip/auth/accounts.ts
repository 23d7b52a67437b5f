/** Digest verifiers of one user; passwords are never kept. */
export interface Account {
  /** The user part of the AOR, canonical. */
  readonly user: string;
  /** MD5(user:realm:password), lower-case hexadecimal. */
  readonly ha1Md5: string | undefined;
  /** SHA-256(user:realm:password), lower-case hexadecimal. */
  readonly ha1Sha256: string | undefined;
  /** The same with `user@realm` as user name, for phones that log in that way. */
  readonly ha1Md5AtDomain?: string | undefined;
  readonly ha1Sha256AtDomain?: string | undefined;
  readonly enabled: boolean;
}

export interface Accounts {
  /** By user part, case-sensitive; synchronous, from the adapter's own copy. */
  lookup(user: string): Account | undefined;
}
