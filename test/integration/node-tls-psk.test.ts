import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:tls';
import { after, test } from 'node:test';
import type { Outcome } from '../../src/base/outcome.ts';
import { createDialer, listenSecure } from '../../src/node/tls.ts';
import type { SecureListener, TlsIdentity } from '../../src/node/tls.ts';
import type { SecureConnection, TransportAddress } from '../../src/ports/connection.ts';
import { silentTrace } from '../../src/ports/trace.ts';
import { key, member, nodeId, root, verifier } from '../unit/trust/world.ts';

const host = '127.0.0.43';
const authority = root();
const identityOf = (byte: number): TlsIdentity => {
  const privateKey = key();
  return {
    privateKey,
    chain: [member(authority, { nodeIds: [nodeId(byte)], privateKey }).certificate],
  };
};
const listeners: SecureListener[] = [];
after(async () => {
  for (const listener of listeners) await listener.close(true);
});

async function listen(
  sharedSecret: string | undefined,
  onConnection: (connection: SecureConnection) => void,
): Promise<TransportAddress> {
  const identity = identityOf(0x51);
  const outcome = await listenSecure({
    host,
    port: 0,
    verifier,
    trace: silentTrace,
    identity: () => identity,
    sharedSecret,
    onConnection,
    handshakeTimeoutMs: 2000,
    maxConnections: 10,
  });
  assert.ok(outcome.ok, outcome.ok ? '' : outcome.error);
  listeners.push(outcome.value);
  return outcome.value.local;
}

function dial(
  target: TransportAddress,
  sharedSecret: string | undefined,
): Promise<Outcome<SecureConnection>> {
  const identity = identityOf(0xc1);
  const dialer = createDialer({
    verifier,
    trace: silentTrace,
    identity: () => identity,
    sharedSecret,
  });
  return new Promise((resolve) => {
    dialer.dial(target, 2000, resolve);
  });
}

test('[R6940-11.1-29] who knows the shared secret connects, without certificates and with forward secrecy', async () => {
  let accept: (connection: SecureConnection) => void = () => undefined;
  const accepted = new Promise<SecureConnection>((resolve) => (accept = resolve));
  const local = await listen('pässwörd', (connection) => {
    accept(connection);
  });
  const near = await dial(local, 'pässwörd');
  assert.ok(near.ok, near.ok ? '' : near.error);
  const far = await accepted;
  for (const connection of [near.value, far]) {
    assert.deepEqual(connection.peerChain, []);
    assert.equal(connection.sharedSecret, true);
    assert.equal(connection.binding?.length, 32);
  }
  assert.deepEqual(near.value.binding, far.binding);
  assert.notDeepEqual(near.value.binding, new Uint8Array(32));
  const got = new Promise<Uint8Array>((resolve) => {
    far.setHandler({ data: resolve, closed: () => undefined });
  });
  near.value.send(new Uint8Array([1, 2, 3]));
  assert.deepEqual([...(await got)], [1, 2, 3]);
  const again = await dial(local, 'pässwörd');
  assert.ok(again.ok);
  assert.notDeepEqual(again.value.binding, near.value.binding, 'each connection has its own');
  again.value.close('done');
  near.value.close('done');

  const bare = connect({
    host,
    port: local.port,
    ciphers: 'PSK:ECDHE-PSK-CHACHA20-POLY1305',
    pskCallback: () => ({ psk: Buffer.from('pässwörd'), identity: 'anybody' }),
    checkServerIdentity: () => undefined,
  });
  await once(bare, 'secureConnect');
  assert.deepEqual(
    [bare.getProtocol(), bare.getCipher().name],
    ['TLSv1.2', 'ECDHE-PSK-CHACHA20-POLY1305'],
  );
  bare.destroy();
});

test('[R6940-13.4-01] another secret, or a certificate instead of the secret, gets no connection', async () => {
  let accepted = 0;
  const local = await listen('secret', () => accepted++);
  assert.equal((await dial(local, 'Secret')).ok, false);
  assert.equal((await dial(local, undefined)).ok, false);
  assert.equal(accepted, 0);
  const certified = await listen(undefined, () => accepted++);
  assert.equal((await dial(certified, 'secret')).ok, false);
  assert.equal(accepted, 0);
  assert.equal((await dial(local, 'secret')).ok, true);
});
