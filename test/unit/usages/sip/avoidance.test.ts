import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeIdFromBytes } from '../../../../src/base/ids.ts';
import { limits } from '../../../../src/base/limits.ts';
import { createAvoidance } from '../../../../src/usages/sip/avoidance.ts';
import { createClock, nodeId } from '../../adapter/support/world.ts';

test('a node is avoided for its time, longer when it fails again, and not after it was heard', () => {
  const clock = createClock();
  const avoidance = createAvoidance(clock, 30_000);
  const node = nodeId(1);
  assert.ok(!avoidance.isAvoided(node));
  avoidance.avoid(node);
  clock.run(29_999);
  assert.ok(avoidance.isAvoided(node));
  assert.deepEqual(avoidance.list(), [{ nodeId: node, remainingMs: 1 }]);
  avoidance.avoid(node);
  clock.run(29_999);
  assert.ok(avoidance.isAvoided(node));
  clock.run(1);
  assert.deepEqual(avoidance.list(), []);
  assert.ok(!avoidance.isAvoided(node));
  avoidance.avoid(node);
  avoidance.clear(node);
  assert.ok(!avoidance.isAvoided(node));
});

test('the list is bounded: the node avoided first is let go', () => {
  const avoidance = createAvoidance(createClock(), 30_000);
  const { avoidedNodes } = limits.usagesSip;
  const node = (i: number) => {
    const bytes = new Uint8Array(16);
    new DataView(bytes.buffer).setUint32(12, i);
    return nodeIdFromBytes(bytes);
  };
  for (let i = 1; i <= avoidedNodes; i++) avoidance.avoid(node(i));
  avoidance.avoid(node(1));
  assert.ok(avoidance.isAvoided(node(2)), 'one that is known takes no more room');
  avoidance.avoid(node(avoidedNodes + 1));
  assert.equal(avoidance.list().length, avoidedNodes);
  assert.ok(!avoidance.isAvoided(node(2)), 'the first one but for that');
  assert.ok(avoidance.isAvoided(node(1)) && avoidance.isAvoided(node(avoidedNodes + 1)));
});
