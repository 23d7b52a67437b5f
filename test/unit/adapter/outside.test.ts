import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failure, success } from '../../../src/base/outcome.ts';
import type { AdapterSettings } from '../../../src/adapter/adapter.ts';
import type { Resolver, SrvRecord } from '../../../src/ports/resolver.ts';
import { defaultListenerPolicy, defaultSipSettings } from '../../../src/sip/core/settings.ts';
import { credentials, message } from '../sip/core/rig.ts';
import type { MessageParts } from '../sip/core/rig.ts';
import type { Box, FakePhone, World } from './support/box.ts';
import { createWorld } from './support/box.ts';
import { register } from './support/register.ts';
import { domain } from './support/world.ts';

const srv: Readonly<Record<string, readonly SrvRecord[]>> = {
  '_sip._udp.other.example': [
    { priority: 1, weight: 1, port: 5062, target: 'one.other.example' },
    { priority: 2, weight: 1, port: 5062, target: 'two.other.example' },
  ],
  '_sips._tcp.other.example': [{ priority: 1, weight: 1, port: 5062, target: 'two.other.example' }],
};
const hosts: Readonly<Record<string, string>> = {
  'one.other.example': '198.51.100.1',
  'two.other.example': '198.51.100.2',
  'rebound.example': '127.0.0.1',
};
const resolver: Resolver = {
  naptr: (_name, done) => {
    done(failure('not-found'));
  },
  srv: (name, done) => {
    const found = srv[name];
    done(found === undefined ? failure('not-found') : success(found));
  },
  addresses: (name, family, done) => {
    const found = family === 4 ? hosts[name] : undefined;
    done(found === undefined ? failure('not-found') : success([found]));
  },
};

interface Site {
  readonly world: World;
  readonly box: Box;
  /** A phone of ours, registered as alice. */
  readonly alice: FakePhone;
  /** The servers of other.example. */
  readonly first: FakePhone;
  readonly second: FakePhone;
}

const settings: Partial<AdapterSettings> = { sip: defaultSipSettings };

function site(): Site {
  const world = createWorld({
    outside: { resolver, transports: ['udp', 'tcp', 'tls'], loopback: false },
    listener: () => ({ ...defaultListenerPolicy, acceptsOutsideCalls: true }),
  });
  const box = world.box(1, settings);
  const alice = box.phone('192.0.2.10');
  const first = box.phone('198.51.100.1');
  const second = box.phone('198.51.100.2');
  register(world.clock, alice, 'alice');
  world.clock.run(6000);
  return { world, box, alice, first, second };
}

const outsider = `<sip:eve@other.example>;tag=e`;

/** Sends with the answer to the 407 that comes first. */
function sendProved({ world, alice }: Site, parts: MessageParts): void {
  const { callId = 'proved', headers = [], method = 'INVITE', uri = '' } = parts;
  alice.send(message(alice, { ...parts, callId }));
  world.clock.run(10);
  const challenge = alice.response(407).header('Proxy-Authenticate') ?? '';
  const login = credentials(challenge, 'alice', 'alicepw', method, uri);
  const proof = `Proxy-Authorization: ${login}`;
  alice.send(message(alice, { ...parts, callId, cseq: 2, headers: [...headers, proof] }));
  world.clock.run(10);
}

test('[S3261-16.5-01] a user calls another domain: the Request-URI stays as it is', () => {
  const s = site();
  sendProved(s, { uri: 'sip:Bob@other.example;foo=bar', to: '<sip:Bob@other.example>' });
  s.alice.response(100);
  const invite = s.first.request('INVITE');
  assert.equal(invite.uri, 'sip:Bob@other.example;foo=bar');
  assert.equal(s.second.waiting, 0);
  assert.equal(invite.header('Proxy-Authorization'), undefined, 'our credentials stay here');
  assert.equal(invite.has('Max-Breadth'), true);
});

test('[S3263-4.3-01] [S3261-16.6-11] after a 503 the next address gets it, with a new branch', () => {
  const s = site();
  sendProved(s, { uri: 'sip:bob@other.example', to: '<sip:bob@other.example>' });
  s.alice.response(100);
  const invite = s.first.request('INVITE');
  s.first.reply(invite, 503);
  s.world.clock.run(10);
  s.first.request('ACK');
  const again = s.second.request('INVITE');
  assert.notEqual(again.via.branch, invite.via.branch);
  s.second.reply(again, 200, { contact: 'sip:bob@198.51.100.2:5062' });
  s.world.clock.run(10);
  s.alice.response(200);
});

test('[S3263-4.3-01] a server that does not answer is left for the next one', () => {
  const s = site();
  sendProved(s, { method: 'MESSAGE', uri: 'sip:bob@other.example', to: '<sip:bob@other.example>' });
  s.first.request('MESSAGE');
  s.world.clock.run(33_000);
  s.second.request('MESSAGE');
});

test('[S3263-4-01] CANCEL and ACK go to the server that was reached', () => {
  const s = site();
  s.first.drop();
  const parts = { uri: 'sip:bob@other.example', to: '<sip:bob@other.example>' };
  sendProved(s, parts);
  s.alice.response(100);
  const invite = s.second.request('INVITE');
  s.second.reply(invite, 486);
  s.world.clock.run(10);
  assert.equal(s.second.request('ACK').via.branch, invite.via.branch);
  s.alice.response(486);
});

test('[S3261-16.6-10] a sips call leaves by TLS only, whatever the Route says', () => {
  const s = site();
  const tls = s.box.phone('198.51.100.2', 'tls');
  s.second.drop();
  const parts = { uri: 'sips:bob@other.example', to: '<sips:bob@other.example>' };
  sendProved(s, { ...parts, headers: ['Route: <sip:two.other.example:5062;lr>'] });
  s.alice.response(100);
  assert.equal(tls.request('INVITE').uri, 'sips:bob@other.example');
  assert.equal(s.first.waiting, 0);
});

test('[S3261-16.6-09] the first Route names the next hop, else the Request-URI does', () => {
  const s = site();
  const parts = { method: 'MESSAGE', uri: 'sip:bob@other.example', to: '<sip:bob@other.example>' };
  sendProved(s, { ...parts, headers: ['Route: <sip:198.51.100.2:5062;lr>'] });
  const routed = s.second.request('MESSAGE');
  assert.equal(routed.uri, 'sip:bob@other.example');
  assert.equal(s.first.waiting, 0);
  sendProved(s, { ...parts, callId: 'plain' });
  s.first.request('MESSAGE');
});

test('[S3261-10.3-04] a REGISTER for another domain is proxied there', () => {
  const s = site();
  sendProved(s, {
    method: 'REGISTER',
    uri: 'sip:other.example',
    to: '<sip:eve@other.example>',
    headers: ['Contact: <sip:alice@192.0.2.10:5062>'],
  });
  assert.equal(s.first.request('REGISTER').uri, 'sip:other.example');
});

test('[S3841-7.2-01] preferences for another domain are left to its own proxies', () => {
  const s = site();
  const preferences = Array.from({ length: 40 }, () => 'Accept-Contact: *;video;require;explicit');
  const parts = { uri: 'sip:bob@other.example', to: '<sip:bob@other.example>' };
  sendProved(s, { ...parts, headers: preferences });
  s.alice.response(100);
  assert.equal(s.first.request('INVITE').rows('Accept-Contact').length, 40);
});

test('[S3263-5-01] a response whose connection is gone goes to the source, else where sent-by leads', () => {
  const s = site();
  s.second.drop();
  const tls = s.box.phone('198.51.100.2', 'tls');
  const ringUp = (callId: string, sentBy: string): ReturnType<FakePhone['request']> => {
    const caller = s.box.phone('203.0.113.5', 'tls');
    const text = message(caller, { uri: `sip:alice@${domain}`, from: outsider, callId });
    caller.send(text.replace('203.0.113.5:5062', sentBy));
    s.world.clock.run(10);
    const invite = s.alice.request('INVITE');
    caller.drop();
    return invite;
  };
  const byName = ringUp('name', 'other.example');
  s.alice.reply(byName, 486);
  s.world.clock.run(10);
  assert.equal(tls.response(486).callId, 'name');
  s.alice.request('ACK');
  const atSource = ringUp('source', '203.0.113.5:5062');
  const again = s.box.phone('203.0.113.5', 'tls');
  s.alice.reply(atSource, 486);
  s.world.clock.run(10);
  assert.equal(again.response(486).callId, 'source');
});

test('a caller of another domain reaches users of ours, nobody else, and asserts nothing', () => {
  const s = site();
  const headers = [`P-Asserted-Identity: <sip:boss@${domain}>`];
  s.first.send(message(s.first, { uri: `sip:alice@${domain}`, from: outsider, headers }));
  s.world.clock.run(10);
  s.first.response(100);
  const invite = s.alice.request('INVITE');
  assert.equal(invite.header('From'), outsider);
  assert.equal(invite.header('P-Asserted-Identity'), undefined);
});

test('in its dialog the outside party reaches the phone from any connection, and only the phone', () => {
  const s = site();
  s.first.send(message(s.first, { uri: `sip:alice@${domain}`, from: outsider }));
  s.world.clock.run(10);
  s.first.response(100);
  const invite = s.alice.request('INVITE');
  s.alice.reply(invite, 200, { contact: 'sip:alice@192.0.2.10:5062', tag: 'a' });
  s.world.clock.run(10);
  const ok = s.first.response(200);
  const routes = [...ok.values('Record-Route')].reverse().map((route) => `Route: ${route}`);
  const bye = (uri: string, more: readonly string[] = []): string =>
    message(s.second, {
      method: 'BYE',
      uri,
      from: outsider,
      to: ok.header('To')!,
      headers: [...routes, ...more],
    });
  s.second.send(bye('sip:alice@192.0.2.10:5062'));
  s.world.clock.run(10);
  s.alice.reply(s.alice.request('BYE'), 200);
  s.world.clock.run(10);
  s.second.response(200);
  // The same with another aim: the genuine token leads to the phone all the same.
  s.second.send(bye('sip:victim@198.51.100.1:5062', ['Route: <sip:198.51.100.1:5062;lr>']));
  s.world.clock.run(10);
  s.alice.request('BYE');
  assert.equal(s.first.waiting, 0);
});

/** What strangers try; nothing may reach the victim. */
const attacks: readonly (readonly [name: string, parts: MessageParts])[] = [
  ['a foreign Request-URI', { uri: 'sip:victim@198.51.100.1:5062', from: outsider }],
  ['a foreign domain', { uri: 'sip:victim@other.example', from: outsider }],
  ['a foreign domain as a user of ours', { uri: 'sip:victim@other.example' }],
  [
    'a Route to a foreign next hop',
    {
      uri: `sip:alice@${domain}`,
      from: outsider,
      headers: ['Route: <sip:198.51.100.1:5062;lr>'],
    },
  ],
  [
    'a Route through us to a foreign next hop',
    {
      uri: `sip:alice@${domain}`,
      from: outsider,
      headers: [`Route: <sip:${domain};lr>, <sip:198.51.100.1:5062;lr>`],
    },
  ],
  [
    'a forged flow token',
    {
      uri: 'sip:victim@198.51.100.1:5062',
      from: outsider,
      to: `<sip:alice@${domain}>;tag=x`,
      headers: ['Route: <sip:~AAAAAAAAAAAAAAAAdWRwOjE5OC41MS4xMDAuMQ@10.0.0.1:5060;lr>'],
    },
  ],
  [
    'a dialog that never was',
    {
      method: 'BYE',
      uri: 'sip:victim@198.51.100.1:5062',
      from: outsider,
      to: `<sip:alice@${domain}>;tag=x`,
    },
  ],
  [
    'our host as a strict router',
    {
      uri: `sip:10.0.0.1;lr`,
      from: outsider,
      headers: ['Route: <sip:victim@198.51.100.1:5062>'],
    },
  ],
  ['an escaped host', { uri: 'sip:victim%40198.51.100.1:5062@other.example', from: outsider }],
  [
    'REGISTER elsewhere',
    { method: 'REGISTER', uri: 'sip:other.example', from: outsider, to: '<sip:eve@other.example>' },
  ],
];

for (const [name, parts] of attacks) {
  test(`no relay for strangers: ${name}`, () => {
    const s = site();
    const eve = s.box.phone('203.0.113.66');
    eve.send(message(eve, parts));
    s.world.clock.run(5000);
    assert.equal(s.first.waiting, 0);
    assert.equal(s.second.waiting, 0);
    let refused = false;
    while (eve.waiting > 0) {
      const answer = eve.take();
      assert.ok(answer.kind === 'response');
      if (answer.status >= 400) refused = true;
    }
    assert.ok(refused, 'refused');
  });
}

test('no relay by maddr: a URI of ours leads to the phone, not to the address beside it', () => {
  const s = site();
  const parts = { uri: `sip:alice@${domain};maddr=198.51.100.1`, from: outsider };
  s.second.send(message(s.second, parts));
  s.world.clock.run(10);
  s.alice.request('INVITE');
  assert.equal(s.first.waiting, 0);
});

test('no relay by a foreign Contact: calls go to the flow of the REGISTER', () => {
  const s = site();
  register(s.world.clock, s.alice, 'alice', { contact: '<sip:victim@198.51.100.1:5062>' });
  s.second.send(message(s.second, { uri: `sip:alice@${domain}`, from: outsider }));
  s.world.clock.run(10);
  s.alice.request('INVITE');
  assert.equal(s.first.waiting, 0);
});

test('no relay by redirection: a 302 to another domain goes back to the caller', () => {
  const s = site();
  s.second.send(message(s.second, { uri: `sip:alice@${domain}`, from: outsider }));
  s.world.clock.run(10);
  s.second.response(100);
  s.alice.reply(s.alice.request('INVITE'), 302, { contact: 'sip:victim@198.51.100.1:5062' });
  s.world.clock.run(10);
  s.second.response(302);
  assert.equal(s.first.waiting, 0);
});

for (const [host, address] of [
  ['127.0.0.1', '127.0.0.1'],
  ['10.0.0.1', '10.0.0.1'],
  ['rebound.example', '127.0.0.1'],
  ['[::1]', '::1'],
  ['[::ffff:127.0.0.1]', '::ffff:127.0.0.1'],
  ['0.0.0.0', '0.0.0.0'],
  ['169.254.169.254', '169.254.169.254'],
  ['255.255.255.255', '255.255.255.255'],
  ['224.0.1.75', '224.0.1.75'],
] as const) {
  test(`even a user reaches no programs behind this box: ${host}`, () => {
    const s = site();
    // Other programs listen there; the fake opener would find them.
    const inside = s.box.phone(address);
    sendProved(s, {
      method: 'MESSAGE',
      uri: 'sip:bob@other.example',
      to: '<sip:bob@other.example>',
      headers: [`Route: <sip:${host}:5062;lr>`],
    });
    s.world.clock.run(1000);
    assert.equal(inside.waiting, 0);
    assert.equal(s.first.waiting, 0);
  });
}
