/** Who is kept out for a while, whatever for. */
export interface Ban {
  /** `logins`: a source of wrong passwords; `user`: a user who is guessed at; `flood`: a source of too many requests. */
  readonly kind: 'logins' | 'user' | 'flood';
  /** The address, or the AOR of the user. */
  readonly source: string;
  /** Wrong passwords until now, or requests dropped. */
  readonly count: number;
  /** Wall clock. */
  readonly untilMs: number;
}
