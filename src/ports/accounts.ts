/** One user as an adapter knows it: verifiers, never the password. */
export interface Account {
  /** Address of record without scheme, domain in lower case; also the user name in RELOAD certificates. */
  readonly aor: string;
  /** The user name a phone sends in digest credentials: the user part, or the whole AOR for a further domain. */
  readonly digestUserName: string;
  readonly enabled: boolean;
  /** H(A1) with MD5, 32 lower-case hexadecimal digits; the realm is the overlay name. RFC 8760. */
  readonly ha1Md5: string;
  /** H(A1) with SHA-256, 64 lower-case hexadecimal digits. */
  readonly ha1Sha256: string;
  /**
   * The same for phones that log in as `user@domain`. Absent where `digestUserName` is that already,
   * and until the next password where the account was made before these were kept.
   */
  readonly ha1Md5AtDomain?: string;
  readonly ha1Sha256AtDomain?: string;
}

export type AccountChange =
  | { readonly kind: 'set'; readonly account: Account }
  | { readonly kind: 'removed'; readonly aor: string };

/** The accounts an adapter serves: a copy that stays usable while the authority is away. */
export interface AccountDirectory {
  /** By AOR or by digest user name; disabled accounts are found too. */
  lookup(name: string): Account | undefined;
  accounts(): Iterable<Account>;
  /** Called after each change with the new state in place; the result of the call stops it. */
  onChange(listener: (change: AccountChange) => void): () => void;
}

/** One answer of the authority's account feed. JSON on the wire. */
export interface FeedPage {
  /** Names one history of versions; another epoch means that versions must not be compared. */
  readonly epoch: string;
  /** The state that the follower has reached with this page. */
  readonly version: number;
  /** The page begins a full copy: what no page up to the one with `more` false names is gone. */
  readonly reset: boolean;
  readonly more: boolean;
  readonly set: readonly Account[];
  readonly removed: readonly string[];
  /** Sequence of the configuration document in force. */
  readonly configSequence: number;
}
