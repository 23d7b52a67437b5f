import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failure, success } from '../../../../src/base/outcome.ts';
import { sipFailure } from '../../../../src/sip/core/failure.ts';
import { createRig, domain, message, register, serverAddress } from './rig.ts';

test('[S3261-11-01] [S3261-11.2-01] OPTIONS to the server itself', () => {
  const rig = createRig();
  const phone = rig.phone('192.0.2.10');
  for (const uri of [`sip:${domain}`, `sip:${serverAddress}:5060`]) {
    phone.send(message(phone, { method: 'OPTIONS', uri, callId: uri }));
    const answer = phone.response(200);
    for (const name of ['Accept', 'Accept-Encoding', 'Accept-Language', 'Supported']) {
      assert.ok(answer.has(name), name);
    }
    assert.equal(answer.has('Allow'), false);
    assert.ok(answer.to.tag !== undefined);
  }
});

test('[S3261-16.5-06] [S3261-16.5-07] unknown users are 404, known ones without phone 480', () => {
  const rig = createRig();
  const phone = rig.phone('192.0.2.10');
  phone.send(message(phone, { uri: `sip:nobody@${domain}` }));
  phone.response(404);
  phone.send(message(phone, { uri: `sip:carol@${domain}`, callId: 'b' }));
  phone.response(480);
});

test('[S3261-16.3-04] [S4475-3.3.11-01] Max-Forwards 0 ends here', () => {
  const rig = createRig();
  const phone = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  register(bob, 'bob');
  const zero = (text: string): string => text.replace('Max-Forwards: 70', 'Max-Forwards: 0');
  phone.send(zero(message(phone)));
  phone.response(483);
  phone.send(zero(message(phone, { method: 'OPTIONS', callId: 'o' })));
  phone.response(200);
  assert.equal(bob.waiting, 0);
});

test('[S3261-16.3-05] [S4475-3.3.5-01] Proxy-Require is examined, Require is not', () => {
  const rig = createRig();
  const phone = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  register(bob, 'bob');
  phone.send(message(phone, { headers: ['Proxy-Require: foo, bar'] }));
  assert.equal(phone.response(420).header('Unsupported'), 'foo, bar');
  phone.send(message(phone, { callId: 'r', headers: ['Require: foo'] }));
  phone.take();
  assert.equal(bob.request('INVITE').header('Require'), 'foo');
});

test('[S3261-16.3-03] a scheme nobody knows is 416', () => {
  const rig = createRig();
  const phone = rig.phone('192.0.2.10');
  phone.send(
    message(phone, { method: 'OPTIONS', uri: 'nobodyKnowsThisScheme:totallyopaquecontent' }),
  );
  phone.response(416);
});

test('[S3261-16.3-01] [S3261-16.3-02] [S3261-16.6-01] unknown methods and headers pass, malformed ones untouched', () => {
  const rig = createRig();
  const phone = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  register(bob, 'bob');
  phone.send(
    message(phone, { method: 'FOO', headers: ['Date: yesterday', 'X-Odd: 1', 'X-Odd: 2,3'] }),
  );
  const copy = bob.request('FOO');
  assert.equal(copy.header('Date'), 'yesterday');
  assert.deepEqual(copy.rows('X-Odd'), ['1', '2,3']);
});

test('[S3261-16.5-02] the Request-URI is canonicalised before the lookup', () => {
  const rig = createRig();
  const phone = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  register(bob, 'bob');
  phone.send(message(phone, { uri: 'sip:%62ob@LAB.example;user=ip' }));
  phone.response(100);
  bob.request('INVITE');
});

test('[S3261-16.6-02] header part and method parameter of a contact stay behind', () => {
  const rig = createRig();
  const phone = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  register(bob, 'bob', {
    contacts: ['<sip:bob@192.0.2.20:5062;method=INVITE;x=1?Route=%3Csip:evil%3E>'],
  });
  phone.send(message(phone));
  phone.response(100);
  const invite = bob.request('INVITE');
  assert.equal(invite.uri, 'sip:bob@192.0.2.20:5062;x=1');
  assert.equal(invite.has('Route'), false);
});

test('[S7118-9.2-01] a sips call reaches secure bindings only', () => {
  const rig = createRig();
  const phone = rig.phone('192.0.2.10', 'tls');
  const plain = rig.phone('192.0.2.20', 'ws');
  register(plain, 'bob');
  phone.send(message(phone, { uri: `sips:bob@${domain}` }));
  phone.response(480);
  const secure = rig.phone('192.0.2.21', 'wss');
  register(secure, 'bob');
  phone.send(message(phone, { uri: `sips:bob@${domain}`, callId: 's2' }));
  phone.response(100);
  const invite = secure.request('INVITE');
  assert.ok(invite.values('Record-Route').every((value) => value.startsWith('<sips:')));
  assert.equal(plain.waiting, 0);
});

test('[S3261-8.2.1-01] a request for the server itself in a method it does not serve is 405', () => {
  const rig = createRig();
  const phone = rig.phone('192.0.2.10');
  phone.send(message(phone, { method: 'INVITE', uri: `sip:${domain}` }));
  assert.equal(phone.response(405).header('Allow'), 'REGISTER, OPTIONS, SUBSCRIBE');
});

test('a stopping server refuses new work and lets calls end', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  register(bob, 'bob');
  alice.send(message(alice));
  alice.response(100);
  bob.reply(bob.request('INVITE'), 200, { contact: 'sip:bob@192.0.2.20:5062' });
  const ok = alice.response(200);
  let durable = 0;
  rig.server.stop(() => durable++);
  assert.equal(durable, 1);
  alice.send(message(alice, { callId: 'new' }));
  assert.equal(alice.response(503).header('Retry-After'), '5');
  const headers = [...ok.values('Record-Route')].reverse().map((route) => `Route: ${route}`);
  alice.send(
    message(alice, {
      method: 'BYE',
      cseq: 2,
      uri: 'sip:bob@192.0.2.20:5062',
      to: `<sip:bob@${domain}>;tag=callee`,
      headers,
    }),
  );
  bob.request('BYE');
});

test('requests from the overlay are screened and may not register', () => {
  const rig = createRig(() => ({
    screen: {
      screen(request, _flow, done) {
        if (request.from.uri.includes('carol')) done(failure(sipFailure(403, 'Not Yours')));
        else done(success(request.edit().set('X-Screened', 'yes').build()));
      },
      withoutAssertions: (request) => request,
    },
  }));
  const peer = rig.phone('198.51.100.1', 'tls', 'overlay');
  const bob = rig.phone('192.0.2.20');
  register(bob, 'bob');
  peer.send(message(peer, { from: `<sip:carol@${domain}>;tag=1` }));
  peer.response(403);
  assert.equal(bob.waiting, 0);
  peer.send(message(peer, { callId: 'b' }));
  assert.equal(bob.request('INVITE').header('X-Screened'), 'yes');
  peer.response(100);
  peer.send(message(peer, { method: 'REGISTER', uri: `sip:${domain}`, callId: 'c' }));
  peer.response(403);
});

test('hostile bytes get an answer or nothing, never an exception', () => {
  const rig = createRig();
  const phone = rig.phone('192.0.2.10');
  const good = message(phone, { headers: ['Route: <sip:lab.example;lr>', 'Max-Breadth: 3'] });
  for (let i = 0; i < good.length; i++) {
    phone.send(good.slice(0, i));
    phone.send(`${good.slice(0, i)}\u0000${good.slice(i + 1)}`);
    phone.send(`${good.slice(0, i)}"<${good.slice(i)}`);
  }
  const route = ['Route: <sip:a@[::1', 'Route: ;;;,,<', 'Route: <sip:~@192.0.2.1:5060;lr>'];
  for (const header of route) phone.send(message(phone, { callId: header, headers: [header] }));
  assert.ok(rig.server.snapshot().transactions >= 0);
});

test('without challenges any user of a served domain registers, and rings', () => {
  const rig = createRig((deps) => ({
    settings: {
      ...deps.settings,
      auth: { ...deps.settings.auth, challengeRegistrations: false },
    },
  }));
  const stranger = rig.phone('192.0.2.20');
  stranger.send(
    message(stranger, {
      method: 'REGISTER',
      uri: `sip:${domain}`,
      from: `<sip:stranger@${domain}>`,
      to: `<sip:stranger@${domain}>`,
      headers: ['Contact: <sip:stranger@192.0.2.20:5062>'],
    }),
  );
  stranger.response(200);
  const caller = rig.phone('192.0.2.10');
  caller.send(message(caller, { uri: `sip:stranger@${domain}`, callId: 'c' }));
  caller.take();
  assert.equal(stranger.request('INVITE').method, 'INVITE');
});
