/** The tables at their edges: full and almost full, first and last entries, read in any order. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeId, ResourceId } from '../../../../src/base/ids.ts';
import { limits } from '../../../../src/base/limits.ts';
import { fingerTable, isWellPlaced, placeOf } from '../../../../src/topology/chord/finger-table.ts';
import { sameIds, showsWholeRing } from '../../../../src/topology/chord/neighbor-table.ts';
import { createPeerTable } from '../../../../src/topology/chord/peers.ts';
import { rememberLists, sortedLists } from '../../../../src/topology/chord/receive.ts';
import { addOffset, distance, idBits, inRange } from '../../../../src/topology/chord/ring.ts';
import { idOf } from './lone-peer.ts';

const self = idOf(0x80);
const at = (offset: bigint): NodeId => addOffset(self, offset) as string as NodeId;
const { reportedIdsPerList, neighborsPerSide } = limits.topology;

test('every view of the tables is up to date, whichever is read first', () => {
  const views = [
    (peers: ReturnType<typeof createPeerTable>) => peers.routable(),
    (peers: ReturnType<typeof createPeerTable>) => peers.fingers().ids(),
    (peers: ReturnType<typeof createPeerTable>) => peers.neighbors().successors,
    (peers: ReturnType<typeof createPeerTable>) => [peers.rangeFrom()],
    (peers: ReturnType<typeof createPeerTable>) => [peers.rangeFrom(new Set())],
  ];
  for (const view of views) {
    const peers = createPeerTable(self);
    const other = idOf(0x10);
    peers.add(other).heard = true;
    peers.touch();
    assert.deepEqual(view(peers), [other]);
    peers.delete(other);
    assert.deepEqual(view(peers), view(createPeerTable(self)));
  }
  const peers = createPeerTable(self);
  assert.equal(peers.owns(idOf(0x01) as string as ResourceId), true);
  peers.add(idOf(0x10)).heard = true;
  peers.touch();
  assert.equal(peers.owns(idOf(0x01) as string as ResourceId), false);
  assert.equal(peers.rangeFrom(new Set([idOf(0x10)])), self);
});

test('an admitted node belongs to the neighbors, but is no way for others until it has spoken', () => {
  const peers = createPeerTable(self);
  const peer = peers.add(idOf(0x10));
  assert.equal(peers.add(idOf(0x10)), peer);
  peer.admitted = true;
  peers.touch();
  assert.deepEqual([peers.neighbors().predecessors, peers.routable()], [[peer.id], []]);
  peer.heard = true;
  peer.suspect = true;
  peers.touch();
  assert.deepEqual([peers.neighbors().predecessors, peers.routable()], [[peer.id], []]);
  assert.equal(peers.rangeFrom(), self);
  peer.down = true;
  peers.touch();
  assert.deepEqual(peers.neighbors().predecessors, []);
});

test('a table of 16 entries has no room for nearer peers', () => {
  const near = at(1n);
  const edge = at(1n << BigInt(idBits - 16));
  const beyond = at((1n << BigInt(idBits - 16)) - 1n);
  const table = fingerTable(
    self,
    [near, beyond, edge].sort(),
    (id) => placeOf(self, id),
    undefined,
  );
  assert.equal(table.size, 16);
  assert.deepEqual(table.ids(), [edge]);
  assert.equal(table.entry(16), edge);
  assert.equal(table.entry(17), undefined);
  const larger = fingerTable(self, [near, beyond, edge].sort(), (id) => placeOf(self, id), beyond);
  assert.equal(larger.size, 17);
  assert.deepEqual(larger.ids(), [beyond, edge].sort());
});

test('the first five entries have two places, the others one; an entry falls back on its farther half', () => {
  const table = fingerTable(self, [], () => 0, undefined);
  assert.deepEqual(
    [5, 6].map((index) => table.places(index)),
    [[10, 11], [12]],
  );
  assert.equal(placeOf(self, self), 0);
  const half = 1n << BigInt(idBits - 1);
  assert.deepEqual(
    [half, half + (half >> 1n) - 1n, half + (half >> 1n)].map((way) => placeOf(self, at(way))),
    [2, 2, 3],
  );
  const fifth = 1n << BigInt(idBits - 5);
  assert.deepEqual(
    [fifth, fifth + (fifth >> 1n)].map((way) => placeOf(self, at(way))),
    [10, 11],
  );
  assert.deepEqual(
    [(1n << BigInt(idBits - 6)) * 2n - 1n].map((way) => placeOf(self, at(way))),
    [12],
  );
  const farther = at(half + (half >> 1n));
  const one = fingerTable(self, [farther], (id) => placeOf(self, id), undefined);
  assert.equal(one.at(2), undefined);
  assert.equal(one.at(3), farther);
  assert.equal(one.entry(1), farther);
});

test('of several peers in one place the nearest to its start counts, around the end of the ring too', () => {
  const half = 1n << BigInt(idBits - 1);
  const [first, second] = [at(half + 5n), at(half + 9n)];
  const table = fingerTable(self, [second, first].sort(), (id) => placeOf(self, id), undefined);
  assert.equal(table.at(2), first);
  const low = idOf(0x10);
  const quarter = 1n << BigInt(idBits - 2);
  const wrapped = [quarter - 3n, quarter].map((way) => addOffset(low, way) as string as NodeId);
  const around = fingerTable(low, wrapped, (id) => placeOf(low, id), undefined);
  assert.equal(around.at(4), wrapped[1]);
});

test('well placed is the first quarter of a place', () => {
  const half = 1n << BigInt(idBits - 1);
  const quarterOfPlace = half >> 3n;
  assert.equal(isWellPlaced(self, 2, at(half)), true);
  assert.equal(isWellPlaced(self, 2, at(half + quarterOfPlace)), true);
  assert.equal(isWellPlaced(self, 2, at(half + quarterOfPlace + 1n)), false);
  assert.equal(isWellPlaced(self, 3, at(half + (half >> 1n) + quarterOfPlace)), true);
});

test('the whole ring is in sight as long as a side is not full or the sides meet', () => {
  const ids = (...bytes: readonly number[]) => bytes.map(idOf);
  const view = (predecessors: NodeId[], successors: NodeId[]) =>
    showsWholeRing({ predecessors, successors }, 2);
  assert.equal(view(ids(1), ids(2)), true);
  assert.equal(view(ids(1), ids(2, 3)), true);
  assert.equal(view(ids(1, 4), ids(2)), true);
  assert.equal(view(ids(1, 2), ids(2, 3)), true);
  assert.equal(view(ids(1, 4), ids(2, 3)), false);
});

test('lists are the same only with the same ids in the same order', () => {
  const [a, b] = [idOf(1), idOf(2)];
  assert.equal(sameIds([], []), true);
  assert.equal(sameIds([a, b], [a, b]), true);
  for (const other of [[a], [b, a], [a, a], [b, b], [a, b, a]]) {
    assert.equal(sameIds([a, b], other), false);
  }
});

test('of a received list the first 64 ids are looked at and the nearest 8 kept', () => {
  const from = idOf(0x40);
  const read = 8 * reportedIdsPerList;
  const nearest = idOf(0x41);
  const others = Array.from({ length: read }, (_, i) => at(BigInt(i + 1)));
  const taken = (place: number) =>
    sortedLists(from, { predecessors: [], successors: others.toSpliced(place, 0, nearest) });
  assert.equal(taken(read - 1).successors[0], nearest);
  assert.equal(taken(read).successors[0], others[0]);
  assert.deepEqual(taken(0).successors, [nearest, ...others.slice(0, reportedIdsPerList - 1)]);
  const back = sortedLists(from, { predecessors: [...others, nearest], successors: [] });
  assert.deepEqual(back.predecessors, others.slice(-reportedIdsPerList).reverse());
});

test('a node missing in a full list is passed over only if the list reaches beyond it', () => {
  const peers = createPeerTable(self);
  const from = idOf(0x40);
  const successors = [0x42, 0x44, 0x46, 0x48, 0x4a].map(idOf);
  const predecessors = [0x3e, 0x3c, 0x3a, 0x38, 0x36].map(idOf);
  assert.equal(successors.length, neighborsPerSide);
  const gone = (next: { predecessors: NodeId[]; successors: NodeId[] }) => {
    const peer = peers.add(from);
    peers.delete(from);
    rememberLists(peer, { predecessors, successors }, self);
    return rememberLists(peer, next, self);
  };
  assert.deepEqual(gone({ predecessors, successors }), []);
  const closer = {
    predecessors: [idOf(0x3f), ...predecessors.slice(0, 4)],
    successors: [idOf(0x41), ...successors.slice(0, 4)],
  };
  assert.deepEqual(gone(closer), [], 'the farthest were pushed out by nearer ones');
  const shorter = { predecessors: predecessors.slice(0, 4), successors: successors.slice(0, 4) };
  assert.deepEqual(
    gone(shorter),
    [successors[4], predecessors[4]],
    'a list with room names everybody',
  );
  const without = {
    predecessors: [...predecessors.slice(1), idOf(0x34)],
    successors: [...successors.slice(1), idOf(0x4c)],
  };
  assert.deepEqual(gone(without), [successors[0], predecessors[0]]);
  assert.deepEqual(gone({ predecessors: [], successors: [] }), [...successors, ...predecessors]);
});

test('what a peer says about us is kept apart from its lists', () => {
  const peer = createPeerTable(self).add(idOf(0x40));
  for (const [predecessors, successors, namesUs] of [
    [[self, idOf(1)], [idOf(2)], true],
    [[idOf(1)], [self, idOf(2)], true],
    [[idOf(1)], [idOf(2)], false],
  ] as const) {
    rememberLists(peer, { predecessors, successors }, self);
    assert.equal(peer.namesUs, namesUs);
    assert.deepEqual(peer.predecessors, [idOf(1)]);
    assert.deepEqual(peer.successors, successors);
  }
});

test('intervals at their ends', () => {
  const [a, b, c] = [idOf(0x10), idOf(0x20), idOf(0x30)];
  assert.equal(inRange(a, b, c), true);
  assert.equal(inRange(a, a, c), false);
  assert.equal(inRange(a, c, c), true);
  assert.equal(inRange(c, a, b), true);
  assert.equal(inRange(c, b, b), true);
  assert.equal(inRange(c, c, b), false);
  assert.equal(distance(a, a), 0n);
  assert.equal(distance(b, a) + distance(a, b), 1n << BigInt(idBits));
});
