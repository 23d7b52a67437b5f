import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createResponse } from '../../../../src/sip/message/message.ts';
import type { SipResponse } from '../../../../src/sip/message/message.ts';
import type { ServerTransaction } from '../../../../src/sip/transaction/layer.ts';
import {
  answer,
  createWorld,
  only,
  phoneRequest,
  startClient,
  statuses,
  timeline,
} from './harness.ts';
import type { TestFlow, World } from './harness.ts';

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

test('a full client table fails new requests as if the transport had, never inside the call', () => {
  const world = createWorld({ capacity: 1 });
  const flow = world.flow('tcp');
  for (let i = 0; i < 4; i++) startClient(world, flow, 'OPTIONS');
  assert.equal(flow.sent.length, 4);
  const refused = startClient(world, flow, 'OPTIONS');
  const { transaction } = refused;
  assert.deepEqual([transaction.pending, transaction.proceeding], [true, false]);
  assert.equal(transaction.flow, flow);
  assert.equal(transaction.request.via.branch, transaction.branch);
  transaction.cancel();
  assert.deepEqual(refused.failures, []);
  world.clock.advance(0);
  assert.deepEqual(refused.failures, ['transport']);
  assert.equal(transaction.pending, false);
  const abandoned = startClient(world, flow, 'OPTIONS');
  abandoned.transaction.abandon();
  assert.equal(abandoned.transaction.pending, false);
  world.clock.advance(0);
  assert.deepEqual(abandoned.failures, []);
  assert.equal(flow.sent.length, 4);
  assert.equal(world.counts.get('sip_overload_refusals_total'), 2);
});

test('the counts of transactions are told', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  world.receive(flow, phoneRequest('INVITE'));
  world.receive(flow, phoneRequest('OPTIONS', { branch: 'z9hG4bKo' }));
  startClient(world, flow, 'OPTIONS');
  const read = () => [
    world.gauges.get('sip_server_transactions')?.(),
    world.gauges.get('sip_client_transactions')?.(),
    world.layer.size,
  ];
  assert.deepEqual(read(), [2, 1, 3]);
  answer(world.requests[1] as ServerTransaction, 200);
  assert.deepEqual(read(), [2, 1, 3], 'remembered answers count');
  answer(world.requests[0] as ServerTransaction, 486);
  world.receive(flow, phoneRequest('ACK', { toTag: world.requests[0]?.toTag ?? '' }));
  assert.deepEqual(read(), [2, 1, 3], 'and so do confirmed INVITEs');
});

test('stateless sends carry a Via of their own: branch with its suffix, port and parameters as given', () => {
  const world = createWorld();
  const udp = world.flow('udp');
  const ack = phoneRequest('ACK');
  assert.ok(
    world.layer.sendStateless(ack, udp, {
      host: 'h.example',
      branchSuffix: 'mark',
      extraParams: ';x=1',
    }),
  );
  const [own, below] = udp.sent[0]?.message.values('Via') ?? [];
  assert.match(own ?? '', /^SIP\/2\.0\/UDP h\.example;branch=z9hG4bK[0-9a-f]{32}\.mark;rport;x=1$/);
  assert.equal(below, ack.via.raw);
  udp.works = false;
  assert.ok(!world.layer.sendStateless(ack, udp, { host: 'h.example' }));
  assert.equal(world.layer.size, 0);
});

test('a merged request is forgotten when the work on the first one is over', () => {
  const world = createWorld({ rejectMerged: () => true });
  const flow = world.flow('udp');
  const send = (method: string, branch: string, toTag?: string): void =>
    world.receive(flow, phoneRequest(method, toTag === undefined ? { branch } : { branch, toTag }));
  send('REGISTER', 'z9hG4bK1');
  answer(only(world), 200);
  world.clock.advance(31_999);
  send('REGISTER', 'z9hG4bK2');
  assert.deepEqual(statuses(flow), [200, 482]);
  world.clock.advance(1);
  send('REGISTER', 'z9hG4bK3');
  assert.equal(world.requests.length, 2);

  send('INVITE', 'z9hG4bK4');
  const invite = world.requests[2] as ServerTransaction;
  answer(invite, 486);
  world.receive(flow, phoneRequest('ACK', { branch: 'z9hG4bK4', toTag: invite.toTag }));
  world.clock.advance(4999);
  send('INVITE', 'z9hG4bK5');
  assert.equal(world.requests.length, 3);
  world.clock.advance(1);
  send('INVITE', 'z9hG4bK6');
  assert.equal(world.requests.length, 4);
  send('INVITE', 'z9hG4bK7', 'dialog');
  assert.equal(world.requests.length, 5, 'inside a dialog nothing is merged');
  (world.requests[3] as ServerTransaction).respondOnce((toTag) =>
    createResponse(phoneRequest('INVITE'), 401, undefined, { toTag }),
  );
  send('INVITE', 'z9hG4bK8');
  assert.equal(world.requests.length, 6, 'what ends without a trace is forgotten at once');
});

test('[S3261-9.2-01] CANCEL for a non-INVITE is answered with the tag of that transaction', () => {
  for (const method of [
    'REGISTER',
    'OPTIONS',
    'MESSAGE',
    'SUBSCRIBE',
    'NOTIFY',
    'BYE',
    'PUBLISH',
  ]) {
    const world = createWorld();
    const flow = world.flow('udp');
    world.receive(flow, phoneRequest(method));
    const { toTag } = only(world);
    world.receive(flow, phoneRequest('CANCEL'));
    answer(only(world), 200);
    world.receive(flow, phoneRequest('CANCEL'));
    assert.deepEqual(statuses(flow), [200, 200, 200], method);
    assert.deepEqual(
      flow.sent.map(({ message }) => message.to.tag),
      [toTag, toTag, toTag],
    );
  }
});

test('a remembered answer goes by the flow it went by, or when that is gone by that of the copy', () => {
  const world = createWorld();
  const first = world.flow('udp');
  const second = world.flow('udp');
  world.receive(first, phoneRequest('OPTIONS'));
  answer(only(world), 200);
  world.receive(second, phoneRequest('OPTIONS'));
  assert.deepEqual([statuses(first), statuses(second)], [[200, 200], []]);
  first.gone = true;
  world.receive(second, phoneRequest('OPTIONS'));
  assert.deepEqual([statuses(first), statuses(second)], [[200, 200], [200]]);
  assert.equal(world.counts.get('sip_retransmissions_received_total'), 2);
});

test('a request under way is sent again when its flow lost what was under way', () => {
  const world = createWorld();
  const flow = world.flow('tcp');
  const invite = startClient(world, flow, 'INVITE');
  const options = startClient(world, flow, 'OPTIONS');
  world.layer.flowInterrupted(flow);
  assert.deepEqual(timeline(flow), ['0 INVITE', '0 OPTIONS', '0 INVITE', '0 OPTIONS']);
  assert.equal(world.counts.get('sip_retransmissions_sent_total'), 2);
  for (const { transaction } of [invite, options]) {
    world.receive(flow, createResponse(transaction.request, 200, undefined, { toTag: 'b' }));
  }
  world.layer.flowInterrupted(flow);
  world.layer.flowInterrupted(world.flow('tcp'));
  assert.equal(flow.sent.length, 4, 'an answered one is not');
});
