import assert from 'node:assert/strict';
import { test } from 'node:test';
import { latin1Decode } from '../../../../src/base/text.ts';
import { createResponse } from '../../../../src/sip/message/message.ts';
import type { SipResponse } from '../../../../src/sip/message/message.ts';
import type { ServerTransaction } from '../../../../src/sip/transaction/layer.ts';
import { answer, createWorld, only, phoneRequest, statuses, timeline } from './harness.ts';

test('[S3261-16.2-01] an INVITE gets 100 at once unless it was answered already', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  world.receive(flow, phoneRequest('INVITE'));
  assert.deepEqual(timeline(flow), ['0 100']);
  const quick = createWorld({
    handler: {
      request: (transaction) => {
        answer(transaction, 486);
      },
      ack: () => undefined,
      strayResponse: () => undefined,
    },
  });
  const other = quick.flow('tcp');
  quick.receive(other, phoneRequest('INVITE'));
  assert.deepEqual(timeline(other), ['0 486']);
});

test('[S3261-16.2-01] a 100 that may wait is sent only when nothing better came', () => {
  const waiting = createWorld({ timers: { tryingMs: 100 } });
  const flow = waiting.flow('udp');
  waiting.receive(flow, phoneRequest('INVITE'));
  waiting.clock.advance(1000);
  answer(only(waiting), 180);
  assert.deepEqual(timeline(flow), ['100 100', '1000 180']);

  const ringing = createWorld({ timers: { tryingMs: 100 } });
  const other = ringing.flow('udp');
  ringing.receive(other, phoneRequest('INVITE'));
  ringing.clock.advance(40);
  answer(only(ringing), 180);
  ringing.clock.advance(1000);
  answer(only(ringing), 486);
  assert.deepEqual(timeline(other), ['40 180', '1040 486']);
});

test('[S3261-17.2.1-02] a repeated INVITE gets the latest provisional response again', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  const invite = phoneRequest('INVITE');
  world.receive(flow, invite);
  answer(only(world), 180);
  answer(only(world), 183);
  world.receive(flow, invite);
  assert.deepEqual(statuses(flow), [100, 180, 183, 183]);
  assert.equal(world.requests.length, 1);
});

test('[S3261-17.2.1-03] a failure is repeated on UDP at T1 doubling to T2 until 64*T1', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  world.receive(flow, phoneRequest('INVITE'));
  answer(only(world), 486);
  world.clock.advance(31_999);
  assert.deepEqual(
    timeline(flow).slice(1),
    [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500].map(
      (at) => `${String(at)} 486`,
    ),
  );
  world.clock.advance(1);
  assert.equal(world.layer.size, 0);
  world.clock.advance(60_000);
  assert.equal(flow.sent.length, 12);
});

test('[S3261-17.2.1-03] a failure is sent once on a reliable transport', () => {
  const world = createWorld();
  const flow = world.flow('tcp');
  world.receive(flow, phoneRequest('INVITE'));
  answer(only(world), 486);
  world.clock.advance(31_000);
  assert.deepEqual(statuses(flow), [100, 486]);
  assert.equal(world.layer.size, 1);
  world.receive(flow, phoneRequest('ACK', { toTag: only(world).toTag }));
  assert.equal(world.layer.size, 0);
});

test('[S3261-17.2.1-04] an ACK for a failure stops repeats and is absorbed for T4', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  world.receive(flow, phoneRequest('INVITE'));
  answer(only(world), 486);
  const ack = phoneRequest('ACK', { toTag: only(world).toTag });
  world.clock.advance(600);
  world.receive(flow, ack);
  world.clock.advance(4999);
  world.receive(flow, ack);
  assert.deepEqual(statuses(flow), [100, 486, 486]);
  assert.deepEqual(world.acks, []);
  world.clock.advance(1);
  assert.equal(world.layer.size, 0);
});

for (const transport of ['udp', 'tcp'] as const) {
  test(`[S6026-7.1-01] [S6026-7.1-02] after a 2xx repeated INVITEs are absorbed, nothing is repeated by itself (${transport})`, () => {
    const world = createWorld();
    const flow = world.flow(transport);
    const invite = phoneRequest('INVITE');
    world.receive(flow, invite);
    answer(only(world), 200);
    assert.ok(only(world).finalSent);
    world.clock.advance(10_000);
    world.receive(flow, invite);
    assert.deepEqual(statuses(flow), [100, 200]);
    answer(only(world), 200);
    answer(only(world), 486);
    answer(only(world), 180);
    assert.deepEqual(statuses(flow), [100, 200, 200]);
    world.clock.advance(21_999);
    assert.equal(world.layer.size, 1);
    world.clock.advance(1);
    assert.equal(world.layer.size, 0);
  });
}

test('[S6026-7.1-02] what is kept for further 2xx sends them until Timer L, and nothing else', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  world.receive(flow, phoneRequest('INVITE'));
  const transaction = only(world);
  const early = transaction.furtherSuccess();
  answer(transaction, 200);
  const further = transaction.furtherSuccess();
  const success = createResponse(transaction.request, 200, undefined, { toTag: 'other' });
  early(success);
  assert.deepEqual(statuses(flow), [100, 200]);
  world.clock.advance(31_999);
  further(success);
  assert.deepEqual(statuses(flow), [100, 200, 200]);
  world.clock.advance(1);
  further(success);
  assert.deepEqual(statuses(flow), [100, 200, 200]);
  assert.equal(world.counts.get('sip_responses_ignored_total'), 2);
});

test('[S3261-9.2-01] a CANCEL for an INVITE with a 2xx gets 200 with the same tag', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  world.receive(flow, phoneRequest('INVITE'));
  answer(only(world), 200);
  world.receive(flow, phoneRequest('CANCEL'));
  const last = flow.sent.at(-1)?.message as SipResponse;
  assert.equal(last.status, 200);
  assert.equal(last.cseq.method, 'CANCEL');
  assert.equal(last.to.tag, only(world).toTag);
});

test('[S6026-7.1-03] an ACK in Accepted is passed up, also with the INVITE branch of RFC 2543 phones', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  const via = 'SIP/2.0/UDP 192.0.2.1:5060';
  world.receive(flow, phoneRequest('INVITE', { via }));
  answer(only(world), 200);
  world.receive(flow, phoneRequest('ACK', { via, toTag: only(world).toTag }));
  world.receive(flow, phoneRequest('ACK', { branch: 'z9hG4bKother', toTag: only(world).toTag }));
  assert.equal(world.acks.length, 2);
});

test('[S6026-7.1-04] a transport error does not destroy the INVITE transaction', () => {
  const world = createWorld();
  const flow = world.flow('tcp');
  const invite = phoneRequest('INVITE');
  world.receive(flow, invite);
  let errors = 0;
  only(world).onTransportError = () => errors++;
  flow.works = false;
  answer(only(world), 486);
  assert.equal(errors, 1);
  flow.works = true;
  world.receive(flow, invite);
  assert.deepEqual(statuses(flow), [100, 486]);
  assert.equal(world.requests.length, 1);
});

test('[S3261-17.2.2-01] a repeated non-INVITE is dropped first and then answered with the stored response', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  const register = phoneRequest('REGISTER');
  world.receive(flow, register);
  world.receive(flow, register);
  assert.deepEqual(statuses(flow), []);
  answer(only(world), 200);
  world.clock.advance(31_999);
  world.receive(flow, register);
  assert.deepEqual(statuses(flow), [200, 200]);
  const [first, second] = flow.sent.map(({ message }) => latin1Decode(message.toBytes()));
  assert.equal(first, second);
  world.clock.advance(1);
  assert.equal(world.layer.size, 0);
  assert.equal(world.requests.length, 1);
});

test('Timer J is zero on a reliable transport', () => {
  const world = createWorld();
  world.receive(world.flow('tcp'), phoneRequest('REGISTER'));
  answer(only(world), 200);
  assert.equal(world.layer.size, 0);
});

test('[S4320-4.1-01] [S4320-4.1-02] [S4320-4.1-03] a slow non-INVITE gets one 100 after 3.5 s and no other provisional', () => {
  for (const transport of ['udp', 'tcp'] as const) {
    const world = createWorld();
    const flow = world.flow(transport);
    world.receive(flow, phoneRequest('MESSAGE'));
    answer(only(world), 100);
    answer(only(world), 180);
    world.clock.advance(3499);
    assert.deepEqual(statuses(flow), []);
    world.clock.advance(1);
    assert.deepEqual(statuses(flow), [100]);
    world.receive(flow, phoneRequest('MESSAGE'));
    assert.deepEqual(statuses(flow), [100, 100]);
    answer(only(world), 202);
    assert.deepEqual(statuses(flow), [100, 100, 202]);
  }
});

test('[S4320-4.2-01] 408 is never sent to a non-INVITE', () => {
  const world = createWorld();
  const flow = world.flow('tcp');
  world.receive(flow, phoneRequest('MESSAGE'));
  answer(only(world), 408);
  assert.deepEqual(statuses(flow), []);
  assert.equal(world.layer.size, 0);
});

test('[S4320-4.2-02] without an answer a non-INVITE just ends, and a late one is not sent', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  world.receive(flow, phoneRequest('MESSAGE'));
  world.clock.advance(32_000);
  assert.equal(world.layer.size, 0);
  answer(only(world), 200);
  assert.deepEqual(statuses(flow), [100]);
});

test('[S3261-9.2-02] CANCEL is answered 200 with the tag of the INVITE, which hears of it once', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  world.receive(flow, phoneRequest('INVITE'));
  const transaction = only(world);
  let cancels = 0;
  transaction.onCancel = () => {
    cancels++;
    answer(transaction, 487);
  };
  const cancel = phoneRequest('CANCEL', { headers: [['Require', 'foo']] });
  world.receive(flow, cancel);
  world.receive(flow, cancel);
  assert.equal(cancels, 1);
  assert.ok(transaction.cancelled);
  assert.deepEqual(statuses(flow), [100, 200, 487, 200]);
  const tags = flow.sent.slice(1).map(({ message }) => message.to.tag);
  assert.equal(new Set(tags).size, 1);
  assert.deepEqual(flow.sent[1]?.message.cseq.method, 'CANCEL');
});

test('[S3261-9.2-01] CANCEL after the final response or for a non-INVITE changes nothing', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  world.receive(flow, phoneRequest('INVITE', { branch: 'z9hG4bKi' }));
  world.receive(flow, phoneRequest('REGISTER', { branch: 'z9hG4bKr' }));
  const [invite, register] = world.requests as [ServerTransaction, ServerTransaction];
  invite.onCancel = register.onCancel = () => assert.fail('no CANCEL counts here');
  answer(invite, 200);
  flow.sent.length = 0;
  world.receive(flow, phoneRequest('CANCEL', { branch: 'z9hG4bKi' }));
  world.receive(flow, phoneRequest('CANCEL', { branch: 'z9hG4bKr' }));
  assert.deepEqual(statuses(flow), [200, 200]);
  answer(register, 200);
  assert.deepEqual(statuses(flow), [200, 200, 200]);
});

test('a CANCEL without transaction gets 481, or goes to whoever takes it', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  world.receive(flow, phoneRequest('CANCEL'));
  assert.deepEqual(statuses(flow), [481]);
  let taken = 0;
  const proxy = createWorld({
    handler: {
      request: () => undefined,
      ack: () => undefined,
      strayResponse: () => undefined,
      strayCancel: () => ++taken > 0,
    },
  });
  const other = proxy.flow('udp');
  proxy.receive(other, phoneRequest('CANCEL'));
  assert.deepEqual([taken, other.sent.length], [1, 0]);
});

test('[S3261-17.2.3-01] a request matches by branch, sent-by and method', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  world.receive(flow, phoneRequest('OPTIONS'));
  world.receive(flow, phoneRequest('MESSAGE'));
  world.receive(
    flow,
    phoneRequest('OPTIONS', { via: 'SIP/2.0/UDP 192.0.2.9:5060;branch=z9hG4bKphone' }),
  );
  world.receive(
    flow,
    phoneRequest('OPTIONS', { via: 'SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKphone' }),
  );
  assert.equal(world.requests.length, 4);
  world.receive(flow, phoneRequest('OPTIONS', { callId: 'another' }));
  assert.equal(world.requests.length, 4, 'the branch alone counts');
});

test('[S3261-17.2.3-02] [S4475-3.2.1-01] without the cookie, or with nothing behind it, the RFC 2543 rule counts', () => {
  for (const via of [
    'SIP/2.0/UDP 192.0.2.1',
    'SIP/2.0/UDP 192.0.2.1;branch=1',
    'SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK',
  ]) {
    const world = createWorld();
    const flow = world.flow('udp');
    world.receive(flow, phoneRequest('OPTIONS', { via }));
    world.receive(flow, phoneRequest('OPTIONS', { via }));
    assert.equal(world.requests.length, 1);
    world.receive(flow, phoneRequest('OPTIONS', { via, callId: 'another' }));
    world.receive(flow, phoneRequest('OPTIONS', { via, cseq: 2 }));
    assert.equal(world.requests.length, 3, via);
  }
});
