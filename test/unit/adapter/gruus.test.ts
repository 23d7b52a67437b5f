import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hexEncode } from '../../../src/base/text.ts';
import { decodeGr } from '../../../src/usages/sip/gruu.ts';
import { resourceOfAor } from '../../../src/usages/sip/registration.ts';
import { message } from '../sip/core/rig.ts';
import { gruusOf } from '../sip/gruu/support.ts';
import type { Box, FakePhone, World } from './support/box.ts';
import { register } from './support/register.ts';
import { bob, establish, scene } from './support/scene.ts';

const instance = '"<urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6>"';
const contact = `<sip:bob@192.0.2.20:5062>;+sip.instance=${instance}`;

function registerBob(
  world: World,
  phone: FakePhone,
  callId = 'bob',
): { pub: string; temp: string } {
  const headers = ['Supported: gruu'];
  return gruusOf(register(world.clock, phone, 'bob', { contact, headers, callId }));
}

/** The final status of a call to that URI, or the phone it rang. */
function call(world: World, caller: FakePhone, uri: string, phone: FakePhone): FakePhone | number {
  while (caller.waiting > 0) caller.take();
  caller.send(message(caller, { uri, callId: `call-${String(++calls)}` }));
  world.clock.run(100);
  if (phone.waiting > 0) {
    phone.reply(phone.request('INVITE'), 486);
    phone.request('ACK');
    world.clock.run(100);
  }
  for (;;) {
    const answer = caller.take();
    assert.ok(answer.kind === 'response');
    if (answer.status === 486) return phone;
    if (answer.status >= 200) return answer.status;
  }
}
let calls = 0;

function grOf(gruu: string): string {
  return /;gr=([^;?]+)/.exec(gruu)?.[1] ?? '';
}

test('[R7904-6-01] [R7904-6-02] a GRUU holds the way to its box: called from another one, nothing is fetched', () => {
  const s = scene();
  const gruus = registerBob(s.world, s.b);
  for (const gruu of [gruus.pub, gruus.temp]) {
    assert.match(grOf(gruu), /^[A-Za-z0-9+/]+~{0,2}$/);
    const [node, token, ...rest] = decodeGr(grOf(gruu)) ?? [];
    assert.deepEqual(node, { type: 'node', nodeId: s.two.node });
    assert.equal(token?.type, 'opaque');
    assert.equal(rest.length, 0);
    assert.ok(s.two.adapter.acceptsOpaque(token.id));
    assert.ok(!s.one.adapter.acceptsOpaque(token.id) || gruu === gruus.pub);
    const before = fetches(s.world);
    assert.equal(call(s.world, s.a, gruu, s.b), s.b, gruu);
    assert.equal(fetches(s.world), before);
  }
  assert.deepEqual(s.world.ring.log.appAttaches, [
    { from: s.one.node, to: s.two.node, application: 5060 },
  ]);
});

function fetches(world: World): number {
  return world.ring.log.fetches.filter(({ resource }) => resource === resourceOfAor(bob)).length;
}

test('[R7904-6-03] a temporary GRUU shows neither the user nor the Node-ID of the user, its box hides them', () => {
  const s = scene();
  const { temp } = registerBob(s.world, s.b);
  const user = s.two.identities.get(bob)?.certificate.nodeIds[0] ?? '';
  assert.ok(user.length > 0);
  const [, token] = decodeGr(grOf(temp)) ?? [];
  assert.equal(token?.type, 'opaque');
  const hidden = hexEncode(token.id);
  assert.ok(!hidden.includes(user));
  assert.ok(!hidden.includes(hexEncode(Buffer.from('bob'))));
  assert.ok(!temp.startsWith('sip:bob'));
});

test('[S5627-5.1-02] GRUUs outlive a restart of the box', () => {
  const s = scene();
  const before = registerBob(s.world, s.b);
  s.world.clock.run(6000);
  const two = s.two.restart();
  const phone = two.phone('192.0.2.20');
  assert.equal(call(s.world, s.a, before.pub, phone), phone);
  assert.equal(call(s.world, s.a, before.temp, phone), phone);
  assert.equal(registerBob(s.world, phone).pub, before.pub);
});

test('[S5627-5.1-05] [S5627-5.3-01] [S5627-6.1-01] [S5627-6.1-02] void and unknown GRUUs, asked for at home and from afar', () => {
  const s = scene();
  const old = registerBob(s.world, s.b, 'first');
  const now = registerBob(s.world, s.b, 'rebooted');
  const neighbour = s.two.phone('192.0.2.30');
  const ask = (gruu: string): unknown[] =>
    [s.a, neighbour].map((caller) => call(s.world, caller, gruu, s.b));
  assert.deepEqual(ask(old.temp), [404, 404]);
  assert.deepEqual(ask(now.temp), [s.b, s.b]);
  const last = now.temp.replace(/~*$/, '').at(-1) === 'A' ? 'Q' : 'A';
  assert.deepEqual(ask(now.temp.replace(/.(~*)$/, `${last}$1`)), [404, 404]);
  register(s.world.clock, s.b, 'bob', { contact, callId: 'rebooted', expiresS: 0 });
  register(s.world.clock, s.b, 'bob', { expiresS: 0 });
  assert.deepEqual(ask(now.temp), [404, 404]);
  assert.deepEqual(ask(now.pub), [480, 480]);
  const account = s.world.directory.lookup('bob');
  assert.ok(account !== undefined);
  s.world.directory.set({ ...account, enabled: false });
  s.world.clock.run(10);
  assert.deepEqual(ask(now.pub), [404, 404]);
});

test('[S5627-6.1-03] inside a dialog across the overlay the GRUU of the callee finds its phone', () => {
  const s = scene();
  const { temp } = registerBob(s.world, s.b);
  const made = establish(s, { callId: 'dialog' });
  const bye = made.fromCaller('BYE', 2).replace('sip:bob@192.0.2.20:5062', temp);
  s.a.send(bye.replace('Call-ID: call-1', 'Call-ID: dialog'));
  s.world.clock.run(20);
  const got = s.b.request('BYE');
  assert.equal(got.uri, 'sip:bob@192.0.2.20:5062');
  s.b.reply(got, 200);
  s.world.clock.run(20);
  assert.equal(s.a.take().kind, 'response');
});

test('a GRUU stays where it is: other phones of the user, at any box, are left alone', () => {
  const s = scene();
  const { pub } = registerBob(s.world, s.b);
  const others: readonly (readonly [Box, string])[] = [
    [s.one, '192.0.2.40'],
    [s.two, '192.0.2.41'],
  ];
  const phones = others.map(([box, address]) => {
    const phone = box.phone(address);
    register(s.world.clock, phone, 'bob');
    return phone;
  });
  s.world.clock.run(6000);
  assert.equal(call(s.world, s.a, pub, s.b), s.b);
  for (const phone of phones) assert.equal(phone.waiting, 0);
});
