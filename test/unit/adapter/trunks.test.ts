import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failure } from '../../../src/base/outcome.ts';
import { createNumberRoutes, numberOf } from '../../../src/adapter/number-routes.ts';
import type { NumberRoute } from '../../../src/adapter/number-routes.ts';
import type { TrunkSettings } from '../../../src/ports/trunk.ts';
import type { Resolver } from '../../../src/ports/resolver.ts';
import { defaultSipSettings } from '../../../src/sip/core/settings.ts';
import { parseCredentials, computeHa1, computeResponse } from '../../../src/sip/digest/digest.ts';
import { createResponse } from '../../../src/sip/message/message.ts';
import type { SipRequest } from '../../../src/sip/message/message.ts';
import { parseUri } from '../../../src/sip/message/uri.ts';
import { credentials, message } from '../sip/core/rig.ts';
import type { MessageParts } from '../sip/core/rig.ts';
import type { Box, FakePhone, World } from './support/box.ts';
import { createWorld } from './support/box.ts';
import { register } from './support/register.ts';
import { domain } from './support/world.ts';

const nobody: Resolver = {
  naptr: (_name, done) => {
    done(failure('not-found'));
  },
  srv: (_name, done) => {
    done(failure('not-found'));
  },
  addresses: (_name, _family, done) => {
    done(failure('not-found'));
  },
};

interface Site {
  readonly world: World;
  readonly box: Box;
  readonly alice: FakePhone;
  readonly pbx: FakePhone;
  readonly spare: FakePhone;
}

const pbxUri = 'sip:198.51.100.1:5062';

function site(
  trunks: readonly TrunkSettings[],
  numberRoutes: readonly NumberRoute[] = [{ prefix: '+', trunks: ['pbx', 'spare'] }],
): Site {
  const world = createWorld({
    outside: { resolver: nobody, transports: ['udp'], loopback: false, trunks, numberRoutes },
  });
  // The trunks answer from the start on.
  const box = world.box(1, { sip: defaultSipSettings });
  const alice = box.phone('192.0.2.10');
  register(world.clock, alice, 'alice');
  world.clock.run(6000);
  return { world, box, alice, pbx: box.phone('198.51.100.1'), spare: box.phone('198.51.100.2') };
}

function sendProved({ world, alice }: Site, parts: MessageParts): void {
  const { callId = 'number', headers = [], method = 'INVITE', uri = '' } = parts;
  alice.send(message(alice, { ...parts, callId }));
  world.clock.run(10);
  const challenge = alice.response(407).header('Proxy-Authenticate') ?? '';
  const login = credentials(challenge, 'alice', 'alicepw', method, uri);
  const proof = `Proxy-Authorization: ${login}`;
  alice.send(message(alice, { ...parts, callId, cseq: 2, headers: [...headers, proof] }));
  world.clock.run(10);
}

const plain: readonly TrunkSettings[] = [
  { name: 'pbx', uri: pbxUri },
  { name: 'spare', uri: 'sip:198.51.100.2:5062' },
];

test('numbers of URIs, separators and parameters taken off', () => {
  const table: readonly (readonly [string, string | undefined])[] = [
    ['tel:+49-30-123.45', '+493012345'],
    ['tel:110', '110'],
    ['sip:+4930123;phone-context=x@lab.example;user=phone', '+4930123'],
    ['sip:%2B4930123@lab.example', '+4930123'],
    ['sip:alice@lab.example', undefined],
    ['sip:lab.example', undefined],
    [`tel:${'1'.repeat(40)}`, undefined],
  ];
  for (const [text, number] of table) {
    const uri = parseUri(text);
    assert.ok(uri.ok);
    assert.equal(numberOf(uri.value), number, text);
  }
});

test('the longest prefix wins, users need the whole number, digits are rewritten', () => {
  const routes = createNumberRoutes([
    { prefix: '', trunks: ['any'] },
    { prefix: '+49', trunks: ['de'], strip: 3, prepend: '0' },
    { prefix: '+4930123', user: `alice@${domain}` },
  ]);
  assert.deepEqual(routes.find('+4930123'), { kind: 'user', aor: `alice@${domain}` });
  assert.deepEqual(routes.find('+49301234'), { kind: 'trunks', trunks: ['de'], number: '0301234' });
  assert.deepEqual(routes.find('+1555'), { kind: 'trunks', trunks: ['any'], number: '+1555' });
  assert.equal(createNumberRoutes([]).find('110'), undefined);
});

test('a user calls a number: tel and SIP form reach the trunk, which answers for it', () => {
  const s = site(plain);
  for (const uri of ['tel:+49-30-123', `sip:+4930123@${domain};user=phone`]) {
    sendProved(s, { uri, to: `<${uri}>`, callId: uri.slice(0, 4) });
    s.alice.response(100);
    const invite = s.pbx.request('INVITE');
    assert.equal(invite.uri, 'sip:+4930123@198.51.100.1;user=phone');
    s.pbx.reply(invite, 200, { contact: pbxUri });
    s.world.clock.run(10);
    s.alice.response(200);
  }
});

test('the next trunk of the route takes what the first cannot', () => {
  const s = site(plain);
  sendProved(s, { uri: 'tel:+4930123', to: '<tel:+4930123>' });
  s.alice.response(100);
  s.pbx.reply(s.pbx.request('INVITE'), 503);
  s.world.clock.run(10);
  s.pbx.request('ACK');
  assert.equal(s.spare.request('INVITE').uri, 'sip:+4930123@198.51.100.2;user=phone');
});

test('toll: strangers and trunks themselves reach no trunk', () => {
  const s = site([...plain, { name: 'in', uri: 'sip:203.0.113.9' }]);
  for (const at of ['203.0.113.66', '203.0.113.9']) {
    const eve = s.box.phone(at);
    for (const uri of ['tel:+4930123', `sip:+4930123@${domain}`]) {
      eve.send(message(eve, { uri, from: '<sip:eve@other.example>;tag=e', callId: at + uri }));
      s.world.clock.run(1000);
      const answers: number[] = [];
      while (eve.waiting > 0) {
        const answer = eve.take();
        if (answer.kind === 'response') answers.push(answer.status);
      }
      assert.ok((answers.at(-1) ?? 0) >= 400, `${at} ${uri} ${answers.join()}`);
    }
  }
  assert.equal(s.pbx.waiting + s.spare.waiting, 0);
});

test('a call from the trunk reaches the user of the number; only a trusted one asserts identities', () => {
  for (const trusted of [false, true]) {
    const s = site(
      [{ name: 'pbx', uri: pbxUri, trusted, sources: ['198.51.100.0/30'] }],
      [{ prefix: '+4930123', user: `alice@${domain}` }],
    );
    s.pbx.send(
      message(s.pbx, {
        uri: 'sip:+4930123@10.0.0.1',
        to: '<sip:+4930123@10.0.0.1>',
        from: '<sip:+1555@198.51.100.1>;tag=p',
        headers: ['P-Asserted-Identity: <tel:+1555>'],
      }),
    );
    s.world.clock.run(10);
    s.pbx.response(100);
    const invite = s.alice.request('INVITE');
    assert.equal(invite.header('P-Asserted-Identity'), trusted ? '<tel:+1555>' : undefined);
  }
});

test('asserted identity goes to trusted trunks whatever privacy was asked for, to others never', () => {
  for (const trusted of [false, true]) {
    const s = site([{ name: 'pbx', uri: pbxUri, trusted }]);
    sendProved(s, {
      uri: 'tel:+4930123',
      to: '<tel:+4930123>',
      from: '"Anonymous" <sip:anonymous@anonymous.invalid>;tag=caller',
      headers: ['Privacy: id', `P-Preferred-Identity: <sip:alice@${domain}>`],
    });
    s.alice.response(100);
    const invite = s.pbx.request('INVITE');
    const asserted = trusted ? `<sip:alice@${domain}>` : undefined;
    assert.equal(invite.header('P-Asserted-Identity'), asserted);
    assert.equal(invite.header('Privacy'), 'id');
  }
});

test('who insists on privacy that a proxy cannot give is refused', () => {
  const s = site(plain);
  const headers = ['Privacy: header;critical'];
  sendProved(s, { uri: 'tel:+4930123', to: '<tel:+4930123>', headers });
  s.alice.response(500);
  assert.equal(s.pbx.waiting, 0);
});

function assertProof(request: SipRequest, header: string): void {
  const given = parseCredentials(request.header(header) ?? '');
  assert.ok(given.ok);
  const { cnonce, nc, nonce, qop, response, uri } = given.value;
  const ha1 = computeHa1('SHA-256', 'line1', 'provider', 'pässword');
  const utf8 = computeHa1('SHA-256', 'line1', 'provider', 'p\u00c3\u00a4ssword');
  assert.notEqual(ha1, utf8);
  const { method } = request;
  const expected = computeResponse({
    algorithm: 'SHA-256',
    ha1: utf8,
    method,
    uri,
    nonce,
    cnonce,
    nc,
    qop,
  });
  assert.equal(response, expected);
  assert.equal(uri, request.uri);
}

const login = { user: 'line1', password: 'pässword' };
const asks = 'Digest realm="provider", nonce="abc", algorithm=SHA-256, qop="auth"';

test('the trunk challenges a call: it is answered here, the caller never sees it', () => {
  const s = site([{ name: 'pbx', uri: pbxUri, ...login }]);
  sendProved(s, { uri: 'tel:+4930123', to: '<tel:+4930123>' });
  s.alice.response(100);
  const challenge = (request: SipRequest): void => {
    const headers: [string, string][] = [['Proxy-Authenticate', asks]];
    s.pbx.send(createResponse(request, 407, undefined, { toTag: 'p', headers }));
    s.world.clock.run(10);
  };
  challenge(s.pbx.request('INVITE'));
  s.pbx.request('ACK');
  const again = s.pbx.request('INVITE');
  assertProof(again, 'Proxy-Authorization');
  // Wrong credentials are not tried for ever.
  challenge(again);
  s.pbx.request('ACK');
  assert.equal(s.pbx.waiting, 0);
  s.alice.response(407);
});

function runUntilAsked({ pbx, world }: Site): void {
  for (let i = 0; i < 1000 && pbx.waiting === 0; i++) world.clock.run(100);
}

test('registers with the trunk, refreshes, and takes itself out', () => {
  const s = site([{ name: 'pbx', uri: pbxUri, register: true, ...login }], []);
  // The first attempt found nobody; the next one comes after half a minute.
  runUntilAsked(s);
  const first = s.pbx.request('REGISTER');
  assert.equal(first.uri, 'sip:198.51.100.1');
  assert.equal(first.header('Contact'), '<sip:line1@10.0.0.1:5060>');
  const headers: [string, string][] = [['WWW-Authenticate', asks]];
  s.pbx.send(createResponse(first, 401, undefined, { toTag: 'p', headers }));
  s.world.clock.run(10);
  const second = s.pbx.request('REGISTER');
  assertProof(second, 'Authorization');
  assert.ok(second.cseq.number > first.cseq.number);
  assert.equal(second.callId, first.callId);
  s.pbx.send(createResponse(second, 200, undefined, { toTag: 'p', headers: [['Expires', '100']] }));
  s.world.clock.run(10);
  assert.deepEqual(s.box.adapter.snapshot().trunks, [{ name: 'pbx', up: true, registered: true }]);
  s.world.clock.run(80_000 - 100);
  assert.equal(s.pbx.waiting, 0, 'not before most of the time is over');
  s.world.clock.run(200);
  s.pbx.reply(s.pbx.request('REGISTER'), 403);
  s.world.clock.run(10);
  assert.equal(s.box.adapter.snapshot().trunks[0]?.registered, false);
  runUntilAsked(s);
  s.pbx.reply(s.pbx.request('REGISTER'), 200);
  s.world.clock.run(10);
  s.box.adapter.stop({ retire: false }, () => undefined);
  assert.equal(s.pbx.request('REGISTER').header('Expires'), '0');
});

test('a trunk that does not answer OPTIONS is tried last', () => {
  const s = site([{ name: 'pbx', uri: pbxUri, healthS: 10 }, plain[1]!]);
  s.world.clock.run(10_000);
  s.pbx.request('OPTIONS');
  s.world.clock.run(33_000);
  while (s.pbx.waiting > 0) s.pbx.take();
  assert.equal(s.box.adapter.snapshot().trunks[0]?.up, false);
  sendProved(s, { uri: 'tel:+4930123', to: '<tel:+4930123>' });
  s.spare.request('INVITE');
  assert.equal(s.pbx.waiting, 0);
});
