import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Flow } from '../../../../src/ports/flow.ts';
import { silentTrace } from '../../../../src/ports/trace.ts';
import type { Trace } from '../../../../src/ports/trace.ts';
import { createFloodGuard } from '../../../../src/sip/auth/flood-guard.ts';
import { type FloodSettings, defaultSipSettings } from '../../../../src/sip/core/settings.ts';
import type { SipRequest } from '../../../../src/sip/message/message.ts';
import {
  type FakePhone,
  type Rig,
  createFakeClock,
  createRig,
  domain,
  message,
  register,
} from '../core/rig.ts';

const usual = defaultSipSettings.flood;

function createFloodRig(more: Partial<FloodSettings> = {}, trace: Trace = silentTrace): Rig {
  const flood = { requestsPerS: 10, burst: 20, banS: 60, exemptNetworks: [], ...more };
  const auth = { ...defaultSipSettings.auth, challengeRequests: false };
  return createRig(() => ({ trace, settings: { ...defaultSipSettings, auth, flood } }));
}

let serial = 0;

/** Sends that many OPTIONS as a scanner does; how many are answered. */
function scan(phone: FakePhone, count: number): number {
  let answers = 0;
  for (let i = 0; i < count; i++) {
    const parts = { method: 'OPTIONS', uri: 'sip:192.0.2.1', callId: `scan-${String(++serial)}` };
    phone.send(message(phone, parts));
    if (phone.waiting === 0) continue;
    answers++;
    phone.take();
  }
  return answers;
}

/** The first half of a login, as every phone begins it. */
function begin(phone: FakePhone, user: string): boolean {
  const address = `<sip:${user}@${domain}>`;
  phone.send(
    message(phone, {
      ...{ method: 'REGISTER', uri: `sip:${domain}`, from: `${address};tag=r`, to: address },
      ...{ callId: `begin-${String(++serial)}`, headers: ['Contact: <sip:x@192.0.2.9>'] },
    }),
  );
  if (phone.waiting === 0) return false;
  phone.response(401);
  return true;
}

test('a source above burst and rate is dropped without an answer, others are served', () => {
  const rig = createFloodRig();
  const robot = rig.phone('192.0.2.66');
  assert.equal(scan(robot, 100), 20);
  assert.equal(scan(rig.phone('192.0.2.66', 'udp', 'lan', 5070), 5), 0, 'any port of it');
  assert.equal(scan(rig.phone('192.0.2.10'), 5), 5);
  assert.deepEqual(rig.server.snapshot().bans, [
    { kind: 'flood', source: '192.0.2.66', count: 85, untilMs: rig.clock.wallMs() + 60_000 },
  ]);
});

test('requests at the rate go on for ever, and every kind of request without a login counts', () => {
  const rig = createFloodRig();
  const slow = rig.phone('192.0.2.66');
  for (let i = 0; i < 100; i++) {
    rig.clock.advance(100);
    assert.equal(scan(slow, 1), 1);
  }
  const robot = rig.phone('192.0.2.67');
  for (let i = 0; i < 10; i++) {
    assert.equal(begin(robot, 'nobody'), true);
    robot.send(message(robot, { callId: `invite-${String(i)}`, uri: 'sip:x@other.example' }));
    while (robot.waiting > 0) robot.take();
  }
  assert.equal(begin(robot, 'nobody'), false);
});

test('a ban lasts as long as the flood and its time more', () => {
  const rig = createFloodRig({ banS: 10 });
  const robot = rig.phone('192.0.2.66');
  scan(robot, 30);
  for (let s = 0; s < 30; s++) {
    rig.clock.advance(1000);
    assert.equal(scan(robot, 20), 0, `second ${String(s)}`);
  }
  rig.clock.advance(10_001);
  assert.equal(scan(robot, 5), 5);
  assert.deepEqual(rig.server.snapshot().bans, []);
});

test('a flow with a login is not counted and not banned with its address', () => {
  const rig = createFloodRig();
  const desk = rig.phone('192.0.2.66');
  assert.equal(register(desk, 'alice').status, 200);
  assert.equal(scan(desk, 200), 200);
  const robot = rig.phone('192.0.2.66', 'udp', 'lan', 6000);
  assert.ok(scan(robot, 100) <= 22);
  assert.equal(scan(robot, 1), 0);
  assert.equal(register(desk, 'alice').status, 200);
  assert.equal(scan(desk, 10), 10);
});

test('an office behind one address: more phones than the burst log in one after the other', () => {
  const rig = createFloodRig();
  for (let i = 0; i < 200; i++) {
    const desk = rig.phone('192.0.2.70', 'udp', 'lan', 10_000 + i);
    assert.equal(register(desk, 'alice', { contacts: ['<sip:alice@192.0.2.70>'] }).status, 200);
  }
  assert.deepEqual(rig.server.snapshot().bans, []);
});

test('the usual limits: an office of 2000 phones that all begin at once is served', () => {
  const rig = createFloodRig(usual);
  const desks = Array.from({ length: 2000 }, (_, i) =>
    rig.phone('203.0.113.70', 'udp', 'lan', 10_000 + i),
  );
  for (const desk of desks) assert.equal(begin(desk, 'alice'), true);
  // What was too slow comes once more, with another branch after a restart of the phone.
  for (const desk of desks) assert.equal(begin(desk, 'alice'), true);
  assert.deepEqual(rig.server.snapshot().bans, []);
  const robot = rig.phone('203.0.113.66');
  assert.equal(scan(robot, 20_000), usual.burst);
});

test('dialogs that the server recorded go on from a banned source, others do not', () => {
  const rig = createFloodRig();
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  register(bob, 'bob');
  alice.send(message(alice, { callId: 'kept' }));
  alice.response(100);
  const invite = bob.request('INVITE');
  bob.reply(invite, 200, { contact: 'sip:bob@192.0.2.20:5062' });
  const ok = alice.response(200);
  const routes = [...ok.values('Record-Route')].reverse().map((route) => `Route: ${route}`);
  scan(alice, 50);
  assert.equal(scan(alice, 1), 0);
  const bye = {
    ...{ method: 'BYE', cseq: 2, callId: 'kept', uri: 'sip:bob@192.0.2.20:5062' },
    ...{ from: ok.header('From') ?? '', to: ok.header('To') ?? '' },
  };
  alice.send(message(alice, { ...bye, headers: ['Route: <sip:forged@192.0.2.1;lr>'] }));
  assert.equal(bob.waiting + alice.waiting, 0, 'a tag alone shows nothing');
  alice.send(message(alice, { ...bye, headers: routes }));
  bob.reply(bob.request('BYE'), 200);
  alice.response(200);
});

test('in dialogs nothing is counted', () => {
  const clock = createFakeClock();
  const guard = createFloodGuard({
    clock,
    trace: silentTrace,
    settings: { requestsPerS: 10, burst: 20, banS: 60, exemptNetworks: [] },
    isKnown: (request) => request.inDialog,
  });
  const flow = { remote: { address: '192.0.2.5', port: 1 }, peer: undefined } as unknown as Flow;
  const inDialog = { inDialog: true } as SipRequest;
  const first = { inDialog: false } as SipRequest;
  for (let i = 0; i < 1000; i++) assert.equal(guard.admits(inDialog, flow), true);
  for (let i = 0; i < 20; i++) assert.equal(guard.admits(first, flow), true);
  assert.equal(guard.admits(first, flow), false);
  assert.equal(guard.admits(inDialog, flow), true);
});

test('trunks and exempt networks have no limit', () => {
  const trunks = {
    ofFlow: (flow: Flow) =>
      flow.remote.address === '192.0.2.80' ? { name: 'pbx', trusted: false } : undefined,
    ofAccount: () => undefined,
    answer: () => undefined,
  };
  const rig = createRig(() => ({
    trunks,
    settings: {
      ...defaultSipSettings,
      flood: { requestsPerS: 10, burst: 20, banS: 60, exemptNetworks: ['192.0.2.96/27'] },
    },
  }));
  assert.equal(scan(rig.phone('192.0.2.80'), 100), 100);
  assert.equal(scan(rig.phone('192.0.2.100'), 100), 100);
  assert.equal(scan(rig.phone('192.0.2.95'), 100), 20);
  assert.throws(() => createFloodRig({ exemptNetworks: ['lan'] }), /lan is no network/);
});

test('0 is no limit, and where nobody has to prove anything there is none', () => {
  assert.equal(scan(createFloodRig({ requestsPerS: 0 }).phone('192.0.2.66'), 100), 100);
  const auth = {
    ...defaultSipSettings.auth,
    challengeRequests: false,
    challengeRegistrations: false,
  };
  const flood = { requestsPerS: 10, burst: 20, banS: 60, exemptNetworks: [] };
  const open = createRig(() => ({ settings: { ...defaultSipSettings, auth, flood } }));
  assert.equal(scan(open.phone('192.0.2.66'), 100), 100);
});

test('a ban can be lifted, is counted and logged once', () => {
  const counts = new Map<string, number>();
  const logged: string[] = [];
  const trace: Trace = {
    ...silentTrace,
    counter: (name) => ({
      add: (by = 1) => void counts.set(name, (counts.get(name) ?? 0) + by),
    }),
    log: (_level, event) => void logged.push(event),
  };
  const rig = createFloodRig({}, trace);
  const robot = rig.phone('192.0.2.66');
  scan(robot, 120);
  assert.equal(counts.get('sip_flood_bans_total'), 1);
  assert.equal(counts.get('sip_flood_drops_total'), 100);
  assert.deepEqual(
    logged.filter((event) => event === 'sip-source-flooding'),
    ['sip-source-flooding'],
  );
  assert.equal(rig.server.liftBan('192.0.2.66'), true);
  assert.equal(scan(robot, 20), 20);
  assert.equal(scan(robot, 1), 0);
  assert.equal(rig.server.liftBan('192.0.2.67'), false);
});

test('memory is bounded: an attack from many addresses forgets the quietest first', () => {
  const clock = createFakeClock();
  const guard = createFloodGuard({
    clock,
    trace: silentTrace,
    settings: { requestsPerS: 10, burst: 3, banS: 60, exemptNetworks: [] },
    isKnown: () => false,
  });
  const request = { inDialog: false } as SipRequest;
  const from = (address: string): boolean =>
    guard.admits(request, { remote: { address, port: 1 }, peer: undefined } as unknown as Flow);
  for (let i = 0; i < 40_000; i++) {
    const address = `10.${String(i >> 16)}.${String((i >> 8) & 255)}.${String(i & 255)}`;
    for (let n = 0; n < 4; n++) from(address);
  }
  assert.equal(guard.bans(Infinity).length, 16_384);
  assert.equal(from('10.0.156.63'), false, 'the latest is still out');
  assert.equal(from('10.0.0.1'), true, 'the first is forgotten');
});
