import assert from 'node:assert/strict';
import { test } from 'node:test';
import { latin1Decode, latin1Encode } from '../../../../src/base/text.ts';
import { createResponse } from '../../../../src/sip/message/message.ts';
import { type FakePhone, type Rig, createRig, domain, message, register } from '../core/rig.ts';

function pair(): { rig: Rig; alice: FakePhone; bob: FakePhone } {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  register(bob, 'bob');
  return { rig, alice, bob };
}

function inviteTo(alice: FakePhone, bob: FakePhone, headers: readonly string[] = []) {
  alice.send(message(alice, { headers }));
  alice.response(100);
  return bob.request('INVITE');
}

test('[S3261-7.3.1-02] two rows of credentials stay two rows, and so do two challenges', () => {
  const { alice, bob } = pair();
  const one = 'Digest username="x", realm="one", nonce="n", uri="sip:a", response="r"';
  const two = 'Digest username="x", realm="two", nonce="n", uri="sip:a", response="r"';
  const invite = inviteTo(alice, bob, [
    `Proxy-Authorization: ${one}`,
    `Proxy-Authorization: ${two}`,
    `Authorization: ${one}`,
    `Authorization: ${two}`,
  ]);
  assert.deepEqual(invite.rows('Proxy-Authorization'), [one, two]);
  assert.deepEqual(invite.rows('Authorization'), [one, two]);
  const headers: [string, string][] = [
    ['WWW-Authenticate', 'Digest realm="b", nonce="1", algorithm=SHA-256'],
    ['WWW-Authenticate', 'Digest realm="b", nonce="2", algorithm=MD5'],
  ];
  bob.send(createResponse(invite, 401, undefined, { toTag: 'b', headers }));
  const answer = alice.response(401);
  assert.deepEqual(
    answer.rows('WWW-Authenticate'),
    headers.map(([, value]) => value),
  );
});

test('[S8760-2.5-01] all challenges of a fork go up, those of one phone in their order', () => {
  const { rig, alice, bob } = pair();
  const other = rig.phone('192.0.2.21');
  register(other, 'bob');
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
  const { rig, alice, bob } = pair();
  const other = rig.phone('192.0.2.21');
  register(other, 'bob');
  const text = message(alice);
  alice.send(text);
  alice.response(100);
  bob.request('INVITE');
  other.request('INVITE');
  alice.send(text);
  assert.equal(bob.waiting + other.waiting, 0);
  alice.response(100);
});

test('[S3261-16.3-06] the same request by two paths is forwarded twice', () => {
  const { alice, bob } = pair();
  alice.send(message(alice, { branch: 'z9hG4bK-path1' }));
  alice.send(message(alice, { branch: 'z9hG4bK-path2' }));
  const first = bob.request('INVITE');
  const second = bob.request('INVITE');
  assert.equal(first.callId, second.callId);
  assert.equal(first.cseq.number, second.cseq.number);
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

test('[S3261-16.6-06] [S3261-16.6-07] [S3261-16.7-14] between a TLS and a UDP phone each side gets its own Record-Route', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10', 'tls');
  const bob = rig.phone('192.0.2.20');
  register(bob, 'bob');
  const invite = inviteTo(alice, bob);
  const [outer = '', inner = ''] = invite.values('Record-Route');
  assert.match(inner, /^<sip:[^;]+;transport=tls;lr>$/);
  assert.match(outer, /^<sip:[^;]+;lr>$/, 'no transport towards UDP');
  bob.reply(invite, 200, { tag: 'b', contact: 'sip:bob@192.0.2.20:5062' });
  const ok = alice.response(200);
  assert.deepEqual(ok.values('Record-Route'), [outer, inner]);
  const back = [inner, outer].map((route) => `Route: ${route}`);
  const to = ok.header('To') ?? '';
  alice.send(
    message(alice, { method: 'BYE', cseq: 2, uri: 'sip:bob@192.0.2.20:5062', to, headers: back }),
  );
  bob.request('BYE');
});

test('[S3261-16.6-06] a sips call is recorded as sips on both sides', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10', 'tls');
  const bob = rig.phone('192.0.2.20', 'tls');
  register(bob, 'bob');
  alice.send(message(alice, { uri: `sips:bob@${domain}` }));
  alice.response(100);
  const recorded = bob.request('INVITE').values('Record-Route');
  assert.equal(recorded.length, 2);
  for (const value of recorded) assert.match(value, /^<sips:[^;]+;lr>$/);
});

test('[S3261-16.7-01] the answer to our CANCEL ends here', () => {
  const { alice, bob } = pair();
  alice.send(message(alice, { branch: 'z9hG4bK-cancelled' }));
  alice.response(100);
  const invite = bob.request('INVITE');
  bob.reply(invite, 180);
  alice.response(180);
  alice.send(message(alice, { branch: 'z9hG4bK-cancelled' }).replaceAll('INVITE', 'CANCEL'));
  assert.equal(alice.response(200).cseq.method, 'CANCEL');
  bob.reply(bob.request('CANCEL'), 200);
  assert.equal(alice.waiting, 0);
  bob.reply(invite, 487);
  alice.response(487);
});

test('[S3261-16.7-02] [S3261-16.7-11] 100 ends here, other provisional answers pass at once with their own tags', () => {
  const { alice, bob } = pair();
  const invite = inviteTo(alice, bob);
  bob.reply(invite, 100, { tag: 'none' });
  assert.equal(alice.waiting, 0);
  bob.reply(invite, 199, { tag: 'early' });
  assert.equal(alice.response(199).to.tag, 'early');
  bob.send(createResponse(invite, 183));
  assert.equal(alice.response(183).to.tag, undefined, 'no tag is made up');
  bob.reply(invite, 200, { tag: 'ok' });
  assert.equal(alice.response(200).to.tag, 'ok');
});

test('[S3261-16.7-15] a response keeps body, unknown headers and the Via of the caller', () => {
  const { rig, alice, bob } = pair();
  const invite = inviteTo(alice, bob, ['Subject: x']);
  const own = invite.values('Via')[1];
  const text = latin1Decode(
    createResponse(invite, 200, 'Fine With Me', {
      toTag: 'b',
      headers: [
        ['X-Odd', 'a,  b;c="d"'],
        ['Contact', '<sip:bob@192.0.2.20:5062>'],
      ],
    }).toBytes(),
  );
  const body = 'v=0\r\no=- 1 1 IN IP4 192.0.2.20\r\n';
  const withBody = text.replace(
    /Content-Length: 0\r\n\r\n$/,
    `Content-Type: application/sdp\r\nContent-Length: ${String(body.length)}\r\n\r\n${body}`,
  );
  rig.server.receive(bob.flow, latin1Encode(withBody));
  const answer = alice.take();
  assert.ok(answer.kind === 'response');
  assert.equal(answer.values('Via')[0], own);
  assert.equal(answer.header('X-Odd'), 'a,  b;c="d"');
  assert.equal(answer.reason, 'Fine With Me');
  assert.equal(latin1Decode(answer.body), body);
});

test('[S3261-16.10-02] a CANCEL that belongs to nothing here is passed on, or refused when it leads nowhere', () => {
  const { alice, bob } = pair();
  alice.send(message(alice, { method: 'CANCEL' }));
  const cancel = bob.request('CANCEL');
  assert.equal(cancel.values('Via').length, 2);
  assert.equal(alice.waiting, 0);
  alice.send(message(alice, { method: 'CANCEL', uri: `sip:carol@${domain}`, callId: 'other' }));
  alice.response(481);
});

test('[S3261-8.2.2.3-02] Require and Proxy-Require in a CANCEL change nothing', () => {
  const { alice, bob } = pair();
  alice.send(message(alice, { branch: 'z9hG4bK-req' }));
  alice.response(100);
  const invite = bob.request('INVITE');
  bob.reply(invite, 180);
  alice.response(180);
  const headers = ['Require: foo', 'Proxy-Require: foo'];
  alice.send(message(alice, { branch: 'z9hG4bK-req', method: 'CANCEL', headers }));
  alice.response(200);
  assert.equal(bob.request('CANCEL').has('Require'), false);
});

test('[S3261-18.1.1-03] the answer on the connection of the request is taken', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20', 'tcp');
  register(bob, 'bob');
  bob.reply(inviteTo(alice, bob), 486);
  alice.response(486);
});

test('[S3261-26.3.2.1-01] [S5626-7-04] a phone on TLS or TCP is called on the connection of its REGISTER', () => {
  for (const transport of ['tls', 'tcp'] as const) {
    const rig = createRig();
    const alice = rig.phone('192.0.2.10');
    const bob = rig.phone('192.0.2.20', transport);
    const other = rig.phone('198.51.100.9', transport);
    register(bob, 'bob', {
      contacts: [
        `<sip:bob@198.51.100.9:5062;transport=${transport}>;+sip.instance="<urn:x>";reg-id=1`,
      ],
      headers: ['Supported: outbound, path'],
    });
    assert.equal(inviteTo(alice, bob).uri, `sip:bob@198.51.100.9:5062;transport=${transport}`);
    assert.equal(other.waiting, 0);
  }
});

test('[S3261-19.1.1-01] unknown parameters of a contact come back in the Request-URI', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  register(bob, 'bob', { contacts: ['<sip:bob@192.0.2.20:5062;foo=bar;line=7>'] });
  assert.equal(inviteTo(alice, bob).uri, 'sip:bob@192.0.2.20:5062;foo=bar;line=7');
});

test('[S3261-21.5.4-01] after a 503 with Retry-After nothing new goes there until the time has passed', () => {
  const { rig, alice, bob } = pair();
  const invite = inviteTo(alice, bob);
  bob.send(
    createResponse(invite, 503, undefined, { toTag: 'b', headers: [['Retry-After', '5 (busy)']] }),
  );
  bob.request('ACK');
  alice.response(500);
  alice.send(message(alice, { callId: 'soon', method: 'MESSAGE' }));
  alice.response(500);
  assert.equal(bob.waiting, 0);
  rig.clock.advance(5001);
  alice.send(message(alice, { callId: 'later', method: 'MESSAGE' }));
  bob.request('MESSAGE');
});

test('[S5393-4.1-01] before a fork the request is checked for having been here', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const b = rig.phone('192.0.2.20');
  const c = rig.phone('192.0.2.21');
  register(b, 'bob');
  register(c, 'bob');
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
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const b = rig.phone('192.0.2.20');
  const c = rig.phone('192.0.2.21');
  register(b, 'bob');
  register(c, 'bob');
  alice.send(message(alice, { headers: ['Max-Breadth: 1', 'Request-Disposition: parallel'] }));
  alice.response(440);
  alice.send(message(alice, { callId: 'none', headers: ['Max-Breadth: 0'] }));
  alice.response(440);
  assert.equal(b.waiting + c.waiting, 0);
});

test('[S5393-5.3.3-04] the breadth of a branch that ended serves the next one, undiminished', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const b = rig.phone('192.0.2.20');
  const c = rig.phone('192.0.2.21');
  register(b, 'bob');
  register(c, 'bob');
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
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const b = rig.phone('192.0.2.20');
  const c = rig.phone('192.0.2.21');
  register(b, 'bob');
  register(c, 'bob');
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
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const b = rig.phone('192.0.2.20');
  const c = rig.phone('192.0.2.21');
  register(b, 'bob');
  register(c, 'bob');
  alice.send(message(alice, { method: 'MESSAGE' }));
  b.reply(b.request('MESSAGE'), 200, { tag: 'b' });
  c.reply(c.request('MESSAGE'), 202, { tag: 'c' });
  alice.response(200);
  assert.equal(alice.waiting, 0);
});

test('methods of dialogs pass: INFO, UPDATE, PRACK, REFER and PUBLISH', () => {
  const { alice, bob } = pair();
  for (const method of ['INFO', 'UPDATE', 'PRACK', 'REFER', 'PUBLISH']) {
    alice.send(
      message(alice, { method, callId: method, headers: ['Refer-To: <sip:x@y.example>'] }),
    );
    const request = bob.request(method);
    assert.equal(request.header('Refer-To'), '<sip:x@y.example>');
    bob.reply(request, 200);
    alice.response(200);
  }
});

test('[S3261-18.1.1-01] a large request to a phone that takes connections goes by TCP, else in a datagram', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  register(bob, 'bob', { contacts: ['<sip:bob@192.0.2.20:5070>'] });
  const udp = rig.phone('192.0.2.20', 'udp', 'lan', 5070);
  const large = [`X-Fill: ${'x'.repeat(1400)}`];
  const datagram = inviteTo(alice, udp, large);
  assert.equal(datagram.via.transport, 'UDP', 'nobody takes the connection');
  udp.reply(datagram, 486);
  udp.request('ACK');
  alice.response(486);
  rig.clock.advance(600_001);
  while (alice.waiting > 0) alice.response(486);
  const tcp = rig.phone('192.0.2.20', 'tcp', 'lan', 5070);
  alice.send(message(alice, { callId: 'large', headers: large }));
  alice.response(100);
  const stream = tcp.request('INVITE');
  assert.equal(stream.via.transport, 'TCP');
  const [recorded = ''] = stream.values('Record-Route');
  assert.ok(!recorded.includes('transport=tcp'), 'the dialog does not hang on that connection');
  assert.equal(udp.waiting, 0);
  alice.send(message(alice, { callId: 'small' }));
  alice.response(100);
  assert.equal(udp.request('INVITE').via.transport, 'UDP');
});

test('[S3261-8.3-02] a CANCEL to a redirect server is answered 200', () => {
  const rig = createRig(() => ({
    listener: () => ({ algorithms: ['MD5'], role: 'redirect' }),
    resolver: { resolve: () => () => undefined },
  }));
  const alice = rig.phone('192.0.2.10');
  alice.send(message(alice, { branch: 'z9hG4bK-redirected' }));
  alice.response(100);
  alice.send(message(alice, { branch: 'z9hG4bK-redirected' }).replaceAll('INVITE', 'CANCEL'));
  assert.equal(alice.response(200).cseq.method, 'CANCEL');
  alice.response(487);
});

test('a phone whose packet filter says nothing to connections gets a large request in a datagram soon', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  register(bob, 'bob', { contacts: ['<sip:bob@192.0.2.20:5070>'] });
  const udp = rig.phone('192.0.2.20', 'udp', 'lan', 5070);
  rig.silentConnections();
  alice.send(message(alice, { headers: [`X-Fill: ${'x'.repeat(1400)}`] }));
  rig.clock.advance(499);
  assert.equal(udp.waiting, 0);
  rig.clock.advance(1);
  assert.equal(udp.request('INVITE').via.transport, 'UDP');
});
