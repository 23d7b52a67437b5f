/** What the proxy refuses before it looks for anybody, and how it treats ACK and CANCEL. RFC 3261 §16. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FakePhone, type Rig, createRig, domain, message, register } from '../core/rig.ts';
import { inviteTo, pair } from './scene.ts';

function idle(rig: Rig): void {
  const { callsRinging, contexts } = rig.server.snapshot();
  assert.deepEqual([callsRinging, contexts], [0, 0]);
}

test('critical privacy that only a privacy service could give is refused', () => {
  const { rig, alice, bob } = pair();
  idle(rig);
  for (const privacy of ['header;critical', 'critical; session', 'USER;CRITICAL']) {
    alice.send(message(alice, { callId: privacy, headers: [`Privacy: ${privacy}`] }));
    assert.equal(alice.response(500).reason, 'Privacy Not Available', privacy);
  }
  idle(rig);
  for (const privacy of ['critical;id', 'header;session', 'none']) {
    alice.send(
      message(alice, { method: 'MESSAGE', callId: privacy, headers: [`Privacy: ${privacy}`] }),
    );
    bob.reply(bob.request('MESSAGE'), 200);
    alice.response(200);
  }
});

test('calls and other requests are told apart in what is going on', () => {
  const { rig, alice, bob } = pair();
  const invite = inviteTo(alice, bob);
  alice.send(message(alice, { method: 'MESSAGE', callId: 'm' }));
  const text = bob.request('MESSAGE');
  const read = () => [rig.server.snapshot().callsRinging, rig.server.snapshot().contexts];
  assert.deepEqual(read(), [1, 2]);
  bob.reply(text, 200);
  alice.response(200);
  assert.deepEqual(read(), [1, 1]);
  bob.reply(invite, 200);
  alice.response(200);
  idle(rig);
});

function answered(rig: Rig, alice: FakePhone, bob: FakePhone): { to: string; routes: string[] } {
  const invite = inviteTo(alice, bob);
  bob.reply(invite, 200, { contact: 'sip:bob@192.0.2.20:5062' });
  const ok = alice.response(200);
  idle(rig);
  const routes = ok.values('Record-Route').toReversed();
  return { to: ok.header('To') ?? '', routes: routes.map((route) => `Route: ${route}`) };
}

test('an ACK goes along the recorded way, or is dropped and counted', () => {
  const { rig, alice, bob } = pair('udp', 'tcp');
  const { to, routes } = answered(rig, alice, bob);
  const ack = { method: 'ACK', uri: 'sip:bob@192.0.2.20:5062', to, headers: routes };
  alice.send(message(alice, ack));
  const got = bob.request('ACK');
  assert.equal(got.values('Via').length, 2);
  assert.equal(got.header('Max-Forwards'), '69');
  assert.equal(got.has('Route'), false);
  const dropped = (): number => rig.trace.count('sip_proxy_acks_dropped_total');
  assert.equal(dropped(), 0);
  bob.drop();
  alice.send(message(alice, { ...ack, branch: 'z9hG4bK-late' }));
  assert.deepEqual([dropped(), alice.waiting], [1, 0]);
});

test('[S5626-5.3.1-03] a request for a flow that is gone finds the phone by its contact, else 430', () => {
  const { rig, alice, bob } = pair('udp', 'tcp');
  const { to, routes } = answered(rig, alice, bob);
  bob.drop();
  const bye = { method: 'BYE', cseq: 2, uri: 'sip:bob@192.0.2.20:5062', to, headers: routes };
  alice.send(message(alice, { ...bye, callId: 'gone' }));
  alice.response(430);
  const again = rig.phone('192.0.2.20', 'tcp', 'lan', 41_000);
  register(again, 'bob', { contacts: ['<sip:bob@192.0.2.20:5062>'] });
  alice.send(message(alice, { ...bye, callId: 'back' }));
  again.request('BYE');
});

test('[S3261-16.10-02] a CANCEL without a call goes where the call would, along a recorded way or to the phone', () => {
  const { rig, alice, bob } = pair();
  const { to, routes } = answered(rig, alice, bob);
  const cancel = (more: Parameters<typeof message>[1]): void =>
    alice.send(message(alice, { method: 'CANCEL', ...more }));
  cancel({ callId: 'a', to, headers: routes, uri: 'sip:bob@192.0.2.20:5062' });
  assert.equal(bob.request('CANCEL').uri, 'sip:bob@192.0.2.20:5062');
  cancel({ callId: 'b' });
  assert.equal(bob.request('CANCEL').uri, 'sip:bob@192.0.2.20:5062');
  for (const uri of [`sips:bob@${domain}`, 'sip:x@other.example', 'tel:1', 'mailto:a@b']) {
    cancel({ callId: uri, uri });
    alice.response(481);
  }
  cancel({ callId: 'c', headers: ['Route: <sip:192.0.2.20:5062;lr>'] });
  alice.response(481);
  assert.equal(bob.waiting, 0);
});

test('forwards that count their hops: 70 where a request has none', () => {
  const { alice, bob } = pair();
  alice.send(message(alice, { method: 'MESSAGE', callId: 'with' }));
  assert.equal(bob.request('MESSAGE').header('Max-Forwards'), '69');
  alice.send(
    message(alice, { method: 'MESSAGE', callId: 'without' }).replace('Max-Forwards: 70\n', ''),
  );
  assert.equal(bob.request('MESSAGE').header('Max-Forwards'), '70');
});

test('too many preferences are refused where this server chooses the phones, not elsewhere', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  register(bob, 'bob');
  const headers = Array.from({ length: 21 }, () => 'Accept-Contact: *;audio');
  alice.send(message(alice, { method: 'MESSAGE', headers }));
  assert.equal(alice.response(403).reason, 'Too Many Caller Preferences');
  const { to, routes } = answered(rig, alice, bob);
  alice.send(
    message(alice, {
      method: 'INFO',
      cseq: 3,
      uri: 'sip:bob@192.0.2.20:5062',
      to,
      headers: [...routes, ...headers],
    }),
  );
  bob.request('INFO');
});
