import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, rmSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { after, test } from 'node:test';
import type { Outcome } from '../../src/base/outcome.ts';
import type { Identity } from '../../src/ports/certificates.ts';
import type { SecureConnection, TransportAddress } from '../../src/ports/connection.ts';
import { silentTrace } from '../../src/ports/trace.ts';
import { createLink } from '../../src/link/link.ts';
import { createClock } from '../../src/node/clock.ts';
import { createDialer, listenSecure, openKeyLog } from '../../src/node/tls.ts';
import type { KeyLog, ListenOptions, SecureListener, TlsIdentity } from '../../src/node/tls.ts';
import { createCountingTrace } from '../unit/link/fakes.ts';
import { key, member, nodeId, root, verifier } from '../unit/trust/world.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
}

function deferred<T>(): Deferred<T> {
  let settle: ((value: T) => void) | undefined;
  const promise = new Promise<T>((resolve) => {
    settle = resolve;
  });
  return { promise, resolve: (value) => settle?.(value) };
}

const unexpected = (): void => {
  assert.fail('unexpected event');
};

const host = '127.0.0.41';
const authority = root();

function tlsIdentity(options: Parameters<typeof member>[1] = {}): TlsIdentity {
  const privateKey = options.privateKey ?? key();
  const identity: Identity = member(authority, { ...options, privateKey });
  return { privateKey, chain: [identity.certificate] };
}

const server = tlsIdentity({ nodeIds: [nodeId(0x51)] });
const client = tlsIdentity({ nodeIds: [nodeId(0xc1)] });
const listeners: SecureListener[] = [];
after(async () => {
  for (const listener of listeners) await listener.close(true);
});

async function listen(more: Partial<ListenOptions> = {}): Promise<SecureListener> {
  const outcome = await listenSecure({
    host,
    port: 0,
    verifier,
    trace: silentTrace,
    identity: () => server,
    onConnection: () => undefined,
    handshakeTimeoutMs: 2000,
    maxConnections: 100,
    ...more,
  });
  assert.ok(outcome.ok, outcome.ok ? '' : outcome.error);
  listeners.push(outcome.value);
  return outcome.value;
}

const dial = (
  target: TransportAddress,
  identity = client,
  keyLog?: KeyLog,
  timeoutMs = 3000,
): Promise<Outcome<SecureConnection>> =>
  new Promise((resolve) => {
    const dialer = createDialer({ verifier, trace: silentTrace, identity: () => identity, keyLog });
    dialer.dial(target, timeoutMs, resolve);
  });

/** Both ends of one connection. */
async function pair(
  identities: { server?: TlsIdentity; client?: TlsIdentity } = {},
  keyLog?: KeyLog,
): Promise<{ near: SecureConnection; far: SecureConnection; local: TransportAddress }> {
  const accepted = deferred<SecureConnection>();
  const { local } = await listen({
    onConnection: accepted.resolve,
    identity: () => identities.server ?? server,
  });
  const near = await dial(local, identities.client, keyLog);
  assert.ok(near.ok, near.ok ? '' : near.error);
  return { near: near.value, far: await accepted.promise, local };
}

/** Collects what arrives until the close. */
function collect(connection: SecureConnection) {
  const chunks: Uint8Array[] = [];
  const closed = deferred<string>();
  connection.setHandler({ data: (bytes) => chunks.push(bytes), closed: closed.resolve });
  return { closed: closed.promise, bytes: () => Buffer.concat(chunks) };
}

for (const kind of ['ec', 'rsa'] as const) {
  test(`[R6940-13.2-01] [R6940-6.6.1-02] both sides prove their certificate (${kind})`, async () => {
    const identities = {
      server: tlsIdentity({ nodeIds: [nodeId(0x51)], privateKey: key(kind) }),
      client: tlsIdentity({ nodeIds: [nodeId(0xc1)], privateKey: key(kind) }),
    };
    const { near, far, local } = await pair(identities);
    assert.deepEqual(near.peerChain[0]?.nodeIds, [nodeId(0x51)]);
    assert.deepEqual(far.peerChain[0]?.nodeIds, [nodeId(0xc1)]);
    assert.equal(near.role, 'client');
    assert.equal(far.role, 'server');
    assert.deepEqual(near.remote, local);
    assert.deepEqual(far.local, local);
    near.close('done');
  });
}

test('[R6940-6.5.1.13-02] a client without certificate is refused', async () => {
  let accepted = 0;
  const trace = createCountingTrace();
  const { local } = await listen({ onConnection: () => accepted++, trace });
  const socket = connect({ host, port: local.port, rejectUnauthorized: false });
  socket.on('error', () => undefined);
  await once(socket, 'close');
  assert.equal(accepted, 0);
  assert.equal(trace.count('tls_handshakes_total', 'server refused-certificate'), 1);
});

test('[R6940-6.6.1-05] old protocol versions and suites without secrecy are refused', async () => {
  const { local } = await listen();
  for (const options of [
    { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'ALL:@SECLEVEL=0' },
    { maxVersion: 'TLSv1.2', ciphers: 'NULL:@SECLEVEL=0' },
    { maxVersion: 'TLSv1.2', ciphers: 'aNULL:@SECLEVEL=0' },
  ] as const) {
    const socket = connect({ host, port: local.port, rejectUnauthorized: false, ...options });
    const [error] = (await once(socket, 'error')) as [Error];
    assert.match(error.message, /alert|no ciphers|handshake|disconnected|version/i);
  }
});

test('bytes arrive whole, in order, also those sent before a handler was set', async () => {
  const { near, far } = await pair();
  const large = new Uint8Array(3_000_000).map((_, i) => i % 251);
  far.send(new Uint8Array([1, 2]));
  far.send(new Uint8Array([3]));
  await new Promise((resolve) => setTimeout(resolve, 20));
  const received = collect(near);
  const answered = collect(far);
  await new Promise((resolve) => setTimeout(resolve, 20));
  near.send(large);
  near.close('all sent');
  assert.equal(await received.closed, 'all sent');
  assert.deepEqual([...received.bytes()], [1, 2, 3]);
  assert.equal(await answered.closed, 'closed by the far end');
  assert.equal(Buffer.compare(answered.bytes(), large), 0);
});

test('a handler set after the end still learns of it', async () => {
  const { near, far } = await pair();
  far.close('gone');
  near.close('also gone');
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(await collect(near).closed, 'also gone');
});

test('reports what waits and when it has drained', async () => {
  const { near, far } = await pair();
  const drained = deferred<undefined>();
  near.setHandler({
    data: () => undefined,
    closed: () => undefined,
    drained: () => {
      drained.resolve(undefined);
    },
  });
  near.send(new Uint8Array(8_000_000));
  assert.ok(near.bufferedBytes >= 8_000_000);
  await new Promise((resolve) => setImmediate(resolve));
  collect(far);
  await drained.promise;
  assert.ok(near.bufferedBytes < 1000);
  near.close('done');
});

test('a far end that never reads is cut off', async () => {
  const { near } = await pair();
  const { closed } = collect(near);
  for (let i = 0; i < 40; i++) near.send(new Uint8Array(1 << 20));
  assert.equal(await closed, 'the far end does not read');
});

test('writes the key log, private to its owner', async () => {
  const folder = temporaryFolder('chordial-keylog');
  const path = join(folder, 'keys');
  const keyLog = openKeyLog(path, assert.ifError);
  const { near } = await pair({}, keyLog);
  near.close('done');
  // Written in the background.
  for (let i = 0; i < 200 && !readFileSync(path, 'latin1').includes('CLIENT_HANDSHAKE'); i++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.match(readFileSync(path, 'latin1'), /^CLIENT_HANDSHAKE_TRAFFIC_SECRET [0-9a-f]{64} /m);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  keyLog.close();
  rmSync(folder, { recursive: true });
});

test('errors of dialing and listening name the address', async () => {
  const silent = createServer((socket) => socket.resume()).listen(0, host);
  await once(silent, 'listening');
  const { port } = silent.address() as AddressInfo;
  const late = await dial({ address: host, port }, client, undefined, 50);
  assert.deepEqual(late, {
    ok: false,
    error: `no connection to ${host}:${String(port)} within 50 ms`,
  });
  const taken = await listenSecure({
    host,
    port,
    verifier,
    trace: silentTrace,
    identity: () => server,
    onConnection: () => undefined,
    handshakeTimeoutMs: 1000,
    maxConnections: 1,
  });
  const inUse = `cannot listen on ${host}:${String(port)}: the port is in use by another process`;
  assert.deepEqual(taken, { ok: false, error: inUse });
  silent.close();
  await once(silent, 'close');
  const refused = await dial({ address: host, port });
  assert.match(
    refused.ok ? '' : refused.error,
    new RegExp(`${host}:${String(port)}.*ECONNREFUSED`),
  );
});

test('an abandoned attempt fails at once', async () => {
  const { local } = await listen();
  const dialer = createDialer({ verifier, trace: silentTrace, identity: () => client });
  const outcome = await new Promise<Outcome<SecureConnection>>((resolve) => {
    dialer.dial(local, 3000, resolve)();
  });
  assert.match(outcome.ok ? '' : outcome.error, /abandoned/);
});

test('the identity can be replaced while listening', async () => {
  let identity = server;
  const { local } = await listen({ identity: () => identity });
  identity = tlsIdentity({ nodeIds: [nodeId(0x52)] });
  const outcome = await dial(local);
  assert.ok(outcome.ok);
  assert.deepEqual(outcome.value.peerChain[0]?.nodeIds, [nodeId(0x52)]);
  outcome.value.close('done');
});

test('connections above the limit are closed and a freed place is used again', async () => {
  const { local } = await listen({ maxConnections: 1 });
  const first = await dial(local);
  assert.ok(first.ok);
  assert.equal((await dial(local)).ok, false);
  const { closed } = collect(first.value);
  first.value.close('done');
  await closed;
  await new Promise((resolve) => setTimeout(resolve, 20));
  const third = await dial(local);
  assert.ok(third.ok);
  third.value.close('done');
});

test('a peer that begins no handshake loses its place', async () => {
  const { local } = await listen({ maxConnections: 1, handshakeTimeoutMs: 60 });
  const { connect: connectPlain } = await import('node:net');
  const silent = connectPlain(local.port, host);
  silent.on('error', () => undefined);
  await once(silent, 'close');
  assert.equal((await dial(local)).ok, true);
});

test('[R6940-6.6.2-05] a link carries messages both ways over TLS', async () => {
  const { near, far } = await pair();
  const clock = createClock();
  const got = deferred<Uint8Array>();
  const acknowledged = deferred<boolean>();
  const common = { clock, trace: silentTrace, maxMessageBytes: () => 65_536 };
  const silent = { oversized: unexpected, suspect: unexpected, closed: () => undefined };
  createLink({
    ...common,
    connection: far,
    nodeId: nodeId(0xc1),
    events: { ...silent, message: got.resolve },
  });
  const link = createLink({
    ...common,
    connection: near,
    nodeId: nodeId(0x51),
    events: { ...silent, message: unexpected },
  });
  const message = new Uint8Array(60_000).fill(9);
  link.send(message, acknowledged.resolve);
  assert.equal(Buffer.compare(await got.promise, message), 0);
  assert.equal(await acknowledged.promise, true);
  assert.ok((link.rttMs ?? 0) > 0);
  link.close('done');
  clock.close();
});
