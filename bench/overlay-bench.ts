/**
 * Overlay and link operations among three peers in this process: TLS on loopback, P-256, LevelDB.
 * The figures therefore hold the work of all peers that an operation touches.
 */
import type { KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createOverlayRole, type OverlayRole } from '../src/cli/box/overlay-role.ts';
import { createPlatform, openBoxStore, type Platform } from '../src/cli/box/platform.ts';
import { nodeIdFromBytes, type ResourceId } from '../src/base/ids.ts';
import { utf8Encode } from '../src/base/text.ts';
import type { Outcome } from '../src/base/outcome.ts';
import { createLink, type Link } from '../src/link/link.ts';
import { createIdentity } from '../src/node/identity.ts';
import { generatePrivateKey } from '../src/node/keys.ts';
import { loadSettings } from '../src/node/settings.ts';
import type { HostStore } from '../src/node/store.ts';
import { createDialer, listenSecure } from '../src/node/tls.ts';
import { createRoot, issueCertificate, publicKeyDer } from '../src/node/x509.ts';
import type { FetchResult, OverlayError, StoreResult } from '../src/overlay/api.ts';
import { initialKinds, initialOverlayValues } from '../src/overlay-config/build.ts';
import type { Identity } from '../src/ports/certificates.ts';
import type { SecureConnection } from '../src/ports/connection.ts';
import type { OverlayConfig } from '../src/ports/overlay-config.ts';
import { createKindRegistry } from '../src/storage/kinds.ts';
import { sipRegistrationKind } from '../src/usages/sip/kind.ts';
import {
  registrationEntry,
  resourceOfAor,
  routeTo,
  sipRegistrationKindId,
} from '../src/usages/sip/registration.ts';
import type { BenchResult } from './result.ts';

const overlayName = 'bench.example';
const peerCount = 3;
/** Operations in flight; one on the link, where more would share frames and system calls. */
const concurrency = 8;
const users = 24;

interface Member {
  readonly role: OverlayRole;
  readonly store: HostStore;
}

interface User {
  readonly identity: Identity;
  readonly resource: ResourceId;
}

/** CPU per Fetch and per Store through the overlay, and per message and acknowledgement on a link. */
export async function overlayBenchmarks(seconds: number): Promise<BenchResult[]> {
  const directory = mkdtempSync(join(tmpdir(), 'chordial-overlay-bench-'));
  const platform = createPlatform({ log: { level: 'warn', file: '' } });
  const issuer = await createIssuer(platform);
  const config = configWith(issuer, '127.0.0.131');
  const members: Member[] = [];
  try {
    for (let k = 0; k < peerCount; k++) {
      members.push(await startMember(platform, issuer, config, k, directory));
    }
    const results = await overlayResults(platform, issuer, members, seconds);
    results.push(await linkRoundTrip(platform, issuer, seconds));
    return results;
  } finally {
    for (const { role, store } of members.reverse()) {
      await role.stop();
      await store.close();
    }
    platform.clock.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

async function overlayResults(
  platform: Platform,
  issuer: Issuer,
  members: readonly Member[],
  seconds: number,
): Promise<BenchResult[]> {
  const [first] = members;
  if (first === undefined) throw new Error('there is no peer');
  const { overlay } = first.role;
  // Resources that another peer is responsible for: nothing is short-cut, one hop.
  const remote: User[] = [];
  for (let i = 0; remote.length < users; i++) {
    const user = await createUser(issuer, platform, `user${i}@${overlayName}`, i & 0x7f);
    const stored = await store(user);
    if (!stored.ok) throw new Error(`a Store failed: ${stored.error.text}`);
    if (stored.value.storedBy !== overlay.nodeId) remote.push(user);
  }

  async function store(user: User): Promise<Outcome<StoreResult, OverlayError>> {
    const [key] = user.identity.certificate.nodeIds;
    if (key === undefined) throw new Error('a user has a Node-ID');
    const values = [registrationEntry(key, routeTo(overlay.nodeId, []), 3600)];
    const { resource, identity } = user;
    return await new Promise((resolve) =>
      overlay.store({ resource, kind: sipRegistrationKindId, values, identity }, resolve),
    );
  }

  let turn = 0;
  const nextUser = (): User => remote[turn++ % remote.length] as User;
  const fetched = await measure('overlay-fetch', seconds, async () => {
    const { resource } = nextUser();
    const outcome = await new Promise<Outcome<FetchResult, OverlayError>>((resolve) =>
      overlay.fetch({ resource, kind: sipRegistrationKindId }, resolve),
    );
    if (!outcome.ok || outcome.value.values.length !== 1) throw new Error('a Fetch failed');
  });
  const stored = await measure('overlay-store', seconds, async () => {
    const outcome = await store(nextUser());
    if (!outcome.ok) throw new Error(outcome.error.text);
  });
  return [fetched, stored];
}

/** A message of 500 bytes and one in return, both acknowledged. */
async function linkRoundTrip(
  platform: Platform,
  issuer: Issuer,
  seconds: number,
): Promise<BenchResult> {
  const { clock, trace, verifier } = platform;
  const identity = await issuer.issue(`link@${overlayName}`, 0x70, platform);
  const shown = { privateKey: identity.key, chain: [identity.identity.certificate] };
  const tls = { verifier, trace, identity: () => shown };
  const nodeId = nodeIdFromBytes(new Uint8Array(16).fill(7));
  const message = new Uint8Array(500).fill(1);
  const waiting: (() => void)[] = [];
  const linkOn = (connection: SecureConnection, received: (link: Link) => void): Link => {
    const link: Link = createLink({
      clock,
      trace,
      connection,
      nodeId,
      maxMessageBytes: () => 65_536,
      events: {
        message: () => received(link),
        oversized: () => link.close('oversized'),
        suspect: () => undefined,
        closed: () => undefined,
      },
    });
    return link;
  };
  const listener = await listenSecure({
    ...tls,
    host: '127.0.0.131',
    port: 0,
    onConnection: (connection) => void linkOn(connection, (link) => link.send(message)),
    handshakeTimeoutMs: 5000,
    maxConnections: 2,
  });
  if (!listener.ok) throw new Error(listener.error);
  const dialed = await new Promise<Outcome<SecureConnection>>((resolve) => {
    createDialer(tls).dial(listener.value.local, 5000, resolve);
  });
  if (!dialed.ok) throw new Error(dialed.error);
  const link = linkOn(dialed.value, () => waiting.shift()?.());
  const operation = async (): Promise<void> =>
    await new Promise((resolve, reject) => {
      waiting.push(resolve);
      if (!link.send(message)) reject(new Error('the link takes no more'));
    });
  const result = await measure('link-round-trip', seconds, operation, 1);
  link.close('done');
  await listener.value.close(true);
  return result;
}

async function startMember(
  platform: Platform,
  issuer: Issuer,
  config: OverlayConfig,
  k: number,
  directory: string,
): Promise<Member> {
  const address = `127.0.0.${131 + k}`;
  const settings = loadSettings([], {}, { 'link.address': address });
  if (!settings.ok) throw new Error(settings.error);
  const store = await openBoxStore(join(directory, `peer-${k}`));
  // A third of the ring each.
  const { identity, key } = await issuer.issue(`peer${k}@${overlayName}`, k * 0x55, platform);
  const kinds = createKindRegistry();
  kinds.register(sipRegistrationKind(() => config));
  const role = await createOverlayRole({
    ...platform,
    settings: settings.value,
    identity,
    privateKey: key,
    config,
    store,
    kinds,
    onConfigUpdate: (_update, done) => setImmediate(() => done({ ok: true, value: undefined })),
  });
  role.join();
  await until(() => role.overlay.state() === 'joined', `peer ${k} joins`);
  return { role, store };
}

interface Issuer {
  readonly root: OverlayConfig['rootCertificates'][number];
  /** An identity whose Node-ID begins with that byte. */
  issue(
    userName: string,
    firstByte: number,
    platform: Platform,
  ): Promise<{ identity: Identity; key: KeyObject }>;
}

async function createIssuer({ verifier }: Platform): Promise<Issuer> {
  const privateKey = await generatePrivateKey('ecdsa-p256');
  const nowMs = Date.now();
  const validity = { notBeforeMs: nowMs - 3_600_000, notAfterMs: nowMs + 86_400_000 };
  const certificateDer = createRoot({ name: 'bench', privateKey, ...validity });
  const root = verifier.parseCertificate(certificateDer);
  if (!root.ok) throw new Error(root.error);
  return {
    root: root.value,
    async issue(userName, firstByte, platform) {
      const key = await generatePrivateKey('ecdsa-p256');
      const id = new Uint8Array(16).fill(0x21);
      id[0] = firstByte;
      const der = issueCertificate({
        publicKey: publicKeyDer(key),
        nodeIds: [nodeIdFromBytes(id)],
        overlayName,
        userName,
        issuer: { certificateDer, privateKey },
        ...validity,
      });
      const certificate = verifier.parseCertificate(der);
      if (!certificate.ok) throw new Error(certificate.error);
      return { key, identity: createIdentity(key, certificate.value, [], platform.signatures) };
    },
  };
}

async function createUser(
  issuer: Issuer,
  platform: Platform,
  aor: string,
  firstByte: number,
): Promise<User> {
  const { identity } = await issuer.issue(aor, firstByte, platform);
  return { identity, resource: resourceOfAor(aor) };
}

function configWith(issuer: Issuer, bootstrap: string): OverlayConfig {
  return {
    document: utf8Encode('<overlay/>'),
    overlayName,
    sequence: 1,
    expirationMs: undefined,
    topologyPlugin: 'CHORD-RELOAD',
    nodeIdLength: 16,
    rootCertificates: [issuer.root],
    enrollmentServers: [],
    selfSignedPermitted: undefined,
    bootstrapNodes: [{ address: bootstrap, port: 6084 }],
    ...initialOverlayValues,
    clientsPermitted: true,
    sharedSecret: undefined,
    initialTtl: 100,
    reliabilityTimerMs: 3000,
    configurationSigners: [],
    kindSigners: [],
    badNodes: [],
    mandatoryExtensions: [],
    chordUpdateIntervalS: 600,
    chordPingIntervalS: 3600,
    chordReactive: true,
    requiredKinds: initialKinds,
    domainRestriction: undefined,
  };
}

/** CPU of all threads of this process over `seconds`, after a warm-up that is not counted. */
async function measure(
  name: string,
  seconds: number,
  operation: () => Promise<void>,
  workers = concurrency,
): Promise<BenchResult> {
  await inFlight(workers, performance.now() + 1000, operation);
  const cpuBefore = process.cpuUsage();
  const started = performance.now();
  const n = await inFlight(workers, started + seconds * 1000, operation);
  const used = process.cpuUsage(cpuBefore);
  const elapsedS = (performance.now() - started) / 1000;
  return { name, cpuUs: (used.user + used.system) / n, perSecond: n / elapsedS, n };
}

async function inFlight(
  workers: number,
  end: number,
  operation: () => Promise<void>,
): Promise<number> {
  let n = 0;
  const worker = async (): Promise<void> => {
    while (performance.now() < end) {
      await operation();
      n++;
    }
  };
  await Promise.all(Array.from({ length: workers }, worker));
  return n;
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const limit = performance.now() + 15_000;
  while (!condition()) {
    if (performance.now() > limit) throw new Error(`this takes too long: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
