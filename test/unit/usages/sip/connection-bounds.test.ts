/** What SIP connections refuse, whom they avoid, and how they end. RFC 7904 §5. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type NodeId, nodeIdFromBytes } from '../../../../src/base/ids.ts';
import { limits } from '../../../../src/base/limits.ts';
import { latin1Decode } from '../../../../src/base/text.ts';
import type { OverlayError } from '../../../../src/overlay/api.ts';
import type { SipConnection } from '../../../../src/usages/sip/connection.ts';
import { createSipConnections } from '../../../../src/usages/sip/connections.ts';
import { createCountingTrace } from '../../../support/counting-trace.ts';
import { createClock, nodeId } from '../../adapter/support/world.ts';
import { createFarEnd, createScriptedOverlay } from './support/scripted-overlay.ts';

const a = nodeId(0x0a);
const b = nodeId(0x0b);
const c = nodeId(0x0c);
const { usagesSip } = limits;

function world(self = a) {
  const clock = createClock();
  const trace = createCountingTrace();
  const script = createScriptedOverlay(self);
  const heard: string[] = [];
  const opened: SipConnection[] = [];
  const connections = createSipConnections({
    overlay: script.overlay,
    clock,
    trace,
    onOpen(connection) {
      opened.push(connection);
      return {
        data: (bytes) => heard.push(latin1Decode(bytes)),
        closed: (reason) => heard.push(`closed: ${reason}`),
      };
    },
  });
  const results: string[] = [];
  const connect = (to: NodeId, application = 5060): (() => void) =>
    connections.connect([{ type: 'node', nodeId: to }], application, (outcome) => {
      results.push(outcome.ok ? outcome.value.id : outcome.error.reason);
    });
  const attach = () => script.attaches.at(-1) ?? assert.fail('no AppAttach');
  /** A connection to the node that the clock has brought up. */
  const link = (to: NodeId, application = 5060) => {
    const end = createFarEnd(to);
    connect(to, application);
    attach().connects(end, to);
    return end;
  };
  return { clock, trace, script, connections, heard, opened, results, connect, attach, link };
}

test('what an AppAttach fails with decides whether the node is avoided', () => {
  const table: readonly (readonly [OverlayError['reason'], string, boolean])[] = [
    ['timeout', 'timeout', true],
    ['unreachable', 'timeout', true],
    ['wrong-peer', 'wrong-peer', true],
    ['not-joined', 'overload', false],
    ['invalid', 'invalid', true],
    ['error-response', 'refused', false],
  ];
  for (const [failed, told, avoided] of table) {
    const { trace, connections, results, connect, attach } = world();
    connect(b);
    attach().fails(failed);
    assert.deepEqual(results, [told]);
    assert.equal(connections.isAvoided(b), avoided, failed);
    assert.equal(trace.count('sip_app_attach_failures_total', told), 1);
    assert.equal(connections.snapshot().connecting, 0);
  }
});

test('[R7904-5.1-05] a connection of another node is closed, whichever way it shows', () => {
  for (const [peer, shown] of [
    [c, [b]],
    [b, [c]],
    [b, []],
  ] as const) {
    const { connections, results, connect, attach } = world();
    const end = createFarEnd(b, shown);
    connect(b);
    attach().connects(end, peer);
    assert.deepEqual(results, ['wrong-peer']);
    assert.equal(end.closedWith, 'wrong Node-ID');
    assert.ok(connections.isAvoided(b));
    assert.equal(connections.snapshot().open.length, 0);
  }
  const { results, connect, attach } = world();
  connect(b);
  attach().connects(createFarEnd(b, [c, b]), b);
  assert.deepEqual(results, ['overlay-1'], 'a certificate may name several nodes');
});

test('an answer that comes after the attempt was given up fills the pool, or is no second failure', () => {
  const late = world();
  late.connect(b);
  late.clock.run(2000);
  assert.deepEqual(late.results, ['timeout']);
  assert.equal(late.trace.count('sip_app_attach_failures_total', 'timeout'), 1);
  assert.equal(late.connections.snapshot().connecting, 0);
  late.attach().answered();
  late.attach().connects(createFarEnd(b), b);
  late.clock.run(20_000);
  assert.deepEqual(late.results, ['timeout']);
  assert.equal(late.connections.find(b, 5060)?.id, 'overlay-1');
  assert.ok(!late.connections.isAvoided(b), 'it has answered after all');

  const lost = world();
  lost.connect(b);
  lost.clock.run(2000);
  lost.clock.run(30_000);
  lost.attach().fails('timeout');
  assert.ok(!lost.connections.isAvoided(b), 'not avoided for a second time');
  assert.equal(lost.trace.count('sip_app_attach_failures_total', 'timeout'), 1);
});

test('an attempt that was given up does not end the one after it', () => {
  const { clock, script, connections, results, connect } = world();
  connect(b);
  clock.run(2000);
  connections.heardFrom(b);
  connect(b);
  assert.equal(script.attaches.length, 2);
  script.attaches[0]?.fails('unreachable');
  assert.equal(connections.snapshot().connecting, 1);
  script.attaches[1]?.connects(createFarEnd(b), b);
  assert.deepEqual(results, ['timeout', 'overlay-1']);
});

test('this node itself, a list without a node, and anything after the end lead nowhere', () => {
  const { clock, script, connections, results, connect } = world();
  connect(a);
  connections.connect([], 5060, (outcome) => results.push(outcome.ok ? '' : outcome.error.reason));
  assert.deepEqual(results, [], 'never inside the call');
  clock.run(0);
  assert.deepEqual(results, ['invalid', 'invalid']);
  connections.stop('end');
  connect(b)();
  clock.run(0);
  assert.equal(results.length, 2, 'given up in time');
  connect(b);
  clock.run(0);
  assert.deepEqual(results, ['invalid', 'invalid', 'invalid']);
  assert.equal(script.attaches.length, 0);
});

test('an open connection is told at once, later than the call', () => {
  const { clock, results, connect, link } = world();
  link(b);
  connect(b);
  assert.deepEqual(results, ['overlay-1']);
  clock.run(0);
  assert.deepEqual(results, ['overlay-1', 'overlay-1']);
});

test('stopping closes all connections, and gives no attempt up any more', () => {
  const { clock, script, connections, heard, results, connect, link } = world();
  const ends = [link(b), link(b, 5061), link(c)];
  connect(nodeId(0x0d));
  connections.stop('shutdown');
  assert.deepEqual(
    ends.map((end) => end.closedWith),
    ['shutdown', 'shutdown', 'shutdown'],
  );
  assert.deepEqual(heard, ['closed: shutdown', 'closed: shutdown', 'closed: shutdown']);
  assert.equal(connections.snapshot().open.length, 0);
  clock.run(60_000);
  assert.equal(results.length, 3, 'its timer is gone');
  const end = createFarEnd(b);
  script.accepts(5060, b, end);
  assert.equal(end.closedWith, 'too many SIP connections');
});

test('a peer may have four connections per application, more are closed', () => {
  const { trace, script, connections } = world();
  const ends = Array.from({ length: 5 }, () => createFarEnd(b));
  for (const end of ends) script.accepts(5060, b, end);
  assert.deepEqual(
    ends.map((end) => end.closedWith),
    [undefined, undefined, undefined, undefined, 'too many SIP connections'],
  );
  assert.equal(trace.count('sip_overlay_connections_refused_total'), 1);
  assert.equal(trace.count('sip_overlay_connections_opened_total'), 4);
  script.accepts(5061, b, createFarEnd(b));
  assert.equal(connections.snapshot().open.length, 5);
  ends[0]?.lost('reset');
  script.accepts(5060, b, createFarEnd(b));
  assert.equal(connections.snapshot().open.length, 5, 'a lost one makes room');
});

test('connections are bounded in all, and one that does not fit is no fault of its node', () => {
  const { script, connections, results, connect, attach } = world();
  const spread = (i: number): NodeId =>
    nodeIdFromBytes(Uint8Array.of(...new Uint8Array(12), ...u32(i)));
  for (let i = 1; i <= usagesSip.connections; i++) {
    script.accepts(5060, spread(i), createFarEnd(spread(i)));
  }
  assert.equal(connections.snapshot().open.length, usagesSip.connections);
  connect(b);
  const end = createFarEnd(b);
  attach().connects(end, b);
  assert.deepEqual(results, ['overload']);
  assert.equal(end.closedWith, 'too many SIP connections');
  assert.ok(!connections.isAvoided(b));
});

function u32(value: number): readonly number[] {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}

test('attempts, and calls that wait for one, are bounded', () => {
  const { clock, trace, script, connections, results, connect } = world();
  for (let i = 1; i <= usagesSip.connecting; i++) connect(nodeId(0x0b), 6000 + i);
  assert.equal(connections.snapshot().connecting, usagesSip.connecting);
  connect(b);
  clock.run(0);
  assert.deepEqual(results, ['overload']);
  assert.equal(script.attaches.length, usagesSip.connecting);
  for (let i = 1; i < usagesSip.waitingPerConnect; i++) connect(b, 6001);
  clock.run(0);
  assert.equal(results.length, 1);
  connect(b, 6001);
  clock.run(0);
  assert.deepEqual(results, ['overload', 'overload']);
  assert.equal(trace.count('sip_overlay_connections_refused_total'), 2);
  script.attaches[0]?.fails('invalid');
  assert.equal(results.length, 2 + usagesSip.waitingPerConnect);
});

test('of several connections both sides prefer the one that the lower Node-ID asked for', () => {
  for (const [self, peer, preferred] of [
    [a, b, 'overlay-2'],
    [b, a, 'overlay-1'],
  ] as const) {
    const { script, connections, connect } = world(self);
    connect(peer);
    script.accepts(5060, peer, createFarEnd(peer));
    assert.equal(connections.find(peer, 5060)?.id, 'overlay-1', 'the only one');
    script.attaches[0]?.connects(createFarEnd(peer), peer);
    assert.equal(connections.find(peer, 5060)?.id, preferred);
    assert.equal(connections.find(peer, 5061), undefined);
  }
  const { script, connections } = world();
  script.accepts(5060, b, createFarEnd(b));
  script.accepts(5060, b, createFarEnd(b));
  assert.equal(connections.find(b, 5060)?.id, 'overlay-1', 'none is preferred: the first');
});

test('the snapshot tells ages, idle times and who is avoided for how long', () => {
  const { clock, connections, connect, link, attach } = world();
  link(b).says('x');
  connect(c);
  attach().fails('timeout');
  clock.run(10_500);
  connections.find(b, 5060)?.send(new Uint8Array(1));
  clock.run(1_500);
  assert.deepEqual(connections.snapshot(), {
    open: [
      {
        peer: b,
        application: 5060,
        initiatedHere: true,
        ageS: 12,
        idleS: 1,
        remote: { address: '10.0.0.2', port: 2 },
      },
    ],
    connecting: 0,
    avoided: [{ nodeId: c, remainingMs: 18_000 }],
  });
  clock.run(18_000);
  assert.deepEqual(connections.snapshot().avoided, []);
  assert.ok(!connections.isAvoided(c));
});
