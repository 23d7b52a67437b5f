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
  /** Prometheus text. */
  metrics(): Promise<string>;
  /** Present on the box that runs the authority. */
  authority: AuthorityAdmin | undefined;
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
