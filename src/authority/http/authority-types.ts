/** The authority as main program, command line and tests see it. */
import type { Outcome } from '../../base/outcome.ts';
import type { Certificate, KeyType, Verifier } from '../../ports/certificates.ts';
import type { Clock } from '../../ports/clock.ts';
import type { TransportAddress } from '../../ports/connection.ts';
import type { KindParameters } from '../../ports/overlay-config.ts';
import type { Random } from '../../ports/random.ts';
import type { Store } from '../../ports/store.ts';
import type { Trace } from '../../ports/trace.ts';
import type { OverlayDocumentValues } from '../../overlay-config/build.ts';
import type { SignatureQueue } from '../../node/signature-queue.ts';
import type { AdapterAccount } from '../core/adapters.ts';
import type { ServedScope } from '../core/served-scope.ts';
import type { TokenSummary } from '../core/tokens.ts';
import type { UserSummary } from '../core/users.ts';

export interface AuthorityOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly verifier: Verifier;
  readonly signatures: SignatureQueue;
  readonly trace: Trace;
  readonly overlayName: string;
  /** DNS names and addresses under which boxes reach the HTTPS server, beside the overlay name; the first stands in URLs. */
  readonly hosts: readonly string[];
  /** Base URL in tokens and document when it is not `https://<first host>:<port>`. */
  readonly publicUrl?: string;
  /** Values of a new overlay; ignored where the store already holds one. Without it an empty store is an error. */
  readonly create?: NewOverlay;
  readonly nodeCertificateMs?: number;
  readonly userCertificateMs?: number;
}

export interface NewOverlay {
  /** Of the root and the authority's own keys. */
  readonly keyType: KeyType;
  /** Domains of users beside the overlay name. */
  readonly domains?: readonly string[];
  /** Overrides of our initial values, e.g. Chord intervals. */
  readonly values?: Partial<Omit<OverlayDocumentValues, 'overlayName' | 'sequence'>>;
  readonly kinds?: readonly KindParameters[];
  /** For an initial-ttl that fits (RFC 6940 §13.6.5); without it the default of 100 holds. */
  readonly expectedPeers?: number;
}

export interface IssuedToken extends TokenSummary {
  /** The printable join token; shown once. */
  readonly token: string;
}

export interface Authority {
  readonly overlayName: string;
  readonly rootCertificate: Certificate;
  /** Base URL; `undefined` before the first start when no `publicUrl` is set. */
  url(): string | undefined;
  /** `user` or `user@domain`. Promises resolve when the change is durable and in the feed. */
  addUser(name: string, password: string): Promise<Outcome<UserSummary>>;
  setPassword(name: string, password: string): Promise<Outcome<UserSummary>>;
  /** Also revokes the user's certificates. */
  removeUser(name: string): Promise<Outcome<UserSummary>>;
  /** Also revokes the user's certificates. */
  /** Fields of `Forwarding`; `null` removes a rule. */
  setForwarding(
    name: string,
    change: Readonly<Record<string, unknown>>,
  ): Promise<Outcome<UserSummary>>;
  /** True: what the user's phones call is answered 302. */
  setRedirected(name: string, redirected: boolean): Promise<Outcome<UserSummary>>;
  disableUser(name: string): Promise<Outcome<UserSummary>>;
  enableUser(name: string): Promise<Outcome<UserSummary>>;
  listUsers(): readonly UserSummary[];
  createToken(options?: TokenOptions): Promise<Outcome<IssuedToken>>;
  listTokens(): readonly TokenSummary[];
  revokeToken(id: string): Promise<Outcome<TokenSummary>>;
  listAdapters(): readonly AdapterAccount[];
  /** Revokes the node's certificate and all it enrolled. */
  revokeAdapter(name: string): Promise<Outcome<AdapterAccount>>;
  configDocument(): Uint8Array;
  addBootstrapNode(address: TransportAddress): Promise<void>;
  start(
    listen: TransportAddress,
  ): Promise<Outcome<{ readonly url: string; readonly port: number }>>;
  stop(): Promise<void>;
}

export interface TokenOptions {
  /** Default 1. */
  readonly uses?: number;
  /** Default one day. */
  readonly lifetimeMs?: number;
  /** Default `all`. */
  readonly scope?: ServedScope;
}
