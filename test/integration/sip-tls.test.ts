/** Certificates of SIP over TLS: whom they name, which is shown, how they are replaced, what clients show. */
import assert from 'node:assert/strict';
import { generateKeyPairSync, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import tls from 'node:tls';
import type { Outcome } from '../../src/base/outcome.ts';
import { checkSipServer, sipIdentities, speaksFor } from '../../src/node/sip-identities.ts';
import type { SipTls } from '../../src/node/sip-tls.ts';
import { createSipTransports, type SipTransports } from '../../src/node/sip-transports.ts';
import type { Flow } from '../../src/ports/flow.ts';
import { silentTrace } from '../../src/ports/trace.ts';
import { makeCertificate as make, type CertificateNames } from '../support/certificates.ts';
import { createStreamFramer } from '../../src/sip/message/stream-framer.ts';

function identitiesOf(names: CertificateNames): readonly string[] {
  return sipIdentities(new Uint8Array(new X509Certificate(make(names).cert).raw));
}

test('[S5922-7.1-01] identities are the hosts of sip URIs without user part', () => {
  assert.deepEqual(
    identitiesOf({
      uris: ['sip:Example.com', 'sip:alice@example.org', 'sips:example.net', 'https://example.edu'],
    }),
    ['example.com'],
  );
  assert.deepEqual(identitiesOf({ uris: ['sip:alice@example.org'], dns: ['example.org'] }), []);
  assert.deepEqual(identitiesOf({ uris: ['sip:example.com:5061;transport=tls'] }), ['example.com']);
});

test('[S5922-7.1-02] DNS names count without a sip URI only, the common name without any', () => {
  assert.deepEqual(identitiesOf({ uris: ['sip:a.example'], dns: ['b.example'] }), ['a.example']);
  assert.deepEqual(identitiesOf({ uris: ['https://a.example'], dns: ['B.example'] }), [
    'b.example',
  ]);
  assert.deepEqual(identitiesOf({ commonName: 'C.example' }), ['c.example']);
  assert.deepEqual(identitiesOf({ dns: ['b.example'], commonName: 'c.example' }), ['b.example']);
});

test('[S5922-7.2-01] names are compared whole, without case, without wildcards', () => {
  assert.ok(speaksFor(['example.com'], 'EXAMPLE.com'));
  assert.ok(!speaksFor(['*.example.com'], 'sip.example.com'));
  assert.ok(!speaksFor(['example.com'], 'sip.example.com'));
  assert.ok(!speaksFor(['sip.example.com'], 'example.com'));
});

test('bytes that are no certificate name nobody', () => {
  assert.deepEqual(sipIdentities(new Uint8Array([0x30, 0x82, 1])), []);
  assert.deepEqual(sipIdentities(new Uint8Array()), []);
});

interface Served {
  readonly transports: SipTransports;
  readonly port: number;
  readonly flows: Flow[];
}

async function serve(t: TestContext, settings: SipTls, clientCa?: string): Promise<Served> {
  const flows: Flow[] = [];
  const transports = createSipTransports({
    listeners: [{ name: 'tls', transport: 'tls', address: '127.0.0.1', port: 0, tls: settings }],
    trace: silentTrace,
    createFramer: createStreamFramer,
    events: { message: (flow) => flows.push(flow), closed: () => undefined },
    ...(clientCa === undefined ? {} : { tlsClient: { ca: clientCa } }),
  });
  await transports.start();
  t.after(() => transports.close());
  return { transports, port: transports.bound[0]?.port ?? 0, flows };
}

async function commonNameShown(port: number, servername?: string): Promise<string> {
  const socket = tls.connect({
    ...{ host: '127.0.0.1', port, rejectUnauthorized: false },
    ...(servername === undefined ? {} : { servername }),
  });
  await once(socket, 'secureConnect');
  const { CN } = socket.getPeerCertificate().subject;
  socket.destroy();
  return String(CN);
}

test('the certificate is chosen by the name asked for, and replaced without a restart', async (t) => {
  const own = { ...make({ dns: ['box.example'], commonName: 'own' }) };
  const other = make({ uris: ['sip:phones.example'], commonName: 'other' });
  const server = await serve(t, { ...own, further: [other] });
  assert.equal(await commonNameShown(server.port), 'own');
  assert.equal(await commonNameShown(server.port, 'phones.example'), 'other');
  assert.equal(await commonNameShown(server.port, 'unknown.example'), 'own');

  server.transports.useTls(make({ dns: ['box.example'], commonName: 'new' }));
  assert.equal(await commonNameShown(server.port), 'new');
  assert.equal(await commonNameShown(server.port, 'phones.example'), 'new');
  const { cert } = make({ commonName: 'broken' });
  const foreign = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const key = String(foreign.export({ type: 'pkcs8', format: 'pem' }));
  assert.throws(() => server.transports.useTls({ key, cert }));
  assert.equal(await commonNameShown(server.port, 'box.example'), 'new');
});

test('[S3261-26.3.1-01] clients with and without a certificate', async (t) => {
  const own = make({ dns: ['box.example'] });
  const client = make({ commonName: 'client' });
  const works = async (port: number, options: tls.ConnectionOptions): Promise<boolean> => {
    const socket = tls.connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
    // In TLS 1.3 a client learns of its refusal after its own handshake.
    const closed = new Promise<boolean>((resolve) => {
      socket.once('error', () => resolve(false));
      socket.once('close', () => resolve(false));
    });
    const alive = new Promise<boolean>((resolve) => {
      socket.once('data', () => resolve(true));
      socket.once('secureConnect', () => socket.write('\r\n\r\n'));
    });
    const outcome = await Promise.race([closed, alive]);
    socket.destroy();
    return outcome;
  };
  const open = await serve(t, own);
  assert.ok(await works(open.port, {}));
  const optional = await serve(t, { ...own, ca: client.cert });
  assert.ok(await works(optional.port, {}));
  assert.ok(await works(optional.port, client));
  const strict = await serve(t, { ...own, ca: client.cert, requiresClientCertificate: true });
  assert.ok(await works(strict.port, client));
  assert.ok(!(await works(strict.port, {})));
  assert.ok(!(await works(strict.port, make({ commonName: 'stranger' }))));
});

async function connectTo(client: Served, port: number, host: string): Promise<Outcome<Flow>> {
  return await new Promise((resolve) => {
    client.transports.opener.open({ transport: 'tls', address: '127.0.0.1', port, host }, resolve);
  });
}

test('[S5922-7.3-01] a server that does not speak for the domain set out for is left', async (t) => {
  const wildcard = make({ dns: ['*.example.com'] });
  const server = await serve(t, wildcard);
  const client = await serve(t, wildcard, wildcard.cert);
  const refused = await connectTo(client, server.port, 'sip.example.com');
  assert.ok(!refused.ok);
  assert.match(refused.error, /not for sip\.example\.com/);
  const named = make({ uris: ['sip:example.com'], dns: ['elsewhere.example'] });
  const good = await serve(t, named);
  const trusting = await serve(t, named, named.cert);
  assert.ok((await connectTo(trusting, good.port, 'example.com')).ok);
  assert.ok(!(await connectTo(trusting, good.port, 'elsewhere.example')).ok);
  assert.ok(
    checkSipServer('10.0.0.1', tlsPeer(named.cert)) !== undefined,
    'an address is no name of a certificate without it',
  );
});

function tlsPeer(pem: string): tls.PeerCertificate {
  return new X509Certificate(pem).toLegacyObject();
}

test('[S5923-8.2-01] [S5923-9.2-01] "alias" of a phone without certificate is not honoured and does no harm', async (t) => {
  const own = make({ dns: ['box.example'] });
  const server = await serve(t, own, own.cert);
  const socket = tls.connect({ host: '127.0.0.1', port: server.port, rejectUnauthorized: false });
  t.after(() => socket.destroy());
  await once(socket, 'secureConnect');
  socket.write(
    'OPTIONS sip:a SIP/2.0\r\nVia: SIP/2.0/TLS 127.0.0.1:5999;alias;branch=z9hG4bK1\r\nContent-Length: 0\r\n\r\n',
  );
  while (server.flows.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  const outcome = await connectTo(server, 5999, 'box.example');
  assert.ok(!outcome.ok, 'a request to the sent-by address does not take the connection');
});
