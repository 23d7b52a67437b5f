import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeId, ResourceId } from '../../../../src/base/ids.ts';
import {
  entryOf,
  fingerTable,
  placeLength,
  placeOf,
  placeStart,
} from '../../../../src/topology/chord/finger-table.ts';
import { nearest, showsWholeRing } from '../../../../src/topology/chord/neighbor-table.ts';
import { createPeerTable, type PeerTable } from '../../../../src/topology/chord/peers.ts';
import { rememberLists, sortedLists } from '../../../../src/topology/chord/receive.ts';
import { addOffset, fingerIndex } from '../../../../src/topology/chord/ring.ts';
import { isCloseEnough, nextHop } from '../../../../src/topology/chord/routing.ts';

/** A Node-ID in the given 256th of the ring. */
const node = (place: number): NodeId =>
  (place.toString(16).padStart(2, '0') + '0'.repeat(29) + '1') as NodeId;
const resource = (place: number): ResourceId =>
  (place.toString(16).padStart(2, '0') + '8'.repeat(30)) as ResourceId;

function tableOf(self: number, members: readonly number[]): PeerTable {
  const table = createPeerTable(node(self));
  for (const place of members) table.add(node(place)).heard = true;
  table.touch();
  return table;
}

const goesTo = (
  table: PeerTable,
  target: NodeId | ResourceId,
  exclude?: readonly number[],
): string => {
  const hop = nextHop(table, true, target, exclude && new Set(exclude.map(node)));
  return hop.kind === 'node' ? hop.nodeId.slice(0, 2) : hop.kind;
};

test('neighbors are the nearest on both sides, never this peer', () => {
  const all = [1, 2, 3, 4, 5, 6, 7, 8].map(node);
  const table = nearest(node(5), all, 3);
  assert.deepEqual(table.successors, [6, 7, 8].map(node));
  assert.deepEqual(table.predecessors, [4, 3, 2].map(node));
  assert.equal(showsWholeRing(table, 3), false);
  assert.deepEqual(nearest(node(1), all, 3).predecessors, [8, 7, 6].map(node));
});

test('[R6940-10.7.3-05] in rings of one and two a peer is not its own neighbor', () => {
  assert.deepEqual(nearest(node(5), [node(5)], 3), { predecessors: [], successors: [] });
  const two = nearest(node(5), [node(5), node(9)], 3);
  assert.deepEqual(two, { predecessors: [node(9)], successors: [node(9)] });
  assert.equal(showsWholeRing(two, 3), true);
});

test('[R6940-10.7.4.3-02] the Finger Table reaches as far as the last successor, up to 128 entries', () => {
  const self = node(0);
  const close = [3n, 5n, 9n].map((step) => (1n + step).toString(16).padStart(32, '0') as NodeId);
  const table = fingerTable(self, close, (id) => placeOf(self, id), close[0]);
  assert.equal(table.size, 127);
  assert.equal(table.entry(127), close[0]);
  assert.equal(table.entry(126), close[1]);
  assert.equal(table.entry(125), close[2]);
  assert.equal(fingerTable(self, [], () => 0, undefined).size, 16);
});

test('a finger entry is the peer nearest to the start of its range; ids are ascending and distinct', () => {
  const self = node(0xf0);
  const routable = [0x10, 0x40, 0x72, 0x90, 0xb8].map(node);
  const table = fingerTable(self, routable, (id) => placeOf(self, id), undefined);
  assert.equal(table.entry(1), node(0x72));
  assert.equal(table.entry(2), node(0x40));
  assert.equal(table.entry(3), node(0x10));
  assert.equal(table.entry(4), undefined);
  // 0xb8 is the first one of the farther half of range 1.
  assert.deepEqual(table.ids(), [0x10, 0x40, 0x72, 0xb8].map(node));
});

test('the places of the fingers cover the ring once, each from its start for its length', () => {
  const self = node(0xf0);
  const table = fingerTable(self, [], () => 0, undefined);
  let offset = 1n << 128n;
  for (let index = 1; index <= 16; index++) {
    for (const place of [...table.places(index)].reverse()) {
      const [start, length] = [placeStart(place), placeLength(place)];
      assert.equal(start + length, offset);
      offset = start;
      for (const inside of [start, start + length - 1n]) {
        const id = addOffset(self, inside) as string as NodeId;
        assert.equal(placeOf(self, id), place);
        assert.equal(fingerIndex(self, id), entryOf(place));
      }
    }
  }
  assert.equal(placeOf(self, self), 0);
});

test('[R6940-10.3-01] a directly connected node gets what is addressed to it, clients included', () => {
  const table = tableOf(0x50, [0x10, 0x80, 0xc0]);
  table.add(node(0x70));
  assert.equal(goesTo(table, node(0x70)), '70');
  assert.equal(goesTo(table, node(0x80)), '80');
  assert.equal(goesTo(table, node(0x50)), 'self');
});

test('[R6940-10.3-02] else the peer with the largest Node-ID between this peer and the target', () => {
  const table = tableOf(0x50, [0x10, 0x80, 0xc0, 0xe0]);
  assert.equal(goesTo(table, resource(0xd0)), 'c0');
  assert.equal(goesTo(table, resource(0x90)), '80');
  assert.equal(goesTo(table, resource(0x05)), 'e0');
  assert.equal(goesTo(table, node(0xdf)), 'c0');
});

test('[R6940-10.3-03] with nobody in between, the peer with the smallest greater Node-ID', () => {
  const table = tableOf(0xf0, [0x10, 0x80, 0xc0]);
  assert.equal(goesTo(table, resource(0xf8)), '10');
  assert.equal(goesTo(table, resource(0x02)), '10');
});

test('a linked node without an Update serves no transit', () => {
  const table = tableOf(0x50, [0x10, 0x80]);
  table.add(node(0xa0));
  assert.equal(goesTo(table, resource(0xb0)), '80');
  assert.deepEqual(table.neighbors().successors, [node(0x80), node(0x10)]);
});

test('silent and excluded peers are passed over, in routing and in responsibility', () => {
  const table = tableOf(0x50, [0x10, 0x40, 0x80, 0xc0]);
  assert.equal(goesTo(table, resource(0xd0), [0xc0]), '80');
  assert.equal(goesTo(table, resource(0x30), [0x40]), 'self');
  assert.equal(goesTo(table, resource(0x60), [0x10, 0x40, 0x80, 0xc0]), 'self');
  const silent = table.get(node(0xc0));
  assert.ok(silent);
  silent.suspect = true;
  table.touch();
  assert.equal(goesTo(table, resource(0xd0)), '80');
  assert.equal(goesTo(table, node(0xc0)), '80');
});

test('ids that are not 128 bits long have no route and no owner', () => {
  const table = tableOf(0x50, [0x10, 0x80]);
  for (const odd of ['', '00', 'f'.repeat(34)])
    assert.equal(goesTo(table, odd as ResourceId), 'none');
});

test('a predecessor unknown to the peer before it gets its messages straight from us', () => {
  const table = tableOf(0x50, [0x10, 0x40, 0x80]);
  assert.equal(goesTo(table, resource(0x30)), '10');
  const before = table.get(node(0x10));
  assert.ok(before);
  before.successors = [node(0x50), node(0x80)];
  assert.equal(goesTo(table, resource(0x30)), '40');
  before.successors = [node(0x40), node(0x50)];
  assert.equal(goesTo(table, resource(0x30)), '10');

  const wide = tableOf(0x50, [0x10, 0x30, 0x40, 0x80]);
  const far = wide.get(node(0x10));
  assert.ok(far);
  far.successors = [node(0x50)];
  assert.equal(goesTo(wide, resource(0x20)), '30');
  assert.equal(goesTo(wide, resource(0x20), [0x30]), '40');
  assert.equal(goesTo(wide, resource(0x20), [0x30, 0x40]), 'self');
});

test('only answers from the closest known peer are close enough', () => {
  const table = tableOf(0x50, [0x30, 0x40, 0x80, 0xc0]);
  assert.equal(isCloseEnough(table, node(0x40), resource(0x38)), true);
  assert.equal(isCloseEnough(table, node(0x80), resource(0x38)), false);
  assert.equal(isCloseEnough(table, node(0x3a), resource(0x38)), true);
  const silent = table.get(node(0x40));
  assert.ok(silent);
  silent.doubted = true;
  assert.equal(isCloseEnough(table, node(0x80), resource(0x38)), true);
});

test('lists of an Update are sorted, bounded and free of ourselves', () => {
  const table = tableOf(0x50, [0x60]);
  const peer = table.get(node(0x60));
  assert.ok(peer);
  const many = Array.from({ length: 60 }, (_, i) => node((0x61 + i) & 0xff)).reverse();
  const lists = sortedLists(node(0x60), {
    predecessors: [node(0x50), node(0x55)],
    successors: many,
  });
  assert.equal(lists.successors.length, 8);
  assert.equal(lists.successors[0], node(0x61));
  assert.deepEqual(lists.predecessors, [node(0x55), node(0x50)]);
  assert.deepEqual(rememberLists(peer, lists, table.self), []);
  assert.deepEqual(peer.predecessors, [node(0x55)]);
  const without = sortedLists(node(0x60), {
    predecessors: [node(0x50)],
    successors: many.slice(0, -1),
  });
  assert.deepEqual(rememberLists(peer, without, table.self), [node(0x61), node(0x55)]);
});
