import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SipRequest, SipResponse } from '../../../../src/sip/message/message.ts';
import { type FakePhone, createRig, domain, message, register, serverAddress } from './rig.ts';

/** The Route values a caller derives from a response. */
function routesOfCaller(response: SipResponse): string[] {
  return [...response.values('Record-Route')].reverse();
}

function routesOfCallee(request: SipRequest): string[] {
  return [...request.values('Record-Route')];
}

interface Call {
  readonly invite: SipRequest;
  readonly ok: SipResponse;
}

function establish(
  alice: FakePhone,
  bob: FakePhone,
  parts: Parameters<typeof message>[1] = {},
): Call {
  alice.send(message(alice, parts));
  alice.response(100);
  const invite = bob.request('INVITE');
  bob.reply(invite, 180);
  alice.response(180);
  bob.reply(invite, 200, { contact: `sip:bob@${bob.flow.remote.address}:5062` });
  return { invite, ok: alice.response(200) };
}

test('[S3261-16.6-03] [S3261-16.6-04] [S3261-16.6-05] [S3261-7.1-01] a call between two phones of one server, hung up by the caller', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  assert.equal(register(bob, 'bob').status, 200);
  const { invite, ok } = establish(alice, bob);
  assert.equal(invite.uri, 'sip:bob@192.0.2.20:5062');
  assert.equal(invite.header('Max-Forwards'), '69');
  assert.equal(invite.values('Record-Route').length, 2);
  assert.equal(rig.server.snapshot().callsRinging, 0);

  const routes = routesOfCaller(ok).map((route) => `Route: ${route}`);
  const inDialog = {
    uri: 'sip:bob@192.0.2.20:5062',
    to: `<sip:bob@${domain}>;tag=callee`,
    headers: routes,
  };
  alice.send(message(alice, { method: 'ACK', ...inDialog }));
  const ack = bob.request('ACK');
  assert.equal(ack.has('Route'), false);
  alice.send(message(alice, { method: 'BYE', cseq: 2, ...inDialog }));
  const bye = bob.request('BYE');
  assert.equal(bye.uri, 'sip:bob@192.0.2.20:5062');
  bob.reply(bye, 200);
  assert.equal(alice.response(200).cseq.method, 'BYE');
  rig.clock.advance(40_000);
  assert.deepEqual(
    { ...rig.server.snapshot(), aors: 0, bindings: 0, failingSources: 0 },
    {
      callsRinging: 0,
      contexts: 0,
      transactions: 0,
      aors: 0,
      bindings: 0,
      registersWaiting: 0,
      failingSources: 0,
      bans: [],
    },
  );
});

test('[S5626-5.3.1-01] [S5626-5.3.1-04] the callee behind a TCP flow hangs up and the request finds the caller by its flow', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10', 'tcp');
  const bob = rig.phone('192.0.2.20', 'tcp');
  register(bob, 'bob');
  const { invite } = establish(alice, bob);
  bob.send(
    message(bob, {
      method: 'BYE',
      uri: 'sip:alice@10.9.9.9:5062;transport=tcp',
      from: `<sip:bob@${domain}>;tag=callee`,
      to: `<sip:alice@${domain}>;tag=caller`,
      headers: routesOfCallee(invite).map((route) => `Route: ${route}`),
    }),
  );
  const bye = alice.request('BYE');
  assert.equal(bye.uri, 'sip:alice@10.9.9.9:5062;transport=tcp');
  assert.equal(bye.has('Route'), false);
});

test('[S5626-5.3.1-02] a tampered flow token is answered 403', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  register(bob, 'bob');
  const { ok } = establish(alice, bob);
  const routes = routesOfCaller(ok).map((route) => `Route: ${route.replace(/~(...)./, '~$1!')}`);
  alice.send(
    message(alice, {
      method: 'BYE',
      cseq: 2,
      uri: 'sip:bob@192.0.2.20:5062',
      to: `<sip:bob@${domain}>;tag=callee`,
      headers: routes,
    }),
  );
  alice.response(403);
  assert.equal(bob.waiting, 0);
});

test('[S5626-5.3.1-03] a dialog request for a flow that is gone is answered 430', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20', 'tcp');
  register(bob, 'bob');
  const { ok } = establish(alice, bob);
  bob.drop();
  const inDialog = {
    method: 'BYE',
    uri: 'sip:bob@192.0.2.20:5062',
    to: `<sip:bob@${domain}>;tag=callee`,
    headers: routesOfCaller(ok).map((route) => `Route: ${route}`),
  };
  alice.send(message(alice, { ...inDialog, cseq: 2 }));
  alice.response(430);
});

test('[S5626-6-06] after the phone registered over a new connection, a dialog request finds that one', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20', 'tcp');
  register(bob, 'bob');
  const { ok } = establish(alice, bob);
  bob.drop();
  const again = rig.phone('192.0.2.21', 'tcp');
  register(again, 'bob', { contacts: ['<sip:bob@192.0.2.20:5062>'] });
  alice.send(
    message(alice, {
      method: 'BYE',
      cseq: 2,
      uri: 'sip:bob@192.0.2.20:5062',
      to: `<sip:bob@${domain}>;tag=callee`,
      headers: routesOfCaller(ok).map((route) => `Route: ${route}`),
    }),
  );
  again.request('BYE');
});

test('a phone that knows only the address calls canonically and sees its own spelling in both directions', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  assert.equal(register(bob, 'bob', { host: serverAddress }).status, 200);
  assert.equal(rig.location.bindings(`bob@${domain}`).length, 1);
  const from = `"Alice <sip:x>" <sip:alice@${serverAddress}:5060>;tag=caller`;
  alice.send(
    message(alice, { uri: `sip:bob@${serverAddress}`, from, to: `<sip:bob@${serverAddress}>` }),
  );
  alice.response(100);
  const invite = bob.request('INVITE');
  assert.equal(invite.header('From'), `"Alice <sip:x>" <sip:alice@${domain}>;tag=caller`);
  assert.equal(invite.header('To'), `<sip:bob@${domain}>`);
  bob.reply(invite, 200, { contact: 'sip:bob@192.0.2.20:5062' });
  const ok = alice.response(200);
  assert.equal(ok.header('From'), from);
  assert.equal(ok.header('To'), `<sip:bob@${serverAddress}>;tag=callee`);

  const routes = routesOfCaller(ok).map((route) => `Route: ${route}`);
  alice.send(
    message(alice, {
      method: 'ACK',
      uri: 'sip:bob@192.0.2.20:5062',
      from,
      to: `<sip:bob@${serverAddress}>;tag=callee`,
      headers: routes,
    }),
  );
  const ack = bob.request('ACK');
  assert.equal(ack.header('To'), `<sip:bob@${domain}>;tag=callee`);

  bob.send(
    message(bob, {
      method: 'BYE',
      uri: 'sip:alice@192.0.2.10:5062',
      from: `<sip:bob@${domain}>;tag=callee`,
      to: `<sip:alice@${domain}>;tag=caller`,
      headers: routesOfCallee(invite).map((route) => `Route: ${route}`),
    }),
  );
  const bye = alice.request('BYE');
  assert.equal(bye.header('From'), `<sip:bob@${serverAddress}>;tag=callee`);
  assert.equal(bye.header('To'), `<sip:alice@${serverAddress}:5060>;tag=caller`);
  alice.reply(bye, 200);
  const answer = bob.response(200);
  assert.equal(answer.header('From'), `<sip:bob@${domain}>;tag=callee`);
  assert.equal(answer.header('To'), `<sip:alice@${domain}>;tag=caller`);
});

test('[S3261-16.4-01] a strict router puts our Record-Route value into the Request-URI', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  register(bob, 'bob');
  const { ok } = establish(alice, bob);
  const [first, second] = routesOfCaller(ok);
  alice.send(
    message(alice, {
      method: 'BYE',
      cseq: 2,
      uri: (first ?? '').slice(1, -1),
      to: `<sip:bob@${domain}>;tag=callee`,
      headers: [`Route: ${second ?? ''}, <sip:bob@192.0.2.20:5062>`],
    }),
  );
  const bye = bob.request('BYE');
  assert.equal(bye.uri, 'sip:bob@192.0.2.20:5062');
  assert.equal(bye.has('Route'), false);
});

test('[S3261-16.4-03] a preloaded Route that names the server is removed', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  register(bob, 'bob');
  alice.send(message(alice, { headers: [`Route: <sip:${serverAddress}:5060;lr>`] }));
  alice.response(100);
  assert.equal(bob.request('INVITE').has('Route'), false);
});

test('[S3261-16.4-02] a maddr that names the server goes away before routing', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  register(bob, 'bob');
  alice.send(message(alice, { uri: `sip:bob@other.example;maddr=${serverAddress}` }));
  alice.response(404);
  alice.send(message(alice, { callId: 'c2', uri: `sip:bob@${domain};maddr=${serverAddress}` }));
  alice.response(100);
  assert.equal(bob.request('INVITE').uri, 'sip:bob@192.0.2.20:5062');
});
