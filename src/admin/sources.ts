/** What the admin port shows and does; the composition root fills it in. */
import type { Outcome } from '../base/outcome.ts';

export interface AdminSources {
  /** Everything about this box as one JSON value. */
  status(): object;
  /** The ring as this box sees it; `undefined` on a box without an adapter. */
  ring(): object | undefined;
  /** `ok`, or what is wrong. */
  health(): Outcome<void>;
  /** The overlay record of an AOR, resolved now; `undefined` on a box without an adapter. */
  lookup: ((aor: string) => Promise<Outcome<object>>) | undefined;
  /** Who is kept out; `undefined` on a box without an adapter. */
  bans: BanAdmin | undefined;
  /** Prometheus text. */
  metrics(): Promise<string>;
  /** Present on the box that runs the authority. */
  authority: AuthorityAdmin | undefined;
}

/** Sources that are not served for now, and users that are guessed at. */
export interface BanAdmin {
  list(): readonly object[];
  /** By address or user name; false when nobody of that name is banned. */
  lift(source: string): boolean;
}

/** Account and token administration; failures are sentences for a person. */
export interface AuthorityAdmin {
  addUser(name: string, password: string): Promise<Outcome<object>>;
  setPassword(name: string, password: string): Promise<Outcome<object>>;
  setEnabled(name: string, enabled: boolean): Promise<Outcome<object>>;
  setForwarding(name: string, change: Readonly<Record<string, unknown>>): Promise<Outcome<object>>;
  /** True: what the user's phones call is answered with the places (302) instead of being forwarded. */
  setRedirected(name: string, redirected: boolean): Promise<Outcome<object>>;
  removeUser(name: string): Promise<Outcome<object>>;
  listUsers(): readonly object[];
  createToken(options: {
    readonly uses: number;
    readonly lifetimeS: number;
  }): Promise<Outcome<{ readonly token: string; readonly id: string }>>;
  listTokens(): readonly object[];
  revokeToken(id: string): Promise<Outcome<object>>;
}
