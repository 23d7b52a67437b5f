import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeId } from '../../../src/base/ids.ts';
import { returnPath } from '../../../src/overlay/routed-message.ts';
import type { Destination } from '../../../src/wire/reload/destination.ts';

const id = (digit: string): NodeId => digit.repeat(32) as NodeId;
const node = (digit: string): Destination => ({ type: 'node', nodeId: id(digit) });

function path(self: string, from: string, via: string): string {
  const request = { header: { viaList: Array.from(via, node) }, from: id(from) };
  return returnPath(id(self), request as unknown as Parameters<typeof returnPath>[1])
    .map((entry) => (entry.type === 'node' ? (entry.nodeId[0] ?? '') : '?'))
    .join('');
}

test('the way back is the previous hop and the Via List reversed', () => {
  assert.equal(path('9', '3', '12'), '321');
});

test('a circle that the request went round is left out', () => {
  assert.equal(path('9', '4', '1232'), '421');
  assert.equal(path('9', '2', '123'), '21');
  assert.equal(path('9', '5', '12342'), '521');
});

test('a request that came back to a node is answered by the way it first came to it', () => {
  assert.equal(path('2', '3', '12'), '1');
  assert.equal(path('1', '3', '12'), '1');
});
