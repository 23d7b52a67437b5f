import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resourceOfAor } from '../../../src/usages/sip/registration.ts';
import { encodeRegistration, routeTo } from '../../../src/usages/sip/registration.ts';
import { encodeGr } from '../../../src/usages/sip/gruu.ts';
import { message, uriOf } from '../sip/core/rig.ts';
import type { FakePhone } from './support/box.ts';
import { createWorld } from './support/box.ts';
import { register } from './support/register.ts';
import { alice, bob, establish, scene } from './support/scene.ts';
import { domain, fetched, nodeId, startMs } from './support/world.ts';

test('[R7904-4.2-01] [R7904-5.1-12] a call from phone to phone across the overlay', () => {
  const s = scene();
  const { invite, ok } = establish(s);
  assert.equal(uriOf(invite.header('From')), `sip:${alice}`);
  assert.equal(ok.values('Record-Route').length, 4, 'both adapters, both sides');
  const overlayRoutes = ok.values('Record-Route').filter((r) => r.includes('.node.invalid'));
  assert.deepEqual(
    overlayRoutes.map((route) => /sip:([0-9a-f]+)\.node\.invalid:5060;lr/.exec(route)?.[1]),
    [s.two.node, s.one.node],
  );
  const [attach] = s.world.ring.log.appAttaches;
  assert.deepEqual(attach, { from: s.one.node, to: s.two.node, application: 5060 });
  assert.equal(s.world.ring.log.appAttaches.length, 1);
});

test('the caller hangs up, the callee hangs up', () => {
  const s = scene();
  const first = establish(s, { callId: 'c1' });
  s.a.send(first.fromCaller('BYE', 2));
  s.world.clock.run(10);
  s.b.reply(s.b.request('BYE'), 200);
  s.world.clock.run(10);
  s.a.response(200);

  const second = establish(s, { callId: 'c2' });
  s.b.send(second.fromCallee('BYE'));
  s.world.clock.run(10);
  s.a.reply(s.a.request('BYE'), 200);
  s.world.clock.run(10);
  s.b.response(200);
});

for (const way of ['caller', 'callee'] as const) {
  test(`the connection is lost during the call and the ${way} hangs up`, () => {
    const s = scene();
    const call = establish(s);
    // Long ago, so nobody tried to bring it back.
    s.world.clock.run(200_000);
    for (const link of s.world.ring.links) link.cut();
    s.world.clock.run(1000);
    const [by, at] = way === 'caller' ? [s.a, s.b] : [s.b, s.a];
    by.send(way === 'caller' ? call.fromCaller('BYE', 2) : call.fromCallee('BYE'));
    s.world.clock.run(20);
    at.reply(at.request('BYE'), 200);
    s.world.clock.run(20);
    by.response(200);
    assert.equal(s.world.ring.log.appAttaches.length, 2);
  });
}

test('the connection is lost while it rings: the answer and the ACK find their way', () => {
  const s = scene();
  s.a.send(message(s.a));
  s.world.clock.run(10);
  s.a.response(100);
  const invite = s.b.request('INVITE');
  for (const link of s.world.ring.links) link.cut();
  s.world.clock.run(10);
  s.b.reply(invite, 200, { contact: 'sip:bob@192.0.2.20:5062' });
  s.world.clock.run(20);
  const ok = s.a.response(200);
  for (const link of s.world.ring.links) link.cut();
  const routes = [...ok.values('Record-Route')].reverse().map((route) => `Route: ${route}`);
  const to = ok.header('To')!;
  s.a.send(message(s.a, { method: 'ACK', uri: 'sip:bob@192.0.2.20:5062', to, headers: routes }));
  s.world.clock.run(20);
  s.b.request('ACK');
});

test('the connection is lost while it rings: CANCEL finds its way', () => {
  const s = scene();
  const branch = 'z9hG4bK-cancel-me';
  s.a.send(message(s.a, { branch }));
  s.world.clock.run(10);
  s.a.response(100);
  s.b.reply(s.b.request('INVITE'), 180);
  s.world.clock.run(10);
  s.a.response(180);
  for (const link of s.world.ring.links) link.cut();
  s.a.send(message(s.a, { method: 'CANCEL', branch }));
  s.world.clock.run(20);
  s.a.response(200);
  const cancel = s.b.request('CANCEL');
  assert.equal(cancel.callId, 'call-1');
});

test('a dialog goes on after both adapters were restarted', () => {
  const s = scene();
  const call = establish(s);
  const one = s.one.restart();
  const two = s.two.restart();
  const a = one.phone('192.0.2.10');
  const b = two.phone('192.0.2.20');
  a.send(call.fromCaller('BYE', 2));
  s.world.clock.run(20);
  b.reply(b.request('BYE'), 200);
  s.world.clock.run(20);
  a.response(200);
});

test('no answer to AppAttach: 480 after 2 s, then at once while the node is avoided', () => {
  const s = scene();
  s.world.ring.dead.add(s.two.node);
  s.a.send(message(s.a, { callId: 'c1' }));
  s.world.clock.run(1990);
  s.a.response(100);
  assert.equal(s.a.waiting, 0);
  s.world.clock.run(20);
  s.a.response(480);
  s.a.send(message(s.a, { callId: 'c2' }));
  s.world.clock.run(20);
  s.a.response(100);
  s.a.response(480);
  assert.equal(s.one.adapter.snapshot().connections.avoided.length, 1);
});

test('[R7904-5.1-01] one AOR at two adapters rings at both, a dead one delays nobody', () => {
  const s = scene();
  const three = s.world.box(3);
  const c = three.phone('192.0.2.30');
  register(s.world.clock, c, 'bob');
  s.world.clock.run(6000);
  s.world.ring.dead.add(s.two.node);
  s.a.send(message(s.a));
  s.world.clock.run(10);
  s.a.response(100);
  c.reply(c.request('INVITE'), 200);
  s.world.clock.run(10);
  s.a.response(200);
  assert.equal(s.b.waiting, 0);
});

test('a peer that is stopped with its connection open is noticed within 2 s of a call', () => {
  const s = scene();
  establish(s, { callId: 'c1' });
  s.world.clock.run(60_000);
  s.world.ring.frozen.add(s.two.node);
  s.world.ring.dead.add(s.two.node);
  s.a.send(message(s.a, { callId: 'c2' }));
  s.world.clock.run(2050);
  s.a.response(100);
  const answer = s.a.take();
  assert.ok(answer.kind === 'response' && answer.status === 480);
  assert.equal(s.one.adapter.snapshot().connections.avoided[0]?.nodeId, s.two.node);
});

test('the connection is lost before the other adapter has read the INVITE: it is sent again', () => {
  const s = scene();
  establish(s, { callId: 'c1' });
  s.world.ring.frozen.add(s.two.node);
  s.a.send(message(s.a, { callId: 'c2' }));
  s.world.clock.run(100);
  assert.equal(s.b.waiting, 0);
  s.world.ring.frozen.delete(s.two.node);
  for (const link of s.world.ring.links) link.cut();
  s.world.clock.run(100);
  const invite = s.b.request('INVITE');
  assert.equal(invite.callId, 'c2');
  s.b.reply(invite, 486);
  s.world.clock.run(20);
  s.a.response(100);
  s.a.response(486);
  s.b.request('ACK');
  assert.equal(s.b.waiting, 0);
});

test('the connection is lost under a call attempt and the node is gone: 480', () => {
  const s = scene();
  establish(s, { callId: 'c1' });
  s.a.send(message(s.a, { callId: 'c2' }));
  s.world.clock.run(20);
  s.a.response(100);
  s.world.ring.dead.add(s.two.node);
  s.two.adapter.stop({ retire: false }, () => undefined);
  s.world.clock.run(2100);
  s.a.response(480);
});

test('a phone whose connection is gone is tried at its other place, else the caller gets 480', () => {
  const s = scene();
  const three = s.world.box(3);
  const old = s.two.phone('192.0.2.40');
  const moved = three.phone('192.0.2.50', 'tcp');
  const contact = (phone: FakePhone) => `<sip:carol@${phone.flow.remote.address}:5062>;${uuid}`;
  register(s.world.clock, old, 'carol', { contact: contact(old) });
  s.world.clock.run(6000);
  register(s.world.clock, moved, 'carol', { contact: contact(moved) });
  moved.drop();
  const uri = `sip:carol@${domain}`;
  s.a.send(message(s.a, { uri, to: `<${uri}>`, callId: 'c1' }));
  s.world.clock.run(50);
  old.reply(old.request('INVITE'), 486);
  s.world.clock.run(50);
  s.a.response(100);
  s.a.response(486);

  const only = s.two.phone('192.0.2.60', 'tcp');
  register(s.world.clock, only, 'dave');
  only.drop();
  const dave = `sip:dave@${domain}`;
  s.a.send(message(s.a, { uri: dave, to: `<${dave}>`, callId: 'c2' }));
  s.world.clock.run(50);
  s.a.response(100);
  s.a.response(480);
});

test('local and remote phones ring in the same step', () => {
  const s = scene();
  const local = s.one.phone('192.0.2.11');
  register(s.world.clock, local, 'bob');
  s.world.clock.run(6000);
  s.a.send(message(s.a));
  local.request('INVITE');
  s.world.clock.run(10);
  s.b.request('INVITE');
});

const uuid = '+sip.instance="<urn:uuid:00000000-0000-1000-8000-000000000001>"';

test('one phone seen at two adapters rings once, at the newest place; the other one serves fail-over', () => {
  const s = scene();
  const three = s.world.box(3);
  const old = s.two.phone('192.0.2.40');
  const moved = three.phone('192.0.2.50');
  const contact = (phone: FakePhone) => `<sip:carol@${phone.flow.remote.address}:5062>;${uuid}`;
  register(s.world.clock, old, 'carol', { contact: contact(old) });
  s.world.clock.run(6000);
  register(s.world.clock, moved, 'carol', { contact: contact(moved) });
  s.a.send(message(s.a, { uri: `sip:carol@${domain}`, to: `<sip:carol@${domain}>` }));
  s.world.clock.run(50);
  const invite = moved.request('INVITE');
  assert.equal(old.waiting, 0);
  moved.reply(invite, 408);
  s.world.clock.run(50);
  old.request('INVITE');
});

test('a phone that has moved away from here is rung where it went, not here', () => {
  const s = scene();
  const here = s.one.phone('192.0.2.40');
  const there = s.two.phone('192.0.2.50');
  const contact = (phone: FakePhone) => `<sip:carol@${phone.flow.remote.address}:5062>;${uuid}`;
  register(s.world.clock, here, 'carol', { contact: contact(here) });
  s.world.clock.run(6000);
  register(s.world.clock, there, 'carol', { contact: contact(there) });
  s.a.send(message(s.a, { uri: `sip:carol@${domain}`, to: `<sip:carol@${domain}>` }));
  s.world.clock.run(500);
  there.request('INVITE');
  assert.equal(here.waiting, 0);
});

test('an unknown user is 404, a known one without a phone 480', () => {
  const s = scene();
  for (const [user, status] of [
    ['nobody', 404],
    ['dave', 480],
  ] as const) {
    const uri = `sip:${user}@${domain}`;
    s.a.send(message(s.a, { uri, to: `<${uri}>`, callId: user }));
    s.world.clock.run(10);
    s.a.response(100);
    s.a.response(status);
  }
});

test('a phone that knows only an address calls and is shown with the domain', () => {
  const s = scene();
  s.a.send(
    message(s.a, {
      uri: 'sip:bob@10.0.0.1',
      from: '<sip:alice@10.0.0.1>;tag=caller',
      to: '<sip:bob@10.0.0.1>',
    }),
  );
  s.world.clock.run(10);
  const invite = s.b.request('INVITE');
  assert.equal(uriOf(invite.header('From')), `sip:${alice}`);
  assert.equal(uriOf(invite.header('To')), `sip:${bob}`);
});

test('requests from the overlay go to local phones only', () => {
  const s = scene();
  const three = s.world.box(3);
  register(s.world.clock, three.phone('192.0.2.30'), 'carol');
  s.world.clock.run(10);
  // The record of bob, signed by bob, leads to box 3, which has no phone of bob.
  const values = s.world.ring.values.get(resourceOfAor(bob))!;
  values.clear();
  values.set('x', fetched(nodeId(0x99), bob, encodeRegistration(routeTo(three.node, [])), startMs));
  const before = s.world.ring.log.fetches.length;
  s.a.send(message(s.a));
  s.world.clock.run(30);
  s.a.response(100);
  s.a.response(480);
  const asked = s.world.ring.log.fetches.slice(before).map((fetch) => fetch.resource);
  assert.deepEqual(asked, [resourceOfAor(bob), resourceOfAor(alice)], 'caller and callee once');
  assert.equal(s.b.waiting, 0);
});

test('[R7904-3.3-08] a forward stored by the user is followed to the phone', () => {
  const s = scene();
  const carol = `carol@${domain}`;
  const forward = encodeRegistration({ type: 'uri', uri: bob });
  s.world.ring.values.set(
    resourceOfAor(carol),
    new Map([['x', fetched(nodeId(0x98), carol, forward, startMs)]]),
  );
  s.a.send(message(s.a, { uri: `sip:${carol}`, to: `<sip:${carol}>` }));
  s.world.clock.run(20);
  assert.equal(s.b.request('INVITE').uri, 'sip:bob@192.0.2.20:5062');
});

test('[R7904-6-02] a GRUU is called without a Fetch, an unreadable one is not found', () => {
  const s = scene();
  const gr = encodeGr([{ type: 'node', nodeId: s.two.node }]);
  const before = s.world.ring.log.fetches.filter((f) => f.resource === resourceOfAor(bob)).length;
  s.a.send(message(s.a, { uri: `sip:${bob};gr=${gr}`, callId: 'g1' }));
  s.world.clock.run(20);
  s.b.request('INVITE');
  const after = s.world.ring.log.fetches.filter((f) => f.resource === resourceOfAor(bob)).length;
  assert.equal(after, before);
  s.a.response(100);
  s.a.send(message(s.a, { uri: `sip:${bob};gr=MDEyMzQ1Njc4OTAx`, callId: 'g2' }));
  s.world.clock.run(20);
  s.a.response(404);
});

test('[R7904-2-02] [R7904-5.1-09] sips goes to 5061 and reaches secure bindings only', () => {
  const s = scene();
  const secure = s.two.phone('192.0.2.60', 'tls');
  register(s.world.clock, secure, 'bob', {
    contact: '<sip:bob@192.0.2.60:5062;transport=tls>',
  });
  s.world.clock.run(10);
  s.a.send(message(s.a, { uri: `sips:${bob}`, to: `<sips:${bob}>` }));
  s.world.clock.run(20);
  assert.equal(s.world.ring.log.appAttaches[0]?.application, 5061);
  secure.request('INVITE');
  assert.equal(s.b.waiting, 0);
});

test('[R7904-5.1-09] a callee that says SIPS only is reached by 5061', () => {
  const s = scene();
  const only = s.two.phone('192.0.2.60', 'tls');
  register(s.world.clock, only, 'dave', {
    contact: '<sip:dave@192.0.2.60:5062;transport=tls>;schemes="sips"',
  });
  s.world.clock.run(10);
  const uri = `sip:dave@${domain}`;
  s.a.send(message(s.a, { uri, to: `<${uri}>` }));
  s.world.clock.run(20);
  assert.equal(s.world.ring.log.appAttaches[0]?.application, 5061);
});

test('a failed lookup result is not used again', () => {
  const s = scene();
  s.a.send(message(s.a, { callId: 'c1' }));
  s.world.clock.run(20);
  s.b.reply(s.b.request('INVITE'), 480);
  s.world.clock.run(20);
  const before = s.world.ring.log.fetches.filter((f) => f.resource === resourceOfAor(bob)).length;
  s.a.send(message(s.a, { callId: 'c2' }));
  s.world.clock.run(20);
  const after = s.world.ring.log.fetches.filter((f) => f.resource === resourceOfAor(bob)).length;
  assert.equal(after, before + 1);
});

test('a phone may log in with its whole address', () => {
  const world = createWorld();
  const phone = world.box(1).phone('192.0.2.10');
  assert.equal(register(world.clock, phone, 'alice', { login: alice }).status, 200);
});
