/** What the machines count, when they let go, and what they do at the edges of their states. RFC 3261 §17. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createResponse } from '../../../../src/sip/message/message.ts';
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
import type { TestFlow } from './harness.ts';

test('what a client machine repeats, loses and waits for in vain is counted', () => {
  for (const [method, repeats] of [
    ['INVITE', 6],
    ['OPTIONS', 10],
  ] as const) {
    const world = createWorld();
    startClient(world, world.flow('udp'), method);
    world.clock.advance(32_000);
    assert.equal(world.counts.get('sip_retransmissions_sent_total'), repeats, method);
    assert.equal(world.counts.get('sip_transaction_timeouts_total'), 1);
    assert.equal(world.counts.get('sip_transport_errors_total'), undefined);

    const lost = createWorld();
    const flow = lost.flow('tcp');
    startClient(lost, flow, method);
    lost.layer.flowClosed(flow);
    assert.equal(lost.counts.get('sip_transport_errors_total'), 1, method);
    assert.equal(lost.counts.get('sip_transaction_timeouts_total'), undefined);
  }
});

test('a flow that takes nothing fails a non-INVITE too, later than the call and once', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  flow.works = false;
  const { transaction, failures } = startClient(world, flow, 'OPTIONS');
  assert.deepEqual([failures, transaction.pending, transaction.proceeding], [[], true, false]);
  world.clock.advance(0);
  assert.deepEqual(failures, ['transport']);
  assert.equal(transaction.pending, false);
  assert.equal(world.layer.size, 0);
  for (const method of ['OPTIONS', 'INVITE']) {
    const given = startClient(world, flow, method);
    given.transaction.abandon();
    world.clock.advance(40_000);
    assert.deepEqual(given.failures, [], method);
  }
});

test('the state of a client transaction is told', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  for (const method of ['INVITE', 'OPTIONS']) {
    const { transaction } = startClient(world, flow, method);
    const read = () => [transaction.pending, transaction.proceeding];
    assert.deepEqual(read(), [true, false]);
    world.receive(flow, createResponse(transaction.request, 199, undefined, { toTag: 'a' }));
    assert.deepEqual(read(), [true, true]);
    world.receive(flow, createResponse(transaction.request, 200, undefined, { toTag: 'b' }));
    assert.deepEqual(read(), [false, false]);
    assert.equal(transaction.flow, flow);
  }
});

test('nothing but final responses goes up after a provisional one, and nothing after the final one', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  const { transaction, responses } = startClient(world, flow, 'INVITE');
  const send = (status: number): void =>
    world.receive(flow, createResponse(transaction.request, status, undefined, { toTag: 'b' }));
  for (const status of [180, 183, 200, 180, 486]) send(status);
  assert.deepEqual(
    responses.map(({ status }) => status),
    [180, 183, 200],
  );
  assert.deepEqual(timeline(flow), ['0 INVITE'], 'a failure after 2xx is not acknowledged');
  const failed = startClient(world, flow, 'INVITE');
  const reply = (status: number): void =>
    world.receive(flow, createResponse(failed.transaction.request, status, '', { toTag: 'b' }));
  for (const status of [486, 200, 180]) reply(status);
  assert.deepEqual(
    failed.responses.map(({ status }) => status),
    [486],
  );
});

test('what is left of a client in Completed or Accepted outlives its flow and disturbs nobody', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  const { transaction, responses } = startClient(world, flow, 'INVITE');
  const ok = createResponse(transaction.request, 200, undefined, { toTag: 'b' });
  world.receive(flow, ok);
  world.layer.flowClosed(flow);
  world.receive(flow, ok);
  assert.equal(responses.length, 2, 'Accepted: 2xx of other branches may follow');
  const failed = startClient(world, flow, 'INVITE');
  world.receive(flow, createResponse(failed.transaction.request, 404, '', { toTag: 'b' }));
  const done = startClient(world, flow, 'OPTIONS');
  world.receive(flow, createResponse(done.transaction.request, 200, '', { toTag: 'b' }));
  assert.equal(world.layer.size, 3);
  flow.gone = true;
  world.layer.flowClosed(flow);
  const sent = flow.sent.length;
  world.receive(flow, createResponse(failed.transaction.request, 404, '', { toTag: 'b' }));
  assert.equal(flow.sent.length, sent, 'no ACK on a flow that is gone');
  assert.deepEqual([failed.failures, done.failures], [[], []]);
  world.clock.advance(40_000);
  assert.equal(world.layer.size, 0);
});

test('the wait after CANCEL is 64*T1 from the CANCEL, and only one CANCEL is sent', () => {
  const world = createWorld();
  const flow = world.flow('tcp');
  const { transaction, failures } = startClient(world, flow, 'INVITE');
  world.receive(flow, createResponse(transaction.request, 180, undefined, { toTag: 'b' }));
  world.clock.advance(60_000);
  transaction.cancel();
  world.receive(flow, createResponse(transaction.request, 180, undefined, { toTag: 'b' }));
  transaction.cancel();
  world.clock.advance(31_900);
  assert.deepEqual(failures, []);
  world.clock.advance(400);
  assert.deepEqual(failures, ['timeout']);
  assert.deepEqual(timeline(flow), ['0 INVITE', '60000 CANCEL']);
});

test('a connection may be lost and replaced three times', () => {
  for (const method of ['INVITE', 'OPTIONS']) {
    const world = createWorld({
      replace: (_lost, done) => {
        done(next());
        return true;
      },
    });
    const flows: TestFlow[] = [];
    const next = (): TestFlow => {
      flows.push(world.flow('tcp'));
      return flows.at(-1) as TestFlow;
    };
    const { transaction, failures } = startClient(world, next(), method);
    for (let i = 0; i < 3; i++) {
      world.layer.flowClosed(flows[i] as TestFlow);
      assert.deepEqual([failures, transaction.flow], [[], flows[i + 1]]);
    }
    assert.deepEqual(
      flows.map((flow) => flow.sent.length),
      [1, 1, 1, 1],
    );
    world.layer.flowClosed(flows[3] as TestFlow);
    assert.deepEqual(failures, ['transport'], method);
    assert.equal(flows[4]?.sent.length, 0);
    assert.equal(world.layer.size, 0);
  }
});

test('a host that finds no replacement at once fails the requests of a lost connection at once', () => {
  const world = createWorld({ replace: () => false });
  const flow = world.flow('tcp');
  const lost = [startClient(world, flow, 'INVITE'), startClient(world, flow, 'OPTIONS')];
  world.layer.flowClosed(flow);
  assert.deepEqual(
    lost.map(({ failures }) => failures),
    [['transport'], ['transport']],
  );
});

test('what a server may not send any more is counted, and not sent', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  world.receive(flow, phoneRequest('OPTIONS'));
  const options = only(world);
  answer(options, 180);
  answer(options, 200);
  answer(options, 486);
  assert.deepEqual(statuses(flow), [200]);
  assert.equal(world.counts.get('sip_responses_ignored_total'), 2);
  world.receive(flow, phoneRequest('OPTIONS', { branch: 'z9hG4bKslow' }));
  answer(world.requests[1] as ServerTransaction, 408);
  assert.equal(world.counts.get('sip_responses_ignored_total'), 3);
  world.receive(flow, phoneRequest('INVITE', { branch: 'z9hG4bKinvite' }));
  const invite = world.requests[2] as ServerTransaction;
  answer(invite, 200);
  answer(invite, 180);
  answer(invite, 486);
  answer(invite, 200);
  assert.deepEqual(statuses(flow), [200, 100, 200, 200]);
  assert.equal(world.counts.get('sip_responses_ignored_total'), 5);
  assert.deepEqual([options.finalSent, invite.finalSent], [true, true]);
});

test('what nobody acknowledges or answers in time is counted', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  world.receive(flow, phoneRequest('INVITE'));
  answer(only(world), 486);
  world.clock.advance(32_000);
  assert.equal(world.counts.get('sip_transaction_timeouts_total'), 1);
  assert.equal(world.counts.get('sip_retransmissions_sent_total'), 10);
  assert.equal(world.layer.size, 0);
  world.receive(flow, phoneRequest('OPTIONS', { branch: 'z9hG4bKo' }));
  world.clock.advance(32_000);
  assert.equal(world.counts.get('sip_transaction_timeouts_total'), 2);
  world.receive(flow, phoneRequest('INVITE', { branch: 'z9hG4bKok' }));
  answer(world.requests[2] as ServerTransaction, 200);
  world.clock.advance(32_200);
  assert.equal(world.counts.get('sip_transaction_timeouts_total'), 2, 'Timer L is no failure');
  assert.equal(world.layer.size, 0);
});

test('an answered transaction leaves no timer behind that still acts', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  world.receive(flow, phoneRequest('OPTIONS'));
  world.clock.advance(3_000);
  answer(only(world), 200);
  world.clock.advance(60_000);
  assert.deepEqual(timeline(flow), ['3000 200']);
  assert.equal(world.counts.get('sip_transaction_timeouts_total'), undefined);
  world.receive(flow, phoneRequest('INVITE', { branch: 'z9hG4bKi' }));
  const invite = world.requests[1] as ServerTransaction;
  answer(invite, 486);
  world.receive(flow, phoneRequest('ACK', { branch: 'z9hG4bKi', toTag: invite.toTag }));
  const sent = flow.sent.length;
  world.clock.advance(60_000);
  assert.equal(flow.sent.length, sent);
  assert.equal(world.counts.get('sip_transaction_timeouts_total'), undefined);
  assert.equal(world.layer.size, 0);
});

test('a repeated request gets nothing while there is nothing to repeat, then the 100', () => {
  const world = createWorld();
  const flow = world.flow('udp');
  const options = phoneRequest('OPTIONS');
  world.receive(flow, options);
  world.receive(flow, options);
  assert.equal(flow.sent.length, 0);
  world.clock.advance(3_500);
  world.receive(flow, options);
  assert.deepEqual(timeline(flow), ['3500 100', '3500 100']);
  assert.equal(world.counts.get('sip_retransmissions_received_total'), 2);
});

test('the answers follow a sender that repeats its request by another connection', () => {
  for (const [first, second, expected] of [
    ['tcp', 'tcp', 'second'],
    ['udp', 'udp', 'first'],
    ['udp', 'tcp', 'second'],
  ] as const) {
    const world = createWorld();
    const [one, two] = [world.flow(first), world.flow(second)];
    world.receive(one, phoneRequest('INVITE'));
    world.receive(two, phoneRequest('INVITE'));
    assert.equal(only(world).flow, expected === 'first' ? one : two);
    answer(only(world), 180);
    assert.equal(statuses(expected === 'first' ? one : two).at(-1), 180);
  }
  const world = createWorld();
  const [gone, other] = [world.flow('udp'), world.flow('udp')];
  world.receive(gone, phoneRequest('INVITE'));
  gone.gone = true;
  world.receive(other, phoneRequest('INVITE'));
  assert.equal(only(world).flow, other);
});

test('a response that finds no way is a transport error, told once to who asked to know', () => {
  for (const found of ['none', 'broken', 'no search'] as const) {
    const world = createWorld(
      found === 'no search'
        ? {}
        : {
            reopen: (_via, _lost, done) => {
              if (found === 'none') done(undefined);
              else done(other);
            },
          },
    );
    const other = world.flow('udp');
    other.works = false;
    const flow = world.flow('tcp');
    world.receive(flow, phoneRequest('INVITE'));
    let errors = 0;
    only(world).onTransportError = () => errors++;
    flow.gone = true;
    answer(only(world), 180);
    assert.equal(errors, 1, found);
    assert.equal(world.counts.get('sip_transport_errors_total'), 1);
  }
});

test('[S3261-18.2.2-02] maddr and a sent-by port that is not the source port lead away from the flow', () => {
  const table: readonly (readonly [string, 'udp' | 'tcp', boolean])[] = [
    ['192.0.2.1:5060;branch=z9hG4bK1', 'udp', false],
    ['192.0.2.1;branch=z9hG4bK1', 'udp', false],
    ['192.0.2.1:5061;branch=z9hG4bK1', 'udp', true],
    ['192.0.2.1:5061;branch=z9hG4bK1', 'tcp', false],
    ['192.0.2.1:5061;branch=z9hG4bK1;rport', 'udp', false],
    ['192.0.2.1:5060;branch=z9hG4bK1;rport;maddr=224.2.0.1', 'udp', true],
    ['192.0.2.1:5060;branch=z9hG4bK1;rport;x="maddr"', 'udp', false],
    ['192.0.2.1:5060;branch=z9hG4bK1;maddr=224.2.0.1', 'tcp', false],
  ];
  for (const [sentBy, transport, leadsAway] of table) {
    let asked = 0;
    const world = createWorld({
      reopen: (_via, _lost, done) => {
        asked++;
        done(undefined);
      },
    });
    const flow = world.flow(transport);
    const via = `SIP/2.0/${transport.toUpperCase()} ${sentBy}`;
    world.receive(flow, phoneRequest('OPTIONS', { via }));
    answer(only(world), 200);
    assert.equal(asked > 0, leadsAway, sentBy);
    assert.deepEqual(statuses(flow), [200], 'without another way it goes back all the same');
  }
});
