import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AdapterDeps } from '../../../src/adapter/adapter.ts';
import { failure } from '../../../src/base/outcome.ts';
import type { SipResponse } from '../../../src/sip/message/message.ts';
import { defaultSipSettings } from '../../../src/sip/core/settings.ts';
import { encodeGr } from '../../../src/usages/sip/gruu.ts';
import { parsePublicAddress } from '../../../src/usages/sip/public-address.ts';
import { credentials, message } from '../sip/core/rig.ts';
import type { Box, FakePhone, World } from './support/box.ts';
import { account, createWorld } from './support/box.ts';
import { register } from './support/register.ts';
import { domain } from './support/world.ts';

const published = ['udp/203.0.113.2:5080', 'tls/sip2.lab.example:5061'];

interface Site {
  readonly world: World;
  readonly one: Box;
  readonly two: Box;
  readonly a: FakePhone;
  readonly b: FakePhone;
}

/** alice behind box 1 and bob behind box 2, which may publish where it takes calls. */
function site(
  options: {
    readonly addresses?: readonly string[];
    readonly role?: 'proxy' | 'redirect';
    readonly deps?: Partial<AdapterDeps>;
  } = {},
): Site {
  const { addresses = [], deps = {}, role = 'redirect' } = options;
  const world = createWorld((number) => ({
    listener: () => ({ algorithms: ['MD5'], role: number === 1 ? role : 'proxy' }),
    ...(number === 1
      ? deps
      : {
          ownHosts: () => ['10.0.0.2', '203.0.113.2', 'sip2.lab.example'],
          ownPorts: () => new Set([5060, 5061, 5080]),
          publicAddresses: addresses.map((text) => parsePublicAddress(text) ?? assert.fail(text)),
        }),
  }));
  const settings = { sip: defaultSipSettings };
  const one = world.box(1, settings);
  const two = world.box(2, settings);
  const a = one.phone('192.0.2.10');
  const b = two.phone('192.0.2.20');
  register(world.clock, a, 'alice');
  register(world.clock, b, 'bob');
  world.clock.run(6000);
  return { world, one, two, a, b };
}

let calls = 0;

/** alice calls from that phone and gives her password when asked. */
function call({ world }: Site, phone: FakePhone, uri: string): SipResponse {
  const callId = `redirect-${String(++calls)}`;
  phone.send(message(phone, { uri, callId }));
  world.clock.run(10);
  let answer = lastResponse(phone);
  if (answer.status === 407) {
    const challenge = answer.header('Proxy-Authenticate') ?? '';
    const login = credentials(challenge, 'alice', 'alicepw', 'INVITE', uri);
    const headers = [`Proxy-Authorization: ${login}`];
    phone.send(message(phone, { uri, callId, cseq: 2, headers }));
    world.clock.run(10);
    answer = lastResponse(phone);
  }
  return answer;
}

function lastResponse(phone: FakePhone): SipResponse {
  for (;;) {
    const message = phone.take();
    assert.ok(message.kind === 'response');
    if (phone.waiting === 0) return message;
  }
}

function onlyContact(answer: SipResponse): string {
  assert.equal(answer.status, 302);
  const [contact = '', ...more] = answer.values('Contact');
  assert.deepEqual(more, []);
  return /^<([^>]+)>/.exec(contact)?.[1] ?? assert.fail(contact);
}

const gr = (box: Box): string => encodeGr([{ type: 'node', nodeId: box.node }]);
const bobUri = `sip:bob@${domain}`;

test('a redirected caller gets the GRUU of the serving adapter, and the GRUU is proxied', () => {
  const s = site();
  const uri = onlyContact(call(s, s.a, bobUri));
  assert.equal(uri, `${bobUri};gr=${gr(s.two)}`);
  assert.equal(call(s, s.a, uri).status, 100);
  assert.equal(s.b.request('INVITE').uri, 'sip:bob@192.0.2.20:5062');
});

test('where the serving adapter publishes an address, a redirected caller gets that', () => {
  const s = site({ addresses: published });
  const uri = onlyContact(call(s, s.a, bobUri));
  assert.equal(uri, `sip:bob@203.0.113.2:5080;gr=${gr(s.two)}`);
  // Straight to that adapter, which asks for the password and proxies.
  const direct = s.two.phone('192.0.2.10');
  assert.equal(call(s, direct, uri).status, 100);
  assert.equal(s.b.request('INVITE').uri, 'sip:bob@192.0.2.20:5062');
});

test('a phone that sends all to its own box gets through with the published address', () => {
  const s = site({ addresses: published });
  const uri = onlyContact(call(s, s.a, bobUri));
  assert.equal(call(s, s.a, uri).status, 100);
  assert.equal(s.b.request('INVITE').uri, 'sip:bob@192.0.2.20:5062');
});

test('an address that was told speaks for its own node only', () => {
  const s = site({ addresses: published });
  onlyContact(call(s, s.a, bobUri));
  const other = encodeGr([{ type: 'node', nodeId: s.one.node }]);
  assert.equal(call(s, s.a, `sip:bob@203.0.113.2:5080;gr=${other}`).status, 404);
  assert.equal(call(s, s.a, `sip:bob@203.0.113.9:5080;gr=${gr(s.two)}`).status, 404);
  assert.equal(s.b.waiting, 0);
});

test('a sips call is redirected to the TLS address', () => {
  const s = site({ addresses: published });
  const phone = s.two.phone('192.0.2.21', 'tls');
  const contact = '<sips:bob@192.0.2.21:5062>';
  register(s.world.clock, phone, 'bob', { contact });
  s.world.clock.run(6000);
  const uri = onlyContact(call(s, s.a, `sips:bob@${domain}`));
  assert.equal(uri, `sips:bob@sip2.lab.example:5061;gr=${gr(s.two)}`);
});

test('a phone here that only its own flow reaches is told as a place at this box', () => {
  const s = site();
  const phone = s.one.phone('192.0.2.30', 'ws');
  register(s.world.clock, phone, 'carol', { contact: '<sip:carol@df7jal23ls0d.invalid>' });
  const uri = onlyContact(call(s, s.a, `sip:carol@${domain}`));
  assert.equal(uri, `sip:carol@${domain};gr=${gr(s.one)}`);
  assert.equal(call(s, s.a, uri).status, 100);
  assert.equal(phone.request('INVITE').uri, 'sip:carol@df7jal23ls0d.invalid');
});

test('calls of a user with redirection are answered 302, those of others are carried', () => {
  const s = site({ role: 'proxy', addresses: published });
  assert.equal(call(s, s.a, bobUri).status, 100);
  s.b.request('INVITE');
  s.world.directory.set({ ...account('alice'), redirected: true });
  const uri = onlyContact(call(s, s.a, bobUri));
  assert.equal(uri, `sip:bob@203.0.113.2:5080;gr=${gr(s.two)}`);
  assert.equal(call(s, s.a, uri).status, 100);
  s.b.request('INVITE');
  s.world.directory.set(account('alice'));
  assert.equal(call(s, s.a, bobUri).status, 100);
  s.b.request('INVITE');
});

test('a number that leads to a trunk is proxied, after the password; the trunk is not told', () => {
  const nobody = (_name: string, ...rest: readonly unknown[]): void => {
    (rest.at(-1) as (outcome: unknown) => void)(failure('not-found'));
  };
  const s = site({
    deps: {
      outside: {
        resolver: { naptr: nobody, srv: nobody, addresses: nobody },
        transports: ['udp'],
        loopback: false,
        trunks: [{ name: 'pbx', uri: 'sip:198.51.100.7:5062' }],
        numberRoutes: [{ prefix: '+', trunks: ['pbx'] }],
      },
    },
  });
  s.world.directory.set({
    ...account('carol'),
    forwarding: { always: 'tel:+4930123' },
  });
  const pbx = s.one.phone('198.51.100.7');
  assert.equal(call(s, s.a, `sip:carol@${domain}`).status, 100);
  assert.match(pbx.request('INVITE').uri, /^sip:\+4930123@198\.51\.100\.7/);
});
