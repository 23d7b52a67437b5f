import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOverload } from '../../../src/adapter/overload.ts';
import { silentTrace } from '../../../src/ports/trace.ts';
import { createRig, message, register } from '../sip/core/rig.ts';
import { createClock } from './support/world.ts';

test('new work is refused above a limit, and taken again only well below it', () => {
  const clock = createClock();
  let delayMs = 0;
  let transactions = 0;
  const overloaded = createOverload({
    clock,
    trace: silentTrace,
    settings: { maxDelayMs: 500, maxTransactions: 1000 },
    delayMs: () => delayMs,
    transactions: () => transactions,
  });
  const after = (delay: number, alive: number): boolean => {
    delayMs = delay;
    transactions = alive;
    clock.run(100);
    return overloaded();
  };
  assert.equal(after(500, 1000), false);
  assert.equal(after(501, 0), true);
  assert.equal(after(400, 0), true, 'not yet');
  assert.equal(after(340, 0), false);
  assert.equal(after(0, 1001), true);
  assert.equal(after(0, 699), false);
});

test('limits of 0 are none', () => {
  const overloaded = createOverload({
    clock: createClock(),
    trace: silentTrace,
    settings: { maxDelayMs: 0, maxTransactions: 0 },
    delayMs: () => 1e6,
    transactions: () => 1e6,
  });
  assert.equal(overloaded(), false);
});

test('under overload new calls and registrations get 503 with Retry-After, the call that stands goes on', () => {
  let busy = false;
  const rig = createRig(() => ({ overloaded: () => busy }));
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  register(bob, 'bob');
  alice.send(message(alice));
  alice.response(100);
  const invite = bob.request('INVITE');
  bob.reply(invite, 200, { contact: 'sip:bob@192.0.2.20:5062' });
  const ok = alice.response(200);
  busy = true;
  alice.send(message(alice, { callId: 'new' }));
  assert.ok(Number(alice.response(503).header('Retry-After')) > 0);
  bob.send(message(bob, { method: 'REGISTER', uri: 'sip:lab.example', callId: 'again' }));
  assert.ok(Number(bob.response(503).header('Retry-After')) > 0);
  const routes = [...ok.values('Record-Route')].reverse().map((route) => `Route: ${route}`);
  const to = ok.header('To') ?? '';
  const inDialog = { uri: 'sip:bob@192.0.2.20:5062', to, headers: routes };
  alice.send(message(alice, { ...inDialog, method: 'ACK' }));
  bob.request('ACK');
  alice.send(message(alice, { ...inDialog, method: 'BYE', cseq: 2 }));
  bob.reply(bob.request('BYE'), 200);
  alice.response(200);
});
