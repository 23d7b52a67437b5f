import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Forwarding } from '../../../src/ports/accounts.ts';
import { decodeRegistration } from '../../../src/usages/sip/registration.ts';
import { message } from '../sip/core/rig.ts';
import type { Box, FakePhone, World } from './support/box.ts';
import { account, createWorld } from './support/box.ts';
import { register } from './support/register.ts';
import { domain } from './support/world.ts';

interface Town {
  readonly world: World;
  readonly one: Box;
  readonly two: Box;
  readonly alice: FakePhone;
  readonly bob: FakePhone;
  readonly carol: FakePhone;
  rule(user: string, forwarding: Forwarding | undefined): void;
}

/** alice and carol at box 1, bob at box 2 (or at box 1). */
function town(bobAt: 1 | 2 = 2): Town {
  const world = createWorld();
  const one = world.box(1);
  const two = world.box(2);
  const alice = one.phone('192.0.2.10');
  const carol = one.phone('192.0.2.30');
  const bob = (bobAt === 1 ? one : two).phone('192.0.2.20');
  register(world.clock, alice, 'alice');
  register(world.clock, carol, 'carol');
  register(world.clock, bob, 'bob');
  world.clock.run(6000);
  return {
    world,
    one,
    two,
    alice,
    bob,
    carol,
    rule(user, forwarding) {
      world.directory.set({
        ...account(user),
        ...(forwarding === undefined ? {} : { forwarding }),
      });
      world.clock.run(100);
    },
  };
}

function call(t: Town, callId = 'forward'): void {
  t.alice.send(message(t.alice, { callId }));
  t.world.clock.run(20);
  t.alice.response(100);
}

for (const at of [1, 2] as const) {
  const place = at === 1 ? 'at the box of the caller' : 'at another box';

  test(`busy ${place}: the call goes on to the place the callee named`, () => {
    const t = town(at);
    t.rule('bob', { busy: `carol@${domain}` });
    call(t);
    t.bob.reply(t.bob.request('INVITE'), 486);
    t.world.clock.run(50);
    t.bob.request('ACK');
    const invite = t.carol.request('INVITE');
    assert.equal(invite.header('Diversion'), `<sip:bob@${domain}>;reason=user-busy;counter=1`);
    const history = invite.values('History-Info');
    assert.equal(history.length, 2);
    assert.match(history[1] ?? '', /^<sip:carol@lab\.example>;index=1\.1;mp=1$/);
    t.carol.reply(invite, 200, { contact: 'sip:carol@192.0.2.30:5062' });
    t.world.clock.run(50);
    t.alice.response(200);
  });

  test(`no answer ${place}: after the seconds the callee named its phone is cancelled`, () => {
    const t = town(at);
    t.rule('bob', { noAnswer: `carol@${domain}`, noAnswerAfterS: 5 });
    call(t);
    const ringing = t.bob.request('INVITE');
    t.bob.reply(ringing, 180);
    t.world.clock.run(4900);
    t.alice.response(180);
    assert.equal(t.carol.waiting, 0);
    t.world.clock.run(200);
    t.bob.request('CANCEL');
    t.bob.reply(ringing, 487);
    t.world.clock.run(50);
    assert.match(t.carol.request('INVITE').header('Diversion') ?? '', /reason=no-answer/);
  });

  test(`do not disturb ${place}: busy at once, nothing rings`, () => {
    const t = town(at);
    t.rule('bob', { doNotDisturb: true });
    t.alice.send(message(t.alice));
    t.world.clock.run(50);
    while (t.alice.waiting > 1) t.alice.take();
    t.alice.response(486);
    assert.equal(t.bob.waiting, 0);
    t.rule('bob', { doNotDisturb: true, busy: `carol@${domain}` });
    call(t, 'second');
    assert.match(t.carol.request('INVITE').header('Diversion') ?? '', /reason=do-not-disturb/);
  });

  test(`always ${place}: the other place rings, the record says so`, () => {
    const t = town(at);
    t.rule('bob', { always: `carol@${domain}` });
    call(t);
    assert.match(t.carol.request('INVITE').header('Diversion') ?? '', /reason=unconditional/);
    assert.equal(t.bob.waiting, 0);
    const records = [...t.world.ring.values.values()]
      .flatMap((values) => [...values.values()])
      .filter((value) => value.exists && value.signer?.userName === `bob@${domain}`)
      .map((value) => decodeRegistration(value.value));
    assert.deepEqual(records, [{ type: 'uri', uri: `carol@${domain}` }]);
    t.rule('bob', undefined);
    t.world.clock.run(6000);
    call(t, 'again');
    t.bob.request('INVITE');
  });
}

test('unregistered: with no phone left the home box still applies the rule', () => {
  const t = town();
  t.rule('bob', { unregistered: `carol@${domain}` });
  register(t.world.clock, t.bob, 'bob', { expiresS: 0 });
  t.world.clock.run(6000);
  assert.equal(t.world.live(`bob@${domain}`), 1, 'the record stays');
  call(t);
  assert.match(t.carol.request('INVITE').header('Diversion') ?? '', /reason=unavailable/);
});

test('unregistered: a user that never had a phone is forwarded by the box of the caller', () => {
  const t = town();
  t.rule('dave', { unregistered: `carol@${domain}` });
  t.alice.send(message(t.alice, { uri: `sip:dave@${domain}`, to: `<sip:dave@${domain}>` }));
  t.world.clock.run(50);
  t.alice.response(100);
  t.carol.request('INVITE');
});

test('a group: all members ring, the first to answer wins', () => {
  const t = town();
  t.rule('dave', { group: [`bob@${domain}`, `carol@${domain}`, `dave@${domain}`] });
  t.alice.send(message(t.alice, { uri: `sip:dave@${domain}`, to: `<sip:dave@${domain}>` }));
  t.world.clock.run(50);
  t.alice.response(100);
  const first = t.bob.request('INVITE');
  const second = t.carol.request('INVITE');
  t.carol.reply(second, 180);
  t.bob.reply(first, 200, { contact: 'sip:bob@192.0.2.20:5062' });
  t.world.clock.run(50);
  t.alice.response(180);
  t.alice.response(200);
  t.carol.request('CANCEL');
});

test('rules in a circle end, and a caller who gives up is not forwarded', () => {
  const t = town();
  t.rule('bob', { always: `carol@${domain}` });
  t.rule('carol', { always: `bob@${domain}` });
  t.alice.send(message(t.alice));
  t.world.clock.run(100);
  const answers: number[] = [];
  while (t.alice.waiting > 0) {
    const answer = t.alice.take();
    if (answer.kind === 'response') answers.push(answer.status);
  }
  assert.ok((answers.at(-1) ?? 0) >= 400, answers.join());

  const u = town();
  u.rule('bob', { noAnswer: `carol@${domain}`, noAnswerAfterS: 5 });
  u.alice.send(message(u.alice, { branch: 'z9hG4bK-forward-cancel' }));
  u.world.clock.run(20);
  u.alice.response(100);
  const ringing = u.bob.request('INVITE');
  u.bob.reply(ringing, 180);
  u.world.clock.run(20);
  u.alice.send(
    message(u.alice, { branch: 'z9hG4bK-forward-cancel' }).replaceAll('INVITE', 'CANCEL'),
  );
  u.world.clock.run(20);
  u.bob.request('CANCEL');
  u.bob.reply(ringing, 487);
  u.world.clock.run(10_000);
  assert.equal(u.carol.waiting, 0);
});
