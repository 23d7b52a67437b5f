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
  /** The same with SHA-512/256; absent until the next password where the account is older than these. */
  readonly ha1Sha512t256?: string;
  readonly ha1Sha512t256AtDomain?: string;
  /** Absent: the user's phones ring. */
  readonly forwarding?: Forwarding;
  /** The user's phones are told where to send their calls (302) instead of having them forwarded. */
  readonly redirected?: true;
}

/**
 * What is done with a user's calls. Places are an AOR without scheme for users of the overlay, else a
 * sip, sips or tel URI.
 */
export interface Forwarding {
  readonly always?: string;
  readonly busy?: string;
  readonly noAnswer?: string;
  /** Seconds of ringing before `noAnswer` counts, 1..180; absent: 20. */
  readonly noAnswerAfterS?: number;
  /** No phone can be reached. */
  readonly unregistered?: string;
  /** Callers get "busy" at once. */
  readonly doNotDisturb?: boolean;
  /** All of these ring instead of phones of the user's own. */
  readonly group?: readonly string[];
}

/** Forwarding rules as they come in JSON; `undefined` when they are none. */
export function readForwarding(value: unknown): Forwarding | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const found: Record<string, unknown> = {};
  for (const [name, field] of Object.entries(value)) {
    const isPlace = ['always', 'busy', 'noAnswer', 'unregistered'].includes(name);
    if (isPlace && typeof field === 'string') found[name] = field;
    if (name === 'noAnswerAfterS' && typeof field === 'number') found[name] = field;
    if (name === 'doNotDisturb' && field === true) found[name] = true;
    if (name === 'group' && Array.isArray(field)) {
      found[name] = field.filter((member) => typeof member === 'string');
    }
  }
  return Object.keys(found).length === 0 ? undefined : found;
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
