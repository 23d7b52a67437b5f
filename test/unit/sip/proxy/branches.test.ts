import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failure } from '../../../../src/base/outcome.ts';
import { sipFailure } from '../../../../src/sip/core/failure.ts';
import type { ProxyTarget } from '../../../../src/sip/proxy/targets.ts';
import { type FakePhone, createRig, domain, message, register } from '../core/rig.ts';
import { cast, createForkRig, target } from './fork-rig.ts';

test('[S3261-16.6-15] [S3261-16.7-03] [S3261-16.8-01] timer C restarts with each provisional response, then cancels the branch', () => {
  const rig = createForkRig();
  const [alice, b1] = cast(rig);
  alice.send(message(alice));
  alice.response(100);
  rig.sink().targets([target(b1)]);
  rig.sink().done();
  const invite = b1.request('INVITE');
  b1.reply(invite, 180);
  rig.clock.advance(120_000);
  b1.reply(invite, 180);
  rig.clock.advance(120_000);
  assert.equal(b1.waiting, 0);
  rig.clock.advance(62_000);
  b1.request('CANCEL');
  b1.reply(invite, 487);
  alice.response(180);
  alice.response(180);
  alice.response(487);
});

test('a phone that never ends a cancelled INVITE does not hold the call', () => {
  const rig = createForkRig();
  const [alice, b1] = cast(rig);
  alice.send(message(alice));
  alice.response(100);
  rig.sink().targets([target(b1)]);
  rig.sink().done();
  b1.reply(b1.request('INVITE'), 180);
  rig.clock.advance(182_000);
  b1.request('CANCEL');
  rig.clock.advance(33_000);
  alice.response(180);
  alice.response(408);
  assert.equal(rig.server.snapshot().contexts, 0);
});

test('[S3261-16.7-08] [S3261-16.6-12] an INVITE nobody answers gets 408', () => {
  const rig = createForkRig();
  const [alice, b1] = cast(rig);
  alice.send(message(alice));
  alice.response(100);
  rig.sink().targets([target(b1)]);
  rig.sink().done();
  rig.clock.advance(33_000);
  alice.response(408);
});

test('[S4320-4.2-01] a MESSAGE nobody answers gets no 408', () => {
  const rig = createForkRig();
  const [alice, b1] = cast(rig);
  alice.send(message(alice, { method: 'MESSAGE' }));
  rig.sink().targets([target(b1)]);
  rig.sink().done();
  rig.clock.advance(40_000);
  while (alice.waiting > 0) {
    const answer = alice.take();
    assert.equal(answer.kind === 'response' && answer.status, 100);
  }
  assert.equal(rig.server.snapshot().contexts, 0);
});

test('[S3261-16.9-01] [S3261-16.6-11] a branch that cannot be sent goes to its alternate in a new transaction', () => {
  const rig = createForkRig();
  const [alice, b1, b2] = cast(rig);
  alice.send(message(alice));
  alice.response(100);
  const dead: ProxyTarget['open'] = (done) => {
    done(failure(sipFailure(430, 'Flow Failed')));
    return () => undefined;
  };
  rig.sink().targets([target(b1, { open: dead, alternates: [target(b2)] })]);
  rig.sink().done();
  b2.reply(b2.request('INVITE'), 200);
  alice.response(200);
});

test('a target that cannot be reached is that branch only', () => {
  const rig = createForkRig();
  const [alice, b1, b2] = cast(rig);
  alice.send(message(alice));
  alice.response(100);
  let refuse: (() => void) | undefined;
  const slow: ProxyTarget['open'] = (done) => {
    refuse = (): void => {
      done(failure(sipFailure(480, 'Temporarily Unavailable')));
    };
    return () => undefined;
  };
  rig.sink().targets([target(b1, { open: slow }), target(b2)]);
  rig.sink().done();
  const invite = b2.request('INVITE');
  b2.reply(invite, 180);
  alice.response(180);
  b2.reply(invite, 486);
  assert.equal(alice.waiting, 0);
  refuse?.();
  alice.response(486);
});

test('[S5393-5.3.3-01] [S5393-5.3.3-02] Max-Breadth is shared out among the branches', () => {
  const rig = createForkRig();
  const [alice, b1, b2, b3] = cast(rig);
  alice.send(message(alice, { headers: ['Max-Breadth: 2'] }));
  alice.response(100);
  rig.sink().targets([target(b1), target(b2), target(b3)]);
  rig.sink().done();
  const [first, second] = [b1.request('INVITE'), b2.request('INVITE')];
  assert.deepEqual([first.rows('Max-Breadth'), second.rows('Max-Breadth')], [['1'], ['1']]);
  assert.equal(b3.waiting, 0);
  b1.reply(first, 486);
  assert.equal(b3.request('INVITE').header('Max-Breadth'), '1');
  alice.send(message(alice, { callId: 'wide' }));
  rig.sink().targets([target(b1)]);
  rig.sink().done();
  b1.request('ACK');
  assert.equal(b1.request('INVITE').header('Max-Breadth'), '30', 'half is kept for late targets');
});

/** What a request gets that comes back after it was sent to this user. */
function comesBackFor(user: string, status: number): void {
  const rig = createForkRig();
  const [alice, b1] = cast(rig);
  alice.send(message(alice));
  alice.response(100);
  rig.sink().targets([target(b1, { uri: `sip:${user}@${domain}` })]);
  rig.sink().done();
  b1.send(b1.request('INVITE'));
  b1.response(status);
}

test('[S5393-4.2.2-01] a request that comes back unchanged is a loop', () => {
  comesBackFor('bob', 482);
});

test('[S5393-4.2.2-02] a request that comes back with another Request-URI is a spiral', () => {
  comesBackFor('carol', 100);
});

test('[S5626-7-01] [S5626-7-02] [S5626-7-03] contacts of one instance ring once, newest live first', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const [p1, p2] = [rig.phone('192.0.2.31', 'tcp'), rig.phone('192.0.2.32', 'tcp')];
  const contact = (phone: FakePhone, id: number): string[] => [
    `<sip:bob@${phone.flow.remote.address}:5062>;+sip.instance="<urn:uuid:1>";reg-id=${String(id)}`,
  ];
  register(p1, 'bob', { contacts: contact(p1, 1) });
  rig.clock.advance(1000);
  register(p2, 'bob', { contacts: contact(p2, 2) });
  alice.send(message(alice));
  alice.response(100);
  assert.equal(p1.waiting, 0);
  p2.reply(p2.request('INVITE'), 430);
  p2.request('ACK');
  p1.reply(p1.request('INVITE'), 486);
  alice.response(486);
  p1.request('ACK');
  p2.drop();
  alice.send(message(alice, { callId: 'again' }));
  alice.response(100);
  p1.reply(p1.request('INVITE'), 486);
  alice.response(486);
});

test('[S5626-7-05] [S3261-16.5-07] a phone whose connection is gone is 480 to the caller', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20', 'tcp');
  register(bob, 'bob');
  bob.drop();
  alice.send(message(alice));
  alice.response(480);
});
