import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resourceOfAor } from '../../../src/usages/sip/registration.ts';
import { message, uriOf } from '../sip/core/rig.ts';
import type { FakePhone, SipRequest } from './support/box.ts';
import { createWorld } from './support/box.ts';
import { register } from './support/register.ts';
import type { Scene } from './support/scene.ts';
import { alice, bob, establish, scene } from './support/scene.ts';
import { domain, identity, nodeId } from './support/world.ts';

/** Box 3 serves mallory's own user carol, and sends what it likes. */
function forge(s: Scene, from: string, headers: readonly string[] = []): FakePhone {
  const evil = s.world.box(3);
  evil.identities.set(`carol@${domain}`, identity(nodeId(0x3c), `carol@${domain}`));
  const phone = evil.phone('192.0.2.66');
  phone.send(message(phone, { from, headers }));
  s.world.clock.run(30);
  return phone;
}

test("somebody else's From over AppAttach is refused", () => {
  const s = scene();
  const phone = forge(s, `"Alice" <sip:${alice}>;tag=evil`);
  phone.response(100);
  phone.response(403);
  assert.equal(s.b.waiting, 0);
});

test('by policy the forged identity is removed instead', () => {
  const s = scene({ unprovedCaller: 'anonymise' });
  forge(s, `"Alice" <sip:${alice}>;tag=evil`, [`P-Asserted-Identity: <sip:${alice}>`]);
  const invite = s.b.request('INVITE');
  assert.equal(uriOf(invite.header('From')), 'sip:anonymous@anonymous.invalid');
  assert.equal(invite.from.tag, 'evil');
  assert.ok(!invite.has('P-Asserted-Identity'));
});

test('a call of a phone that is not registered: anonymous to the callee all along, itself to itself', () => {
  const world = createWorld();
  const one = world.box(1, { unprovedCaller: 'anonymise' });
  const two = world.box(2, { unprovedCaller: 'anonymise' });
  const s: Scene = { world, one, two, a: one.phone('192.0.2.10'), b: two.phone('192.0.2.20') };
  const { a, b } = s;
  register(world.clock, b, 'bob');
  world.clock.run(6000);
  const anonymous = 'sip:anonymous@anonymous.invalid';

  a.send(message(a, { callId: 'early' }));
  world.clock.run(10);
  a.response(100);
  b.reply(b.request('INVITE'), 486);
  world.clock.run(10);
  const busy = a.response(486);
  assert.equal(busy.header('From'), `<sip:${alice}>;tag=caller`);
  b.request('ACK');

  for (const by of ['caller', 'callee'] as const) {
    const call = establish(s, { callId: by });
    const { invite, ok } = call;
    assert.equal(uriOf(invite.header('From')), anonymous);
    assert.equal(invite.from.tag, 'caller');
    assert.equal(ok.header('From'), `<sip:${alice}>;tag=caller`);
    assert.equal(uriOf(ok.header('To')), `sip:${bob}`);
    // What establish() sends is of call-1, whatever the INVITE was; the tags tell the dialogs apart.
    const [from, to, bye] =
      by === 'caller' ? [a, b, call.fromCaller('BYE', 2)] : [b, a, call.fromCallee('BYE')];
    from.send(bye);
    world.clock.run(20);
    const seen = to.request('BYE');
    if (by === 'caller') {
      assert.equal(uriOf(seen.header('From')), anonymous);
      assert.equal(seen.from.tag, 'caller');
    } else {
      assert.equal(seen.header('To'), `<sip:${alice}>;tag=caller`);
      assert.equal(uriOf(seen.header('From')), `sip:${bob}`);
    }
    to.reply(seen, 200);
    world.clock.run(20);
    const done = from.response(200);
    const mine = by === 'caller' ? done.header('From') : done.header('To');
    assert.equal(mine, by === 'caller' ? `<sip:${alice}>;tag=caller` : invite.header('From'));
  }
});

test('inside a dialog assertions that are not proved at that moment are removed', () => {
  const s = scene();
  const call = establish(s);
  const asserted = (method: string, identity: string): string =>
    call.fromCaller(method, 2).replace('Content-Length', `${identity}\nContent-Length`);
  // The phones' own claims end at their adapter, so the other adapter is made to send them.
  const wire = (identity: string, method = 'INFO'): SipRequest => {
    const flows = s.two.phone('198.51.100.1', 'tls');
    const peer: FakePhone['flow'] = flows.flow;
    const overlay = { ...peer, listener: 'overlay', peer: s.one.node, send: () => true };
    const text = asserted(method, identity)
      .replace(/Route: <sip:[^>]*@10\.0\.0\.1[^>]*>\n/, '')
      .replace(/Route: <sip:[0-9a-f]*a1\.node\.invalid[^>]*>\n/, '');
    s.two.adapter.receive(overlay, new TextEncoder().encode(text.replaceAll('\n', '\r\n')));
    s.world.clock.run(20);
    const seen = s.b.request(method);
    s.b.reply(seen, 200);
    return seen;
  };
  const own = `P-Asserted-Identity: <sip:${alice}>`;
  assert.equal(wire(own).header('P-Asserted-Identity'), `<sip:${alice}>`, 'proved by the INVITE');
  const boss = `P-Asserted-Identity: <sip:boss@${domain}>`;
  assert.equal(wire(boss).has('P-Asserted-Identity'), false);
  assert.equal(
    wire(`P-Preferred-Identity: <sip:boss@${domain}>`).has('P-Preferred-Identity'),
    false,
  );
  assert.equal(
    wire(`Remote-Party-ID: <sip:boss@${domain}>;party=calling`).has('Remote-Party-ID'),
    false,
  );
  assert.equal(wire(`${own}\n${boss}`).has('P-Asserted-Identity'), false);
  const foreign = 'P-Asserted-Identity: <sip:+4930@carrier.example>';
  assert.equal(wire(foreign).header('P-Asserted-Identity'), '<sip:+4930@carrier.example>');
  s.world.clock.run(6000);
  assert.equal(wire(own).has('P-Asserted-Identity'), false, 'the proof is old');
  assert.equal(wire(boss, 'BYE').has('P-Asserted-Identity'), false);
});

test('what phones serve without looking for the dialog is screened inside a dialog too', () => {
  const s = scene();
  const three = s.world.box(3);
  const evil = three.phone('192.0.2.66');
  register(s.world.clock, evil, 'carol');
  s.world.clock.run(6000);
  const carol = `carol@${domain}`;
  const call = establish({ ...s, a: evil, one: three }, { from: `<sip:${carol}>;tag=caller` });
  const forged = call
    .fromCaller('MESSAGE', 2)
    .replaceAll(`From: <sip:${carol}>`, `From: <sip:${alice}>`);
  evil.send(forged);
  s.world.clock.run(50);
  evil.response(403);
  assert.equal(s.b.waiting, 0);
  evil.send(call.fromCaller('MESSAGE', 3));
  s.world.clock.run(50);
  s.b.request('MESSAGE');
});

test('the proof of a caller is remembered for a short time only', () => {
  const s = scene();
  const checks = () =>
    s.world.ring.log.fetches.filter((fetch) => fetch.resource === resourceOfAor(alice)).length;
  establish(s, { callId: 'c1' });
  assert.equal(checks(), 1);
  establish(s, { callId: 'c2' });
  assert.equal(checks(), 1);
  s.world.clock.run(5000);
  establish(s, { callId: 'c3' });
  assert.equal(checks(), 2);
});
