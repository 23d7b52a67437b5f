import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { failure, success } from '../../src/base/outcome.ts';
import type { Outcome } from '../../src/base/outcome.ts';
import { createServerCertificate } from '../../src/node/authority-certificate.ts';
import { createServiceResolver, discoverConfiguration, inOrder } from '../../src/node/discovery.ts';
import type { DiscoveryOptions, ServiceRecord } from '../../src/node/discovery.ts';
import { pemCertificate } from '../../src/node/pem.ts';
import { createRoot } from '../../src/node/x509.ts';
import type { Issuer } from '../../src/node/x509.ts';
import { createXml } from '../../src/node/xml.ts';
import { parseOverlayDocument } from '../../src/overlay-config/parse.ts';
import { key } from '../unit/trust/world.ts';
import { document } from '../unit/overlay-config/support.ts';
import { random, verifier } from './authority-support.ts';

const overlayName = 'overlay.example.org';
const host = '127.0.0.44';
const validity = { notBeforeMs: Date.now() - 1000, notAfterMs: Date.now() + 86_400_000 };
const rootKey = key();
const authority = newRoot();

function newRoot(): Issuer {
  const der = createRoot({ name: 'root', privateKey: rootKey, ...validity });
  return { certificateDer: der, privateKey: rootKey };
}

interface Zone {
  readonly services: Readonly<Record<string, readonly ServiceRecord[]>>;
  readonly addresses: Readonly<Record<string, string>>;
}

/** Answers SRV and A questions from the zone; keeps what it was asked. */
async function startDns(t: TestContext, zone: Zone): Promise<{ server: string; asked: string[] }> {
  const asked: string[] = [];
  const socket = createSocket('udp4');
  socket.on('message', (query, from) => {
    const labels: string[] = [];
    let at = 12;
    for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length));
      at += 1 + length;
    }
    const type = query.readUInt16BE(at + 1);
    const name = labels.join('.').toLowerCase();
    asked.push(`${type} ${name}`);
    const rdata =
      type === 33
        ? (zone.services[name] ?? []).map(serviceData)
        : type === 1 && zone.addresses[name] !== undefined
          ? [Buffer.from(zone.addresses[name].split('.').map(Number))]
          : [];
    const answers = rdata.map((data) => {
      const fixed = Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, data.length]);
      return Buffer.concat([fixed, data]);
    });
    const question = query.subarray(12, at + 5);
    const header = Buffer.from(query.subarray(0, 12));
    header.writeUInt16BE(answers.length > 0 ? 0x8180 : 0x8183, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(answers.length, 6);
    header.writeUInt32BE(0, 8);
    socket.send(Buffer.concat([header, question, ...answers]), from.port, from.address);
  });
  await new Promise<void>((resolve) => {
    socket.bind(0, host, resolve);
  });
  t.after(() => socket.close());
  return { server: `${host}:${socket.address().port}`, asked };
}

function serviceData({ priority, weight, port, target }: ServiceRecord): Buffer {
  const numbers = Buffer.alloc(6);
  numbers.writeUInt16BE(priority, 0);
  numbers.writeUInt16BE(weight, 2);
  numbers.writeUInt16BE(port, 4);
  const labels = target.split('.').filter((label) => label !== '');
  const name = labels.map((label) =>
    Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]),
  );
  return Buffer.concat([numbers, ...name, Buffer.from([0])]);
}

/** An HTTPS server that proves `name` and gives the body; keeps the requests it saw. */
async function startServer(
  t: TestContext,
  name: string,
  body: string,
  { status = 200, at = host }: { status?: number; at?: string } = {},
): Promise<{ port: number; requests: IncomingMessage[] }> {
  const privateKey = key();
  const certificateDer = createServerCertificate({
    privateKey,
    hosts: [name],
    issuer: authority,
    ...validity,
  });
  const requests: IncomingMessage[] = [];
  const server = createServer(
    {
      key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
      cert: pemCertificate(certificateDer),
    },
    (request, response) => {
      requests.push(request);
      response.writeHead(status).end(body);
    },
  );
  await new Promise<void>((resolve) => {
    server.listen(0, at, resolve);
  });
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, requests };
}

function judge(bytes: Uint8Array): Outcome<void> {
  const parsed = parseOverlayDocument(bytes, createXml(), verifier, overlayName);
  return parsed.ok ? success(undefined) : failure(parsed.error);
}

function discover(
  server: string,
  further: Partial<DiscoveryOptions> = {},
): Promise<Outcome<Uint8Array>> {
  return discoverConfiguration({
    overlayName,
    resolver: createServiceResolver([server]),
    random,
    rootCertificates: [authority.certificateDer],
    judge,
    ...further,
  });
}

const text = (outcome: Outcome<Uint8Array>): string =>
  outcome.ok ? new TextDecoder().decode(outcome.value) : outcome.error;
const service = `_reload-config._tcp.${overlayName}`;
const record = (port: number, priority = 1, target = 'one.example.net'): ServiceRecord => ({
  ...{ priority, weight: 0, port, target },
});
const addresses = { 'one.example.net': host };

test('[R6940-11.2-01][R6940-11.2-04][R6940-11.2-05][R6940-11.2-07][R6940-14.1-01] from the overlay name alone: SRV, HTTPS to its target, one GET of the well-known path', async (t) => {
  const web = await startServer(t, overlayName, document(''));
  const dns = await startDns(t, { services: { [service]: [record(web.port)] }, addresses });
  assert.equal(text(await discover(dns.server)), document(''));
  assert.ok(dns.asked.includes(`33 ${service}`));
  assert.deepEqual(
    web.requests.map(({ method, url, headers }) => [method, url, headers.host]),
    [['GET', '/.well-known/reload-config', overlayName]],
  );
});

test('[R6940-11.2-02] the name of the overlay must be given; it alone decides what is asked', async (t) => {
  const dns = await startDns(t, { services: {}, addresses: {} });
  assert.match(text(await discover(dns.server, { overlayName: '' })), /name of the overlay/);
  assert.deepEqual(dns.asked, []);
  await discover(dns.server, { overlayName: 'given.example' });
  assert.equal(dns.asked[0], '33 _reload-config._tcp.given.example');
});

test('[R6940-11.2-03] a given URL is used without asking the DNS', async (t) => {
  const dns = await startDns(t, { services: {}, addresses });
  const web = await startServer(t, overlayName, document(''));
  const url = `https://${host}:${web.port}/own/path`;
  assert.match(text(await discover(dns.server, { url })), /altnames/);
  const named = await startServer(t, 'localhost', document(''), { at: '127.0.0.1' });
  const local = `https://localhost:${named.port}/own/path`;
  assert.equal(text(await discover(dns.server, { url: local })), document(''));
  assert.equal(named.requests[0]?.url, '/own/path');
  assert.deepEqual(dns.asked, []);
});

test('[R6940-11.2-06] a server that does not prove the overlay name is not asked', async (t) => {
  const web = await startServer(t, 'one.example.net', document(''));
  const dns = await startDns(t, { services: { [service]: [record(web.port)] }, addresses });
  assert.match(text(await discover(dns.server)), /altnames/);
  assert.equal(web.requests.length, 0);
  const otherKey = key();
  const other = createRoot({ name: 'other', privateKey: otherKey, ...validity });
  const stranger = { rootCertificates: [other] };
  assert.match(text(await discover(dns.server, stranger)), /certificate/);
});

test('[R6940-11.2-08] an invalid document and one of another overlay are passed over', async (t) => {
  const broken = await startServer(t, overlayName, document('').slice(0, -3));
  const foreign = await startServer(t, overlayName, document('').replace('overlay.ex', 'other.ex'));
  const failing = await startServer(t, overlayName, '', { status: 503 });
  const good = await startServer(t, overlayName, document('<initial-ttl>9</initial-ttl>'));
  const records = [failing, broken, foreign].map(({ port }, i) => record(port, i + 1));
  const services = { [service]: records };
  const bad = await startDns(t, { services, addresses });
  assert.match(text(await discover(bad.server)), /instance-name/);
  const all = { [service]: [record(good.port, 9), ...records] };
  const dns = await startDns(t, { services: all, addresses });
  assert.match(text(await discover(dns.server)), /<initial-ttl>9/);
  assert.deepEqual(
    [failing, broken, foreign, good].map((web) => web.requests.length),
    [2, 2, 2, 1],
  );
});

test('nothing in the DNS, or a service that says it does not exist', async (t) => {
  const empty = await startDns(t, { services: {}, addresses: {} });
  assert.match(text(await discover(empty.server)), /no configuration server found/);
  assert.ok(empty.asked.includes(`1 ${overlayName}`), 'then the overlay name itself');
  const none = { [service]: [record(0, 0, '.')] };
  const dns = await startDns(t, { services: none, addresses: { [overlayName]: host } });
  assert.match(text(await discover(dns.server)), /no configuration server found/);
});

test('servers are taken by priority, then by weight', () => {
  const one = (priority: number, weight: number, port: number): ServiceRecord => ({
    ...{ priority, weight, port, target: 'x' },
  });
  const records = [one(2, 1, 1), one(1, 0, 2), one(1, 90, 3), one(1, 10, 4)];
  const first = { 2: 0, 3: 0, 4: 0 } as Record<number, number>;
  for (let i = 0; i < 500; i++) {
    const order = inOrder(records, random).map(({ port }) => port);
    assert.deepEqual([...order].sort(), [1, 2, 3, 4]);
    assert.equal(order[3], 1);
    first[order[0] ?? 0] = (first[order[0] ?? 0] ?? 0) + 1;
  }
  assert.ok((first[3] ?? 0) > 400 && (first[4] ?? 0) > 10 && first[2] === 0);
});
