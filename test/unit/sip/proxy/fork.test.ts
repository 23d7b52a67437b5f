import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failure, success } from '../../../../src/base/outcome.ts';
import type { Flow } from '../../../../src/ports/flow.ts';
import { sipFailure } from '../../../../src/sip/core/failure.ts';
import { createResponse } from '../../../../src/sip/message/message.ts';
import type { ProxyTarget, TargetSink } from '../../../../src/sip/proxy/targets.ts';
import { type FakePhone, type Rig, createRig, domain, message, register } from '../core/rig.ts';

/** A rig whose targets the test hands out itself. */
function createForkRig(): Rig & { sink(): TargetSink; readonly stopped: number } {
  let current: TargetSink | undefined;
  let stopped = 0;
  const rig = createRig(() => ({
    resolver: {
      resolve(_context, sink) {
        current = sink;
        return () => {
          stopped++;
        };
      },
    },
  }));
  return {
    ...rig,
    sink() {
      assert.ok(current !== undefined);
      return current;
    },
    get stopped() {
      return stopped;
    },
  };
}

function target(phone: FakePhone, more: Partial<ProxyTarget> = {}): ProxyTarget {
  return {
    uri: `sip:bob@${phone.flow.remote.address}:5062`,
    q: 1000,
    route: [],
    side: 'phone',
    label: phone.flow.id,
    open(done) {
      done(success<Flow>(phone.flow));
      return () => undefined;
    },
    ...more,
  };
}

function cast(rig: Rig): [FakePhone, FakePhone, FakePhone, FakePhone] {
  return [
    rig.phone('192.0.2.10'),
    rig.phone('192.0.2.20'),
    rig.phone('192.0.2.21'),
    rig.phone('192.0.2.22'),
  ];
}

test('[S3261-16.7-16] [S3261-16.6-13] [S3261-9.1-01] two phones ring, one answers, the other is cancelled', () => {
  const rig = createForkRig();
  const [alice, b1, b2] = cast(rig);
  alice.send(message(alice));
  alice.response(100);
  rig.sink().targets([target(b1), target(b2)]);
  rig.sink().done();
  const first = b1.request('INVITE');
  const second = b2.request('INVITE');
  assert.notEqual(first.via.branch, second.via.branch);
  b1.reply(first, 180, { tag: 'one' });
  b2.reply(second, 180, { tag: 'two' });
  assert.equal(alice.response(180).to.tag, 'one');
  assert.equal(alice.response(180).to.tag, 'two');
  b1.reply(first, 200, { tag: 'one' });
  assert.equal(alice.response(200).to.tag, 'one');
  const cancel = b2.request('CANCEL');
  assert.equal(cancel.uri, second.uri);
  assert.equal(cancel.via.branch, second.via.branch);
  assert.equal(cancel.values('Via').length, 1);
  assert.equal(cancel.header('From'), second.header('From'));
  assert.equal(cancel.header('To'), second.header('To'));
  assert.equal(cancel.cseq.number, second.cseq.number);
  b2.reply(second, 487, { tag: 'two' });
  b2.request('ACK');
  assert.equal(alice.waiting, 0);
  assert.equal(rig.server.snapshot().contexts, 0);
});

test('[S3261-16.7-04] [S6026-7.2-01] a second 2xx is forwarded although the call is answered', () => {
  const rig = createForkRig();
  const [alice, b1, b2] = cast(rig);
  alice.send(message(alice));
  alice.response(100);
  rig.sink().targets([target(b1), target(b2)]);
  rig.sink().done();
  const first = b1.request('INVITE');
  const second = b2.request('INVITE');
  b1.reply(first, 200, { tag: 'one' });
  b2.reply(second, 200, { tag: 'two' });
  assert.equal(alice.response(200).to.tag, 'one');
  assert.equal(alice.response(200).to.tag, 'two');
});

test('[S3261-16.7-05] a 6xx waits for the other branches, which are cancelled, and then wins', () => {
  const rig = createForkRig();
  const [alice, b1, b2, b3] = cast(rig);
  alice.send(message(alice));
  alice.response(100);
  rig.sink().targets([target(b1), target(b2), target(b3, { q: 500 })]);
  rig.sink().done();
  const first = b1.request('INVITE');
  const second = b2.request('INVITE');
  b2.reply(second, 180);
  alice.response(180);
  b1.reply(first, 603);
  b1.request('ACK');
  assert.equal(alice.waiting, 0);
  b2.request('CANCEL');
  b2.reply(second, 487);
  alice.response(603);
  assert.equal(b3.waiting, 0);
});

test('[S3261-16.7-06] [S3261-16.7-12] the best of several failures goes up once, with its To tag', () => {
  const rig = createForkRig();
  const [alice, b1, b2, b3] = cast(rig);
  alice.send(message(alice));
  alice.response(100);
  rig.sink().targets([target(b1), target(b2), target(b3)]);
  rig.sink().done();
  b2.reply(b2.request('INVITE'), 404, { tag: 'two' });
  b3.reply(b3.request('INVITE'), 503, { tag: 'three' });
  assert.equal(alice.waiting, 0);
  b1.reply(b1.request('INVITE'), 486, { tag: 'one' });
  assert.equal(alice.response(486).to.tag, 'one');
  assert.equal(alice.waiting, 0);
});

test('[S3261-16.7-07] [S3261-16.7-13] challenges of all branches are collected', () => {
  const rig = createForkRig();
  const [alice, b1, b2, b3] = cast(rig);
  alice.send(message(alice));
  alice.response(100);
  rig.sink().targets([target(b1), target(b2), target(b3)]);
  rig.sink().done();
  b1.reply(b1.request('INVITE'), 486);
  const challenge = (phone: FakePhone, status: number, name: string, realm: string): void => {
    const value = `Digest realm="${realm}", nonce="n"`;
    phone.send(
      createResponse(phone.request('INVITE'), status, 'No', {
        toTag: realm,
        headers: [[name, value]],
      }),
    );
  };
  challenge(b2, 407, 'Proxy-Authenticate', 'two.example');
  challenge(b3, 401, 'WWW-Authenticate', 'three.example');
  const answer = alice.response(407);
  assert.deepEqual(answer.rows('Proxy-Authenticate'), ['Digest realm="two.example", nonce="n"']);
  assert.deepEqual(answer.rows('WWW-Authenticate'), ['Digest realm="three.example", nonce="n"']);
});

test('[S3261-16.7-09] a lone 503 becomes 500', () => {
  const rig = createForkRig();
  const [alice, b1] = cast(rig);
  alice.send(message(alice));
  alice.response(100);
  rig.sink().targets([target(b1)]);
  rig.sink().done();
  b1.reply(b1.request('INVITE'), 503);
  alice.response(500);
});

test('[S3261-16.6-16] lower q is tried only after the higher ones failed, equal q together', () => {
  const rig = createForkRig();
  const [alice, b1, b2, b3] = cast(rig);
  alice.send(message(alice));
  alice.response(100);
  rig.sink().targets([target(b3, { q: 500 }), target(b1, { q: 900 }), target(b2, { q: 900 })]);
  assert.equal(b1.waiting + b2.waiting + b3.waiting, 0, 'a better one may still come');
  rig.sink().done();
  const first = b1.request('INVITE');
  const second = b2.request('INVITE');
  assert.equal(b3.waiting, 0);
  b1.reply(first, 486);
  assert.equal(b3.waiting, 0);
  b2.reply(second, 486);
  b3.reply(b3.request('INVITE'), 200);
  alice.response(200);
});

test('targets of the highest q start before the lookup is over', () => {
  const rig = createForkRig();
  const [alice, b1, b2] = cast(rig);
  alice.send(message(alice));
  alice.response(100);
  rig.sink().targets([target(b1)]);
  b1.reply(b1.request('INVITE'), 180);
  alice.response(180);
  rig.sink().targets([target(b2)]);
  const late = b2.request('INVITE');
  b2.reply(late, 200);
  alice.response(200);
  b1.request('CANCEL');
  assert.equal(rig.stopped, 0);
});

test('[S3261-16.5-03] the same place twice is one branch', () => {
  const rig = createForkRig();
  const [alice, b1] = cast(rig);
  alice.send(message(alice));
  rig.sink().targets([target(b1), target(b1)]);
  rig.sink().targets([target(b1)]);
  rig.sink().done();
  assert.equal(b1.waiting, 1);
});

test('[S3261-16.10-01] [S3261-9.2-02] CANCEL is answered at once, cancels all branches, and the caller gets 487', () => {
  const rig = createForkRig();
  const [alice, b1, b2] = cast(rig);
  const invite = message(alice, { branch: 'z9hG4bK-cancel' });
  alice.send(invite);
  alice.response(100);
  rig.sink().targets([target(b1), target(b2)]);
  rig.sink().done();
  const first = b1.request('INVITE');
  const second = b2.request('INVITE');
  b1.reply(first, 180);
  alice.response(180);
  alice.send(message(alice, { method: 'CANCEL', branch: 'z9hG4bK-cancel' }));
  assert.equal(alice.response(200).cseq.method, 'CANCEL');
  b1.request('CANCEL');
  assert.equal(b2.waiting, 0, '[9.1] held back until a provisional response came');
  b2.reply(second, 180);
  b2.request('CANCEL');
  b1.reply(first, 487);
  b2.reply(second, 487);
  b1.request('ACK');
  let last = alice.take();
  while (alice.waiting > 0) last = alice.take();
  assert.equal(last.kind === 'response' && last.status, 487);
});

test('CANCEL during the lookup ends both', () => {
  const rig = createForkRig();
  const [alice] = cast(rig);
  alice.send(message(alice, { branch: 'z9hG4bK-early' }));
  alice.response(100);
  alice.send(message(alice, { method: 'CANCEL', branch: 'z9hG4bK-early' }));
  alice.response(200);
  alice.response(487);
  assert.equal(rig.stopped, 1);
  assert.equal(rig.server.snapshot().contexts, 0);
});

test('CANCEL gives up a connection that is being set up', () => {
  const rig = createForkRig();
  const [alice, b1] = cast(rig);
  alice.send(message(alice, { branch: 'z9hG4bK-open' }));
  alice.response(100);
  let gaveUp = 0;
  rig.sink().targets([
    target(b1, {
      open: () => () => {
        gaveUp++;
      },
    }),
  ]);
  rig.sink().done();
  alice.send(message(alice, { method: 'CANCEL', branch: 'z9hG4bK-open' }));
  alice.response(200);
  alice.response(487);
  assert.equal(gaveUp, 1);
});

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

test('[S5393-4.2.2-01] a request that comes back unchanged is a loop', () => {
  const rig = createForkRig();
  const [alice, b1] = cast(rig);
  alice.send(message(alice));
  alice.response(100);
  rig.sink().targets([target(b1, { uri: `sip:bob@${domain}` })]);
  rig.sink().done();
  b1.send(b1.request('INVITE'));
  b1.response(482);
});

test('[S5393-4.2.2-02] a request that comes back with another Request-URI is a spiral', () => {
  const rig = createForkRig();
  const [alice, b1] = cast(rig);
  alice.send(message(alice));
  alice.response(100);
  rig.sink().targets([target(b1, { uri: `sip:carol@${domain}` })]);
  rig.sink().done();
  b1.send(b1.request('INVITE'));
  b1.response(100);
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
