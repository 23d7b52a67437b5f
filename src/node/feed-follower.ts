/**
 * An adapter's tie to its authority: follows the account feed, keeps a copy of the accounts and the
 * identities of the users it serves, and goes on from its Store while the authority is away.
 */
import type { KeyObject } from 'node:crypto';
import { limits } from '../base/limits.ts';
import { success } from '../base/outcome.ts';
import type { Outcome } from '../base/outcome.ts';
import type { AccountDirectory } from '../ports/accounts.ts';
import type { Certificate, Identity, KeyType, Verifier } from '../ports/certificates.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import { randomUnit } from '../ports/random.ts';
import type { Store } from '../ports/store.ts';
import type { Trace } from '../ports/trace.ts';
import { createAccountCopy, readFeedPage } from './enrollment-accounts.ts';
import { enroll, fetchConfig } from './enrollment-client.ts';
import { createUserIdentities } from './enrollment-identities.ts';
import { connectAuthority, type AuthorityConnection } from './enrollment-request.ts';
import type { SignatureQueue } from './signature-queue.ts';

export interface FeedFollowerOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly verifier: Verifier;
  readonly signatures: SignatureQueue;
  readonly trace: Trace;
  readonly overlayName: string;
  /** Base URL of the authority. */
  readonly url: string;
  /** Enrollment-server URL of the configuration; default `<url>/enroll`. */
  readonly enrollmentUrl?: string;
  readonly rootCertificates: readonly Certificate[];
  /** The adapter's account at the authority. */
  readonly account: string;
  readonly password: string;
  /** The node's certificate and key, shown to the feed. */
  readonly nodeCertificate: Certificate;
  readonly nodeKey: KeyObject;
  /** Of user identities. */
  readonly keyType: KeyType;
}

export interface FeedFollower {
  readonly accounts: AccountDirectory;
  identityFor(aor: string): Identity | undefined;
  /** A user got an identity, or a renewed one. */
  onIdentity(listener: (aor: string, identity: Identity) => void): () => void;
  /** A newer configuration document was fetched; the caller checks its signatures. */
  onConfig(listener: (document: Uint8Array) => void): () => void;
  state(): FollowerState;
  /** From now on the box shows this certificate to the authority. */
  useCertificate(certificate: Certificate, key: KeyObject): void;
  /** `configSequence`: of the document in use. */
  start(configSequence: number): void;
  stop(): Promise<void>;
}

export interface FollowerState {
  /** The last request to the authority succeeded. */
  readonly connected: boolean;
  /** Wall time of the last answer; `undefined` before the first since the start. */
  readonly lastAnswerMs: number | undefined;
  readonly version: number;
  readonly accounts: number;
  /** Users that wait for a certificate. */
  readonly pendingIdentities: number;
}

const waitS = 20;

/** Loads copy and identities from the Store; the error names a damaged record. Nothing is sent before `start`. */
export function createFeedFollower(options: FeedFollowerOptions): Outcome<FeedFollower> {
  const { store, clock, random, verifier, trace, url } = options;
  const copy = createAccountCopy(store);
  if (!copy.ok) return copy;
  const accounts = copy.value;
  const connectAs = (certificate: Certificate, key: KeyObject): AuthorityConnection =>
    connectAuthority(
      {
        rootCertificates: options.rootCertificates.map((root) => root.der),
        overlayName: options.overlayName,
      },
      {
        certificateDer: certificate.der,
        privateKeyPem: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
      },
    );
  let connection = connectAs(options.nodeCertificate, options.nodeKey);
  const created = createUserIdentities({
    store,
    clock,
    verifier,
    signatures: options.signatures,
    trace,
    accounts,
    keyType: options.keyType,
    enroll: (csr, publicKey) =>
      enroll(
        {
          url: options.enrollmentUrl ?? `${url}/enroll`,
          username: options.account,
          password: options.password,
          csr,
          publicKey,
        },
        { connection, verifier, roots: options.rootCertificates },
      ),
  });
  if (!created.ok) return created;
  const identities = created.value;
  const configListeners = new Set<(document: Uint8Array) => void>();
  const stopping = new AbortController();
  const failures = trace.counter('account_feed_failures');
  let connected = false;
  let isToldAway = false;
  let lastAnswerMs: number | undefined;
  let configSequence = 0;
  let loop: Promise<void> | undefined;

  const isStopped = (): boolean => stopping.signal.aborted;

  async function follow(): Promise<void> {
    let retryMs: number = limits.enrollmentClient.retryMinMs;
    while (!isStopped()) {
      const refusal = await step();
      if (isStopped()) return;
      if (refusal === undefined) {
        retryMs = limits.enrollmentClient.retryMinMs;
        continue;
      }
      failures.add();
      if (connected || !isToldAway) trace.log('warn', 'authority-away', { error: refusal });
      isToldAway = true;
      connected = false;
      await pause(retryMs * (0.5 + randomUnit(random)));
      retryMs = Math.min(retryMs * 2, limits.enrollmentClient.retryMaxMs);
    }
  }

  /** One request to the feed; returns why it failed. */
  async function step(): Promise<string | undefined> {
    const { epoch, version } = accounts.position();
    const wait = connected ? waitS : 0;
    const query = `since=${version}&epoch=${epoch}&wait=${wait}&config=${configSequence}`;
    const answer = await connection.send({
      method: 'GET',
      url: `${url}/feed?${query}`,
      timeoutMs: waitS * 1000 + limits.enrollmentClient.requestTimeoutMs,
      signal: stopping.signal,
    });
    if (!answer.ok) return answer.error;
    if (answer.value.status !== 200) return `${url}/feed answers ${answer.value.status}`;
    const page = readFeedPage(answer.value.body);
    if (page === undefined) return `${url}/feed gives an answer that cannot be understood`;
    if (!connected) trace.log('info', 'authority-connected', { url });
    connected = true;
    lastAnswerMs = clock.wallMs();
    accounts.apply(page);
    return page.configSequence === configSequence
      ? undefined
      : await renewConfig(page.configSequence);
  }

  async function renewConfig(sequence: number): Promise<string | undefined> {
    const document = await fetchConfig(url, connection);
    if (!document.ok) return document.error;
    configSequence = sequence;
    for (const listener of configListeners) listener(document.value);
    return undefined;
  }

  function pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel();
        stopping.signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = clock.after('authority-retry', delayMs, end);
      stopping.signal.addEventListener('abort', end);
    });
  }

  return success({
    accounts,
    identityFor: (aor) => identities.identityFor(aor),
    onIdentity: (listener) => identities.onIdentity(listener),
    onConfig(listener) {
      configListeners.add(listener);
      return () => configListeners.delete(listener);
    },
    state: () => ({
      connected,
      lastAnswerMs,
      version: accounts.position().version,
      accounts: accounts.count(),
      pendingIdentities: identities.pending(),
    }),
    start(sequence) {
      configSequence = sequence;
      identities.start();
      loop ??= follow();
    },
    useCertificate(certificate, key) {
      const before = connection;
      connection = connectAs(certificate, key);
      before.close();
    },
    async stop() {
      stopping.abort();
      identities.stop();
      connection.close();
      await loop;
    },
  });
}
