import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentTrace } from '../../../../src/ports/trace.ts';
import { createAttemptGuard } from '../../../../src/sip/auth/attempt-guard.ts';
import { parseNetworks } from '../../../../src/sip/auth/networks.ts';
import { defaultSipSettings } from '../../../../src/sip/core/settings.ts';
import {
  type FakePhone,
  type Rig,
  createFakeClock,
  createRig,
  credentials,
  domain,
  message,
  register,
} from '../core/rig.ts';

type Auth = typeof defaultSipSettings.auth;

function createGuardedRig(more: Partial<Auth> = {}): Rig {
  const auth = {
    ...defaultSipSettings.auth,
    maxFailures: 3,
    maxUserFailures: 5,
    banS: 60,
    ...more,
  };
  return createRig(() => ({ settings: { ...defaultSipSettings, auth } }));
}

let cseq = 0;

/** One REGISTER that answers a fresh challenge with that password; the status of its answer. */
function attempt(phone: FakePhone, user: string, password: string): number {
  const send = (headers: readonly string[]): ReturnType<FakePhone['take']> => {
    const address = `<sip:${user}@${domain}>`;
    phone.send(
      message(phone, {
        method: 'REGISTER',
        uri: `sip:${domain}`,
        from: `${address};tag=r`,
        to: address,
        callId: `try-${user}`,
        cseq: ++cseq,
        headers: [`Contact: <sip:${user}@${phone.flow.remote.address}:5062>`, ...headers],
      }),
    );
    return phone.take();
  };
  const asked = send([]);
  assert.ok(asked.kind === 'response');
  if (asked.status !== 401) return asked.status;
  const challenge = asked.header('WWW-Authenticate') ?? '';
  const login = credentials(challenge, user, password, 'REGISTER', `sip:${domain}`);
  const answer = send([`Authorization: ${login}`]);
  assert.ok(answer.kind === 'response');
  return answer.status;
}

test('a source that guesses is banned for a while, others are not', () => {
  const rig = createGuardedRig();
  const robot = rig.phone('192.0.2.66');
  assert.deepEqual(
    ['a', 'b', 'c'].map((guess) => attempt(robot, 'alice', guess)),
    [401, 401, 401],
  );
  assert.equal(attempt(robot, 'alice', 'alicepw'), 403, 'the right password comes too late');
  const { bans } = rig.server.snapshot();
  assert.deepEqual(bans, [
    { kind: 'logins', source: '192.0.2.66', count: 3, untilMs: rig.clock.wallMs() + 60_000 },
  ]);
  assert.equal(attempt(rig.phone('192.0.2.10'), 'alice', 'alicepw'), 200);
  rig.clock.advance(59_000);
  assert.equal(attempt(robot, 'alice', 'alicepw'), 403);
  rig.clock.advance(1_001);
  assert.equal(attempt(robot, 'alice', 'alicepw'), 200);
  assert.deepEqual(rig.server.snapshot().bans, []);
});

test('the answer to a banned source says how long', () => {
  const rig = createGuardedRig();
  const robot = rig.phone('192.0.2.66');
  for (const guess of ['a', 'b', 'c']) attempt(robot, 'alice', guess);
  rig.clock.advance(20_000);
  robot.send(message(robot, { method: 'REGISTER', uri: `sip:${domain}` }));
  const answer = robot.response(403);
  assert.equal(answer.header('Retry-After'), '40');
  assert.equal(answer.has('WWW-Authenticate'), false);
});

test('a login in between clears the source, old failures do not count', () => {
  const rig = createGuardedRig();
  const office = rig.phone('192.0.2.70');
  attempt(office, 'alice', 'a');
  attempt(office, 'alice', 'b');
  assert.equal(attempt(office, 'bob', 'bobpw'), 200);
  attempt(office, 'alice', 'c');
  attempt(office, 'alice', 'd');
  rig.clock.advance(60_001);
  attempt(office, 'alice', 'e');
  assert.equal(attempt(office, 'alice', 'f'), 401);
  assert.equal(attempt(office, 'alice', 'alicepw'), 200);
});

test('[S3261-10.3-05] unknown users are banned and answered like known ones', () => {
  const answers = ['alice', 'nobody'].map((user) => {
    const robot = createGuardedRig().phone('192.0.2.66');
    return ['a', 'b', 'c', 'd'].map((guess) => attempt(robot, user, guess));
  });
  assert.deepEqual(answers[0], [401, 401, 401, 403]);
  assert.deepEqual(answers[1], answers[0]);
});

test('exempt networks are never banned', () => {
  const rig = createGuardedRig({ exemptNetworks: ['192.0.2.64/26'], maxUserFailures: 0 });
  const tester = rig.phone('192.0.2.66');
  for (let i = 0; i < 8; i++) assert.equal(attempt(tester, 'bob', 'wrong'), 401);
  assert.deepEqual(rig.server.snapshot().bans, []);
  assert.throws(() => createGuardedRig({ exemptNetworks: ['lan'] }), /lan is no network/);
});

test('a user who is guessed at from many places is locked, except where its phones are', () => {
  const rig = createGuardedRig({ maxFailures: 0 });
  const home = rig.phone('192.0.2.10');
  assert.equal(register(home, 'alice').status, 200);
  for (let i = 0; i < 5; i++) {
    assert.equal(attempt(rig.phone(`198.51.100.${String(i)}`), 'alice', 'guess'), 401);
  }
  assert.equal(attempt(rig.phone('198.51.100.9'), 'alice', 'alicepw'), 401, 'a lucky guess');
  assert.equal(register(home, 'alice').status, 200, 'nobody can lock a user out');
  assert.equal(attempt(rig.phone('198.51.100.9'), 'bob', 'bobpw'), 200);
  rig.clock.advance(60_001);
  assert.equal(attempt(rig.phone('198.51.100.9'), 'alice', 'alicepw'), 200);
});

test('what no guess is, is not counted: stale and foreign nonces, other algorithms', () => {
  const rig = createGuardedRig({ maxFailures: 1 });
  const phone = rig.phone('192.0.2.10');
  phone.send(message(phone, { callId: 'n' }));
  const challenge = phone.response(407).header('Proxy-Authenticate') ?? '';
  const uri = `sip:bob@${domain}`;
  const foreign = challenge.replace(/nonce="[^"]*"/, `nonce="${'0'.repeat(48)}"`);
  const unknown = challenge.replace('algorithm=MD5', 'algorithm=SHA-256');
  for (const [i, text] of [foreign, unknown].entries()) {
    const proof = credentials(text, 'alice', 'alicepw', 'INVITE', uri);
    const headers = [`Proxy-Authorization: ${proof}`];
    phone.send(message(phone, { callId: 'n', cseq: i + 2, headers }));
    const again = phone.response(407).header('Proxy-Authenticate') ?? '';
    assert.equal(/stale=true/i.test(again), i === 0);
  }
  assert.equal(rig.server.snapshot().failingSources, 0);
});

test('integrity of bodies is offered where the setting says so', () => {
  const rig = createGuardedRig({ offersIntegrity: true });
  const phone = rig.phone('192.0.2.10');
  phone.send(message(phone));
  assert.match(phone.response(407).header('Proxy-Authenticate') ?? '', /qop="auth,auth-int"/);
});

test('failures are remembered for a bounded number of sources and users', () => {
  const guard = createAttemptGuard({
    clock: createFakeClock(),
    trace: silentTrace,
    maxFailures: 2,
    maxUserFailures: 2,
    banS: 60,
    isExempt: () => false,
    capacity: 2,
  });
  assert.equal(guard.failed('a', undefined), 1);
  guard.failed('b', 'u');
  assert.equal(guard.failed('a', undefined), 2);
  guard.failed('c', undefined);
  assert.equal(guard.sources, 2);
  assert.ok(guard.banLeftS('a') > 0);
  assert.equal(guard.banLeftS('b'), 0);
  guard.failed('c', 'u');
  assert.ok(guard.isLocked('u'));
  assert.deepEqual(guard.bans(1).length, 1);
});

test('networks of both families', () => {
  const all = parseNetworks(['192.0.2.0/24', '2001:db8::/33', '198.51.100.7', '::1/128']);
  assert.ok(all.ok);
  for (const inside of [
    '192.0.2.255',
    '::ffff:192.0.2.1',
    '2001:db8:7fff::1',
    '198.51.100.7',
    '::1',
  ]) {
    assert.ok(all.value.contains(inside), inside);
  }
  for (const outside of ['192.0.3.0', '2001:db8:8000::1', '198.51.100.8', '::2', 'host', '']) {
    assert.ok(!all.value.contains(outside), outside);
  }
  const whole = parseNetworks(['0.0.0.0/0']);
  assert.ok(whole.ok && whole.value.contains('10.1.2.3') && !whole.value.contains('2001:db8::1'));
  const none = parseNetworks([]);
  assert.ok(none.ok && !none.value.contains('10.1.2.3'));
  for (const bad of [
    '10.0.0.0/33',
    '10.0.0/8',
    '::/129',
    'a',
    '',
    '10.0.0.0/8/8',
    '10.0.0.0/x',
    '10.0.0.0/',
  ]) {
    assert.deepEqual(parseNetworks([bad]), { ok: false, error: bad });
  }
});

test('bans of sources and locks of users are shown and can be lifted', () => {
  const rig = createGuardedRig({ maxFailures: 3, maxUserFailures: 4 });
  const robot = rig.phone('192.0.2.66');
  for (const guess of ['a', 'b', 'c']) attempt(robot, 'alice', guess);
  const other = rig.phone('192.0.2.67');
  attempt(other, 'alice', 'd');
  const untilMs = rig.clock.wallMs() + 60_000;
  assert.deepEqual(rig.server.snapshot().bans, [
    { kind: 'logins', source: '192.0.2.66', count: 3, untilMs },
    { kind: 'user', source: `alice@${domain}`, count: 4, untilMs },
  ]);
  assert.equal(attempt(robot, 'bob', 'bobpw'), 403);
  assert.equal(rig.server.liftBan('192.0.2.66'), true);
  assert.equal(attempt(robot, 'bob', 'bobpw'), 200);
  assert.equal(attempt(robot, 'alice', 'alicepw'), 401, 'the user is still locked');
  assert.equal(rig.server.liftBan(`alice@${domain}`), true);
  assert.equal(attempt(robot, 'alice', 'alicepw'), 200);
  assert.equal(rig.server.liftBan('192.0.2.66'), false);
  assert.equal(rig.server.liftBan('192.0.2.67'), false, 'failures, but no ban');
  assert.deepEqual(rig.server.snapshot().bans, []);
});
