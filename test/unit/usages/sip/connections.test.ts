import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeId } from '../../../../src/base/ids.ts';
import type { Outcome } from '../../../../src/base/outcome.ts';
import { latin1Decode, latin1Encode } from '../../../../src/base/text.ts';
import { silentTrace } from '../../../../src/ports/trace.ts';
import type { SipConnection } from '../../../../src/usages/sip/connection.ts';
import { createSipConnections } from '../../../../src/usages/sip/connections.ts';
import type { SipConnectError } from '../../../../src/usages/sip/connections.ts';
import { createClock, createRing, nodeId } from '../../adapter/support/world.ts';

const a = nodeId(0x0a);
const b = nodeId(0x0b);
const to = (node: NodeId) => [{ type: 'node', nodeId: node }] as const;

function world(options: { pongs: boolean } = { pongs: true }) {
  const clock = createClock();
  const ring = createRing(clock);
  const heard: string[] = [];
  const closed: string[] = [];
  const side = (self: NodeId, name: string) =>
    createSipConnections({
      overlay: ring.member(self),
      clock,
      trace: silentTrace,
      onOpen: (connection) => ({
        data(bytes) {
          const text = latin1Decode(bytes);
          heard.push(`${name}<${text.replaceAll('\r\n', '|')}`);
          if (text === '\r\n\r\n' && options.pongs) connection.pong();
        },
        closed: (reason) => closed.push(`${name} ${reason}`),
      }),
    });
  const left = side(a, 'a');
  const right = side(b, 'b');
  const connect = (application = 5060, target = b): Outcome<SipConnection, SipConnectError> => {
    const results: Outcome<SipConnection, SipConnectError>[] = [];
    left.connect(to(target), application, (outcome) => results.push(outcome));
    assert.equal(results.length, 0, 'never inside the call');
    const pending = (): boolean => results.length === 0;
    for (let i = 0; i < 2200 && pending(); i++) clock.run(1);
    return results[0]!;
  };
  return { clock, ring, left, right, heard, closed, connect };
}

test('[R7904-5.1-02] [R7904-5.1-07] one connection per node and application, used again', () => {
  const { ring, connect, left, right } = world();
  const first = connect();
  const second = connect();
  assert.ok(first.ok && second.ok && first.value === second.value);
  assert.ok(connect(5061).ok);
  assert.deepEqual(
    ring.log.appAttaches.map((attach) => attach.application),
    [5060, 5061],
  );
  assert.equal(left.snapshot().open.length, 2);
  assert.equal(right.find(a, 5060)?.peer, a, 'the callee may use it too');
});

test('calls at the same time share one AppAttach', () => {
  const { clock, ring, left } = world();
  let done = 0;
  for (let i = 0; i < 10; i++) left.connect(to(b), 5060, (outcome) => (done += Number(outcome.ok)));
  const giveUp = left.connect(to(b), 5060, () => assert.fail('given up'));
  giveUp();
  clock.run(10);
  assert.equal(done, 10);
  assert.equal(ring.log.appAttaches.length, 1);
});

test('[R7904-5.1-03] [R7904-5.1-04] [R7904-5.1-05] a wrong certificate: closed, nothing sent', () => {
  const { clock, ring, connect, left, heard } = world({ pongs: false });
  ring.impostors.add(b);
  const result = connect();
  assert.ok(!result.ok && result.error.reason === 'wrong-peer');
  clock.run(5);
  assert.deepEqual(heard, []);
  assert.equal(left.snapshot().open.length, 0);
  assert.ok(left.isAvoided(b));
});

test('no answer in 2 s fails and avoids the node for 30 s', () => {
  const { clock, ring, connect, left } = world();
  ring.dead.add(b);
  const result = connect();
  assert.ok(!result.ok && result.error.reason === 'timeout');
  assert.equal(clock.monotonicMs(), 2000);
  const again = connect();
  assert.ok(!again.ok && again.error.reason === 'avoided');
  assert.equal(ring.log.appAttaches.length, 1);
  clock.run(30_000);
  assert.ok(!left.isAvoided(b));
});

test('a node that answered has eight seconds for its connection, because ICE has to find a way', () => {
  for (const connectsAtMs of [9900, undefined]) {
    const clock = createClock();
    const ring = createRing(clock);
    const member = ring.member(a);
    const results: Outcome<SipConnection, SipConnectError>[] = [];
    let settledMs = 0;
    const connections = createSipConnections({
      overlay: {
        ...member,
        appAttach(destination, application, done, answered) {
          clock.after('answer', 1900, () => answered?.());
          if (connectsAtMs === undefined) return;
          // The ring takes a few milliseconds itself.
          clock.after('connect', connectsAtMs - 10, () =>
            member.appAttach(destination, application, done),
          );
        },
      },
      clock,
      trace: silentTrace,
      onOpen: () => ({ data: () => undefined, closed: () => undefined }),
    });
    ring
      .member(b)
      .onApplication(5060, ({ connection }) =>
        connection.setHandler({ data: () => undefined, closed: () => undefined }),
      );
    connections.connect(to(b), 5060, (outcome) => {
      results.push(outcome);
      settledMs = clock.monotonicMs();
    });
    clock.run(9890);
    assert.equal(results.length, 0);
    clock.run(20);
    assert.equal(results[0]?.ok, connectsAtMs !== undefined);
    if (connectsAtMs === undefined) assert.equal(settledMs, 9900);
    assert.equal(connections.isAvoided(b), connectsAtMs === undefined);
  }
});

test('an avoided node that is heard from is used at once', () => {
  const { clock, ring, connect, left, right } = world();
  ring.dead.add(b);
  connect();
  ring.dead.delete(b);
  assert.ok(left.isAvoided(b));
  right.connect(to(a), 5060, () => undefined);
  clock.run(5);
  assert.ok(!left.isAvoided(b));
  assert.ok(connect().ok);
});

test('an avoided node that shows itself in the overlay is tried at once', () => {
  const { ring, connect, left } = world();
  ring.dead.add(b);
  connect();
  ring.dead.delete(b);
  assert.ok(left.isAvoided(b));
  left.heardFrom(b);
  assert.ok(connect().ok);
});

test('when both connect at once both stay, and both sides prefer the same', () => {
  const { clock, left, right } = world();
  left.connect(to(b), 5060, () => undefined);
  right.connect(to(a), 5060, () => undefined);
  clock.run(5);
  assert.equal(left.snapshot().open.length, 2);
  const fromLeft = left.find(b, 5060);
  const fromRight = right.find(a, 5060);
  // The spare one ends first, the other after ten idle minutes.
  clock.run(260_000);
  assert.equal(left.snapshot().open.length, 1);
  assert.equal(left.find(b, 5060), fromLeft);
  assert.equal(right.find(a, 5060), fromRight);
  clock.run(400_000);
  assert.equal(left.snapshot().open.length + right.snapshot().open.length, 0);
});

test('[R7904-5.2-02] [R6940-6.5.2.1-02] the side that asked sends a CRLF keep-alive every 25 s', () => {
  const { clock, connect, heard } = world();
  connect();
  clock.run(5);
  heard.length = 0;
  clock.run(51_000);
  assert.deepEqual(heard, ['b<||', 'b<||']);
});

test('a peer that answered keep-alives and falls silent is given up when used', () => {
  const answers = { pongs: true };
  const { clock, connect, left, closed } = world(answers);
  const result = connect();
  assert.ok(result.ok);
  const { value: connection } = result;
  clock.run(10_000);
  answers.pongs = false;
  assert.ok(connection.send(latin1Encode('INVITE')));
  clock.run(1999);
  assert.ok(!connection.closed);
  clock.run(2);
  assert.ok(connection.closed);
  assert.ok(left.isAvoided(b));
  assert.ok(closed.includes('a no answer to keep-alive'));
});

test('a peer that never answers keep-alives is no reason to close', () => {
  const { clock, connect } = world({ pongs: false });
  const result = connect();
  assert.ok(result.ok);
  clock.run(60_000);
  result.value.send(latin1Encode('x'));
  clock.run(60_000);
  assert.ok(!result.value.closed);
});
