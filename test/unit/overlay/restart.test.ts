import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { Outcome } from '../../../src/base/outcome.ts';
import { idBytes, resourceIdOfName } from '../../../src/base/ids.ts';
import { failure, success } from '../../../src/base/outcome.ts';
import { utf8Encode } from '../../../src/base/text.ts';
import type { FetchResult, OverlayError, StoreResult } from '../../../src/overlay/api.ts';
import type { ConfigUpdateOffer, PingResult } from '../../../src/overlay/peer-api.ts';
import { errorCodes } from '../../../src/wire/reload/errors.ts';
import { createRawPeer, errorOf } from './support/raw-peer.ts';
import { messageCodes } from '../../../src/wire/reload/message-codes.ts';
import {
  createWorld,
  dictionaryKind,
  linkPort,
  memoryStore,
  testConfig,
  type TestPeer,
} from './support/world.ts';

const alice = 'alice@test.example';
const resource = resourceIdOfName(alice);

test('a ring whose peers all restart comes back with its data', () => {
  const world = createWorld('restart');
  const stores = [1, 2, 3, 4].map(() => memoryStore(world.clock));
  for (const store of stores) {
    world.add({ dependencies: { store } });
    world.clock.advance(2000);
  }
  assert.ok(world.settle());
  const identity = world.user(alice, 'u');
  const key = idBytes(identity.certificate.nodeIds[0] as never);
  const stored = world.await<Outcome<StoreResult, OverlayError>>((done) => {
    const value = { key, exists: true, value: utf8Encode('here'), lifetimeS: 86_400 };
    const request = { resource, kind: dictionaryKind, values: [value], identity };
    (world.peers[0] as TestPeer).overlay.store(request, done);
  });
  assert.ok(stored.ok);
  world.clock.advance(5000);

  const before = world.peers.splice(0);
  for (const peer of before) {
    peer.host.dead = true;
    peer.host.frozen = true;
  }
  before.forEach((peer, i) => {
    world.add({
      nodeId: peer.nodeId,
      identity: peer.identity,
      address: peer.host.address,
      bootstrap: i === 0 ? 'first' : [{ address: '10.0.0.1', port: linkPort }],
      dependencies: { store: stores[i] as (typeof stores)[0] },
    });
  });
  assert.ok(world.settle(30_000));
  for (const peer of world.peers) {
    assert.equal(peer.overlay.snapshot().topology.successors.length, 3);
    const fetched = world.await<Outcome<FetchResult, OverlayError>>((done) =>
      peer.overlay.fetch({ resource, kind: dictionaryKind }, done),
    );
    assert.ok(fetched.ok);
    assert.equal(fetched.value.values.length, 1);
  }
});

test('former members begin again without the first peer', () => {
  const world = createWorld('headless');
  const stores = [1, 2, 3, 4].map(() => memoryStore(world.clock));
  for (const store of stores) {
    world.add({ dependencies: { store } });
    world.clock.advance(2000);
  }
  assert.ok(world.settle());
  const before = world.peers.splice(0);
  for (const peer of before) {
    peer.host.dead = true;
    peer.host.frozen = true;
  }
  before.slice(1).forEach((peer, i) => {
    world.add({
      nodeId: peer.nodeId,
      identity: peer.identity,
      address: peer.host.address,
      bootstrap: [{ address: '10.0.0.1', port: linkPort }],
      dependencies: { store: stores[i + 1] as (typeof stores)[0] },
    });
  });
  assert.ok(world.settle(60_000));
  world.clock.advance(60_000);
  for (const peer of world.peers) {
    assert.equal(peer.overlay.snapshot().topology.successors.length, 2);
  }
});

test('the first peer alone restarts and finds its ring again', () => {
  const world = createWorld('first');
  const store = memoryStore(world.clock);
  world.add({ dependencies: { store } });
  for (let i = 0; i < 3; i++) {
    world.clock.advance(2000);
    world.add();
  }
  assert.ok(world.settle());
  const [first] = world.peers.splice(0, 1) as [TestPeer];
  first.host.dead = true;
  first.host.frozen = true;
  world.clock.advance(100);
  const again = world.add({
    nodeId: first.nodeId,
    identity: first.identity,
    address: first.host.address,
    bootstrap: 'first',
    dependencies: { store },
  });
  world.settle();
  world.clock.advance(60_000);
  assert.equal(again.overlay.snapshot().topology.successors.length, 3);
  for (const peer of world.peers) {
    const outcome = world.await<Outcome<PingResult, OverlayError>>((done) =>
      peer.overlay.ping([{ type: 'node', nodeId: again.nodeId }], done),
    );
    assert.ok(outcome.ok);
  }
});

test('a damaged store is refused before anything is dialed', () => {
  const world = createWorld('damaged');
  const store = memoryStore(world.clock);
  store.write([{ put: 'storage/v1/garbage', value: Uint8Array.of(1) }]);
  store.write([{ put: 'storage/', value: Uint8Array.of(1) }]);
  const peer = world.add({ start: false, dependencies: { store } });
  const outcome = peer.overlay.start({ bootstrap: 'first' });
  assert.equal(outcome.ok, false);
  assert.equal(peer.overlay.state(), 'idle');
});

test('[R6940-6.5.4.2-07] a peer with an older configuration gets the newer one and goes on', () => {
  const world = createWorld('config');
  const newer = { ...testConfig, sequence: 23, document: utf8Encode('<new/>') };
  world.add({ config: newer });
  world.clock.advance(1000);
  const offers: ConfigUpdateOffer[] = [];
  const old: TestPeer = world.add({
    dependencies: {
      onConfigUpdate(offer, done) {
        offers.push(offer);
        world.clock.after('judge', 5, () => {
          old.overlay.updateConfig(newer);
          done(success(undefined));
        });
      },
    },
  });
  assert.ok(world.settle());
  assert.equal(offers.length, 1);
  assert.deepEqual(offers[0], { type: 'config', document: newer.document });
  assert.equal(old.overlay.snapshot().configSequence, 23);
});

test('[R6940-6.5.4.2-03] a ConfigUpdate that is not taken gets the judge’s error', () => {
  const world = createWorld('refused-config');
  const peer = world.add({
    dependencies: {
      onConfigUpdate: (_offer, done) => {
        world.clock.after('judge', 5, () =>
          done(failure({ code: errorCodes.configTooOld, text: 'old' })),
        );
      },
    },
  });
  world.clock.advance(1000);
  const raw = createRawPeer(world, peer, 'r');
  const body = Uint8Array.of(1, 0, 0, 0, 4, 0, 0, 1, 60);
  const header = { configurationSequence: 65_535 };
  const [refused] = raw.exchange({ code: messageCodes.configUpdateReq, body, header });
  assert.equal(errorOf(refused), errorCodes.configTooOld);
  const [ping] = raw.exchange({ header });
  assert.equal(errorOf(ping), errorCodes.configTooNew);
});
