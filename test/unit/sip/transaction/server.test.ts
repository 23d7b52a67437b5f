import assert from 'node:assert/strict';
import { test } from 'node:test';
import { latin1Decode } from '../../../../src/base/text.ts';
import { createResponse } from '../../../../src/sip/message/message.ts';
import type { SipResponse } from '../../../../src/sip/message/message.ts';
import type { ServerTransaction } from '../../../../src/sip/transaction/layer.ts';
import { createWorld, phoneRequest, timeline } from './harness.ts';
import type { TestFlow, World } from './harness.ts';

function only(world: World): ServerTransaction {
  assert.equal(world.requests.length, 1);
  return world.requests[0] as ServerTransaction;
}

function answer(transaction: ServerTransaction, status: number): void {
  transaction.respond(
    createResponse(transaction.request, status, undefined, { toTag: transaction.toTag }),
  );
}

function statuses(flow: TestFlow): number[] {
  return flow.sent.map(({ message }) => (message as SipResponse).status);
}

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

test('[S3261-18.2.1-01] [S3581-4-01] the Via of a request is completed before anyone sees it', () => {
  const world = createWorld();
  const flow = world.flow('udp', 40_000);
  world.receive(flow, phoneRequest('OPTIONS'));
  assert.equal(
    only(world).request.via.raw,
    'SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKphone;rport=40000;received=192.0.2.1',
  );
  answer(only(world), 200);
  assert.equal(flow.sent[0]?.message.via.rport, 40_000);
});

test('[S3261-18.2.2-02] [S3581-4-02] on UDP the response goes to the source with rport, else to the sent-by port', () => {
  const asked: string[] = [];
  const world: World = createWorld({
    reopen: (via, _lost, done) => {
      asked.push(`${via.received ?? via.host}:${String(via.port ?? 5060)}`);
      done(listening);
    },
  });
  const listening = world.flow('udp', 5070);
  const source = world.flow('udp', 40_000);
  world.receive(source, phoneRequest('OPTIONS', { branch: 'z9hG4bKwith' }));
  world.receive(
    source,
    phoneRequest('OPTIONS', { via: 'SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKwithout' }),
  );
  for (const transaction of world.requests) answer(transaction, 200);
  assert.equal(source.sent.length, 1);
  assert.equal(listening.sent.length, 1);
  assert.deepEqual(asked, ['192.0.2.1:5070']);
});

test('[S3261-18.2.2-01] a response whose connection is gone takes the flow the host finds', () => {
  const pending: ((flow: TestFlow | undefined) => void)[] = [];
  const world = createWorld({ reopen: (_via, _lost, done) => pending.push(done) });
  const first = world.flow('tcp');
  const second = world.flow('tcp');
  world.receive(first, phoneRequest('INVITE'));
  first.gone = true;
  answer(only(world), 180);
  answer(only(world), 200);
  assert.equal(second.sent.length, 0);
  pending.shift()?.(second);
  assert.deepEqual(statuses(second), [200], 'the later response supersedes the earlier one');
  assert.equal(only(world).flow, second);
});

test('[S3261-8.2.7-01] stateless answers have the same tag for every copy, and their ACK is absorbed', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  const invite = phoneRequest('INVITE');
  world.layer.respondStateless(invite, flow, 407, [
    ['Proxy-Authenticate', 'Digest realm="x", nonce="y"'],
  ]);
  world.layer.respondStateless(invite, flow, 407);
  const tags = flow.sent.map(({ message }) => message.to.tag);
  assert.equal(tags.length, 2);
  assert.equal(tags[0], tags[1]);
  assert.ok(tags[0] !== undefined);
  world.receive(flow, phoneRequest('ACK', { toTag: tags[0] }));
  assert.equal(world.acks.length, 0);
  world.receive(flow, phoneRequest('ACK', { toTag: '0123456789abcdef' }));
  assert.equal(world.acks.length, 1);
});

test('a full table answers new requests with 503 and Retry-After, and keeps serving known ones', () => {
  const world = createWorld({ capacity: 2 });
  const flow = world.flow('udp');
  for (const branch of ['z9hG4bK1', 'z9hG4bK2', 'z9hG4bK3']) {
    world.receive(flow, phoneRequest('REGISTER', { branch }));
  }
  assert.equal(world.requests.length, 2);
  const refusal = flow.sent[0]?.message as SipResponse;
  assert.equal(refusal.status, 503);
  assert.ok(Number(refusal.header('Retry-After')) > 0);
  world.requests.forEach((transaction) => {
    answer(transaction, 200);
  });
  world.clock.advance(32_000);
  world.receive(flow, phoneRequest('REGISTER', { branch: 'z9hG4bK4' }));
  assert.equal(world.requests.length, 3);
});

test('merged requests get 482 where the role asks for it, and pass elsewhere', () => {
  const strict = createWorld({ rejectMerged: ({ method }) => method === 'REGISTER' });
  const flow = strict.flow('udp');
  strict.receive(flow, phoneRequest('REGISTER', { branch: 'z9hG4bK1' }));
  strict.receive(flow, phoneRequest('REGISTER', { branch: 'z9hG4bK2' }));
  strict.receive(flow, phoneRequest('INVITE', { branch: 'z9hG4bK3' }));
  strict.receive(flow, phoneRequest('INVITE', { branch: 'z9hG4bK4' }));
  assert.deepEqual(statuses(flow), [482, 100, 100]);
  assert.equal(strict.requests.length, 3);
});

test('unreadable input is counted, answered where that is possible, and never thrown on', () => {
  const world = createWorld();
  const flow = world.flow('udp', 40_000);
  for (const text of [
    '',
    'x',
    '\r\n\r\n',
    'SIP/2.0 200 OK\r\n\r\n',
    'INVITE sip:a SIP/2.0\r\n\r\n',
    '\0'.repeat(100),
  ]) {
    world.receive(flow, text);
  }
  assert.equal(flow.sent.length, 0);
  const bad = Buffer.from(phoneRequest('OPTIONS').toBytes())
    .toString()
    .replace('70', '70\r\nMax-Forwards: 70');
  world.receive(flow, bad);
  const reply = flow.sent[0]?.message as SipResponse;
  assert.equal(reply.status, 400);
  assert.equal(reply.via.rport, 40_000);
  assert.equal(world.counts.get('sip_messages_refused_total:doubled-max-forwards'), 1);
});

test('ten thousand transactions need a handful of host timers', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  for (let i = 0; i < 10_000; i++) {
    world.receive(flow, phoneRequest('REGISTER', { branch: `z9hG4bK${String(i)}` }));
    answer(world.requests[i] as ServerTransaction, 200);
  }
  assert.equal(world.layer.size, 10_000);
  assert.ok(world.clock.pending < 5);
  world.clock.advance(32_000);
  assert.equal(world.layer.size, 0);
});

test('[S3261-8.2.7-01] what is answered once leaves nothing behind, and every copy gets the same tag', () => {
  for (const method of ['REGISTER', 'OPTIONS', 'INVITE']) {
    const world = createWorld({ timers: { tryingMs: 100 } });
    const flow = world.flow('udp');
    const request = phoneRequest(method);
    for (let copy = 0; copy < 2; copy++) {
      world.receive(flow, request);
      const transaction = world.requests[copy] as ServerTransaction;
      transaction.respondOnce((toTag) => createResponse(request, 401, undefined, { toTag }));
      assert.ok(transaction.finalSent);
      transaction.respondOnce((toTag) => createResponse(request, 403, undefined, { toTag }));
      answer(transaction, 200);
      assert.equal(world.layer.size, 0);
    }
    assert.deepEqual(statuses(flow), [401, 401]);
    const [first, second] = flow.sent.map(({ message }) => message.to.tag);
    assert.ok(first);
    assert.equal(first, second);
    assert.equal(world.counts.get('sip_responses_ignored_total'), 4);
    world.receive(flow, phoneRequest(method, { branch: 'z9hG4bKother' }));
    const other = world.requests[2] as ServerTransaction;
    other.respondOnce((toTag) => createResponse(other.request, 401, undefined, { toTag }));
    assert.notEqual(flow.sent[2]?.message.to.tag, first);
    world.clock.advance(40_000);
    assert.equal(flow.sent.length, 3);
  }
});
