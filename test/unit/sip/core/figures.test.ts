/** What the server counts: operators see by these figures what is served, refused and why. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultSipSettings } from '../../../../src/sip/core/settings.ts';
import { createResponse } from '../../../../src/sip/message/message.ts';
import {
  type FakePhone,
  type Rig,
  createRig,
  credentials,
  domain,
  message,
  register,
} from '../core/rig.ts';

function pair(): { rig: Rig; alice: FakePhone; bob: FakePhone } {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  register(bob, 'bob');
  return { rig, alice, bob };
}

test('requests are counted by method, unknown ones together', () => {
  const { rig, alice } = pair();
  const methods = [
    ...['INVITE', 'BYE', 'OPTIONS', 'MESSAGE', 'SUBSCRIBE', 'NOTIFY', 'REFER', 'PRACK', 'UPDATE'],
    ...['INFO', 'PUBLISH', 'FOO', 'BAR'],
  ];
  for (const method of methods) {
    alice.send(message(alice, { method, uri: `sip:${domain}`, callId: method }));
  }
  for (const method of methods.slice(0, -2)) {
    assert.equal(rig.trace.count('sip_requests_total', method), 1, method);
  }
  assert.equal(rig.trace.count('sip_requests_total', 'other'), 2);
  assert.equal(rig.trace.count('sip_requests_total', 'REGISTER'), 2);
});

test('registrations: accepted and rejected', () => {
  const { rig, alice } = pair();
  const accepted = (): number => rig.trace.count('sip_registrations_total', 'accepted');
  const rejected = (): number => rig.trace.count('sip_registrations_total', 'rejected');
  assert.deepEqual([accepted(), rejected()], [1, 0]);
  register(alice, 'alice', { headers: ['Expires: 1'] });
  assert.deepEqual([accepted(), rejected()], [1, 1]);
  register(alice, 'alice', { contacts: [] });
  assert.deepEqual([accepted(), rejected()], [2, 1]);
});

test('logins: challenged, accepted, failed, stale', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const count = (): readonly number[] =>
    ['challenged', 'accepted', 'failed', 'stale', 'banned'].map((result) =>
      rig.trace.count('sip_auth_total', result),
    );
  register(alice, 'alice');
  assert.deepEqual(count(), [1, 1, 0, 0, 0]);
  const send = (headers: readonly string[]): string => {
    alice.send(
      message(alice, {
        method: 'REGISTER',
        uri: `sip:${domain}`,
        to: `<sip:alice@${domain}>`,
        callId: 'x',
        cseq: 1,
        headers,
      }),
    );
    return alice.response(401).header('WWW-Authenticate') ?? '';
  };
  const challenge = send([]);
  const proof = (password: string): string =>
    `Authorization: ${credentials(challenge, 'alice', password, 'REGISTER', `sip:${domain}`)}`;
  const fresh = send([proof('wrong')]);
  assert.ok(!fresh.includes('stale'));
  rig.clock.advance(301_000);
  assert.match(send([proof('alicepw')]), /stale=TRUE/);
  assert.deepEqual(count(), [2, 1, 1, 1, 0]);
});

test('forwarded requests and their answers by class', () => {
  const { rig, alice, bob } = pair();
  let calls = 0;
  for (const status of [200, 302, 404, 503, 603]) {
    alice.send(message(alice, { method: 'MESSAGE', callId: String(status) }));
    bob.reply(bob.request('MESSAGE'), status);
    alice.response(status === 503 ? 500 : status);
    calls++;
    assert.equal(rig.trace.count('sip_proxy_requests_total'), calls);
    assert.equal(rig.trace.count('sip_proxy_answers_total', `${String(status).charAt(0)}xx`), 1);
  }
  assert.equal(rig.trace.count('sip_proxy_refused_total'), 0);
  alice.send(message(alice, { callId: 'wide', headers: ['Max-Breadth: 0'] }));
  alice.response(440);
  assert.equal(rig.trace.count('sip_proxy_refused_total'), 1);
  const looped = message(alice, { callId: 'loop', branch: 'z9hG4bK-loop' });
  alice.send(looped);
  alice.response(100);
  const copy = bob.request('INVITE');
  bob.send(
    copy.edit().setUri(`sip:bob@${domain}`).prepend('Via', 'SIP/2.0/UDP b;branch=z9hG4bKb').build(),
  );
  bob.response(482);
  assert.equal(rig.trace.count('sip_proxy_loops_total'), 1);
  assert.equal(rig.server.snapshot().callsRinging, 1);
  bob.send(createResponse(copy, 486, undefined, { toTag: 'b' }));
  alice.response(486);
  assert.deepEqual([rig.server.snapshot().callsRinging, rig.server.snapshot().contexts], [0, 0]);
});

test('what the server itself refuses, and ACKs that lead nowhere', () => {
  const { rig, alice } = pair();
  const refused = rig.trace.count('sip_requests_refused_total');
  alice.send(message(alice, { uri: 'mailto:a@b' }));
  alice.response(416);
  alice.send(message(alice, { uri: `sip:${domain}`, callId: 'self' }));
  assert.equal(alice.response(405).header('Allow'), 'REGISTER, OPTIONS, SUBSCRIBE');
  assert.equal(rig.trace.count('sip_requests_refused_total'), refused + 2);
  const acks = rig.trace.count('sip_acks_refused_total');
  alice.send(message(alice, { method: 'ACK', callId: 'stray' }));
  alice.send(message(alice, { method: 'ACK', callId: 'stray2', uri: 'mailto:a@b' }));
  assert.equal(rig.trace.count('sip_acks_refused_total'), acks + 2);
  assert.equal(alice.waiting, 0);
});

test('an overloaded server sheds new work with 503 and says when to come again', () => {
  let overloaded = false;
  const rig = createRig(() => ({ overloaded: () => overloaded }));
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  register(bob, 'bob');
  alice.send(message(alice, { callId: 'early' }));
  alice.response(100);
  const invite = bob.request('INVITE');
  bob.reply(invite, 200, { contact: 'sip:bob@192.0.2.20:5062' });
  const ok = alice.response(200);
  overloaded = true;
  const attempts = [
    { method: 'INVITE', callId: 'new' },
    { method: 'REGISTER', uri: `sip:${domain}`, callId: 'reg' },
    {
      method: 'SUBSCRIBE',
      callId: 'sub',
      headers: ['Event: reg', 'Contact: <sip:a@192.0.2.10>'],
    },
  ];
  for (const parts of attempts) {
    alice.send(message(alice, parts));
    assert.equal(alice.response(503).header('Retry-After'), '5', parts.method);
  }
  assert.equal(rig.trace.count('sip_requests_shed_total'), 3);
  alice.send(message(alice, { method: 'CANCEL', callId: 'lost' }));
  alice.response(481);
  const headers = ok
    .values('Record-Route')
    .toReversed()
    .map((route) => `Route: ${route}`);
  alice.send(
    message(alice, {
      method: 'BYE',
      cseq: 2,
      callId: 'early',
      uri: 'sip:bob@192.0.2.20:5062',
      to: ok.header('To') ?? '',
      headers,
    }),
  );
  bob.request('BYE');
  alice.send(message(alice, { method: 'OPTIONS', uri: `sip:${domain}`, callId: 'ping' }));
  assert.equal(alice.response(200).header('Supported'), 'path, outbound, gruu');
});

test('[S3261-11.2-01] OPTIONS tells what the server can', () => {
  const { alice } = pair();
  for (const headers of [[], ['Max-Forwards: 0']]) {
    const text = message(alice, { method: 'OPTIONS', uri: `sip:${domain}`, callId: 'o' });
    alice.send(headers.length === 0 ? text : text.replace('Max-Forwards: 70', 'Max-Forwards: 0'));
    const answer = alice.response(200);
    assert.deepEqual(
      ['Accept', 'Accept-Encoding', 'Accept-Language', 'Supported', 'Allow-Events', 'Server'].map(
        (name) => answer.header(name),
      ),
      ['application/sdp', 'identity', 'en', 'path, outbound, gruu', 'reg', 'Chordial'],
    );
  }
  const silent = createRig(({ settings }) => ({ settings: { ...settings, serverName: '' } }));
  const phone = silent.phone('192.0.2.10');
  phone.send(message(phone, { method: 'OPTIONS', uri: `sip:${domain}` }));
  assert.equal(phone.response(200).has('Server'), false);
});

test('subscriptions for the server: unknown events and unknown subscriptions', () => {
  const { alice } = pair();
  alice.send(message(alice, { method: 'SUBSCRIBE', uri: `sip:${domain}`, headers: ['Event: x'] }));
  assert.equal(alice.response(489).header('Allow-Events'), 'reg');
  const to = `<sip:${domain}>;tag=gone`;
  alice.send(message(alice, { method: 'SUBSCRIBE', uri: `sip:${domain}`, to, callId: 'in' }));
  alice.response(481);
});

test('the defaults are those that docs and operators rely on', () => {
  const { registrar, proxy, auth } = defaultSipSettings;
  assert.deepEqual(
    [registrar.minExpiresS, registrar.maxExpiresS, registrar.defaultExpiresS],
    [60, 3600, 3600],
  );
  assert.deepEqual([registrar.maxContacts, registrar.maxContactsPerDevice], [16, 4]);
  assert.deepEqual([registrar.admissionTimeoutMs, registrar.natPingS], [2000, 30]);
  assert.deepEqual(
    [registrar.flowTimerS, registrar.natExpiresS, registrar.natPing],
    [0, 0, 'options'],
  );
  assert.deepEqual([registrar.acceptsUnannouncedPath, registrar.serviceRoute], [false, []]);
  assert.deepEqual([proxy.timerCMs, proxy.maxBreadth, proxy.maxForwards], [181_000, 60, 70]);
  assert.deepEqual([auth.challengeRequests, auth.challengeRegistrations], [true, true]);
  assert.deepEqual([auth.nonceLifetimeS, auth.offersIntegrity], [300, false]);
  assert.deepEqual([auth.maxFailures, auth.maxUserFailures, auth.banS], [20, 100, 300]);
});
