import { test } from 'node:test';
import assert from 'node:assert/strict';
import { idBytes, resourceIdOfName } from '../../../src/base/ids.ts';
import type { Outcome } from '../../../src/base/outcome.ts';
import type { OverlayError, StoreResult } from '../../../src/overlay/api.ts';
import { createRateLimit } from '../../../src/overlay/rate-limit.ts';
import { silentTrace } from '../../../src/ports/trace.ts';
import { errorCodes } from '../../../src/wire/reload/errors.ts';
import { createRawPeer, errorOf } from './support/raw-peer.ts';
import { createWorld, dictionaryKind, linkPort } from './support/world.ts';

const nowhere = [{ address: '10.66.0.1', port: linkPort }];

test('[R6940-6.4.2.1-11] [R6940-4.5.2-01] only a node declared the first one makes a ring, and it serves alone', () => {
  const world = createWorld('first node');
  const first = world.add({ bootstrap: 'first' });
  const lost = world.add({ bootstrap: nowhere });
  world.clock.advance(3_600_000);
  assert.equal(lost.overlay.state(), 'idle');
  assert.equal(first.overlay.state(), 'joined');
  for (const name of ['a@test.example', 'b@test.example', 'c@test.example']) {
    const identity = world.user(name, name);
    const key = idBytes(identity.certificate.nodeIds[0] as never);
    const stored = world.await<Outcome<StoreResult, OverlayError>>((done) => {
      const values = [{ key, exists: true, value: Uint8Array.of(1), lifetimeS: 60 }];
      const resource = resourceIdOfName(name);
      first.overlay.store({ resource, kind: dictionaryKind, values, identity }, done);
    });
    assert.ok(stored.ok);
    assert.equal(stored.value.storedBy, first.nodeId);
  }
});

test('[R6940-6.4.2.1-10] a node that cannot connect says so', () => {
  const world = createWorld('lonely');
  const warned: string[] = [];
  const trace = {
    ...silentTrace,
    log: (level: string, event: string) => {
      if (level === 'warn') warned.push(event);
    },
  };
  const peer = world.add({ bootstrap: nowhere, dependencies: { trace } });
  world.clock.advance(60_000);
  assert.ok(warned.includes('no-bootstrap-reachable'));
  assert.ok(warned.length < 20);
  assert.equal(peer.overlay.state(), 'idle');
});

test('[R6940-6.3.2.1-03] 0 is newer than 65534', () => {
  const world = createWorld('wrap');
  const peer = world.add({ config: { sequence: 65_534 } });
  world.clock.advance(1000);
  const raw = createRawPeer(world, peer, 'a');
  const ask = (configurationSequence: number): number | undefined =>
    errorOf(raw.exchange({ header: { configurationSequence } })[0]);
  assert.equal(ask(0), errorCodes.configTooNew);
  assert.equal(ask(32_000), errorCodes.configTooNew);
  assert.equal(ask(65_533), errorCodes.configTooOld);
  assert.equal(ask(65_534), undefined);
});

test('a neighbour that sends too much is not served beyond its rate', () => {
  const world = createWorld('rate');
  const peer = world.add({ dependencies: { neighborRate: { perSecond: 100, burst: 50 } } });
  world.clock.advance(1000);
  const raw = createRawPeer(world, peer, 'a');
  const other = createRawPeer(world, peer, 'bb');
  for (let i = 0; i < 200; i++) raw.link.send(raw.message());
  world.clock.advance(200);
  const shed = peer.count('overlay_messages_dropped_total', 'neighbor-rate');
  assert.ok(shed >= 120 && shed <= 150, String(shed));
  assert.equal(other.exchange().length, 1);
  world.clock.advance(1000);
  assert.equal(raw.exchange().length, 1);
});

test('a bucket gives its burst at once and then its rate', () => {
  const bucket = createRateLimit({ perSecond: 10, burst: 3 });
  const taken = (nowMs: number): number => {
    let count = 0;
    while (bucket.take(nowMs)) count++;
    return count;
  };
  assert.equal(taken(0), 3);
  assert.equal(taken(99), 0);
  assert.equal(taken(100), 1);
  assert.equal(taken(10_000), 3);
});
