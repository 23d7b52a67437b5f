/** What TLS does about bytes that were changed or sent again on their way. */
import assert from 'node:assert/strict';
import { createServer, connect as connectTcp } from 'node:net';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import type { SecureConnection } from '../../src/ports/connection.ts';
import { silentTrace } from '../../src/ports/trace.ts';
import { createDialer, listenSecure } from '../../src/node/tls.ts';
import type { TlsIdentity } from '../../src/node/tls.ts';
import { key, member, nodeId, root, verifier } from '../unit/trust/world.ts';

const host = '127.0.0.43';
const authority = root();
const closers: (() => void)[] = [];
after(() => {
  for (const close of closers) close();
});

function identity(digit: number): TlsIdentity {
  const privateKey = key();
  const { certificate } = member(authority, { nodeIds: [nodeId(digit)], privateKey });
  return { privateKey, chain: [certificate] };
}

interface Scene {
  readonly near: SecureConnection;
  /** What the far end read. */
  readonly heard: () => string;
  readonly farClosed: Promise<string>;
  /** From now on the bytes towards the far end go through this. */
  readonly tamper: (change: (bytes: Buffer) => Buffer[]) => void;
}

async function throughProxy(): Promise<Scene> {
  const chunks: Uint8Array[] = [];
  let farUp: () => void = () => undefined;
  let farDown: (reason: string) => void = () => undefined;
  const farReady = new Promise<void>((resolve) => {
    farUp = resolve;
  });
  const farClosed = new Promise<string>((resolve) => {
    farDown = resolve;
  });
  const listener = await listenSecure({
    host,
    port: 0,
    verifier,
    trace: silentTrace,
    identity: () => server,
    onConnection(connection) {
      connection.setHandler({ data: (bytes) => chunks.push(bytes), closed: farDown });
      farUp();
    },
    handshakeTimeoutMs: 2000,
    maxConnections: 10,
  });
  assert.ok(listener.ok);
  closers.push(() => void listener.value.close(true));
  let change = (bytes: Buffer): Buffer[] => [bytes];
  const proxy = createServer((client) => {
    const { port } = listener.value.local;
    const onward = connectTcp({ host, port });
    for (const socket of [client, onward]) socket.on('error', () => undefined);
    client.on('data', (bytes: Buffer) => {
      for (const piece of change(bytes)) onward.write(piece);
    });
    onward.on('data', (bytes) => client.write(bytes));
    client.on('close', () => onward.destroy());
    onward.on('close', () => client.destroy());
  });
  await new Promise<void>((resolve) => proxy.listen(0, host, resolve));
  closers.push(() => proxy.close());
  const { port } = proxy.address() as AddressInfo;
  const near = await new Promise<SecureConnection>((resolve, reject) => {
    const dialer = createDialer({
      verifier,
      trace: silentTrace,
      identity: () => client,
      keyLog: undefined,
    });
    dialer.dial({ address: host, port }, 3000, (outcome) => {
      if (outcome.ok) resolve(outcome.value);
      else reject(new Error(outcome.error));
    });
  });
  near.setHandler({ data: () => undefined, closed: () => undefined });
  await farReady;
  return {
    near,
    heard: () => Buffer.concat(chunks).toString(),
    farClosed,
    tamper(next) {
      change = next;
    },
  };
}

const server = identity(0x51);
const client = identity(0xc1);

test('[R6940-6.6.1-03] one flipped bit is noticed and ends the link', async () => {
  const { near, heard, farClosed, tamper } = await throughProxy();
  tamper((bytes) => {
    const last = bytes.length - 1;
    bytes[last] = (bytes[last] ?? 0) ^ 1;
    return [bytes];
  });
  near.send(new TextEncoder().encode('hello'));
  await farClosed;
  assert.equal(heard(), '');
});

test('[R6940-6.6.1-04] bytes that come a second time are not taken', async () => {
  const { near, heard, farClosed, tamper } = await throughProxy();
  tamper((bytes) => [bytes, Buffer.from(bytes)]);
  near.send(new TextEncoder().encode('hello'));
  await farClosed;
  assert.equal(heard(), 'hello');
});
