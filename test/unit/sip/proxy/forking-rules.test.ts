import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createResponse } from '../../../../src/sip/message/message.ts';
import { type FakePhone, domain, message, register } from '../core/rig.ts';
import { inviteTo, pair, two } from './scene.ts';

test('[S8760-2.5-01] all challenges of a fork go up, those of one phone in their order', () => {
  const { alice, b: bob, c: other } = two();
  alice.send(message(alice));
  alice.response(100);
  const challenge = (phone: FakePhone, name: string): void => {
    const headers: [string, string][] = ['SHA-256', 'MD5'].map((algorithm) => [
      'WWW-Authenticate',
      `Digest realm="${name}", nonce="1", algorithm=${algorithm}`,
    ]);
    phone.send(createResponse(phone.request('INVITE'), 401, undefined, { toTag: name, headers }));
    phone.request('ACK');
  };
  challenge(bob, 'one');
  challenge(other, 'two');
  const found = alice.response(401).rows('WWW-Authenticate');
  assert.equal(found.length, 4);
  for (const name of ['one', 'two']) {
    const algorithms = found.filter((row) => row.includes(`"${name}"`));
    assert.ok(algorithms[0]?.includes('SHA-256') === true && algorithms[1]?.includes('MD5'));
  }
});

test('[S3261-16.1-01] a retransmitted request is not forwarded twice', () => {
  const { alice, b: bob, c: other } = two();
  const text = message(alice);
  alice.send(text);
  alice.response(100);
  bob.request('INVITE');
  other.request('INVITE');
  alice.send(text);
  assert.equal(bob.waiting + other.waiting, 0);
  alice.response(100);
});

test('[S3261-16.5-05] a phone that registers during the call rings too, a refresh does not ring twice', () => {
  const { rig, alice, bob } = pair();
  const invite = inviteTo(alice, bob);
  bob.reply(invite, 180);
  alice.response(180);
  register(bob, 'bob');
  rig.clock.advance(0);
  const late = rig.phone('192.0.2.22');
  register(late, 'bob');
  rig.clock.advance(0);
  assert.equal(bob.waiting, 0, 'the ringing phone is left alone');
  const second = late.request('INVITE');
  late.reply(second, 200, { tag: 'late' });
  assert.equal(alice.response(200).to.tag, 'late');
  bob.request('CANCEL');
  const later = rig.phone('192.0.2.23');
  register(later, 'bob');
  rig.clock.advance(0);
  assert.equal(later.waiting, 0, 'the call is answered');
});

test('[S5393-4.1-01] before a fork the request is checked for having been here', () => {
  const { alice, b, c } = two();
  alice.send(message(alice));
  alice.response(100);
  const copy = b.request('INVITE');
  c.request('INVITE');
  // b sends what it got back to the user, as a proxy that forwards would.
  const looped = copy
    .edit()
    .setUri(`sip:bob@${domain}`)
    .prepend('Via', 'SIP/2.0/UDP 192.0.2.20:5062;branch=z9hG4bK-loop;rport')
    .build();
  b.send(looped);
  b.response(482);
  assert.equal(b.waiting + c.waiting, 0);
});

test('[S5393-5.3.3-03] a parallel search that the breadth forbids is 440, nothing is sent', () => {
  const { alice, b, c } = two();
  alice.send(message(alice, { headers: ['Max-Breadth: 1', 'Request-Disposition: parallel'] }));
  alice.response(440);
  alice.send(message(alice, { callId: 'none', headers: ['Max-Breadth: 0'] }));
  alice.response(440);
  assert.equal(b.waiting + c.waiting, 0);
});

test('[S5393-5.3.3-04] the breadth of a branch that ended serves the next one, undiminished', () => {
  const { alice, b, c } = two();
  alice.send(message(alice, { headers: ['Max-Breadth: 1'] }));
  alice.response(100);
  const first = b.request('INVITE');
  assert.equal(first.header('Max-Breadth'), '1');
  assert.equal(c.waiting, 0);
  b.reply(first, 486);
  b.request('ACK');
  assert.equal(c.request('INVITE').header('Max-Breadth'), '1');
});

test('[S6665-4.3-01] [S6665-8.2.1-01] a forked SUBSCRIBE has one answer, the NOTIFYs of both phones pass', () => {
  const { alice, b, c } = two();
  alice.send(
    message(alice, { method: 'SUBSCRIBE', headers: ['Event: foo;id=1', 'Allow-Events: foo, bar'] }),
  );
  const first = b.request('SUBSCRIBE');
  const second = c.request('SUBSCRIBE');
  assert.equal(first.header('Event'), 'foo;id=1');
  assert.equal(first.header('Allow-Events'), 'foo, bar');
  b.reply(first, 200, { tag: 'b' });
  c.reply(second, 200, { tag: 'c' });
  alice.response(200);
  assert.equal(alice.waiting, 0);
  for (const [phone, subscribe, tag] of [
    [b, first, 'b'],
    [c, second, 'c'],
  ] as const) {
    const headers = [
      ...subscribe.values('Record-Route').map((route) => `Route: ${route}`),
      'Subscription-State: active;expires=60;x=y',
      'Event: foo;id=1',
    ];
    phone.send(
      message(phone, {
        method: 'NOTIFY',
        uri: 'sip:alice@192.0.2.10:5062',
        from: `<sip:bob@${domain}>;tag=${tag}`,
        to: `<sip:alice@${domain}>;tag=caller`,
        headers,
      }),
    );
    const notify = alice.request('NOTIFY');
    assert.equal(notify.from.tag, tag);
    assert.equal(notify.header('Subscription-State'), 'active;expires=60;x=y');
  }
});

test('[S3428-6-01] a MESSAGE to two phones has one final answer', () => {
  const { alice, b, c } = two();
  alice.send(message(alice, { method: 'MESSAGE' }));
  b.reply(b.request('MESSAGE'), 200, { tag: 'b' });
  c.reply(c.request('MESSAGE'), 202, { tag: 'c' });
  alice.response(200);
  assert.equal(alice.waiting, 0);
});
