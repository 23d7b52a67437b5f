import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeId, ResourceId } from '../../../../src/base/ids.ts';
import {
  addOffset,
  after,
  distance,
  fingerIndex,
  fingerStart,
  inRange,
  lowerBound,
  partsPerBillion,
  strictlyBetween,
} from '../../../../src/topology/chord/ring.ts';

const id = (value: bigint): NodeId => value.toString(16).padStart(32, '0') as NodeId;
const top = (1n << 128n) - 1n;

test('[R6940-10.1-01] the highest id is followed by 0', () => {
  assert.equal(after(id(top)), id(0n));
  assert.equal(addOffset(id(top - 1n), 3n), id(1n));
  assert.equal(distance(id(top), id(0n)), 1n);
  assert.equal(distance(id(0n), id(top)), top);
});

test('[R6940-10.1-02] (p, x] excludes p, includes x, wraps, and is the whole ring for a single peer', () => {
  const p = id(10n);
  const x = id(20n);
  assert.equal(inRange(p, x, x), true);
  assert.equal(inRange(p, p, x), false);
  assert.equal(inRange(p, id(11n), x), true);
  assert.equal(inRange(p, id(21n), x), false);
  const wrapping = (k: bigint): boolean => inRange(id(top - 5n), id(k), id(5n));
  assert.deepEqual([top - 5n, top - 4n, 0n, 5n, 6n].map(wrapping), [
    false,
    true,
    true,
    true,
    false,
  ]);
  assert.equal(inRange(x, x, x), true);
  assert.equal(inRange(x, p, x), true);
});

test('open intervals leave out both ends', () => {
  assert.equal(strictlyBetween(id(1n), id(2n), id(3n)), true);
  assert.equal(strictlyBetween(id(1n), id(1n), id(3n)), false);
  assert.equal(strictlyBetween(id(1n), id(3n), id(3n)), false);
  assert.equal(strictlyBetween(id(top), id(0n), id(1n)), true);
  assert.equal(strictlyBetween(id(7n), id(7n), id(7n)), false);
  assert.equal(strictlyBetween(id(7n), id(8n), id(7n)), true);
});

test('[R6940-10.1-04] finger 1 of node 0 starts at 2^127, finger 2 at 2^126', () => {
  assert.equal(fingerStart(id(0n), 1), id(1n << 127n));
  assert.equal(fingerStart(id(0n), 2), id(1n << 126n));
  assert.equal(fingerStart(id(0n), 128), id(1n));
});

test('[R6940-10.7.4.2-02] finger i is valid in [x+2^(128-i), x+2^(128-(i-1))-1], around the end too', () => {
  for (const self of [0n, top - 3n, 1n << 127n]) {
    for (const index of [1, 2, 16, 127]) {
      const start = 1n << BigInt(128 - index);
      const at = (offset: bigint): number =>
        fingerIndex(id(self), addOffset(id(self), offset) as string as NodeId);
      assert.equal(at(start), index);
      assert.equal(at(2n * start - 1n), index);
      assert.equal(at(start - 1n), index === 128 ? 0 : index + 1);
      if (index > 1) assert.equal(at(2n * start), index - 1);
    }
  }
  assert.equal(fingerIndex(id(5n), id(5n)), 0);
});

test('lowerBound finds the first id that is not smaller', () => {
  const list = [id(1n), id(5n), id(9n)];
  const k = (value: bigint): ResourceId => id(value) as string as ResourceId;
  assert.deepEqual(
    [0n, 1n, 2n, 9n, 10n].map((value) => lowerBound(list, k(value))),
    [0, 0, 1, 2, 3],
  );
  assert.equal(lowerBound([], k(1n)), 0);
});

test('the part of the ring is told in parts per 10^9', () => {
  assert.equal(partsPerBillion(id(0n), id(1n << 127n)), 500_000_000);
  assert.equal(partsPerBillion(id(1n << 127n), id(0n)), 500_000_000);
  assert.equal(partsPerBillion(id(3n), id(3n)), 1_000_000_000);
});
