import { test } from 'node:test';
import assert from 'node:assert/strict';
import { idBytes, resourceIdOfName, type NodeId } from '../../../src/base/ids.ts';
import type { Outcome } from '../../../src/base/outcome.ts';
import type {
  FetchResult,
  OverlayError,
  StatResult,
  StoreResult,
} from '../../../src/overlay/api.ts';
import type { ProbeResult } from '../../../src/overlay/peer-api.ts';
import { messageCodes } from '../../../src/wire/reload/message-codes.ts';
import { capture } from './support/capture.ts';
import {
  createWorld,
  dictionaryKind,
  singleKind,
  type TestPeer,
  type World,
} from './support/world.ts';

const alice = 'alice@test.example';
const resource = resourceIdOfName(alice);

function ring(count: number): World {
  const world = createWorld('hand over');
  for (let i = 0; i < count; i++) {
    world.add();
    world.clock.advance(1500);
  }
  assert.ok(world.settle());
  return world;
}

function store(world: World, seed: string): NodeId {
  const identity = world.user(alice, seed);
  const key = idBytes(identity.certificate.nodeIds[0] as never);
  const outcome = world.await<Outcome<StoreResult, OverlayError>>((done) => {
    const values = [{ key, exists: true, value: Uint8Array.of(1), lifetimeS: 7200 }];
    const request = { resource, kind: dictionaryKind, values, identity };
    (world.peers[0] as TestPeer).overlay.store(request, done);
  });
  assert.ok(outcome.ok);
  return outcome.value.storedBy;
}

/** The peers that hold the value themselves. */
function holders(world: World): TestPeer[] {
  return world.peers.filter((peer) => {
    if (peer.host.dead || peer.overlay.state() !== 'joined') return false;
    const stat = world.await<Outcome<StatResult, OverlayError>>((done) =>
      peer.overlay.stat({ resource, kind: dictionaryKind, at: peer.nodeId }, done),
    );
    return stat.ok && stat.value.values.some((value) => value.exists);
  });
}

test('[R6940-6.4.2.1-06] a peer that joins gets the data of its range by Stores, and Updates', () => {
  const world = ring(4);
  store(world, 'u');
  const sent = capture(world);
  const nodeId = `${resource.slice(0, 30)}ff` as NodeId;
  const late = world.add({ nodeId });
  assert.ok(world.settle());
  assert.ok(holders(world).includes(late));
  const toLate = sent.filter(({ header }) =>
    header.destinationList.some((entry) => entry.type === 'node' && entry.nodeId === nodeId),
  );
  for (const code of [messageCodes.storeReq, messageCodes.updateReq]) {
    assert.ok(toLate.some((message) => message.code === code));
  }
});

test('[R6940-6.4.2.2-06] when a holder leaves there are three holders again, and no table names it', () => {
  const world = ring(6);
  const owner = store(world, 'u');
  world.clock.advance(2000);
  assert.equal(holders(world).length, 3);
  const leaving = world.peers.find(({ nodeId }) => nodeId === owner) as TestPeer;
  world.await<boolean>((done) => leaving.overlay.stop(() => done(true)));
  world.clock.advance(45_000);
  assert.equal(holders(world).length, 3);
  for (const peer of world.peers) {
    if (peer === leaving) continue;
    const { predecessors, successors, routable } = peer.overlay.snapshot().topology;
    assert.ok(![...predecessors, ...successors, ...routable].includes(owner));
  }
});

test('[R6940-6.4.2.5.1-02] num_resources counts Resource-IDs, not values', () => {
  const world = ring(1);
  const [peer] = world.peers as [TestPeer];
  store(world, 'u1');
  store(world, 'u2');
  const probe = world.await<Outcome<ProbeResult, OverlayError>>((done) =>
    peer.overlay.probe(peer.nodeId, done),
  );
  assert.ok(probe.ok);
  assert.equal(probe.value.resources, 1);
  assert.equal(peer.overlay.snapshot().storage.values, 2);
});

test('[R6940-5.1-02] one Resource-ID holds several Kinds, and several values of one Kind', () => {
  const world = ring(2);
  const [peer] = world.peers as [TestPeer];
  store(world, 'u1');
  store(world, 'u2');
  const identity = world.user(alice, 'u1');
  const stored = world.await<Outcome<StoreResult, OverlayError>>((done) => {
    const values = [{ exists: true, value: Uint8Array.of(9), lifetimeS: 600 }];
    peer.overlay.store({ resource, kind: singleKind, values, identity }, done);
  });
  assert.ok(stored.ok);
  const fetch = (kind: number): number[] => {
    const fetched = world.await<Outcome<FetchResult, OverlayError>>((done) =>
      peer.overlay.fetch({ resource, kind }, done),
    );
    assert.ok(fetched.ok);
    return fetched.value.values.map(({ value }) => value[0] ?? -1);
  };
  assert.deepEqual(fetch(dictionaryKind), [1, 1]);
  assert.deepEqual(fetch(singleKind), [9]);
});

test('[R6940-6.5.1.12-01] there is no second Attach between nodes that have a link', () => {
  const world = ring(6);
  const sent = capture(world);
  world.clock.advance(1_800_000);
  assert.ok(sent.length > 100);
  for (const { from, header, code } of sent) {
    if (code !== messageCodes.attachReq || header.viaList.length > 0) continue;
    const links = world.peers.find((peer) => peer.host === from)?.overlay.snapshot().links ?? [];
    const last = header.destinationList.at(-1);
    assert.ok(
      last?.type !== 'node' || !links.some(({ nodeId }) => nodeId === last.nodeId),
      'an Attach to a linked node',
    );
  }
});
