import { UsageError } from '../../base/assert.ts';
import { limits } from '../../base/limits.ts';
import { hexEncode } from '../../base/text.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Flow } from '../../ports/flow.ts';
import type { Random } from '../../ports/random.ts';
import type { Trace } from '../../ports/trace.ts';
import { servedDomainOf, userOf } from '../core/aor.ts';
import type { Domains } from '../core/domains.ts';
import { type SipFailure, sipFailure } from '../core/failure.ts';
import type { AuthSettings } from '../core/settings.ts';
import {
  type DigestAlgorithm,
  type DigestCredentials,
  formatChallenge,
  parseCredentials,
  verifyCredentials,
} from '../digest/digest.ts';
import { createNonces } from '../digest/nonces.ts';
import type { SipRequest } from '../message/message.ts';
import { parseUri } from '../message/uri.ts';
import type { Account, Accounts } from './accounts.ts';
import { type AttemptGuard, createAttemptGuard } from './attempt-guard.ts';
import { parseNetworks } from './networks.ts';

export type { DigestAlgorithm } from '../digest/digest.ts';

export interface AuthenticatorDeps {
  readonly accounts: Accounts;
  readonly domains: Domains;
  readonly clock: Clock;
  readonly random: Random;
  readonly trace: Trace;
  /** The first one signs, all verify; may change in place. */
  readonly nonceKeys: readonly Uint8Array[];
  readonly settings: AuthSettings;
  /** The user has a phone registered from that address. */
  hasPhoneAt(aor: string, address: string): boolean;
}

export type AuthResult =
  | { readonly ok: true; readonly account: Account }
  /** The challenge, 401 or 407; 403 for a disabled account with the right password, or a banned source. */
  | { readonly ok: false; readonly failure: SipFailure };

/** Digest authentication of phones. RFC 3261 §22, RFC 8760. */
export interface Authenticator {
  /** `registrar` asks with 401 and Authorization, `proxy` with 407 and Proxy-Authorization. */
  check(
    request: SipRequest,
    flow: Flow,
    side: 'registrar' | 'proxy',
    algorithms: readonly DigestAlgorithm[],
  ): AuthResult;
  readonly attempts: AttemptGuard;
}

type Verdict =
  | { readonly kind: 'accepted'; readonly account: Account }
  /** `account`: whose password was tried, where there is one. */
  | { readonly kind: 'wrong'; readonly account: Account | undefined }
  | { readonly kind: 'stale' | 'absent' };

export function createAuthenticator(deps: AuthenticatorDeps): Authenticator {
  const { accounts, domains, settings, trace } = deps;
  const realm = domains.canonical;
  const nonces = createNonces({
    keys: deps.nonceKeys,
    clock: deps.clock,
    random: deps.random,
    lifetimeS: settings.nonceLifetimeS,
  });
  const exempt = parseNetworks(settings.exemptNetworks);
  if (!exempt.ok) throw new UsageError(`auth.exemptNetworks: ${exempt.error} is no network`);
  const attempts = createAttemptGuard({
    clock: deps.clock,
    trace,
    maxFailures: settings.maxFailures,
    maxUserFailures: settings.maxUserFailures,
    banS: settings.banS,
    isExempt: (source) => exempt.value.contains(source),
  });
  const qop: readonly ('auth' | 'auth-int')[] = settings.offersIntegrity
    ? ['auth', 'auth-int']
    : ['auth'];
  /** Stands in for the verifier of a user that does not exist, so that both answers take the same work. */
  const decoy = hexEncode(deps.random.bytes(32));
  const challenges = trace.counter('sip_auth_total', { result: 'challenged' });
  const successes = trace.counter('sip_auth_total', { result: 'accepted' });
  const failures = trace.counter('sip_auth_total', { result: 'failed' });
  const stales = trace.counter('sip_auth_total', { result: 'stale' });
  const turnedAway = trace.counter('sip_auth_total', { result: 'banned' });

  function examine(
    request: SipRequest,
    header: string,
    algorithms: readonly DigestAlgorithm[],
  ): Verdict {
    if (!request.has(header)) return absent;
    const rows = request.rows(header);
    let verdict: Verdict = absent;
    for (let i = 0; i < rows.length && i < limits.sipRoles.credentialRows; i++) {
      const credentials = parseCredentials(rows[i] as string);
      if (!credentials.ok || credentials.value.realm !== realm) continue;
      verdict = verify(request, credentials.value, algorithms);
      if (verdict.kind === 'accepted') return verdict;
    }
    return verdict;
  }

  function verify(
    request: SipRequest,
    credentials: DigestCredentials,
    algorithms: readonly DigestAlgorithm[],
  ): Verdict {
    const { algorithm } = credentials;
    // Not for this server as it is set up now: a phone that has to ask again, no guess.
    if (algorithm === undefined || !algorithms.includes(algorithm)) return absent;
    if (!servesDigestUri(request, credentials.uri)) return absent;
    const login = splitLogin(credentials.username);
    const account = login === undefined ? undefined : accounts.lookup(login.name);
    const ha1 =
      account === undefined ? undefined : verifierOf(account, algorithm, login?.full === true);
    const genuine = verifyCredentials(
      credentials,
      request.method,
      ha1 ?? (algorithm.startsWith('MD5') ? decoy.slice(0, 32) : decoy),
      request.body,
    );
    if (!genuine || account === undefined || ha1 === undefined) return { kind: 'wrong', account };
    const nonce = nonces.check(credentials);
    if (nonce === 'fresh') return { kind: 'accepted', account };
    // A challenge of another box, or from before keys were lost, is no guess either.
    return stale;
  }

  /** `alice` and `alice@lab.example` are the same login; those of further domains name theirs. */
  function splitLogin(username: string): { name: string; full: boolean } | undefined {
    const at = username.lastIndexOf('@');
    if (at < 0) return { name: username, full: false };
    const domain = domains.servedDomain(username.slice(at + 1), undefined);
    if (domain === undefined) return undefined;
    const user = username.slice(0, at);
    return domain === realm
      ? { name: user, full: true }
      : { name: `${user}@${domain}`, full: false };
  }

  /** It may differ from the Request-URI but must denote something served here. RFC 3261 §22.4. */
  function servesDigestUri(request: SipRequest, uri: string): boolean {
    if (uri === request.uri) return true;
    const parsed = parseUri(uri);
    return parsed.ok && servedDomainOf(parsed.value, domains) !== undefined;
  }

  function challenge(
    side: 'registrar' | 'proxy',
    algorithms: readonly DigestAlgorithm[],
    isStale: boolean,
  ): SipFailure {
    const header = side === 'registrar' ? 'WWW-Authenticate' : 'Proxy-Authenticate';
    const nonce = nonces.create();
    const headers = algorithms.map((algorithm): readonly [string, string] => [
      header,
      formatChallenge({
        realm,
        nonce,
        algorithm,
        qop,
        ...(isStale ? { stale: true } : {}),
      }),
    ]);
    return side === 'registrar'
      ? sipFailure(401, 'Unauthorized', headers)
      : sipFailure(407, 'Proxy Authentication Required', headers);
  }

  /** While a user is guessed at, the right password may be a lucky guess, except where its phones are. */
  function isSuspicious(account: Account, source: string): boolean {
    return attempts.isLocked(account.aor) && !deps.hasPhoneAt(account.aor, source);
  }

  return {
    attempts,
    check(request, flow, side, algorithms) {
      const source = flow.remote.address;
      const leftS = attempts.banLeftS(source);
      if (leftS > 0) {
        turnedAway.add();
        return { ok: false, failure: bannedFor(leftS) };
      }
      const header = side === 'registrar' ? 'Authorization' : 'Proxy-Authorization';
      const verdict = examine(request, header, algorithms);
      if (verdict.kind === 'accepted' && !isSuspicious(verdict.account, source)) {
        attempts.succeeded(source);
        if (!verdict.account.enabled) {
          return { ok: false, failure: sipFailure(403, 'Account Disabled') };
        }
        successes.add();
        return { ok: true, account: verdict.account };
      }
      if (verdict.kind === 'absent') challenges.add();
      if (verdict.kind === 'stale') stales.add();
      if (verdict.kind === 'wrong') countFailure(request, source, verdict.account?.aor);
      return { ok: false, failure: challenge(side, algorithms, verdict.kind === 'stale') };
    },
  };

  /** Logged at each power of two per source: a guessing robot must not fill the log. */
  function countFailure(request: SipRequest, source: string, aor: string | undefined): void {
    failures.add();
    const count = attempts.failed(source, aor);
    if ((count & (count - 1)) !== 0) return;
    trace.log('warn', 'sip-auth-failed', {
      source,
      count,
      method: request.method,
      callId: request.callId,
    });
  }
}

const absent: Verdict = { kind: 'absent' };
const stale: Verdict = { kind: 'stale' };

function bannedFor(leftS: number): SipFailure {
  return sipFailure(403, 'Too Many Failed Logins', [['Retry-After', String(leftS)]]);
}

function verifierOf(
  account: Account,
  algorithm: DigestAlgorithm,
  full: boolean,
): string | undefined {
  if (algorithm.startsWith('MD5')) return full ? account.ha1Md5AtDomain : account.ha1Md5;
  if (algorithm.startsWith('SHA-256')) return full ? account.ha1Sha256AtDomain : account.ha1Sha256;
  return full ? account.ha1Sha512t256AtDomain : account.ha1Sha512t256;
}

/** What the sender says it is, checked against the address of record it proved to be. */
export function identityRefusal(
  request: SipRequest,
  aor: string,
  domains: Domains,
): SipFailure | undefined {
  const from = request.from.parsedUri;
  if (!from.ok) return sipFailure(400, 'Malformed From');
  const domain = servedDomainOf(from.value, domains);
  if (domain === undefined) {
    return isAnonymous(from.value.host) ? undefined : sipFailure(403, 'From Is Not Yours');
  }
  if (`${userOf(from.value) ?? ''}@${domain}` === aor) return undefined;
  return sipFailure(403, 'From Is Not Yours');
}

/** RFC 3323 §4.1.1.3. */
export function isAnonymous(host: string): boolean {
  return host.toLowerCase() === 'anonymous.invalid';
}
