import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultSipSettings } from '../../../../src/sip/core/settings.ts';
import { type DigestAlgorithm, computeHa1 } from '../../../../src/sip/digest/digest.ts';
import { sha512t256Hex } from '../../../../src/base/hash.ts';
import {
  type FakePhone,
  type MessageParts,
  type Rig,
  createRig,
  credentials,
  domain,
  message,
  register,
} from '../core/rig.ts';

function createAuthRig(algorithms: DigestAlgorithm[] = ['MD5']): Rig {
  return createRig(() => ({
    settings: defaultSipSettings,
    listener: () => ({ algorithms, role: 'proxy' }),
  }));
}

const uri = `sip:bob@${domain}`;

/** A server that asks, Alice, and a phone of Bob. */
function pair(): { rig: Rig; alice: FakePhone; bob: FakePhone } {
  const rig = createAuthRig();
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  register(bob, 'bob');
  return { rig, alice, bob };
}

/** Sends an INVITE and takes the 407; the header that answers it. */
function proofFor(
  phone: FakePhone,
  parts: MessageParts = {},
  { login = 'alice', password = 'alicepw', digestUri = uri } = {},
): string {
  phone.send(message(phone, { callId: 'a', cseq: 1, ...parts }));
  const challenge = phone.response(407).header('Proxy-Authenticate') ?? '';
  return `Proxy-Authorization: ${credentials(challenge, login, password, 'INVITE', digestUri)}`;
}

/** Sends an INVITE, takes the 407 and answers it. */
function invite(phone: FakePhone, login: string, password: string, parts: MessageParts = {}): void {
  const proof = proofFor(phone, parts, { login, password });
  phone.send(message(phone, { callId: 'a', cseq: 2, ...parts, headers: [proof] }));
}

test('[S3261-22.1-01] [S3261-22.2-01] [S8760-2.6-01] the registrar asks with 401, the proxy with 407', () => {
  const rig = createAuthRig();
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  assert.equal(register(bob, 'bob').status, 200);
  alice.send(message(alice, { callId: 'a' }));
  const challenge = alice.response(407);
  assert.match(challenge.header('Proxy-Authenticate') ?? '', /^Digest .*qop="auth"/);
  assert.equal(challenge.has('WWW-Authenticate'), false);
  assert.equal(bob.waiting, 0);
});

test('[S3261-22.3-01] with the right password the call goes through, without our credentials in it', () => {
  const { alice, bob } = pair();
  const proof = proofFor(alice);
  const other = 'Digest username="x", realm="other.example", nonce="n", uri="sip:o", response="00"';
  alice.send(
    message(alice, {
      callId: 'a',
      cseq: 2,
      headers: [`Proxy-Authorization: ${other}`, proof],
    }),
  );
  alice.response(100);
  assert.deepEqual(bob.request('INVITE').rows('Proxy-Authorization'), [other]);
});

test('`alice@domain` is the same login', () => {
  const rig = createAuthRig();
  const phone = rig.phone('192.0.2.10');
  assert.equal(register(phone, 'alice', { login: `alice@${domain}` }).status, 200);
});

test('a user of a further domain logs in with the whole address and registers that only', () => {
  const second = 'second.example';
  const rig = createRig((deps) => ({
    domains: {
      ...deps.domains,
      servedDomain: (host, port) =>
        host === second ? second : deps.domains.servedDomain(host, port),
    },
    accounts: {
      lookup: (name) =>
        name === `alice@${second}`
          ? {
              aor: name,
              ha1Md5: computeHa1('MD5', name, domain, 'alicepw'),
              ha1Sha256: undefined,
              enabled: true,
            }
          : deps.accounts.lookup(name),
    },
  }));
  const phone = rig.phone('192.0.2.10');
  const there = { to: `<sip:alice@${second}>`, from: `<sip:alice@${second}>;tag=r` };
  const other = { ...there, login: `alice@${second}` };
  assert.equal(register(phone, 'alice', other).status, 200);
  assert.equal(rig.location.bindings(`alice@${second}`).length, 1);
  assert.equal(register(phone, 'alice', there).status, 403, 'the same user part is another user');
  assert.equal(register(phone, 'alice', { login: `alice@${second}` }).status, 403);
  assert.equal(rig.location.bindings(`alice@${domain}`).length, 0);
});

test('[S3261-10.3-05] wrong passwords and unknown users get the same fresh challenge and are counted per source', () => {
  const rig = createAuthRig();
  const answers: string[] = [];
  for (const [address, user] of [
    ['192.0.2.66', 'alice'],
    ['192.0.2.67', 'nobody'],
  ] as const) {
    const phone = rig.phone(address);
    invite(phone, user, 'guess', { from: `<sip:${user}@${domain}>;tag=caller` });
    const answer = phone.response(407);
    const value = answer.header('Proxy-Authenticate') ?? '';
    assert.doesNotMatch(value, /stale/i);
    answers.push(value.replace(/nonce="[^"]*"/, ''));
  }
  assert.equal(answers[0], answers[1]);
  assert.equal(rig.server.snapshot().failingSources, 2);
  register(rig.phone('192.0.2.66'), 'alice');
  assert.equal(rig.server.snapshot().failingSources, 1);
});

test('[S3261-22.4-04] a genuine but old nonce is asked again with stale', () => {
  const rig = createAuthRig();
  const alice = rig.phone('192.0.2.10');
  const proof = proofFor(alice);
  rig.clock.advance(301_000);
  while (alice.waiting > 0) alice.take();
  alice.send(message(alice, { callId: 'a', cseq: 2, headers: [proof] }));
  assert.match(alice.response(407).header('Proxy-Authenticate') ?? '', /stale=true/i);
  assert.equal(rig.server.snapshot().failingSources, 0);
});

test('[S8760-2.3-01] [S8760-2.3-02] algorithms are those of the listener, in its order', () => {
  const rig = createAuthRig(['SHA-256', 'MD5']);
  const phone = rig.phone('192.0.2.10');
  phone.send(message(phone, { callId: 'a' }));
  const rows = phone.response(407).rows('Proxy-Authenticate');
  assert.equal(rows.length, 2);
  assert.match(rows[0] ?? '', /algorithm=SHA-256/);
  const proof = credentials(rows[0] ?? '', 'alice', 'alicepw', 'INVITE', uri);
  phone.send(message(phone, { callId: 'a', cseq: 2, headers: [`Proxy-Authorization: ${proof}`] }));
  phone.response(480);

  const strict = createAuthRig(['SHA-256']);
  const other = strict.phone('192.0.2.10');
  other.send(message(other, { callId: 'a' }));
  const offered = other.response(407).header('Proxy-Authenticate') ?? '';
  const weak = credentials(offered.replace('SHA-256', 'MD5'), 'alice', 'alicepw', 'INVITE', uri);
  other.send(message(other, { callId: 'a', cseq: 2, headers: [`Proxy-Authorization: ${weak}`] }));
  other.response(407);
});

test("[S3261-22.4-01] Basic is no answer, and another's From is refused", () => {
  const rig = createAuthRig();
  const alice = rig.phone('192.0.2.10');
  alice.send(message(alice, { callId: 'b', headers: ['Proxy-Authorization: Basic YTpi'] }));
  alice.response(407);
  invite(alice, 'alice', 'alicepw', { from: `<sip:carol@${domain}>;tag=caller` });
  alice.response(403);
  const outside = rig.phone('192.0.2.11');
  invite(outside, 'alice', 'alicepw', { from: '<sip:boss@bank.example>;tag=caller' });
  outside.response(403);
});

test('an anonymous caller is accepted and asserted towards the overlay only', () => {
  const { alice, bob } = pair();
  invite(alice, 'alice', 'alicepw', { from: '<sip:anonymous@anonymous.invalid>;tag=caller' });
  alice.response(100);
  assert.equal(bob.request('INVITE').header('P-Asserted-Identity'), `<sip:alice@${domain}>`);
});

test('what a phone asserts is replaced by what it proved', () => {
  const { alice, bob } = pair();
  const proof = proofFor(alice);
  const send = (callId: string, more: string[]): void => {
    const headers = ['P-Asserted-Identity: <sip:boss@lab.example>', ...more];
    alice.send(message(alice, { callId, cseq: 2, headers: [...headers, proof] }));
  };
  send('a', []);
  alice.response(100);
  assert.deepEqual(bob.request('INVITE').rows('P-Asserted-Identity'), [`<sip:alice@${domain}>`]);
});

test('a disabled account is refused although the password is right', () => {
  const rig = createAuthRig();
  const phone = rig.phone('192.0.2.10');
  assert.equal(register(phone, 'mallory').status, 403);
});

test('[S3261-22.4-03] the digest uri must denote something served here', () => {
  const rig = createAuthRig();
  const alice = rig.phone('192.0.2.10');
  const proof = proofFor(alice, {}, { digestUri: 'sip:other.example' });
  alice.send(message(alice, { callId: 'a', cseq: 2, headers: [proof] }));
  alice.response(407);
});

test('[S3261-22.1-02] CANCEL and the ACK of a 2xx are never challenged', () => {
  const { alice, bob } = pair();
  invite(alice, 'alice', 'alicepw');
  alice.response(100);
  const request = bob.request('INVITE');
  bob.reply(request, 200, { contact: 'sip:bob@192.0.2.20:5062' });
  const ok = alice.response(200);
  const headers = [...ok.values('Record-Route')].reverse().map((route) => `Route: ${route}`);
  const to = `<${uri}>;tag=callee`;
  alice.send(message(alice, { method: 'ACK', uri: 'sip:bob@192.0.2.20:5062', to, headers }));
  bob.request('ACK');
  alice.send(message(alice, { method: 'CANCEL', branch: 'z9hG4bK-none' }));
  bob.request('CANCEL');
  assert.equal(alice.waiting, 0);
});

test('nobody relays through this server without proof', () => {
  const rig = createAuthRig();
  const stranger = rig.phone('192.0.2.66');
  stranger.send(message(stranger, { uri: 'sip:victim@203.0.113.9', callId: 's1' }));
  stranger.response(407);
  stranger.send(
    message(stranger, {
      method: 'BYE',
      callId: 's2',
      uri: 'sip:victim@203.0.113.9',
      to: '<sip:victim@203.0.113.9>;tag=x',
      headers: [`Route: <sip:${domain};lr>`],
    }),
  );
  stranger.response(407);
  stranger.send(
    message(stranger, {
      method: 'ACK',
      callId: 's3',
      uri: 'sip:victim@203.0.113.9',
      to: '<sip:victim@203.0.113.9>;tag=x',
    }),
  );
  assert.equal(stranger.waiting, 0);
});

test('a flow token learned elsewhere opens no door', () => {
  const rig = createAuthRig();
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  const thief = rig.phone('192.0.2.66');
  const victim = rig.phone('203.0.113.9');
  register(bob, 'bob');
  invite(alice, 'alice', 'alicepw');
  alice.response(100);
  const routes = bob.request('INVITE').values('Record-Route');
  const headers = routes.map((route) => `Route: ${route}`);
  const to = `<${uri}>;tag=forged`;
  thief.send(
    message(thief, { method: 'INFO', callId: 't1', uri: 'sip:x@203.0.113.9', to, headers }),
  );
  thief.response(407);
  // A dialog leads along its own flows, to no place that only the message names.
  const onward = [...headers, 'Route: <sip:203.0.113.9:5062;lr>'];
  bob.send(
    message(bob, { method: 'INFO', callId: 't2', uri: 'sip:x@203.0.113.9', to, headers: onward }),
  );
  const info = alice.request('INFO');
  assert.deepEqual(info.values('Route'), ['<sip:203.0.113.9:5062;lr>']);
  assert.equal(victim.waiting, 0);
});

test('[S3261-22.1-03] the credentials of an INVITE are good for its ACK, though their nonce is used up', () => {
  const { alice, bob } = pair();
  const proof = proofFor(alice);
  alice.send(message(alice, { callId: 'a', cseq: 2, headers: [proof] }));
  alice.response(100);
  bob.reply(bob.request('INVITE'), 200, { contact: 'sip:bob@192.0.2.20:5062' });
  const ok = alice.response(200);
  const routes = [...ok.values('Record-Route')].reverse().map((route) => `Route: ${route}`);
  alice.send(
    message(alice, {
      method: 'ACK',
      callId: 'a',
      cseq: 2,
      uri: 'sip:bob@192.0.2.20:5062',
      to: `<${uri}>;tag=callee`,
      headers: [...routes, proof],
    }),
  );
  bob.request('ACK');
  assert.equal(alice.waiting, 0);
  // The same proof does not serve for anything else.
  alice.send(message(alice, { callId: 'b', cseq: 3, headers: [proof] }));
  assert.match(alice.response(407).header('Proxy-Authenticate') ?? '', /stale=true/i);
});

test('[S3261-26.3.2.4-01] strangers are challenged once, and nothing is kept of them', () => {
  const rig = createAuthRig();
  const stranger = rig.phone('192.0.2.66');
  const text = message(stranger, { callId: 's', branch: 'z9hG4bK-stranger' });
  stranger.send(text);
  const challenge = stranger.response(407);
  assert.equal(rig.server.snapshot().transactions, 0);
  rig.clock.advance(40_000);
  assert.equal(stranger.waiting, 0);
  // Its ACK, and the INVITE once more.
  const ack = text
    .replaceAll('INVITE', 'ACK')
    .replace(/To: .*/, `To: ${challenge.header('To') ?? ''}`);
  stranger.send(ack);
  assert.equal(stranger.waiting, 0);
  stranger.send(text);
  assert.equal(stranger.response(407).to.tag, challenge.to.tag);
});

test('[S8760-2.1-01] [S8760-2.2-01] each algorithm is usable, with its whole digest', () => {
  // FIPS 180-4.
  assert.equal(
    sha512t256Hex('abc'),
    '53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23',
  );
  const all = ['SHA-512-256', 'SHA-256', 'MD5'] as const;
  for (const [i, algorithm] of all.entries()) {
    for (const session of ['', '-sess'] as const) {
      const rig = createAuthRig([...all, 'SHA-512-256-sess', 'SHA-256-sess', 'MD5-sess']);
      const phone = rig.phone('192.0.2.10');
      phone.send(message(phone, { callId: 'x' }));
      const rows = phone.response(407).rows('Proxy-Authenticate');
      const challenge = rows[i + (session === '' ? 0 : 3)] ?? '';
      assert.match(challenge, new RegExp(`algorithm=${algorithm}${session}(?:,|$)`));
      const proof = credentials(challenge, 'alice', 'alicepw', 'INVITE', uri);
      const digits = algorithm === 'MD5' ? 32 : 64;
      assert.match(proof, new RegExp(`response="[0-9a-f]{${String(digits)}}"`));
      const short = proof.replace(/response="([0-9a-f]{16})[0-9a-f]*"/, 'response="$1"');
      for (const [answer, status] of [
        [short, 407],
        [proof.replace(`algorithm=${algorithm}`, `algorithm=${algorithm.toLowerCase()}`), 480],
      ] as const) {
        const headers = [`Proxy-Authorization: ${answer}`];
        phone.send(message(phone, { callId: 'x', cseq: status, headers }));
        phone.response(status);
      }
    }
  }
});
