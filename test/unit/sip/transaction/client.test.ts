import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createResponse } from '../../../../src/sip/message/message.ts';
import type { SipResponse } from '../../../../src/sip/message/message.ts';
import type { SipRequest } from '../../../../src/sip/message/message.ts';
import { createWorld, startClient, timeline } from './harness.ts';
import type { TestFlow } from './harness.ts';

function lastRequest(flow: TestFlow): SipRequest {
  const message = flow.sent.at(-1)?.message;
  assert.ok(message?.kind === 'request');
  return message;
}

test('[S3261-17.1.1.2-01] [S3261-17.1.1.2-02] a silent callee: INVITE repeated at T1 doubling, over at 64*T1, no ACK', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  const { failures } = startClient(world, flow, 'INVITE');
  world.clock.advance(31_999);
  assert.deepEqual(
    timeline(flow),
    [0, 500, 1500, 3500, 7500, 15_500, 31_500].map((at) => `${String(at)} INVITE`),
  );
  assert.deepEqual(failures, []);
  world.clock.advance(40_000);
  assert.deepEqual(failures, ['timeout']);
  assert.equal(flow.sent.length, 7);
  assert.equal(world.layer.size, 0);
});

test('[S3261-17.1.1.2-01] nothing is repeated over a reliable transport', () => {
  const world = createWorld();
  const flow = world.flow('tcp');
  const invite = startClient(world, flow, 'INVITE');
  const options = startClient(world, flow, 'OPTIONS');
  world.clock.advance(33_000);
  assert.deepEqual(timeline(flow), ['0 INVITE', '0 OPTIONS']);
  assert.deepEqual([...invite.failures, ...options.failures], ['timeout', 'timeout']);
});

test('[S3261-17.1.1.2-03] a provisional response stops repetition and goes up', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  const { transaction, responses, failures } = startClient(world, flow, 'INVITE');
  world.clock.advance(600);
  world.receive(flow, createResponse(lastRequest(flow), 180, undefined, { toTag: 'b' }));
  assert.ok(transaction.pending && transaction.proceeding);
  world.clock.advance(120_000);
  assert.deepEqual(timeline(flow), ['0 INVITE', '500 INVITE']);
  assert.deepEqual(
    responses.map(({ status }) => status),
    [180],
  );
  assert.ok(!responses[0]?.has('Via'), 'our Via is removed');
  assert.deepEqual(failures, []);
});

test('[S3261-17.1.1.2-04] [S3261-17.1.1.3-01] a failure is acknowledged each time but passed up once', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  const { responses } = startClient(world, flow, 'INVITE');
  const invite = lastRequest(flow);
  const busy = createResponse(invite, 486, undefined, { toTag: 'busy' });
  for (let i = 0; i < 5; i++) {
    world.receive(flow, busy);
    world.clock.advance(4000);
  }
  assert.deepEqual(
    responses.map(({ status }) => status),
    [486],
  );
  assert.deepEqual(timeline(flow), [
    '0 INVITE',
    '0 ACK',
    '4000 ACK',
    '8000 ACK',
    '12000 ACK',
    '16000 ACK',
  ]);
  const ack = lastRequest(flow);
  assert.equal(ack.uri, invite.uri);
  assert.equal(ack.callId, invite.callId);
  assert.equal(ack.from.raw, invite.from.raw);
  assert.equal(ack.to.raw, busy.to.raw);
  assert.deepEqual(ack.values('Via'), [invite.via.raw]);
  assert.deepEqual(ack.rows('Route'), invite.rows('Route'));
  assert.deepEqual(ack.cseq, { number: invite.cseq.number, method: 'ACK' });
  world.clock.advance(11_999);
  world.receive(flow, busy);
  assert.equal(flow.sent.length, 7, 'Timer D still runs at 31.999 s');
  world.clock.advance(2);
  assert.equal(world.layer.size, 0);
});

test('a reliable transport needs no Timer D', () => {
  const world = createWorld();
  const flow = world.flow('tcp');
  startClient(world, flow, 'INVITE');
  world.receive(flow, createResponse(lastRequest(flow), 404, undefined, { toTag: 'b' }));
  assert.deepEqual(timeline(flow), ['0 INVITE', '0 ACK']);
  assert.equal(world.layer.size, 0);
});

for (const transport of ['udp', 'tcp'] as const) {
  test(`[S6026-7.2-01] [S6026-7.2-02] further 2xx go up for 64*T1, without any ACK (${transport})`, () => {
    const world = createWorld();
    const flow = world.flow(transport);
    const { responses } = startClient(world, flow, 'INVITE');
    const invite = lastRequest(flow);
    world.receive(flow, createResponse(invite, 200, undefined, { toTag: 'one' }));
    world.receive(flow, createResponse(invite, 200, undefined, { toTag: 'two' }));
    world.clock.advance(31_999);
    world.receive(flow, createResponse(invite, 200, undefined, { toTag: 'one' }));
    assert.deepEqual(
      responses.map(({ to }) => to.tag),
      ['one', 'two', 'one'],
    );
    assert.deepEqual(timeline(flow), ['0 INVITE']);
    world.clock.advance(1);
    world.receive(flow, createResponse(invite, 200, undefined, { toTag: 'one' }));
    assert.equal(responses.length, 3);
    assert.equal(world.strays.length, 1);
  });
}

test('[S6026-7.2-02] a settled INVITE passes on further 2xx only, to the new place, for 64*T1', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  const { responses, transaction } = startClient(world, flow, 'INVITE');
  const invite = lastRequest(flow);
  const late: SipResponse[] = [];
  const settle = (): void => {
    transaction.settle((response) => late.push(response));
  };
  settle();
  world.receive(flow, createResponse(invite, 200, undefined, { toTag: 'one' }));
  settle();
  assert.equal(world.layer.size, 1);
  world.receive(flow, createResponse(invite, 180, undefined, { toTag: 'two' }));
  world.receive(flow, createResponse(invite, 200, undefined, { toTag: 'two' }));
  world.receive(flow, createResponse(invite, 486, undefined, { toTag: 'three' }));
  assert.deepEqual(
    [responses, late].map((list) => list.map(({ to, status }) => `${String(status)} ${to.tag}`)),
    [['200 one'], ['200 two']],
  );
  assert.equal(late[0]?.has('Via'), false);
  world.clock.advance(31_999);
  world.receive(flow, createResponse(invite, 200, undefined, { toTag: 'four' }));
  assert.equal(late.length, 2);
  world.clock.advance(2001);
  assert.equal(world.layer.size, 0);
  world.receive(flow, createResponse(invite, 200, undefined, { toTag: 'four' }));
  assert.equal(late.length, 2);
  assert.equal(world.strays.length, 1);
  assert.deepEqual(timeline(flow), ['0 INVITE']);
});

test('[S3261-17.1.2.2-01] a non-INVITE is repeated at T1 doubling to T2', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  const { failures } = startClient(world, flow, 'OPTIONS');
  world.clock.advance(31_999);
  assert.deepEqual(
    timeline(flow),
    [0, 500, 1500, 3500, 7500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500].map(
      (at) => `${String(at)} OPTIONS`,
    ),
  );
  world.clock.advance(1);
  assert.deepEqual(failures, ['timeout']);
  assert.equal(world.layer.size, 0);
});

test('[S3261-17.1.2.2-01] after a provisional response a non-INVITE is repeated every T2', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  startClient(world, flow, 'OPTIONS');
  world.clock.advance(100);
  world.receive(flow, createResponse(lastRequest(flow), 100));
  world.clock.advance(9000);
  assert.deepEqual(timeline(flow), ['0 OPTIONS', '500 OPTIONS', '4500 OPTIONS', '8500 OPTIONS']);
});

test('[S3261-17.1.2.2-02] a non-INVITE absorbs repeats of its final response for T4', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  const { responses } = startClient(world, flow, 'OPTIONS');
  const ok = createResponse(lastRequest(flow), 200, undefined, { toTag: 'b' });
  world.receive(flow, ok);
  world.clock.advance(4999);
  world.receive(flow, ok);
  assert.equal(responses.length, 1);
  assert.equal(world.strays.length, 0);
  world.clock.advance(1);
  assert.equal(world.layer.size, 0);
});

test('[S3261-17.1.3-01] [S3261-9.1-01] [S3261-9.1-02] [S3261-9.1-03] CANCEL waits for a provisional response and copies the INVITE', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  const { transaction, responses } = startClient(world, flow, 'INVITE', [
    ['Require', '100rel'],
    ['Proxy-Require', 'x'],
  ]);
  const invite = lastRequest(flow);
  transaction.cancel([['Reason', 'SIP;cause=200']]);
  transaction.cancel();
  world.clock.advance(400);
  assert.deepEqual(timeline(flow), ['0 INVITE']);
  world.receive(flow, createResponse(invite, 180, undefined, { toTag: 'b' }));
  const cancel = lastRequest(flow);
  assert.equal(cancel.method, 'CANCEL');
  assert.equal(cancel.uri, invite.uri);
  assert.equal(cancel.callId, invite.callId);
  assert.equal(cancel.to.raw, invite.to.raw);
  assert.equal(cancel.from.raw, invite.from.raw);
  assert.deepEqual(cancel.cseq, { number: 5, method: 'CANCEL' });
  assert.deepEqual(cancel.values('Via'), [invite.via.raw]);
  assert.deepEqual(cancel.rows('Route'), invite.rows('Route'));
  assert.equal(cancel.header('Reason'), 'SIP;cause=200');
  assert.ok(!cancel.has('Require') && !cancel.has('Proxy-Require'));
  // The same branch: told apart by the CSeq method.
  world.receive(flow, createResponse(cancel, 200, undefined, { toTag: 'b' }));
  world.receive(flow, createResponse(invite, 487, undefined, { toTag: 'b' }));
  assert.deepEqual(
    responses.map(({ status }) => status),
    [180, 487],
  );
  assert.deepEqual(timeline(flow), ['0 INVITE', '400 CANCEL', '400 ACK']);
});

test('[S3261-9.1-02] no CANCEL after the final response', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  const { transaction } = startClient(world, flow, 'INVITE');
  transaction.cancel();
  world.receive(flow, createResponse(lastRequest(flow), 200, undefined, { toTag: 'b' }));
  transaction.cancel();
  world.clock.advance(1000);
  assert.deepEqual(timeline(flow), ['0 INVITE']);
});

test('a cancelled INVITE without a final response is given up after 64*T1', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  const { transaction, failures } = startClient(world, flow, 'INVITE');
  world.receive(flow, createResponse(lastRequest(flow), 180, undefined, { toTag: 'b' }));
  transaction.cancel();
  world.clock.advance(32_000);
  assert.deepEqual(failures, ['timeout']);
  world.clock.advance(10_000);
  assert.equal(world.layer.size, 0);
});

test('[S3261-18.4-01] a flow that refuses or closes fails the request at once, never inside the call', () => {
  const world = createWorld();
  const broken = world.flow('udp');
  broken.works = false;
  const refused = startClient(world, broken, 'INVITE');
  assert.deepEqual(refused.failures, []);
  world.clock.advance(0);
  assert.deepEqual(refused.failures, ['transport']);
  const tcp = world.flow('tcp');
  const open = startClient(world, tcp, 'OPTIONS');
  world.layer.flowClosed(tcp);
  world.layer.flowClosed(tcp);
  assert.deepEqual(open.failures, ['transport']);
  assert.equal(world.layer.size, 0);
});

test('an abandoned transaction calls back no more', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  const { transaction, responses, failures } = startClient(world, flow, 'INVITE');
  transaction.abandon();
  world.receive(flow, createResponse(lastRequest(flow), 200, undefined, { toTag: 'b' }));
  world.clock.advance(100_000);
  assert.deepEqual([responses.length, failures.length, flow.sent.length], [0, 0, 1]);
});

test('[S3261-18.1.2-01] a response with another sent-by is dropped', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  const { responses } = startClient(world, flow, 'OPTIONS');
  const request = lastRequest(flow);
  const forged = createResponse(request, 200)
    .edit()
    .set('Via', request.via.raw.replace('192.0.2.100', '192.0.2.101'))
    .build();
  world.receive(flow, forged);
  assert.equal(responses.length, 0);
  assert.equal(world.strays.length, 0);
});

test('[S6026-7.3-01] a response without transaction is not mistaken for one', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  const { responses } = startClient(world, flow, 'OPTIONS');
  const request = lastRequest(flow);
  const other = createResponse(request, 200)
    .edit()
    .set('Via', request.via.raw.replace('z9hG4bK', 'z9hG4bKx'))
    .build();
  world.receive(flow, other);
  const otherMethod = createResponse(request, 200).edit().set('CSeq', '5 INFO').build();
  world.receive(flow, otherMethod);
  assert.equal(responses.length, 0);
  assert.equal(world.strays.length, 2);
});

test('[S3261-16.6-13] [S3581-3-01] each attempt has its own branch with the cookie, and a bare rport on UDP', () => {
  const world = createWorld();
  const udp = world.flow('udp');
  const tcp = world.flow('tcp');
  const branches = new Set<string>();
  for (const flow of [udp, udp, tcp]) {
    const { transaction } = startClient(world, flow, 'INVITE');
    assert.match(transaction.branch, /^z9hG4bK[0-9a-f]{32}$/);
    branches.add(transaction.branch);
  }
  assert.equal(branches.size, 3);
  assert.match(
    udp.sent[0]?.message.via.raw ?? '',
    /^SIP\/2\.0\/UDP 192\.0\.2\.100:5060;branch=\w+;rport$/,
  );
  assert.match(
    tcp.sent[0]?.message.via.raw ?? '',
    /^SIP\/2\.0\/TCP 192\.0\.2\.100:5060;branch=\w+$/,
  );
});

test('[S5923-8.1-01] a lost connection is opened again: request, CANCEL and ACK take the new one', () => {
  const lostFlows: TestFlow[] = [];
  const opened: ((flow: TestFlow | undefined) => void)[] = [];
  const world = createWorld({
    replace(lost, done) {
      lostFlows.push(lost as TestFlow);
      opened.push(done);
      return true;
    },
  });
  const first = world.flow('tcp');
  const second = world.flow('tcp');
  const { transaction, responses, failures } = startClient(world, first, 'INVITE');
  world.receive(first, createResponse(lastRequest(first), 180, undefined, { toTag: 'b' }));
  world.layer.flowClosed(first);
  assert.deepEqual(lostFlows, [first]);
  opened[0]?.(second);
  assert.deepEqual(timeline(second), ['0 INVITE']);
  const invite = lastRequest(second);
  transaction.cancel();
  assert.deepEqual(timeline(second), ['0 INVITE', '0 CANCEL']);
  world.receive(second, createResponse(invite, 487, undefined, { toTag: 'b' }));
  assert.deepEqual(timeline(second), ['0 INVITE', '0 CANCEL', '0 ACK']);
  assert.deepEqual(timeline(first), ['0 INVITE']);
  assert.deepEqual(
    responses.map(({ status }) => status),
    [180, 487],
  );
  assert.deepEqual(failures, []);
});

test('a place that cannot be reached again, or is lost again and again, ends the transaction', () => {
  const opened: ((flow: TestFlow | undefined) => void)[] = [];
  const world = createWorld({ replace: (_lost, done) => opened.push(done) > 0 });
  const gone = startClient(world, world.flow('tcp'), 'OPTIONS');
  world.layer.flowClosed(gone.transaction.flow);
  opened[0]?.(undefined);
  assert.deepEqual(gone.failures, ['transport']);

  const flaky = startClient(world, world.flow('tcp'), 'OPTIONS');
  for (let i = 1; i < 6 && flaky.failures.length === 0; i++) {
    world.layer.flowClosed(flaky.transaction.flow);
    opened[i]?.(world.flow('tcp'));
  }
  assert.deepEqual(flaky.failures, ['transport']);
  assert.equal(opened.length, 5);
  assert.equal(world.layer.size, 0);
});
