import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readEndpoints, readNetworkRequest } from '../../../../src/node/edge/drachtio-frames.ts';
import { loadDrachtioSrf } from '../../../../src/node/edge/drachtio-srf.ts';
import { parseFront } from '../../../../src/node/edge/drachtio-edge.ts';

const request = 'OPTIONS sip:x SIP/2.0\r\nVia: SIP/2.0/UDP 1.2.3.4\r\n\r\n';

function frame(protocol: string, address: string, port: string, raw = request): string {
  return `id|sip|network|${String(raw.length)}|${protocol}|${address}|${port}|12:00|txn||\r\n${raw}`;
}

test('a request of the network names its place and its transaction', () => {
  const read = readNetworkRequest(frame('WSS', '[::ffff:192.0.2.1]', '4000'));
  assert.deepEqual(read?.source, { transport: 'wss', address: '192.0.2.1', port: 4000 });
  assert.equal(read.transactionId, 'txn');
  assert.equal(read.head.start, 'OPTIONS sip:x SIP/2.0');
});

test('places that are none are not taken for one', () => {
  for (const [protocol, address, port] of [
    ['sctp', '192.0.2.1', '5060'],
    ['udp', 'phone.example', '5060'],
    ['udp', '192.0.2.1', '0'],
    ['udp', '192.0.2.1', '70000'],
    ['udp', '192.0.2.1', ''],
  ] as const) {
    assert.equal(readNetworkRequest(frame(protocol, address, port))?.source, undefined);
  }
});

test('other frames are for the package', () => {
  for (const other of [
    'id|response|x|OK|done',
    frame('udp', '192.0.2.1', '5060', 'SIP/2.0 200 OK\r\nVia: x\r\n\r\n'),
    frame('udp', '192.0.2.1', '5060', 'OPTIONS'),
    frame('udp', '192.0.2.1', '5060').replace('network', 'application'),
    '',
  ]) {
    assert.equal(readNetworkRequest(other), undefined);
  }
});

test('the addresses of a server are read from its list', () => {
  assert.deepEqual(readEndpoints('udp/192.0.2.1:5060, tcp/[2001:db8::1]:5060,what/ever,'), [
    { transport: 'udp', address: '192.0.2.1', port: 5060 },
    { transport: 'tcp', address: '2001:db8::1', port: 5060 },
  ]);
  assert.deepEqual(parseFront('tls/sip.example.com:5061'), {
    transport: 'tls',
    address: 'sip.example.com',
    port: 5061,
  });
  for (const text of ['192.0.2.1:5060', 'tls/192.0.2.1', 'quic/192.0.2.1:5060', '']) {
    assert.equal(parseFront(text), undefined);
  }
});

test('without the package one is told what to install', async () => {
  const missing = Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' });
  const absent = await loadDrachtioSrf(() => Promise.reject(missing));
  assert.ok(!absent.ok);
  assert.match(absent.error, /not installed: npm install drachtio-srf@5$/);
  const broken = await loadDrachtioSrf(() => Promise.reject(new Error('bad code')));
  assert.ok(!broken.ok);
  assert.match(broken.error, /cannot be loaded: bad code/);
  const other = await loadDrachtioSrf(() => Promise.resolve({}));
  assert.ok(!other.ok);
  assert.ok((await loadDrachtioSrf()).ok);
});
