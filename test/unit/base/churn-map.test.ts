import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createChurnMap } from '../../../src/base/churn-map.ts';

test('a churn map keeps what was set last, in order, until it is deleted', () => {
  const map = createChurnMap<string, { n: number }>();
  map.set('a', { n: 1 });
  map.set('b', { n: 2 });
  map.set('a', { n: 3 });
  assert.equal(map.size, 2);
  assert.deepEqual(map.get('a'), { n: 3 });
  assert.deepEqual(
    map.values().map(({ n }) => n),
    [3, 2],
  );
  assert.equal(map.has('a'), true);
  assert.equal(map.delete('a'), true);
  assert.equal(map.has('a'), false);
  assert.equal(map.delete('a'), false);
  assert.equal(map.get('a'), undefined);
  assert.equal(map.get('c'), undefined);
  assert.equal(map.size, 1);
});
