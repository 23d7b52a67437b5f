import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { after, test } from 'node:test';
import { limits } from '../../src/base/limits.ts';
import { latin1Decode, latin1Encode } from '../../src/base/text.ts';
import type { Certificate } from '../../src/ports/certificates.ts';
import type { TransportAddress } from '../../src/ports/connection.ts';
import type { DtlsHandler, DtlsSession } from '../../src/ports/dtls.ts';
import { silentTrace } from '../../src/ports/trace.ts';
import { createDtlsHost } from '../../src/node/dtls.ts';
import type { ClosableDtlsHost, DtlsOptions } from '../../src/node/dtls.ts';
import { contextCallbacks } from '../../src/node/dtls-context.ts';
import { createCallbacks, loadOpenSsl } from '../../src/node/dtls-openssl.ts';
import { createMachine, drain } from '../../src/node/dtls-session.ts';
import type { TlsIdentity } from '../../src/node/tls.ts';
import { key, member, nodeId, root, verifier } from '../unit/trust/world.ts';

const authority = root();
const address: TransportAddress = { address: '192.0.2.1', port: 4000 };

function tlsIdentity(kind: 'ec' | 'rsa', byte: number): TlsIdentity {
  const privateKey = key(kind);
  const { certificate } = member(authority, { privateKey, nodeIds: [nodeId(byte)] });
  return { privateKey, chain: [certificate] };
}

const alice = tlsIdentity('ec', 0xa1);
const bob = tlsIdentity('ec', 0xb0);
const hosts: ClosableDtlsHost[] = [];
after(() => {
  for (const host of hosts) host.close();
});

function host(identity: TlsIdentity, more: Partial<DtlsOptions> = {}): ClosableDtlsHost {
  const made = createDtlsHost({
    verifier,
    trace: silentTrace,
    identity: () => identity,
    handshakeTimeoutMs: 3000,
    ...more,
  });
  assert.ok(made.ok, made.ok ? '' : made.error);
  hosts.push(made.value);
  return made.value;
}

/** One end of a session and what happened at it. */
interface End {
  session: DtlsSession;
  chain: readonly Certificate[] | undefined;
  readonly data: string[];
  reason: string | undefined;
}

/** Everything between two ends; `pass` says what happens to a datagram: undefined loses it. */
interface Wire {
  readonly client: End;
  readonly server: End;
  readonly sent: { readonly to: 'client' | 'server'; readonly bytes: Uint8Array }[];
  settled(): Promise<void>;
}

type Pass = (to: 'client' | 'server', bytes: Uint8Array, index: number) => Uint8Array | undefined;

function newEnd(): End {
  return {
    session: undefined as unknown as DtlsSession,
    chain: undefined,
    data: [],
    reason: undefined,
  };
}

function wireUp(from: ClosableDtlsHost, to: ClosableDtlsHost, pass: Pass = (_, b) => b): Wire {
  const ends = { client: newEnd(), server: newEnd() };
  const sent: Wire['sent'] = [];
  const carry =
    (target: 'client' | 'server') =>
    (bytes: Uint8Array): void => {
      const index = sent.length;
      sent.push({ to: target, bytes });
      const passed = pass(target, bytes, index);
      if (passed !== undefined) setImmediate(() => ends[target].session.receive(passed));
    };
  const handler = (end: End, output: (bytes: Uint8Array) => void): DtlsHandler => ({
    output,
    connected: (chain) => void (end.chain = chain),
    data: (bytes) => void end.data.push(latin1Decode(bytes)),
    closed: (reason) => void (end.reason = reason),
  });
  const server = to.open('server', handler(ends.server, carry('client')));
  const client = from.open('client', handler(ends.client, carry('server')));
  assert.ok(server !== undefined && client !== undefined);
  ends.server.session = server;
  ends.client.session = client;
  const done = ({ chain, reason }: End): boolean => chain !== undefined || reason !== undefined;
  return {
    ...ends,
    sent,
    settled: () => until(() => done(ends.client) && done(ends.server)),
  };
}

async function until(condition: () => boolean, withinMs = 4000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!condition()) {
    assert.ok(performance.now() < end, 'in time');
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}

const turns = async (): Promise<void> => {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
};

for (const kind of ['ec', 'rsa'] as const) {
  test(`two ${kind} nodes prove their keys to each other and exchange data`, async () => {
    const ours = tlsIdentity(kind, 0x01);
    const theirs = tlsIdentity(kind, 0x02);
    const wire = wireUp(host(ours), host(theirs));
    await wire.settled();
    assert.equal(wire.client.chain?.[0]?.fingerprint, theirs.chain[0]?.fingerprint);
    assert.equal(wire.server.chain?.[0]?.fingerprint, ours.chain[0]?.fingerprint);
    wire.client.session.send(latin1Encode('one'));
    wire.server.session.send(latin1Encode('x'.repeat(wire.server.session.maxBytes)));
    await turns();
    assert.deepEqual(wire.server.data, ['one']);
    assert.equal(wire.client.data[0]?.length, wire.server.session.maxBytes);
    for (const { bytes } of wire.sent) assert.ok(bytes.length <= limits.node.dtlsMtuBytes);
  });
}

test('certificates of an intermediate authority come along', async () => {
  const chained = { ...alice, chain: [...alice.chain, authority.certificate] };
  const wire = wireUp(
    host(chained),
    host({ ...bob, chain: [...bob.chain, authority.certificate] }),
  );
  await wire.settled();
  const fingerprints = (chain: Wire['client']['chain']) => chain?.map((c) => c.fingerprint);
  assert.deepEqual(
    fingerprints(wire.server.chain),
    chained.chain.map((c) => c.fingerprint),
  );
  assert.equal(wire.client.chain?.length, 2);
});

test('[R6940-6.4.2.1-05] [R6940-6.6.1-04] a replayed record is dropped', async () => {
  const wire = wireUp(host(alice), host(bob));
  await wire.settled();
  wire.client.session.send(latin1Encode('once'));
  await turns();
  const record = wire.sent.at(-1)?.bytes ?? new Uint8Array();
  for (let i = 0; i < 3; i++) wire.server.session.receive(record);
  wire.client.session.send(latin1Encode('next'));
  await turns();
  wire.server.session.receive(record);
  assert.deepEqual(wire.server.data, ['once', 'next']);
  assert.equal(wire.server.reason, undefined);
});

test('[R6940-6.6.1-03] a record with a flipped bit is dropped and the session lives on', async () => {
  const wire = wireUp(host(alice), host(bob));
  await wire.settled();
  wire.client.session.send(latin1Encode('good'));
  const record = wire.sent.at(-1)?.bytes ?? new Uint8Array();
  for (let i = 13; i < record.length; i++) {
    const bad = record.slice();
    bad[i] = (bad[i] ?? 0) ^ 1;
    wire.server.session.receive(bad);
  }
  assert.deepEqual(wire.server.data, []);
  await turns();
  assert.deepEqual(wire.server.data, ['good']);
});

test('garbage and truncated datagrams end nothing', async () => {
  const wire = wireUp(host(alice), host(bob), (_, bytes) => bytes);
  const throwAt = (end: End): void => {
    for (let length = 0; length < 60; length++) {
      const noise = Uint8Array.from({ length }, (_, i) => (i * 73 + length * 31) & 0xff);
      end.session.receive(noise);
      noise[0] = 22;
      noise[1] = 0xfe;
      end.session.receive(noise);
      noise[0] = 23;
      end.session.receive(noise);
    }
  };
  throwAt(wire.server);
  await wire.settled();
  throwAt(wire.server);
  throwAt(wire.client);
  for (const { to, bytes } of [...wire.sent]) {
    for (let end = 1; end < bytes.length; end += 7) wire[to].session.receive(bytes.slice(0, end));
  }
  wire.client.session.send(latin1Encode('still here'));
  await turns();
  assert.deepEqual(wire.server.data, ['still here']);
});

/** A key pair whose public half belongs to `shown` and whose private half does not. */
function keyOfAnother(shown: KeyObject): KeyObject {
  const claimed = shown.export({ format: 'der', type: 'sec1' });
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const own = other.export({ format: 'der', type: 'sec1' });
  // SEC 1 §C.4: version, then the private key as an octet string of 32 bytes.
  claimed.set(own.subarray(7, 39), 7);
  return createPrivateKey({ key: claimed, format: 'der', type: 'sec1' });
}

test('[R6940-6.6.1-02] a client that shows the certificate of another without its key is refused', async () => {
  const thief: TlsIdentity = { ...alice, privateKey: keyOfAnother(alice.privateKey) };
  const wire = wireUp(host(thief), host(bob));
  await until(() => wire.server.reason !== undefined);
  assert.match(wire.server.reason ?? '', /signature|digest|decrypt/);
  assert.equal(wire.server.chain, undefined);
});

test('[R6940-6.6.1-02] a server that shows the certificate of another without its key is refused', async () => {
  const thief: TlsIdentity = { ...bob, privateKey: keyOfAnother(bob.privateKey) };
  const wire = wireUp(host(alice), host(thief));
  await until(() => wire.client.reason !== undefined);
  assert.match(wire.client.reason ?? '', /signature|digest|decrypt/);
  assert.equal(wire.client.chain, undefined);
});

test('[R6940-6.5.1.13-02] a client that shows no certificate is refused', () => {
  const openSsl = loadOpenSsl();
  assert.ok(openSsl.ok);
  const callbacks = createCallbacks();
  const shared = contextCallbacks(callbacks, () => undefined, undefined);
  const bare = openSsl.value.SSL_CTX_new(openSsl.value.DTLS_method());
  openSsl.value.SSL_CTX_set_cert_verify_callback(bare, shared.acceptAnyCertificate, null);
  const machine = createMachine(openSsl.value, bare, shared.timer);
  openSsl.value.SSL_set_connect_state(machine.ssl);
  let reason: string | undefined;
  let connected = false;
  const replies: Uint8Array[] = [];
  const session = host(bob).open('server', {
    output: (bytes) => void replies.push(bytes),
    connected: () => void (connected = true),
    data: () => undefined,
    closed: (why) => void (reason = why),
  });
  for (let i = 0; i < 6 && reason === undefined; i++) {
    openSsl.value.SSL_do_handshake(machine.ssl);
    drain(openSsl.value, machine, (bytes) => session?.receive(bytes));
    for (const reply of replies.splice(0)) {
      openSsl.value.BIO_write(machine.input, reply, reply.length);
      openSsl.value.SSL_do_handshake(machine.ssl);
    }
  }
  assert.match(reason ?? '', /certificate/);
  assert.equal(connected, false);
  openSsl.value.SSL_free(machine.ssl);
  openSsl.value.SSL_CTX_free(bare);
  callbacks.release();
});

test('every lost datagram of a handshake is sent again', async () => {
  const perfect = wireUp(host(alice), host(bob));
  await perfect.settled();
  const datagrams = perfect.sent.length;
  const runs = Array.from({ length: datagrams }, async (_, lost) => {
    const wire = wireUp(host(alice), host(bob), (_to, bytes, i) =>
      i === lost ? undefined : bytes,
    );
    await wire.settled();
    assert.equal(wire.client.reason ?? wire.server.reason, undefined);
    wire.client.session.send(latin1Encode('through'));
    await until(() => wire.server.data.length > 0);
  });
  assert.ok(datagrams >= 4);
  await Promise.all(runs);
});

test('a handshake without answers is given up in time, and frees its session', async () => {
  const lonely = host(alice, { handshakeTimeoutMs: 400 });
  const wire = wireUp(lonely, host(bob, { handshakeTimeoutMs: 400 }), () => undefined);
  await wire.settled();
  assert.match(wire.client.reason ?? '', /in time/);
  // The first flight at 0 and again at 250 ms.
  assert.equal(wire.sent.length, 2);
  assert.equal(lonely.size, 0);
});

test('a close reaches the far end', async () => {
  const [from, to] = [host(alice), host(bob)];
  const wire = wireUp(from, to);
  await wire.settled();
  wire.client.session.close();
  wire.client.session.close();
  wire.client.session.send(latin1Encode('late'));
  await turns();
  assert.equal(wire.server.reason, 'closed by the far end');
  assert.equal(wire.client.reason, undefined);
  assert.equal(from.size + to.size, 0);
});

/** A client on one address before a listener. */
function knock(
  from: ClosableDtlsHost,
  to: ClosableDtlsHost,
  options: { readonly address?: TransportAddress; readonly answers?: boolean } = {},
) {
  const state = { accepted: 0, replies: [] as Uint8Array[], flights: [] as Uint8Array[] };
  const client = newEnd();
  const server = newEnd();
  let session: DtlsSession | undefined;
  const toClient = (bytes: Uint8Array): void => {
    if (options.answers !== false) setImmediate(() => client.session.receive(bytes));
  };
  const listener = to.listen({
    reply(bytes) {
      state.replies.push(bytes);
      toClient(bytes);
    },
    accepted(_from, opened) {
      state.accepted++;
      session = opened;
      server.session = opened;
      return {
        output: toClient,
        connected: (chain) => void (server.chain = chain),
        data: (bytes) => void server.data.push(latin1Decode(bytes)),
        closed: (reason) => void (server.reason = reason),
      };
    },
  });
  const opened = from.open('client', {
    output(bytes) {
      state.flights.push(bytes);
      setImmediate(() => {
        if (session === undefined) listener.receive(bytes, options.address ?? address);
        else session.receive(bytes);
      });
    },
    connected: (chain) => void (client.chain = chain),
    data: (bytes) => void client.data.push(latin1Decode(bytes)),
    closed: (reason) => void (client.reason = reason),
  });
  assert.ok(opened !== undefined);
  client.session = opened;
  return { client, server, listener, state };
}

test('a listener takes in who returns its cookie', async () => {
  const { client, server, listener, state } = knock(host(alice), host(bob));
  await until(() => client.chain !== undefined && server.chain !== undefined);
  assert.equal(state.accepted, 1);
  assert.equal(state.replies.length, 1);
  // A HelloVerifyRequest, not longer than what asked for it.
  assert.equal(state.replies[0]?.[13], 3);
  const [[hello], [reply]] = [state.flights, state.replies];
  assert.ok(hello !== undefined && reply !== undefined && reply.length <= hello.length);
  client.session.send(latin1Encode('hello'));
  await until(() => server.data.length === 1);
  listener.close();
});

test('a listener keeps nothing for addresses that do not answer', async () => {
  const to = host(bob);
  const { listener, state } = knock(host(alice), to, { answers: false });
  await until(() => state.replies.length > 0);
  const [hello] = state.flights;
  assert.ok(hello !== undefined);
  for (let port = 1; port <= 2000; port++)
    listener.receive(hello, { address: '203.0.113.5', port });
  assert.ok(state.replies.length >= 2000);
  assert.equal(state.accepted, 0);
  assert.equal(to.size, 0);
  listener.close();
});

test('a cookie is good for its own address only', async () => {
  const to = host(bob);
  const { client, listener, state } = knock(host(alice), to);
  await until(() => client.chain !== undefined);
  const withCookie = state.flights[1];
  assert.ok(withCookie !== undefined);
  const before = state.replies.length;
  listener.receive(withCookie, { address: '203.0.113.66', port: 4000 });
  assert.equal(state.accepted, 1);
  assert.equal(state.replies.length, before + 1);
  listener.close();
});

test('a listener ignores everything that is no first flight', () => {
  const to = host(bob);
  const listener = to.listen({
    reply: () => assert.fail('no answer'),
    accepted: () => assert.fail('no session'),
  });
  for (let length = 0; length < 200; length++) {
    const noise = Uint8Array.from({ length }, (_, i) => (i * 29 + length * 7) & 0xff);
    listener.receive(noise, address);
    if (length > 14) {
      noise.set([22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, length - 13, 1]);
      listener.receive(noise, address);
    }
  }
  assert.equal(to.size, 0);
  listener.close();
});

test('the key log lets analysers read along', async () => {
  const lines: string[] = [];
  const keyLog = {
    write: (line: Buffer) => void lines.push(line.toString()),
    close: () => undefined,
  };
  const wire = wireUp(host(alice, { keyLog }), host(bob));
  await wire.settled();
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? '', /^CLIENT_RANDOM [0-9a-f]{64} [0-9a-f]{96}\n$/);
});

test('a replaced identity is shown by the next session', async () => {
  let shown = alice;
  const made = createDtlsHost({
    verifier,
    trace: silentTrace,
    identity: () => shown,
    handshakeTimeoutMs: 3000,
  });
  assert.ok(made.ok);
  hosts.push(made.value);
  await wireUp(made.value, host(bob)).settled();
  shown = tlsIdentity('rsa', 0xa2);
  const wire = wireUp(made.value, host(bob));
  await wire.settled();
  assert.equal(wire.server.chain?.[0]?.fingerprint, shown.chain[0]?.fingerprint);
});

test('a thousand handshakes leave no memory behind', async () => {
  const [from, to] = [host(alice), host(bob)];
  const round = async (): Promise<void> => {
    const wires = Array.from({ length: 25 }, () => wireUp(from, to));
    for (const wire of wires) await wire.settled();
    for (const wire of wires) wire.client.session.close();
    await turns();
    for (const wire of wires) wire.server.session.close();
  };
  for (let i = 0; i < 8; i++) await round();
  const before = process.memoryUsage().rss;
  for (let i = 0; i < 40; i++) await round();
  const grown = process.memoryUsage().rss - before;
  assert.equal(from.size + to.size, 0);
  // A session that is not freed holds some 60 kB: a thousand pairs would take 120 MB.
  assert.ok(grown < 30e6, `${String(Math.round(grown / 1e6))} MB more`);
});
