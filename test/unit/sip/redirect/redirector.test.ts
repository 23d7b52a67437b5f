import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Rig, createRig, domain, message, register } from '../core/rig.ts';

function createRedirectRig(): Rig {
  return createRig(() => ({ listener: () => ({ algorithms: ['MD5'], role: 'redirect' }) }));
}

test('[S3261-8.3-01] [S3261-8.3-05] a redirect server answers with the contacts and sends nothing', () => {
  const rig = createRedirectRig();
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  register(bob, 'bob', { contacts: ['<sip:bob@192.0.2.20>;q=0.4', '<sip:bob@192.0.2.21>;q=0.9'] });
  alice.send(message(alice, { method: 'FOO', headers: ['Require: bar'] }));
  const answer = alice.response(302);
  assert.deepEqual(answer.values('Contact'), [
    '<sip:bob@192.0.2.21>;q=0.900',
    '<sip:bob@192.0.2.20>;q=0.400',
  ]);
  assert.equal(bob.waiting, 0);
});

test('[S3841-7.2.4-05] the q values of a redirect give the order of the preferences, features stay here', () => {
  const rig = createRig(() => ({ listener: () => ({ algorithms: ['MD5'], role: 'redirect' }) }));
  const alice = rig.phone('192.0.2.10');
  const voice = rig.phone('192.0.2.20');
  const video = rig.phone('192.0.2.21');
  const none = rig.phone('192.0.2.22');
  register(voice, 'bob', { contacts: ['<sip:bob@192.0.2.20:5062>;audio;q=0.5'] });
  register(video, 'bob', { contacts: ['<sip:bob@192.0.2.21:5062>;audio;video;q=0.5'] });
  register(none, 'bob', { contacts: ['<sip:bob@192.0.2.22:5062>;automata'] });
  const headers = ['Accept-Contact: *;video', 'Reject-Contact: *;automata'];
  alice.send(message(alice, { headers }));
  assert.deepEqual(alice.response(302).rows('Contact'), [
    '<sip:bob@192.0.2.21:5062>;q=1.000',
    '<sip:bob@192.0.2.20:5062>;q=0.500',
  ]);
});

test('[S3261-8.3-03] the 302 to an INVITE is repeated until the ACK', () => {
  const rig = createRedirectRig();
  const alice = rig.phone('192.0.2.10');
  register(rig.phone('192.0.2.20'), 'bob');
  alice.send(message(alice, { branch: 'z9hG4bK-redirect' }));
  const first = alice.response(302);
  rig.clock.advance(600);
  alice.response(302);
  alice.send(
    message(alice, {
      method: 'ACK',
      branch: 'z9hG4bK-redirect',
      to: first.header('To') ?? '',
    }),
  );
  rig.clock.advance(10_000);
  assert.equal(alice.waiting, 0);
});

test('[S3261-8.3-04] unknown users are 404, never redirected to themselves', () => {
  const rig = createRedirectRig();
  const alice = rig.phone('192.0.2.10');
  alice.send(message(alice, { uri: `sip:nobody@${domain}` }));
  alice.response(404);
  register(rig.phone('192.0.2.20'), 'bob', { contacts: ['<sip:bob@192.0.2.20>'] });
  alice.send(message(alice, { callId: 'x', uri: `sip:bob@${domain}` }));
  alice.response(302);
});

test('phones that only this server reaches are told by the place that leads here, once', () => {
  const rig = createRig(() => ({
    listener: () => ({ algorithms: ['MD5'], role: 'redirect' }),
    placeHere: (aor, { sips, transport }) =>
      `${sips ? 'sips' : 'sip'}:${aor};gr=here;x-via=${transport}`,
  }));
  const alice = rig.phone('192.0.2.10');
  register(rig.phone('192.0.2.20', 'ws'), 'bob', { contacts: ['<sip:bob@a.invalid>;q=0.5'] });
  register(rig.phone('192.0.2.21', 'ws'), 'bob', { contacts: ['<sip:bob@b.invalid>;q=0.4'] });
  register(rig.phone('192.0.2.22'), 'bob', { contacts: ['<sip:bob@192.0.2.22:5062>;q=0.3'] });
  alice.send(message(alice));
  assert.deepEqual(alice.response(302).rows('Contact'), [
    `<sip:bob@${domain};gr=here;x-via=udp>;q=0.500`,
    '<sip:bob@192.0.2.22:5062>;q=0.300',
  ]);
});
