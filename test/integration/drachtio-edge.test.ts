/** A box whose phones come by way of a drachtio server: the contract with that server. */
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createServer, type AddressInfo } from 'node:net';
import { type Box, startBox } from '../../src/cli/box/box.ts';
import { settingsFiles } from '../../src/cli/data-dir.ts';
import { initSelfSigned } from '../../src/cli/self-signed-overlay.ts';
import { loadSettings, type Settings } from '../../src/node/settings.ts';
import { type FakeDrachtio, createFakeDrachtio } from '../support/drachtio-server.ts';
import { type EdgePhone, createEdgePhone, digest } from '../support/edge-phone.ts';
import { type Place, header, headersOf, param, writeLines } from '../support/sip-lines.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const domain = 'edge.example';
const secret = 'a-secret-nobody-shows';

async function freePort(kind: 'tcp' | 'udp' = 'tcp'): Promise<number> {
  if (kind === 'udp') {
    const socket = dgram.createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const { port } = socket.address();
    socket.close();
    return port;
  }
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

let drachtio: FakeDrachtio;
let box: Box;
let core: Place;
let adminPort: number;
/** A listener of the box's own, beside the server. */
let lan: Place;
let phones: EdgePhone[] = [];

async function settingsFor(dir: string, more: Record<string, string>): Promise<Settings> {
  const secretFile = join(dir, 'drachtio.secret');
  writeFileSync(secretFile, `${secret}\n`);
  const settings = loadSettings(
    settingsFiles(dir, []),
    {},
    {
      domain,
      'link.address': '127.0.0.1',
      'link.port': String(await freePort()),
      'link.sipPort': String(await freePort()),
      'link.sipsPort': String(await freePort()),
      'authority.enabled': 'false',
      'sip.edge': 'drachtio',
      'sip.drachtio.secretFile': secretFile,
      'admin.port': '0',
      ...more,
    },
  );
  assert.ok(settings.ok, settings.ok ? '' : settings.error);
  return settings.value;
}

before(async () => {
  drachtio = await createFakeDrachtio({ secret });
  const dir = temporaryFolder('chordial-edge');
  adminPort = await freePort();
  lan = { transport: 'udp', host: '127.0.0.1', port: await freePort('udp') };
  const listener = { name: 'lan', transport: 'udp', address: lan.host, port: lan.port };
  writeFileSync(join(dir, 'chordial.json'), JSON.stringify({ sip: { listeners: [listener] } }));
  core = { transport: 'udp', host: '127.0.0.1', port: await freePort('udp') };
  const settings = await settingsFor(dir, {
    'sip.drachtio.port': String(drachtio.admin.port),
    'sip.drachtio.hop': `127.0.0.1:${String(drachtio.hop.port)}`,
    'sip.drachtio.listen': `127.0.0.1:${String(core.port)}`,
    'admin.port': String(adminPort),
    'log.file': join(dir, 'box.log'),
  });
  await initSelfSigned({
    dir,
    settings,
    digest: 'sha256',
    bootstrap: [{ address: '127.0.0.1', port: settings.link.port }],
  });
  box = await startBox(settings, dir);
  for (const name of ['alice', 'bob']) {
    const added = await box.adapter?.users?.addUser(name, `${name}-password`);
    assert.ok(added?.ok === true, JSON.stringify(added));
  }
  await until(() => drachtio.admin.verbs.size === 8);
});

after(async () => {
  for (const phone of phones) phone.close();
  await box.stop();
  await drachtio.close();
});

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 300; i++) {
    if (await condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.fail('what was waited for did not happen');
}

async function phone(name: string, by: 'udp' | 'tcp'): Promise<EdgePhone> {
  const made = await createEdgePhone({ name, domain, server: drachtio[by] });
  phones.push(made);
  return made;
}

async function pair(): Promise<{ alice: EdgePhone; bob: EdgePhone }> {
  for (const one of phones) one.close();
  phones = [];
  const alice = await phone('alice', 'udp');
  const bob = await phone('bob', 'tcp');
  await alice.register('alice-password');
  await bob.register('bob-password');
  return { alice, bob };
}

/** Sends an INVITE with credentials; returns it as sent. */
async function invite(
  caller: EdgePhone,
  callee: string,
): Promise<ReturnType<EdgePhone['request']>> {
  const uri = `sip:${callee}@${domain}`;
  const callId = `call-${String(Math.random()).slice(2)}`;
  const first = caller.request('INVITE', uri, { callId });
  caller.send(first);
  const challenge = await caller.next('SIP/2.0 407');
  const who = { name: caller.name, password: `${caller.name}-password`, method: 'INVITE', uri };
  const credentials = digest(header(challenge, 'Proxy-Authenticate') ?? '', who);
  const sent = caller.request('INVITE', uri, {
    callId,
    cseq: 2,
    headers: [
      ['Proxy-Authorization', credentials],
      ['Supported', '100rel, timer'],
    ],
  });
  caller.send(sent);
  return sent;
}

async function gauge(name: string): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${String(adminPort)}/metrics`);
  const text = await answer.text();
  return Number(new RegExp(`^\\w*${name} (\\d+)`, 'm').exec(text)?.[1]);
}

async function metric(name: string, labels: string): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${String(adminPort)}/metrics`);
  const text = await answer.text();
  return Number(new RegExp(`${name}\\{[^}]*${labels}[^}]*\\} (\\d+)`).exec(text)?.[1] ?? 0);
}

test('a phone registers with digest through the drachtio server, by UDP and by TCP', async () => {
  const { alice, bob } = await pair();
  const status = box.status() as {
    drachtio: { connected: boolean; version: string };
    registrations: { aor: string }[];
  };
  assert.equal(status.drachtio.connected, true);
  assert.equal(status.drachtio.version, 'v0.8.26');
  assert.deepEqual(drachtio.admin.faults, []);
  const own = await alice.register('alice-password');
  assert.match(header(own, 'Contact') ?? '', new RegExp(`127.0.0.1:${String(alice.place.port)}`));
  assert.ok(!drachtio.toPhones.some((text) => /X-Chordial/i.test(text)), 'seals stay on the hop');
  bob.send(
    bob.request('REGISTER', `sip:127.0.0.1:${String(drachtio.tcp.port)}`, {
      to: `<sip:bob@${domain}>`,
    }),
  );
  const challenge = await bob.next('SIP/2.0 401');
  assert.match(header(challenge, 'WWW-Authenticate') ?? '', new RegExp(`realm="${domain}"`));
});

for (const [from, to] of [
  ['alice', 'bob'],
  ['bob', 'alice'],
] as const) {
  test(`${from} calls ${to}: INVITE, ACK, re-INVITE and BYE cross the server`, async () => {
    const both = await pair();
    const caller = both[from];
    const callee = both[to];
    const sent = await invite(caller, to);
    const incoming = await callee.next('INVITE');
    assert.equal(incoming.start, `INVITE ${callee.contact} SIP/2.0`);
    assert.ok(!/100rel/.test(header(incoming, 'Supported') ?? ''), 'no reliable provisionals');
    callee.respond(incoming, '180 Ringing');
    await caller.next('SIP/2.0 180');
    callee.respond(incoming, '200 OK');
    const answer = await caller.next('SIP/2.0 200');
    const routes = headersOf(answer, 'Record-Route').reverse();
    assert.equal(headersOf(answer, 'Via').length, 1);
    assert.ok(routes.length >= 3);
    const dialog = {
      to: header(answer, 'To') ?? '',
      callId: header(sent, 'Call-ID') ?? '',
      routes,
    };
    const target = /<(.*)>/.exec(header(answer, 'Contact') ?? '')?.[1] ?? '';
    caller.send(caller.request('ACK', target, { ...dialog, cseq: 2 }));
    const ack = await callee.next('ACK');
    assert.equal(header(ack, 'CSeq'), '2 ACK');

    caller.send(caller.request('INVITE', target, { ...dialog, cseq: 3 }));
    const again = await callee.next('INVITE');
    callee.respond(again, '200 OK');
    await caller.next('SIP/2.0 200');
    caller.send(caller.request('ACK', target, { ...dialog, cseq: 3 }));
    await callee.next('ACK');

    // The other side hangs up, by the routes that it was given.
    const back = callee.request('BYE', caller.contact, {
      callId: dialog.callId,
      fromTag: callee.name,
      to: header(incoming, 'From') ?? '',
      routes: headersOf(incoming, 'Record-Route'),
    });
    callee.send(back);
    const bye = await caller.next('BYE');
    caller.respond(bye, '200 OK');
    await callee.next('SIP/2.0 200');
    assert.deepEqual(drachtio.admin.faults, []);
  });
}

test('the routes of one phone are not shown to the other', async () => {
  const { alice, bob } = await pair();
  await invite(alice, 'bob');
  const incoming = await bob.next('INVITE');
  bob.respond(incoming, '200 OK');
  const answer = await alice.next('SIP/2.0 200');
  const edge = (values: readonly string[]): string[] =>
    values.filter((v) => v.includes('sip:edge.'));
  const ofBob = edge(headersOf(incoming, 'Record-Route'));
  const ofAlice = edge(headersOf(answer, 'Record-Route'));
  assert.equal(ofBob.length, 1);
  assert.equal(ofAlice.length, 1);
  assert.notEqual(ofBob[0], ofAlice[0]);
});

test('CANCEL stops the ringing phone, and the caller gets 487', async () => {
  const { alice, bob } = await pair();
  const sent = await invite(alice, 'bob');
  const incoming = await bob.next('INVITE');
  bob.respond(incoming, '180 Ringing');
  await alice.next('SIP/2.0 180');
  const cancel = alice.request('CANCEL', `sip:bob@${domain}`, {
    branch: param(header(sent, 'Via'), 'branch') ?? '',
    callId: header(sent, 'Call-ID') ?? '',
    cseq: 2,
  });
  alice.send(cancel);
  await alice.next('SIP/2.0 200');
  await alice.next('SIP/2.0 487');
  const stopped = await bob.next('CANCEL');
  assert.equal(param(header(stopped, 'Via'), 'branch'), param(header(incoming, 'Via'), 'branch'));
  bob.respond(stopped, '200 OK');
  bob.respond(incoming, '487 Request Terminated');
  await bob.next('ACK');
});

test('a busy callee: 486 comes back once, and both hops are acknowledged', async () => {
  const { alice, bob } = await pair();
  await invite(alice, 'bob');
  bob.respond(await bob.next('INVITE'), '486 Busy Here');
  await bob.next('ACK');
  await alice.next('SIP/2.0 486');
});

test('what has no seal, a wrong one, or comes from another port is refused and counted', async () => {
  const alice = await phone('alice', 'udp');
  const request = (extra: [string, string][]): string => {
    const made = alice.request('OPTIONS', `sip:bob@${domain}`, { headers: extra });
    const hop = `127.0.0.1:${String(drachtio.hop.port)}`;
    made.headers.unshift(['Via', `SIP/2.0/UDP ${hop};branch=z9hG4bKserver${String(extra.length)}`]);
    return writeLines(made);
  };
  const sealed = drachtio.toCore.find((text) => /^X-Chordial-Edge: /m.test(text)) ?? '';
  const seal = /^X-Chordial-Edge: (.*)\r$/m.exec(sealed)?.[1] ?? '';
  assert.notEqual(seal, '');
  const noSeal = await metric('sip_edge_refused_total', 'reason="no-seal"');
  const wrong = await metric('sip_edge_refused_total', 'reason="wrong-seal"');
  const strangers = await metric('sip_edge_refused_total', 'reason="not-the-server"');
  drachtio.sendToCore(request([]), core);
  await alice.next('SIP/2.0 403');
  // A true seal, but of another request.
  drachtio.sendToCore(request([['X-Chordial-Edge', seal]]), core);
  await alice.next('SIP/2.0 403');
  // A changed one, of the same request.
  const changed = sealed.replace(/^(X-Chordial-Edge: udp;127\.0\.0\.1):\d+/m, '$1:1');
  assert.notEqual(changed, sealed);
  drachtio.sendToCore(changed, core);
  const other = dgram.createSocket('udp4');
  other.send(sealed, core.port, core.host);
  await until(
    async () =>
      (await metric('sip_edge_refused_total', 'reason="no-seal"')) === noSeal + 1 &&
      (await metric('sip_edge_refused_total', 'reason="wrong-seal"')) === wrong + 2 &&
      (await metric('sip_edge_refused_total', 'reason="not-the-server"')) === strangers + 1,
  );
  other.close();
});

test('frames that break the package parser do not break the box', async () => {
  const leader = 'c0ffee00-0000-4000-8000-000000000000|sip|network|9|udp|192.0.2.1|5060|t|txn|';
  for (const raw of ['\r\n', 'INVITE', 'INVITE sip:x SIP/2.0\r\nTo\r\n\r\n', '\0\0\r\n\r\n']) {
    drachtio.admin.push(`${leader}\r\n${raw}`);
  }
  drachtio.admin.push('c0ffee00-0000-4000-8000-000000000000|nonsense');
  const { alice } = await pair();
  assert.ok(alice);
});

test('while the server is away its phones cannot be called, and it is found again', async () => {
  const { bob } = await pair();
  const carol = await createEdgePhone({ name: 'alice', domain, server: lan });
  phones.push(carol);
  await carol.register('alice-password');
  const { logins } = drachtio.admin;
  drachtio.admin.hangUp(true);
  const state = (): { connected: boolean; problem?: string } =>
    (box.status() as { drachtio: { connected: boolean; problem?: string } }).drachtio;
  await until(() => !state().connected);
  assert.match(state().problem ?? '', /closed|ECONN/);
  assert.equal(await gauge('sip_edge_connected'), 0);
  await invite(carol, 'bob');
  const refusal = await carol.next('SIP/2.0 4', 3000);
  assert.match(refusal.start, / (?:430|480) /);
  assert.equal(bob.inbox.filter(({ start }) => start.startsWith('INVITE')).length, 0);

  drachtio.admin.hangUp(false);
  await until(() => state().connected);
  assert.equal(await gauge('sip_edge_connected'), 1);
  assert.equal(drachtio.admin.logins, logins + 1);
  await until(() => drachtio.admin.verbs.size === 8);
  await invite(carol, 'bob');
  bob.respond(await bob.next('INVITE'), '200 OK');
  await carol.next('SIP/2.0 200');
});

test('a wrong secret is told, and shown nowhere', async () => {
  const other = await createFakeDrachtio({ secret: 'another' });
  const dir = temporaryFolder('chordial-edge');
  const log = join(dir, 'box.log');
  const settings = await settingsFor(dir, {
    'sip.drachtio.port': String(other.admin.port),
    'sip.drachtio.hop': `127.0.0.1:${String(other.hop.port)}`,
    'sip.drachtio.listen': `127.0.0.1:${String(await freePort('udp'))}`,
    'log.file': log,
  });
  await initSelfSigned({
    dir,
    settings,
    digest: 'sha256',
    bootstrap: [{ address: '127.0.0.1', port: settings.link.port }],
  });
  const refused = await startBox(settings, dir);
  try {
    const problem = (): string | undefined =>
      (refused.status() as { drachtio: { problem?: string } }).drachtio.problem;
    await until(() => problem() === 'the drachtio server refused the secret');
    assert.ok(other.admin.refusedLogins > 0);
    assert.ok(!JSON.stringify(refused.status()).includes(secret));
  } finally {
    await refused.stop();
    await other.close();
  }
  const written = readFileSync(log, 'utf8');
  assert.match(written, /drachtio-unreachable/);
  assert.ok(!written.includes(secret));
});
