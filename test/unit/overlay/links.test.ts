/** The Connection Table, with bare connections. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { NodeId } from '../../../src/base/ids.ts';
import { limits } from '../../../src/base/limits.ts';
import { failure, success } from '../../../src/base/outcome.ts';
import { createLinkTable, type LinkEntry } from '../../../src/overlay/link-table.ts';
import { encodeDataFrame } from '../../../src/wire/reload/framing.ts';
import { createCountingTrace } from '../link/fakes.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { connectionOf, idOf, numbered, type TestConnection } from './support/parts.ts';

const [self, other, third] = [idOf('5'), idOf('8'), idOf('9')];
const smaller = idOf('1');

function scene(rate = { perSecond: 1000, burst: 1000 }, needed: readonly NodeId[] = []) {
  const clock = createFakeClock();
  const trace = createCountingTrace();
  const events: string[] = [];
  const messages: { entry: LinkEntry; bytes: Uint8Array }[] = [];
  const table = createLinkTable({
    self,
    clock,
    trace,
    maxMessageBytes: () => 1000,
    authenticate: (chain) => {
      const nodeIds = chain[0]?.nodeIds;
      return nodeIds === undefined ? failure('no certificate') : success(nodeIds);
    },
    neighborRate: rate,
    isNeeded: (nodeId) => needed.includes(nodeId),
    events: {
      message: (entry, bytes) => void messages.push({ entry, bytes }),
      oversized: (entry) => void events.push(`oversized ${entry.nodeId[0] ?? ''}`),
      up: (entry) => void events.push(`up ${entry.nodeId[0] ?? ''}`),
      down: (nodeId, reason) => void events.push(`down ${nodeId[0] ?? ''} ${reason}`),
      suspect: (nodeId, suspect) => void events.push(`suspect ${nodeId[0] ?? ''} ${suspect}`),
    },
  });
  const refused = (reason: string): number => trace.count('overlay_links_refused_total', reason);
  return { clock, trace, events, messages, table, refused };
}

function connect(
  { table }: ReturnType<typeof scene>,
  nodeId: NodeId,
  role: 'client' | 'server' = 'server',
): { readonly connection: TestConnection; readonly entry: LinkEntry } {
  const connection = connectionOf([nodeId], { role });
  const outcome = table.add(connection);
  assert.ok(outcome.ok);
  return { connection, entry: outcome.value };
}

const message = (length: number): Uint8Array => encodeDataFrame(0, new Uint8Array(length));

test('a connection of a member becomes a link; both directions are counted', () => {
  const world = scene();
  world.clock.advance(1500);
  const { connection, entry } = connect(world, other);
  assert.deepEqual(world.events, ['up 8']);
  assert.equal(world.table.size, 1);
  assert.equal(world.trace.gaugeOf('overlay_links'), 1);
  assert.equal(world.table.get(other), entry);
  assert.deepEqual([...world.table.entries()], [entry]);
  assert.deepEqual([entry.ambiguous, entry.attached], [false, false]);
  world.clock.advance(2500);
  connection.handler?.data(message(10));
  assert.equal(world.messages[0]?.entry, entry);
  assert.equal(world.messages[0].bytes.length, 10);
  const [shown] = world.table.snapshot();
  assert.deepEqual([shown?.ageS, shown?.messagesIn, shown?.bytesIn], [2, 1, 10]);
  assert.deepEqual([shown?.messagesOut, shown?.bytesOut], [0, 0]);
  assert.equal(entry.usedAtMs, 4000);
  connection.handler?.closed('gone');
  assert.deepEqual(world.events, ['up 8', 'down 8 gone']);
  assert.equal(world.table.get(other), undefined);
});

test('what is no link is refused, closed and counted by its reason', () => {
  const world = scene();
  const cases = [
    ['certificate', connectionOf([], { peerChain: [] }), undefined],
    ['no-node-id', connectionOf([]), undefined],
    ['self', connectionOf([self]), undefined],
    ['self', connectionOf([other, self]), undefined],
    ['wrong-peer', connectionOf([other]), third],
  ] as const;
  for (const [reason, connection, expected] of cases) {
    const before = world.refused(reason);
    assert.deepEqual(world.table.add(connection, expected), failure(reason));
    assert.equal(world.refused(reason), before + 1);
    assert.equal(connection.closedFor.length, 1);
    assert.ok(connection.handler, 'what still comes goes nowhere');
    connection.handler.data(message(1));
    connection.handler.closed('late');
  }
  assert.equal(world.table.size, 0);
  assert.deepEqual(world.events, []);
});

test('a certificate with several Node-IDs: the expected one counts, else the first, which is not settled', () => {
  const world = scene();
  const asked = world.table.add(connectionOf([third, other]), other);
  assert.ok(asked.ok);
  assert.deepEqual(
    [asked.value.nodeId, asked.value.ambiguous, asked.value.attached],
    [other, true, true],
  );
  const unasked = world.table.add(connectionOf([third, smaller]));
  assert.ok(unasked.ok);
  assert.deepEqual(
    [unasked.value.nodeId, unasked.value.ambiguous, unasked.value.attached],
    [third, true, false],
  );
});

test('of two connections the one dialed by the smaller Node-ID stays, at both ends', () => {
  for (const [peer, first, second, keepsFirst] of [
    [other, 'client', 'server', true],
    [other, 'server', 'client', false],
    [smaller, 'client', 'server', false],
    [smaller, 'server', 'client', true],
  ] as const) {
    const world = scene();
    const held = connect(world, peer, first);
    const later = connect(world, peer, second);
    assert.equal(later.entry === held.entry, keepsFirst, `${peer[0] ?? ''} ${first}`);
    assert.deepEqual(later.connection.closedFor, keepsFirst ? ['already linked'] : []);
    assert.deepEqual(held.connection.closedFor, keepsFirst ? [] : ['replaced']);
    assert.equal(world.table.size, 1);
  }
});

test('a newer connection of the same side replaces the older, quietly', () => {
  const world = scene();
  const held = connect(world, other, 'server');
  const later = connect(world, other, 'server');
  assert.equal(world.table.get(other), later.entry);
  held.connection.handler?.closed('late');
  assert.deepEqual(world.events, ['up 8', 'up 8']);
  assert.equal(world.table.get(other), later.entry);
});

test('a silent link that is replaced is silent no more', () => {
  const world = scene();
  const held = connect(world, other, 'server');
  held.entry.link.send(new Uint8Array(10));
  world.clock.advance(60_000);
  assert.ok(held.entry.link.suspect);
  assert.deepEqual(world.events.splice(0), ['up 8', 'suspect 8 true']);
  connect(world, other, 'server');
  assert.deepEqual(world.events, ['suspect 8 false', 'up 8']);
});

test('one neighbor may send so much, the rest is dropped and counted', () => {
  const world = scene({ perSecond: 10, burst: 3 });
  const { connection, entry } = connect(world, other);
  for (let i = 0; i < 5; i++) connection.handler?.data(message(1));
  assert.equal(world.messages.length, 3);
  assert.equal(world.trace.count('overlay_messages_dropped_total', 'neighbor-rate'), 2);
  assert.equal(entry.messagesIn, 5);
  world.clock.advance(100);
  for (let i = 0; i < 2; i++) connection.handler?.data(message(1));
  assert.equal(world.messages.length, 4);
});

test('a full table makes room by the link used least lately that is not needed', () => {
  const needed = [other];
  const world = scene(undefined, needed);
  const { connection } = connect(world, other);
  const ids = Array.from({ length: limits.overlay.links - 1 }, (_, i) => numbered(i));
  const links = ids.map((id) => {
    world.clock.advance(1);
    return connect(world, id);
  });
  links[0]?.connection.handler?.data(message(1));
  assert.equal(world.table.size, limits.overlay.links);
  connect(world, third);
  assert.deepEqual(connection.closedFor, []);
  assert.deepEqual(links[0]?.connection.closedFor, []);
  assert.deepEqual(links[1]?.connection.closedFor, ['making room']);
});

test('a full table of needed links takes nobody else', () => {
  const ids = Array.from({ length: limits.overlay.links }, (_, i) => numbered(i));
  const world = scene(undefined, ids);
  for (const id of ids) connect(world, id);
  const connection = connectionOf([other]);
  assert.deepEqual(world.table.add(connection), failure('too-many'));
  assert.deepEqual(connection.closedFor, ['too many links']);
  const again = connectionOf([ids[0] as NodeId]);
  assert.equal(world.table.add(again).ok, true, 'a replacement needs no room');
});

test('links are closed one by one or all together', () => {
  const world = scene();
  const links = [other, third].map((id) => connect(world, id));
  world.table.close(smaller, 'nobody');
  world.table.close(other, 'not needed');
  assert.deepEqual(
    links.map(({ connection }) => connection.closedFor),
    [['not needed'], []],
  );
  world.table.closeAll('leaving');
  assert.equal(links[1]?.connection.closedFor.at(-1), 'leaving');
});
