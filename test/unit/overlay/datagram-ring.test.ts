import { test } from 'node:test';
import assert from 'node:assert/strict';
import { createPrng } from '../../../src/base/prng.ts';
import { idBytes, resourceIdOfName } from '../../../src/base/ids.ts';
import type { Outcome } from '../../../src/base/outcome.ts';
import type { FetchResult, OverlayError, StoreResult } from '../../../src/overlay/api.ts';
import { createWorld, dictionaryKind, type TestPeer } from './support/world.ts';

test('a ring over datagrams that get lost joins, stores and fetches, in fragments where needed', () => {
  const world = createWorld('datagrams');
  const chance = createPrng('loss');
  world.network.datagrams = { bytes: 700, loses: () => chance.below(20) === 0 };
  for (let i = 0; i < 5; i++) {
    world.add();
    world.clock.advance(3000);
  }
  assert.ok(world.settle(120_000));
  const alice = 'alice@test.example';
  const identity = world.user(alice, 'u');
  const key = idBytes(identity.certificate.nodeIds[0] as never);
  const resource = resourceIdOfName(alice);
  const value = new Uint8Array(480).fill(7);
  const stored = world.await<Outcome<StoreResult, OverlayError>>((done) => {
    const values = [{ key, exists: true, value, lifetimeS: 600 }];
    const request = { resource, kind: dictionaryKind, values, identity };
    (world.peers[3] as TestPeer).overlay.store(request, done);
  });
  assert.ok(stored.ok);
  for (const peer of world.peers) {
    const fetched = world.await<Outcome<FetchResult, OverlayError>>((done) =>
      peer.overlay.fetch({ resource, kind: dictionaryKind }, done),
    );
    assert.ok(fetched.ok);
    assert.deepEqual(fetched.value.values[0]?.value, value);
  }
  const copies = world.peers.map((peer) => peer.count('link_events_total', 'retransmitted'));
  assert.ok(copies.reduce((sum, count) => sum + count, 0) > 0);
});
