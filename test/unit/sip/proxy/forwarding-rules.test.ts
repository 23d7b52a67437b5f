import assert from 'node:assert/strict';
import { test } from 'node:test';
import { latin1Decode, latin1Encode } from '../../../../src/base/text.ts';
import { createResponse } from '../../../../src/sip/message/message.ts';
import { createRig, domain, message, register } from '../core/rig.ts';
import { inviteTo, pair } from './scene.ts';

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

test('[S3261-16.3-06] the same request by two paths is forwarded twice', () => {
  const { alice, bob } = pair();
  alice.send(message(alice, { branch: 'z9hG4bK-path1' }));
  alice.send(message(alice, { branch: 'z9hG4bK-path2' }));
  const first = bob.request('INVITE');
  const second = bob.request('INVITE');
  assert.equal(first.callId, second.callId);
  assert.equal(first.cseq.number, second.cseq.number);
});

test('[S3261-16.6-06] [S3261-16.6-07] [S3261-16.7-14] between a TLS and a UDP phone each side gets its own Record-Route', () => {
  const { alice, bob } = pair('tls');
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
  const { alice, bob } = pair('tls', 'tls');
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
  const { alice, bob } = pair('udp', 'tcp');
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
