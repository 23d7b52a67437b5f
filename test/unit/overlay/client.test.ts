import { test } from 'node:test';
import assert from 'node:assert/strict';
import { idBytes, resourceIdOfName, type NodeId } from '../../../src/base/ids.ts';
import type { Outcome } from '../../../src/base/outcome.ts';
import { utf8Encode } from '../../../src/base/text.ts';
import type { FetchResult, OverlayError, StoreResult } from '../../../src/overlay/api.ts';
import type { PingResult } from '../../../src/overlay/peer-api.ts';
import type { Destination } from '../../../src/wire/reload/destination.ts';
import { messageCodes } from '../../../src/wire/reload/message-codes.ts';
import { capture } from './support/capture.ts';
import { createIdentity } from './support/fake-keys.ts';
import {
  createWorld,
  dictionaryKind,
  linkPort,
  type TestPeer,
  type World,
} from './support/world.ts';

const alice = 'alice@test.example';

function ring(count: number): World {
  const world = createWorld('client');
  for (let i = 0; i < count; i++) {
    world.add();
    world.clock.advance(1500);
  }
  assert.ok(world.settle());
  return world;
}

function addClient(
  world: World,
  routing: 'responsible-peer' | 'any-peer',
  nodeId?: NodeId,
): TestPeer {
  const client = world.add({ client: routing, ...(nodeId === undefined ? {} : { nodeId }) });
  world.clock.advance(20_000);
  assert.equal(client.overlay.state(), 'idle');
  return client;
}

function ping(world: World, from: TestPeer, to: readonly Destination[]): NodeId | undefined {
  const outcome = world.await<Outcome<PingResult, OverlayError>>((done) =>
    from.overlay.ping(to, done),
  );
  return outcome.ok ? outcome.value.answeredBy : undefined;
}

/** The peer whose Node-ID follows that of the client around the ring. */
function ownerOf(peers: readonly TestPeer[], nodeId: NodeId): TestPeer {
  const sorted = peers.toSorted((a, b) => (a.nodeId < b.nodeId ? -1 : 1));
  return sorted.find((peer) => peer.nodeId > nodeId) ?? (sorted[0] as TestPeer);
}

const isLinked = (a: TestPeer, b: TestPeer): boolean =>
  a.overlay.snapshot().links.some((link) => link.nodeId === b.nodeId);

test('a client at its responsible peer is found by its Node-ID and uses the overlay', () => {
  const world = ring(6);
  const peers = [...world.peers];
  const client = addClient(world, 'responsible-peer');
  assert.ok(isLinked(client, ownerOf(peers, client.nodeId)));
  assert.deepEqual(client.overlay.address(), [{ type: 'node', nodeId: client.nodeId }]);
  for (const peer of peers) {
    assert.equal(ping(world, peer, client.overlay.address()), client.nodeId);
    assert.equal(ping(world, client, [{ type: 'node', nodeId: peer.nodeId }]), peer.nodeId);
  }
});

test('[R6940-4.2.2-01] a client stores and fetches, and signs as peers do', () => {
  const world = ring(5);
  const client = addClient(world, 'any-peer');
  const identity = world.user(alice, 'u');
  const resource = resourceIdOfName(alice);
  const key = idBytes(identity.certificate.nodeIds[0] as never);
  const sent = capture(world);
  const stored = world.await<Outcome<StoreResult, OverlayError>>((done) => {
    const values = [{ key, exists: true, value: utf8Encode('x'), lifetimeS: 600 }];
    client.overlay.store({ resource, kind: dictionaryKind, values, identity }, done);
  });
  assert.ok(stored.ok);
  const fetched = world.await<Outcome<FetchResult, OverlayError>>((done) =>
    client.overlay.fetch({ resource, kind: dictionaryKind }, done),
  );
  assert.ok(fetched.ok && fetched.value.values.length === 1);
  const own = sent.filter(({ from }) => from === client.host);
  assert.ok(own.length >= 2);
  assert.ok(own.every(({ payload }) => payload?.security.signature.identity.type === 'certHash'));
});

test('[R6940-4.2.1-02] a client at any peer is reached by a list that names the peer first', () => {
  const world = ring(6);
  const peers = [...world.peers];
  // Not at its responsible peer: that one is not the bootstrap node.
  const nodeId = peers
    .map((_, i) => world.nodeId(`candidate ${i}`))
    .find((id) => ownerOf(peers, id) !== peers[0]) as NodeId;
  const client = addClient(world, 'any-peer', nodeId);
  const [first, own] = client.overlay.address();
  assert.deepEqual(first, { type: 'node', nodeId: peers[0]?.nodeId });
  assert.deepEqual(own, { type: 'node', nodeId });
  const far = peers.find((peer) => !isLinked(peer, client)) as TestPeer;
  assert.equal(ping(world, far, client.overlay.address()), nodeId);
});

test('[R6940-4.2.1-01] [R6940-6.4.1-02] when a peer comes between, the client attaches to it after an Update', () => {
  const world = ring(5);
  const peers = [...world.peers];
  const client = addClient(world, 'responsible-peer');
  const owner = ownerOf(peers, client.nodeId);
  assert.ok(isLinked(client, owner));
  // The next id after the client's.
  const between = (BigInt(`0x${client.nodeId}`) + 5n).toString(16).padStart(32, '0') as NodeId;
  const sent = capture(world);
  const newcomer = world.add({ nodeId: between });
  assert.ok(world.clock.advanceUntil(() => newcomer.overlay.state() === 'joined', 60_000));
  world.clock.advance(10_000);
  assert.ok(
    sent.some(
      ({ from, code, header }) =>
        from === owner.host &&
        code === messageCodes.updateReq &&
        header.destinationList.some(
          (entry) => entry.type === 'node' && entry.nodeId === client.nodeId,
        ),
    ),
  );
  assert.ok(isLinked(client, newcomer));
  for (const peer of peers) {
    assert.equal(ping(world, peer, client.overlay.address()), client.nodeId);
  }
});

test('[R6940-6.5.1-03] [R6940-6.5.1-04] [R6940-3-07] no message of others goes through a client, and no table names it', () => {
  const world = ring(8);
  const peers = [...world.peers];
  const client = addClient(world, 'responsible-peer');
  const before = client.count('overlay_messages_forwarded_total');
  const sent = capture(world);
  for (const from of peers) {
    for (const to of peers) ping(world, from, [{ type: 'node', nodeId: to.nodeId }]);
    const resource = resourceIdOfName(from.nodeId);
    ping(world, from, [{ type: 'resource', resource }]);
    const { topology } = from.overlay.snapshot();
    const tables = [...topology.routable, ...topology.predecessors, ...topology.successors];
    assert.ok(!tables.includes(client.nodeId));
  }
  assert.equal(client.count('overlay_messages_forwarded_total'), before);
  assert.ok(!sent.some(({ from }) => from === client.host));
});

test('[R6940-6.5.1-02] a node linked with a client reaches it in one hop', () => {
  const world = ring(4);
  const peers = [...world.peers];
  const client = addClient(world, 'responsible-peer');
  const owner = ownerOf(peers, client.nodeId);
  const sent = capture(world);
  assert.equal(ping(world, owner, client.overlay.address()), client.nodeId);
  assert.equal(sent.filter(({ code }) => code === messageCodes.pingReq).length, 1);
});

test('a client whose peer dies goes to the next one', () => {
  const world = ring(5);
  const peers = [...world.peers];
  const client = addClient(world, 'responsible-peer');
  const owner = ownerOf(peers, client.nodeId);
  owner.host.dead = true;
  owner.host.frozen = true;
  world.clock.advance(180_000);
  const left = peers.filter((peer) => peer !== owner);
  assert.ok(isLinked(client, ownerOf(left, client.nodeId)));
  assert.equal(ping(world, left[0] as TestPeer, client.overlay.address()), client.nodeId);
});

test('a client stays linked while nothing happens', () => {
  const world = ring(4);
  const client = addClient(world, 'any-peer');
  world.clock.advance(1_800_000);
  const [first] = world.peers as [TestPeer];
  assert.equal(ping(world, first, client.overlay.address()), client.nodeId);
  assert.ok(isLinked(client, first));
});

for (const routing of ['responsible-peer', 'any-peer'] as const) {
  test(`a client (${routing}) says when it can be used, and when it no longer can`, () => {
    const world = ring(4);
    const client = world.add({ start: false });
    assert.ok(!client.overlay.isReady());
    let ready = 0;
    client.overlay.onChange((what) => {
      if (what === 'state' && client.overlay.isReady()) ready++;
    });
    const bootstrap = [{ address: '10.0.0.1', port: linkPort }];
    assert.ok(client.overlay.start({ bootstrap, client: routing }).ok);
    assert.ok(!client.overlay.isReady());
    world.clock.advance(20_000);
    assert.ok(client.overlay.isReady());
    assert.equal(ready, 1);
    assert.equal(client.overlay.state(), 'idle');
    for (const peer of world.peers) if (peer !== client) peer.host.dead = true;
    world.clock.advance(120_000);
    assert.ok(!client.overlay.isReady());
  });
}

test('a client becomes a peer', () => {
  const world = ring(5);
  const client = addClient(world, 'responsible-peer');
  client.overlay.promote();
  assert.ok(world.settle());
  assert.equal(client.overlay.state(), 'joined');
  assert.equal(client.overlay.snapshot().topology.successors.length, 5);
  assert.equal(ping(world, world.peers[0] as TestPeer, client.overlay.address()), client.nodeId);
});

test('[R6940-11.1-25] where clients are not permitted a node does not start as one', () => {
  const world = createWorld('no clients');
  const { overlay } = world.add({ start: false, config: { clientsPermitted: false } });
  const bootstrap = [{ address: '10.0.0.9', port: linkPort }];
  assert.equal(overlay.start({ bootstrap, client: 'any-peer' }).ok, false);
  assert.equal(overlay.start({ bootstrap }).ok, true);
});

test('[R6940-4.2.1-03] with one Node-ID a connection is enough, with several the client pings and attaches first', () => {
  const world = ring(3);
  const ids = [world.nodeId('several 1'), world.nodeId('several 2')];
  const identity = createIdentity(world.clock, ids, 'several');
  const client = world.add({ client: 'any-peer', identity, nodeId: ids[0] as NodeId });
  world.clock.advance(20_000);
  const [first, second] = world.peers as [TestPeer, TestPeer];
  const outcome = world.await<Outcome<unknown, OverlayError>>((done) =>
    client.overlay.probe(second.nodeId, done),
  );
  assert.ok(outcome.ok);
  assert.equal(first.count('overlay_messages_dropped_total', 'not-attached'), 0);
});
