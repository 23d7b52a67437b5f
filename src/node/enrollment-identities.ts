/**
 * The user identities an adapter holds: enrolled ahead of time with the adapter's own account,
 * a few at a time, resumed after restarts, renewed before they expire. RFC 6940 §11.3; one key pair
 * and one Node-ID per user and adapter.
 */
import { createPrivateKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { limits } from '../base/limits.ts';
import { failure, success } from '../base/outcome.ts';
import type { Outcome } from '../base/outcome.ts';
import { base64Decode, base64Encode, utf8Decode, utf8Encode } from '../base/text.ts';
import type { Account, AccountDirectory } from '../ports/accounts.ts';
import type { Certificate, Identity, KeyType, Verifier } from '../ports/certificates.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { Store } from '../ports/store.ts';
import type { Trace } from '../ports/trace.ts';
import { createCsr } from './csr.ts';
import type { EnrollError } from './enrollment-client.ts';
import { createIdentity } from './identity.ts';
import { generatePrivateKey } from './keys.ts';
import type { SignatureQueue } from './signature-queue.ts';
import { publicKeyDer } from './x509.ts';

export interface UserIdentities {
  /** The valid identity of a user, read from the Store when it is not at hand; `undefined` while there is none. */
  identityFor(aor: string): Identity | undefined;
  /** Called when a user got an identity, or a new one; the result of the call stops it. */
  onIdentity(listener: (aor: string, identity: Identity) => void): () => void;
  /** Users that wait for a certificate. */
  pending(): number;
  start(): void;
  stop(): void;
}

export interface UserIdentitiesOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly verifier: Verifier;
  readonly signatures: SignatureQueue;
  readonly trace: Trace;
  readonly accounts: AccountDirectory;
  readonly keyType: KeyType;
  /**
   * Asks the authority for a certificate with the adapter's account; or signs one with the user's own
   * key, where there is no authority.
   */
  readonly enroll: (
    csr: Uint8Array,
    publicKey: Uint8Array,
    own: { readonly aor: string; readonly privateKey: KeyObject },
  ) => Promise<Outcome<Certificate, EnrollError>>;
}

interface Held {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

const prefix = 'identities/';
const renewalCheckMs = 3_600_000;
const refusedRetryMs = 60_000;

/** Loads what is held. The error names a damaged record. */
export function createUserIdentities(options: UserIdentitiesOptions): Outcome<UserIdentities> {
  const { store, clock, accounts, trace } = options;
  const bounds = limits.enrollmentClient;
  const held = new Map<string, Held>();
  for (const [key, value] of store.entries(prefix)) {
    const record = readRecord(value);
    if (record === undefined) return failure(`the record ${key} of the user identities is damaged`);
    held.set(key.slice(prefix.length), record);
  }
  const ready = new Map<string, Identity>();
  const listeners = new Set<(aor: string, identity: Identity) => void>();
  /** In the order of enrollment; each with the time before which it is not tried. */
  const waiting = new Map<string, number>();
  /** Users whose certificate is being asked for; an attempt that is no longer here has been overtaken. */
  const asking = new Map<string, object>();
  const enrolled = trace.counter('user_identities_enrolled');
  const refused = trace.counter('user_identities_refused');
  let running = 0;
  let retryMs: number = bounds.retryMinMs;
  let pausedUntilMs = 0;
  let started = false;
  let wakeUp: Timer | undefined;
  let renewal: Timer | undefined;
  let stopListening: (() => void) | undefined;

  function isDue(aor: string): boolean {
    const certificate = held.get(aor);
    if (certificate === undefined) return true;
    const { notBeforeMs, notAfterMs } = certificate;
    return clock.wallMs() > notBeforeMs + ((notAfterMs - notBeforeMs) * 2) / 3;
  }

  function consider(account: Account): void {
    if (!account.enabled) {
      forget(account.aor);
    } else if (isDue(account.aor) && !asking.has(account.aor)) {
      waiting.set(account.aor, waiting.get(account.aor) ?? 0);
    }
  }

  /** The authority gives a disabled or removed user other Node-IDs when it returns. */
  function forget(aor: string): void {
    waiting.delete(aor);
    asking.delete(aor);
    ready.delete(aor);
    if (held.delete(aor)) store.write([{ delete: prefix + aor }]);
  }

  function considerAll(): void {
    renewal = clock.after('identity-renewal', renewalCheckMs, considerAll);
    for (const account of accounts.accounts()) consider(account);
    for (const aor of [...held.keys()]) if (accounts.lookup(aor) === undefined) forget(aor);
    work();
  }

  function work(): void {
    if (!started) return;
    const nowMs = clock.monotonicMs();
    let nextMs = Math.max(pausedUntilMs, nowMs);
    if (nextMs <= nowMs) {
      nextMs = Infinity;
      for (const [aor, notBeforeMs] of waiting) {
        if (running >= bounds.concurrentEnrollments) return;
        if (notBeforeMs > nowMs) {
          nextMs = Math.min(nextMs, notBeforeMs);
          continue;
        }
        waiting.delete(aor);
        running++;
        void enrollOne(aor).finally(() => {
          clock.after('identity-enrollment-gap', bounds.enrollmentGapMs, () => {
            running--;
            work();
          });
        });
      }
    }
    wakeUp?.cancel();
    if (waiting.size > 0 && nextMs !== Infinity) {
      wakeUp = clock.after('identity-enrollment', nextMs - nowMs, work);
    }
  }

  async function enrollOne(aor: string): Promise<void> {
    const attempt = {};
    asking.set(aor, attempt);
    const privateKey = await generatePrivateKey(options.keyType);
    const csr = createCsr(privateKey, aor);
    const issued = await options.enroll(csr, publicKeyDer(privateKey), { aor, privateKey });
    if (!started || asking.get(aor) !== attempt) return;
    asking.delete(aor);
    if (!issued.ok) {
      postpone(aor, issued.error);
      return;
    }
    retryMs = bounds.retryMinMs;
    if (issued.value.userName !== aor) {
      postpone(aor, { reason: 'bad_certificate', text: 'the certificate is for another name' });
      return;
    }
    enrolled.add();
    keep(aor, privateKey, issued.value);
  }

  function keep(aor: string, privateKey: KeyObject, certificate: Certificate): void {
    const { notBeforeMs, notAfterMs } = certificate;
    const identity = createIdentity(privateKey, certificate, [], options.signatures);
    const record = {
      key: base64Encode(privateKey.export({ type: 'pkcs8', format: 'der' })),
      certificate: base64Encode(certificate.der),
      notBeforeMs,
      notAfterMs,
    };
    store.write([{ put: prefix + aor, value: utf8Encode(JSON.stringify(record)) }]);
    held.set(aor, { notBeforeMs, notAfterMs });
    remember(aor, identity);
    for (const listener of listeners) listener(aor, identity);
  }

  /** An authority that is away stops all attempts for a while; a refusal concerns one user only. */
  function postpone(aor: string, error: EnrollError): void {
    const nowMs = clock.monotonicMs();
    const away = error.reason === 'unreachable' || error.reason === 'failed_authentication';
    waiting.set(aor, away ? 0 : nowMs + refusedRetryMs);
    if (!away) refused.add();
    if (!away || nowMs < pausedUntilMs) return;
    trace.log('warn', 'user-enrollment-paused', { reason: error.reason, error: error.text });
    pausedUntilMs = nowMs + retryMs;
    retryMs = Math.min(retryMs * 2, bounds.retryMaxMs);
  }

  function remember(aor: string, identity: Identity): void {
    ready.delete(aor);
    ready.set(aor, identity);
    if (ready.size <= bounds.readyIdentities) return;
    const oldest = ready.keys().next();
    if (oldest.done !== true) ready.delete(oldest.value);
  }

  function load(aor: string): Identity | undefined {
    const stored = store.get(prefix + aor);
    const record = stored && readRecord(stored);
    if (record === undefined) return undefined;
    const certificate = options.verifier.parseCertificate(record.certificate);
    if (!certificate.ok) return undefined;
    const privateKey = createPrivateKey({
      key: Buffer.from(record.key),
      format: 'der',
      type: 'pkcs8',
    });
    return createIdentity(privateKey, certificate.value, [], options.signatures);
  }

  return success({
    identityFor(aor) {
      const notAfterMs = held.get(aor)?.notAfterMs;
      if (notAfterMs === undefined || notAfterMs <= clock.wallMs()) return undefined;
      const known = ready.get(aor);
      if (known !== undefined) return known;
      const identity = load(aor);
      if (identity !== undefined) remember(aor, identity);
      return identity;
    },
    onIdentity(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    pending: () => waiting.size + running,
    start() {
      started = true;
      stopListening = accounts.onChange((change) => {
        if (change.kind === 'removed') forget(change.aor);
        else consider(change.account);
        work();
      });
      considerAll();
    },
    stop() {
      started = false;
      stopListening?.();
      wakeUp?.cancel();
      renewal?.cancel();
    },
  });
}

interface StoredIdentity extends Held {
  /** PKCS#8 DER. */
  readonly key: Uint8Array;
  readonly certificate: Uint8Array;
}

function readRecord(value: Uint8Array): StoredIdentity | undefined {
  const text = utf8Decode(value);
  if (text === undefined) return undefined;
  let fields: Readonly<Record<string, unknown>>;
  try {
    fields = JSON.parse(text) as Readonly<Record<string, unknown>>;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
  const { key, certificate, notBeforeMs, notAfterMs } = fields;
  const keyDer = typeof key === 'string' ? base64Decode(key) : undefined;
  const certificateDer = typeof certificate === 'string' ? base64Decode(certificate) : undefined;
  const complete =
    keyDer !== undefined &&
    certificateDer !== undefined &&
    typeof notBeforeMs === 'number' &&
    typeof notAfterMs === 'number';
  return complete
    ? { key: keyDer, certificate: certificateDer, notBeforeMs, notAfterMs }
    : undefined;
}
