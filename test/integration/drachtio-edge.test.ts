/** A box whose phones come by way of a drachtio server: the contract with that server. */
import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { type FakeDrachtio, createFakeDrachtio } from '../support/drachtio-server.ts';
import {
  type EdgeBox,
  type EdgeServer,
  cancelledCall,
  edgeDomain,
  invite,
  passwordOf,
  startEdgeBox,
  until,
  wholeCall,
} from '../support/edge-box.ts';
import { type EdgePhone, createEdgePhone, digest } from '../support/edge-phone.ts';
import { header, headersOf, writeLines } from '../support/sip-lines.ts';

const secret = 'a-secret-nobody-shows';

let drachtio: FakeDrachtio;
let served: EdgeBox;
let phones: EdgePhone[] = [];

function serverOf(fake: FakeDrachtio): EdgeServer {
  const { admin, hop } = fake;
  return { host: '127.0.0.1', port: admin.port, secret, hop: `127.0.0.1:${String(hop.port)}` };
}

before(async () => {
  drachtio = await createFakeDrachtio({ secret });
  served = await startEdgeBox(serverOf(drachtio));
  await until(() => drachtio.admin.verbs.size === 8);
});

after(async () => {
  for (const phone of phones) phone.close();
  await served.box.stop();
  await drachtio.close();
});

async function phone(name: string, by: 'udp' | 'tcp'): Promise<EdgePhone> {
  const made = await createEdgePhone({ name, domain: edgeDomain, server: drachtio[by] });
  phones.push(made);
  return made;
}

async function pair(): Promise<{ alice: EdgePhone; bob: EdgePhone }> {
  for (const one of phones) {
    await one.register(passwordOf(one.name), 0);
    one.close();
  }
  phones = [];
  const alice = await phone('alice', 'udp');
  const bob = await phone('bob', 'tcp');
  await alice.register(passwordOf('alice'));
  await bob.register(passwordOf('bob'));
  return { alice, bob };
}

test('a phone registers with digest through the drachtio server, by UDP and by TCP', async () => {
  const { alice, bob } = await pair();
  const { connected, version } = served.state();
  assert.deepEqual([connected, version], [true, 'v0.8.26']);
  assert.deepEqual(drachtio.admin.faults, []);
  const own = await alice.register(passwordOf('alice'));
  assert.match(header(own, 'Contact') ?? '', new RegExp(`127.0.0.1:${String(alice.place.port)}`));
  assert.ok(!drachtio.toPhones.some((text) => /X-Chordial/i.test(text)), 'seals stay on the hop');
  bob.send(
    bob.request('REGISTER', `sip:127.0.0.1:${String(drachtio.tcp.port)}`, {
      to: `<sip:bob@${edgeDomain}>`,
    }),
  );
  const challenge = await bob.next('SIP/2.0 401');
  assert.match(header(challenge, 'WWW-Authenticate') ?? '', new RegExp(`realm="${edgeDomain}"`));
});

for (const [from, to] of [
  ['alice', 'bob'],
  ['bob', 'alice'],
] as const) {
  test(`${from} calls ${to}: INVITE, ACK, re-INVITE and BYE cross the server`, async () => {
    const both = await pair();
    await wholeCall(both[from], both[to]);
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
  await cancelledCall(alice, bob);
});

test('two phones of one user ring; the one that does not answer is cancelled', async () => {
  const { alice, bob } = await pair();
  const second = await phone('bob', 'udp');
  await second.register(passwordOf('bob'));
  await invite(alice, 'bob');
  const [first, other] = [await bob.next('INVITE'), await second.next('INVITE')];
  bob.respond(first, '180 Ringing');
  second.respond(other, '180 Ringing');
  await alice.next('SIP/2.0 180');
  bob.respond(first, '200 OK');
  await alice.next('SIP/2.0 200');
  const stopped = await second.next('CANCEL');
  second.respond(stopped, '200 OK');
  second.respond(other, '487 Request Terminated');
  await second.next('ACK');
  assert.ok(!bob.inbox.some(({ start }) => start.startsWith('CANCEL')));
});

test('a phone with the server as outbound proxy, and one that names the server instead of the domain', async () => {
  const { alice, bob } = await pair();
  const own = `127.0.0.1:${String(drachtio.udp.port)}`;
  const uri = `sip:bob@${own}`;
  const routes = [`<sip:${own};lr>`];
  alice.send(alice.request('INVITE', uri, { routes, callId: 'proxy' }));
  const challenge = await alice.next('SIP/2.0 407');
  const who = { name: 'alice', password: passwordOf('alice'), method: 'INVITE', uri };
  const credentials = digest(header(challenge, 'Proxy-Authenticate') ?? '', who);
  const headers: [string, string][] = [['Proxy-Authorization', credentials]];
  alice.send(alice.request('INVITE', uri, { routes, callId: 'proxy', cseq: 2, headers }));
  const incoming = await bob.next('INVITE');
  assert.equal(incoming.start, `INVITE ${bob.contact} SIP/2.0`);
  bob.respond(incoming, '603 Decline');
  await alice.next('SIP/2.0 603');
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
    const made = alice.request('OPTIONS', `sip:bob@${edgeDomain}`, { headers: extra });
    const hop = `127.0.0.1:${String(drachtio.hop.port)}`;
    made.headers.unshift(['Via', `SIP/2.0/UDP ${hop};branch=z9hG4bKserver${String(extra.length)}`]);
    return writeLines(made);
  };
  const sealed = drachtio.toCore.find((text) => /^X-Chordial-Edge: /m.test(text)) ?? '';
  const seal = /^X-Chordial-Edge: (.*)\r$/m.exec(sealed)?.[1] ?? '';
  assert.notEqual(seal, '');
  const noSeal = await served.figure('sip_edge_refused_total', 'reason="no-seal"');
  const wrong = await served.figure('sip_edge_refused_total', 'reason="wrong-seal"');
  const strangers = await served.figure('sip_edge_refused_total', 'reason="not-the-server"');
  drachtio.sendToCore(request([]), served.core);
  await alice.next('SIP/2.0 403');
  // A true seal, but of another request.
  drachtio.sendToCore(request([['X-Chordial-Edge', seal]]), served.core);
  await alice.next('SIP/2.0 403');
  // A changed one, of the same request.
  const changed = sealed.replace(/^(X-Chordial-Edge: udp;127\.0\.0\.1):\d+/m, '$1:1');
  assert.notEqual(changed, sealed);
  drachtio.sendToCore(changed, served.core);
  const other = dgram.createSocket('udp4');
  other.send(sealed, served.core.port, served.core.host);
  await until(
    async () =>
      (await served.figure('sip_edge_refused_total', 'reason="no-seal"')) === noSeal + 1 &&
      (await served.figure('sip_edge_refused_total', 'reason="wrong-seal"')) === wrong + 2 &&
      (await served.figure('sip_edge_refused_total', 'reason="not-the-server"')) === strangers + 1,
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
  const carol = await createEdgePhone({ name: 'alice', domain: edgeDomain, server: served.lan });
  phones.push(carol);
  await carol.register(passwordOf('alice'));
  const { logins } = drachtio.admin;
  drachtio.admin.hangUp(true);
  await until(() => !served.state().connected);
  assert.match(served.state().problem ?? '', /closed|ECONN/);
  assert.equal(await served.figure('sip_edge_connected'), 0);
  await invite(carol, 'bob');
  const refusal = await carol.next('SIP/2.0 4', 3000);
  assert.match(refusal.start, / (?:430|480) /);
  assert.equal(bob.inbox.filter(({ start }) => start.startsWith('INVITE')).length, 0);

  drachtio.admin.hangUp(false);
  await until(() => served.state().connected);
  assert.equal(await served.figure('sip_edge_connected'), 1);
  assert.equal(drachtio.admin.logins, logins + 1);
  await until(() => drachtio.admin.verbs.size === 8);
  await invite(carol, 'bob');
  bob.respond(await bob.next('INVITE'), '200 OK');
  await carol.next('SIP/2.0 200');
});

test('a wrong secret is told, and shown nowhere', async () => {
  const other = await createFakeDrachtio({ secret: 'another' });
  const refused = await startEdgeBox(serverOf(other));
  try {
    await until(() => refused.state().problem === 'the drachtio server refused the secret');
    assert.ok(other.admin.refusedLogins > 0);
    assert.ok(!JSON.stringify(refused.box.status()).includes(secret));
  } finally {
    await refused.box.stop();
    await other.close();
  }
  const written = readFileSync(refused.logFile, 'utf8');
  assert.match(written, /drachtio-unreachable/);
  assert.ok(!written.includes(secret));
});
