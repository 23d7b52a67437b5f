/** Calls that the callee wants forwarded, applied by the server of its phones. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CalleeRules } from '../../../../src/sip/proxy/diversion.ts';
import { type FakePhone, type Rig, createRig, domain, message, register } from '../core/rig.ts';

const nothing: CalleeRules = {
  always: undefined,
  busy: undefined,
  noAnswer: undefined,
  noAnswerMs: 20_000,
  unregistered: undefined,
  doNotDisturb: false,
};
const carolUri = `sip:carol@${domain}`;

interface Scene {
  readonly rig: Rig;
  readonly alice: FakePhone;
  readonly bob: FakePhone;
  readonly carol: FakePhone;
}

function scene(rules: Partial<CalleeRules>, isBobThere = true): Scene {
  const rig = createRig(() => ({
    diversions: {
      rulesOf: (aor) => (aor === `bob@${domain}` ? { ...nothing, ...rules } : undefined),
    },
  }));
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  const carol = rig.phone('192.0.2.30');
  if (isBobThere) register(bob, 'bob');
  register(carol, 'carol');
  return { rig, alice, bob, carol };
}

function call({ alice }: Scene, headers: readonly string[] = []): void {
  alice.send(message(alice, { headers }));
  alice.response(100);
}

/** The INVITE that carol gets for bob, with what it is told. */
function diverted({ carol }: Scene, reason: string, cause: number): void {
  const invite = carol.request('INVITE');
  assert.equal(invite.header('Diversion'), `<sip:bob@${domain}>;reason=${reason};counter=1`);
  assert.equal(
    invite.values('History-Info')[0],
    `<sip:bob@${domain}?Reason=SIP%3Bcause%3D${String(cause)}>;index=1`,
  );
  carol.reply(invite, 200, { tag: 'carol' });
}

function settled({ rig, alice }: Scene, status: number): void {
  assert.equal(alice.response(status).to.tag !== undefined, true);
  assert.equal(alice.waiting, 0);
  assert.deepEqual([rig.server.snapshot().contexts, rig.server.snapshot().callsRinging], [0, 0]);
}

test('always: the own phones do not ring', () => {
  const all = scene({ always: carolUri });
  call(all);
  diverted(all, 'unconditional', 302);
  assert.equal(all.bob.waiting, 0);
  settled(all, 200);
});

test('busy: when the phone says so, with 486 or 600', () => {
  for (const status of [486, 600]) {
    const all = scene({ busy: carolUri });
    call(all);
    all.bob.reply(all.bob.request('INVITE'), status);
    all.bob.request('ACK');
    diverted(all, 'user-busy', 486);
    settled(all, 200);
  }
});

test('do not disturb: no phone rings; to the place for busy, or 486', () => {
  const all = scene({ doNotDisturb: true, busy: carolUri });
  call(all);
  assert.equal(all.bob.waiting, 0);
  diverted(all, 'do-not-disturb', 486);
  settled(all, 200);
  const plain = scene({ doNotDisturb: true });
  plain.alice.send(message(plain.alice));
  settled(plain, 486);
  assert.equal(plain.bob.waiting, 0);
});

test('unregistered: nobody is there, or nobody can be reached', () => {
  const all = scene({ unregistered: carolUri }, false);
  call(all);
  diverted(all, 'unavailable', 404);
  settled(all, 200);
  const gone = scene({ unregistered: carolUri });
  call(gone);
  gone.bob.reply(gone.bob.request('INVITE'), 480);
  diverted(gone, 'unavailable', 404);
});

test('no answer: the phones are cancelled after the time, what they say then does not count', () => {
  const all = scene({ noAnswer: carolUri });
  call(all);
  const invite = all.bob.request('INVITE');
  all.bob.reply(invite, 180);
  all.alice.response(180);
  all.rig.clock.advance(19_999);
  assert.equal(all.bob.waiting, 0);
  all.rig.clock.advance(1);
  all.bob.request('CANCEL');
  assert.equal(all.carol.waiting, 0, 'not before the phone has ended');
  all.bob.reply(invite, 487);
  all.bob.request('ACK');
  diverted(all, 'no-answer', 408);
  settled(all, 200);
});

test('no answer: whoever answers in time, or gives up, is not disturbed later', () => {
  const answered = scene({ noAnswer: carolUri });
  call(answered);
  const invite = answered.bob.request('INVITE');
  answered.bob.reply(invite, 180);
  answered.alice.response(180);
  answered.rig.clock.advance(19_000);
  answered.bob.reply(invite, 200);
  answered.alice.response(200);
  answered.rig.clock.advance(60_000);
  assert.equal(answered.bob.waiting + answered.carol.waiting, 0);

  const cancelled = scene({ noAnswer: carolUri });
  const text = message(cancelled.alice, { branch: 'z9hG4bK-gone' });
  cancelled.alice.send(text);
  cancelled.alice.response(100);
  const ringing = cancelled.bob.request('INVITE');
  cancelled.bob.reply(ringing, 180);
  cancelled.alice.response(180);
  cancelled.alice.send(text.replaceAll('INVITE', 'CANCEL'));
  cancelled.alice.response(200);
  cancelled.bob.request('CANCEL');
  cancelled.rig.clock.advance(20_000);
  cancelled.bob.reply(ringing, 487);
  cancelled.alice.response(487);
  assert.equal(cancelled.carol.waiting, 0);
});

test('no answer counts only where phones are to ring', () => {
  const all = scene({ noAnswer: carolUri }, false);
  all.alice.send(message(all.alice));
  settled(all, 480);
  all.rig.clock.advance(30_000);
  assert.equal(all.carol.waiting, 0);
});

test('what a rule does not name stays a failure', () => {
  for (const [rules, status] of [
    [{ busy: carolUri }, 480],
    [{ noAnswer: carolUri, unregistered: carolUri }, 486],
    [{ busy: carolUri, unregistered: carolUri }, 404],
    [{ busy: carolUri }, 603],
  ] as const) {
    const all = scene(rules);
    call(all);
    all.bob.reply(all.bob.request('INVITE'), status);
    all.bob.request('ACK');
    settled(all, status);
    assert.equal(all.carol.waiting, 0);
  }
});

test('rules are for calls: other methods fail as ever', () => {
  const all = scene({ always: carolUri, busy: carolUri });
  all.alice.send(message(all.alice, { method: 'MESSAGE' }));
  all.bob.reply(all.bob.request('MESSAGE'), 486);
  settled(all, 486);
  assert.equal(all.carol.waiting, 0);
});

test('a call is diverted once: the target answers for itself', () => {
  const all = scene({ busy: carolUri });
  call(all);
  all.bob.reply(all.bob.request('INVITE'), 486);
  all.bob.request('ACK');
  all.carol.reply(all.carol.request('INVITE'), 486);
  all.carol.request('ACK');
  settled(all, 486);
});

test('a rule that leads back, and a call that was diverted too often, end with the failure', () => {
  const circle = scene({ busy: `sip:bob@${domain}` });
  call(circle);
  circle.bob.reply(circle.bob.request('INVITE'), 486);
  circle.bob.request('ACK');
  settled(circle, 486);
  const often = scene({ busy: carolUri });
  call(often, ['Diversion: <sip:x@y>;counter=10']);
  often.bob.reply(often.bob.request('INVITE'), 486);
  often.bob.request('ACK');
  settled(often, 486);
  const still = scene({ busy: carolUri });
  call(still, ['Diversion: <sip:x@y>;counter=9']);
  still.bob.reply(still.bob.request('INVITE'), 486);
  still.bob.request('ACK');
  still.carol.request('INVITE');
});

test('a caller from the overlay is redirected: its own adapter goes on', () => {
  const all = scene({ busy: carolUri });
  const adapter = all.rig.phone('192.0.2.99', 'tls', 'overlay');
  adapter.send(message(adapter));
  adapter.response(100);
  all.bob.reply(all.bob.request('INVITE'), 486);
  all.bob.request('ACK');
  const answer = adapter.response(302);
  assert.equal(answer.header('Contact'), `<${carolUri}>`);
  assert.equal(answer.header('Diversion'), `<sip:bob@${domain}>;reason=user-busy;counter=1`);
  assert.equal(all.carol.waiting, 0);
  assert.equal(all.rig.server.snapshot().contexts, 0);
  assert.equal(all.rig.trace.count('sip_proxy_answers_total', '3xx'), 1);
});

test('a secure call is not diverted to an insecure place', () => {
  const rig = createRig(() => ({
    diversions: { rulesOf: () => ({ ...nothing, busy: carolUri }) },
  }));
  const alice = rig.phone('192.0.2.10', 'tls');
  const bob = rig.phone('192.0.2.20', 'tls');
  const carol = rig.phone('192.0.2.30');
  register(bob, 'bob');
  register(carol, 'carol');
  alice.send(message(alice, { uri: `sips:bob@${domain}` }));
  alice.response(100);
  bob.reply(bob.request('INVITE'), 486);
  assert.equal(alice.response(302).header('Contact'), `<${carolUri}>`);
  assert.equal(carol.waiting, 0);
});
