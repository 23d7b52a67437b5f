import { test } from 'node:test';
import assert from 'node:assert/strict';
import { createWorld } from './support/world.ts';

test('peers join through a bootstrap node and reach each other', () => {
  const world = createWorld();
  world.add();
  world.clock.advance(1000);
  for (let i = 0; i < 4; i++) {
    world.add();
    world.clock.advance(3000);
  }
  assert.ok(world.settle());
  for (const from of world.peers) {
    for (const to of world.peers) {
      const destination = [{ type: 'node' as const, nodeId: to.nodeId }];
      const outcome = world.await<Parameters<Parameters<typeof from.overlay.ping>[1]>[0]>((done) =>
        from.overlay.ping(destination, done),
      );
      assert.ok(outcome.ok);
      assert.equal(outcome.value.answeredBy, to.nodeId);
    }
  }
});
