import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createResponse } from '../../../../src/sip/message/message.ts';
import { type FakePhone, type Rig, createRig, domain, message, register } from '../core/rig.ts';

function ring(): { rig: Rig; alice: FakePhone; bob: FakePhone; carol: FakePhone } {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  const carol = rig.phone('192.0.2.30');
  register(bob, 'bob');
  register(carol, 'carol');
  return { rig, alice, bob, carol };
}

/** Answers the INVITE at a phone with 302 to those Contacts. */
function move(phone: FakePhone, contacts: readonly string[], extra: [string, string][] = []): void {
  const headers: [string, string][] = contacts.map((contact) => ['Contact', contact]);
  phone.send(
    createResponse(phone.request('INVITE'), 302, undefined, {
      toTag: 'moved',
      headers: [...headers, ...extra],
    }),
  );
  phone.request('ACK');
}

test('[S3261-16.7-10] a 302 to a user of ours is followed and never seen by the caller', () => {
  const { rig, alice, bob, carol } = ring();
  alice.send(message(alice));
  alice.response(100);
  move(bob, [`<sip:carol@${domain}>`], [['Diversion', `<sip:bob@${domain}>;reason=user-busy`]]);
  const invite = carol.request('INVITE');
  assert.equal(invite.uri, 'sip:carol@192.0.2.30:5062');
  assert.equal(invite.header('Diversion'), `<sip:bob@${domain}>;reason=user-busy`);
  assert.deepEqual(invite.values('History-Info'), [
    `<sip:bob@${domain}?Reason=SIP%3Bcause%3D302>;index=1`,
    `<sip:carol@${domain}>;index=1.1;mp=1`,
  ]);
  carol.reply(invite, 200, { tag: 'carol' });
  assert.equal(alice.response(200).to.tag, 'carol');
  assert.equal(alice.waiting, 0);
  assert.equal(rig.server.snapshot().contexts, 0);
});

test('[S3261-16.7-10] what was followed is taken out of the 3xx that goes up', () => {
  const { alice, bob, carol } = ring();
  alice.send(message(alice));
  alice.response(100);
  move(bob, [`<sip:carol@${domain}>;q=0.9`, '<sip:bob@elsewhere.example>;q=0.4']);
  carol.reply(carol.request('INVITE'), 480);
  carol.request('ACK');
  assert.deepEqual(alice.response(302).rows('Contact'), ['<sip:bob@elsewhere.example>;q=0.4']);
});

test('[S3261-16.5-03] redirections in a circle end with an answer', () => {
  const { rig, alice, bob, carol } = ring();
  alice.send(message(alice));
  alice.response(100);
  move(bob, [`<sip:carol@${domain}>`]);
  move(carol, [`<sip:%62ob@${domain.toUpperCase()}>`]);
  const answer = alice.take();
  assert.ok(answer.kind === 'response' && answer.status >= 400, 'an error, no 302');
  assert.equal(bob.waiting, 0);
  assert.equal(rig.server.snapshot().contexts, 0);
});

test('the Contacts of a 302 ring by their q', () => {
  const { rig, alice, bob, carol } = ring();
  const dave = rig.phone('192.0.2.40');
  register(dave, 'alice');
  alice.send(message(alice));
  alice.response(100);
  move(bob, [`<sip:alice@${domain}>;q=0.2`, `<sip:carol@${domain}>;q=0.8`]);
  const first = carol.request('INVITE');
  assert.equal(dave.waiting, 0);
  carol.reply(first, 486);
  carol.request('ACK');
  dave.request('INVITE');
});

test('[S3261-16.6-06] a secure call is not redirected to an insecure place', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10', 'tls');
  const bob = rig.phone('192.0.2.20', 'tls');
  const carol = rig.phone('192.0.2.30');
  register(bob, 'bob');
  register(carol, 'carol');
  alice.send(message(alice, { uri: `sips:bob@${domain}` }));
  alice.response(100);
  move(bob, [`<sip:carol@${domain}>`]);
  assert.equal(alice.response(302).header('Contact'), `<sip:carol@${domain}>`);
  assert.equal(carol.waiting, 0);
});

test('a caller that gives up while a redirection is followed cancels that branch', () => {
  const { alice, bob, carol } = ring();
  alice.send(message(alice, { branch: 'z9hG4bK-giveup' }));
  alice.response(100);
  move(bob, [`<sip:carol@${domain}>`]);
  const invite = carol.request('INVITE');
  carol.reply(invite, 180);
  alice.response(180);
  alice.send(message(alice, { branch: 'z9hG4bK-giveup' }).replaceAll('INVITE', 'CANCEL'));
  alice.response(200);
  carol.request('CANCEL');
  carol.reply(invite, 487);
  alice.response(487);
});

test('[S3841-7.1-01] no-recurse leaves the redirection to the caller', () => {
  const { alice, bob, carol } = ring();
  alice.send(message(alice, { headers: ['Request-Disposition: no-recurse'] }));
  alice.response(100);
  move(bob, [`<sip:carol@${domain}>`]);
  alice.response(302);
  assert.equal(carol.waiting, 0);
});

test('[S3841-7.1-01] no-fork, sequential, no-cancel and redirect', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const b1 = rig.phone('192.0.2.20');
  const b2 = rig.phone('192.0.2.21');
  register(b1, 'bob');
  register(b2, 'bob', { contacts: ['<sip:bob@192.0.2.21:5062>'] });
  const call = (callId: string, disposition: string): void => {
    alice.send(message(alice, { callId, headers: [`Request-Disposition: ${disposition}`] }));
  };

  call('fork', 'no-fork');
  alice.response(100);
  b1.reply(b1.request('INVITE'), 486);
  b1.request('ACK');
  alice.response(486);
  assert.equal(b2.waiting, 0);

  call('seq', 'Sequential');
  alice.response(100);
  const first = b1.request('INVITE');
  assert.equal(b2.waiting, 0);
  b1.reply(first, 486);
  b1.request('ACK');
  b2.reply(b2.request('INVITE'), 486);
  b2.request('ACK');
  alice.response(486);

  call('keep', 'no-cancel');
  alice.response(100);
  const answered = b1.request('INVITE');
  const ringing = b2.request('INVITE');
  b2.reply(ringing, 180);
  alice.response(180);
  b1.reply(answered, 200, { tag: 'one' });
  alice.response(200);
  assert.equal(b2.waiting, 0, 'the other phone is not cancelled');
  b2.reply(ringing, 200, { tag: 'two' });
  assert.equal(alice.response(200).to.tag, 'two');

  call('redirect', 'redirect');
  assert.equal(alice.response(302).rows('Contact').length, 2);
  assert.equal(b1.waiting + b2.waiting, 0);
});
