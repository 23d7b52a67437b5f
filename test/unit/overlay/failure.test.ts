import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { Outcome } from '../../../src/base/outcome.ts';
import type { NodeId, ResourceId } from '../../../src/base/ids.ts';
import type { OverlayError } from '../../../src/overlay/api.ts';
import type { PingResult } from '../../../src/overlay/peer-api.ts';
import type { Destination } from '../../../src/wire/reload/destination.ts';
import { createWorld, linkPort, memoryStore, type TestPeer, type World } from './support/world.ts';

function ring(count: number, seed = 'failure'): World {
  const world = createWorld(seed);
  for (let i = 0; i < count; i++) {
    world.add();
    world.clock.advance(1500);
  }
  assert.ok(world.settle());
  return world;
}

function ping(
  world: World,
  from: TestPeer,
  destination: readonly Destination[],
): { readonly outcome: Outcome<PingResult, OverlayError>; readonly tookMs: number } {
  const startedMs = world.clock.monotonicMs();
  const outcome = world.await<Outcome<PingResult, OverlayError>>((done) =>
    from.overlay.ping(destination, done),
  );
  return { outcome, tookMs: world.clock.monotonicMs() - startedMs };
}

const node = (nodeId: NodeId): Destination => ({ type: 'node', nodeId });

/** The peer that forwards between two that have no link, if there is exactly one. */
function transitPeer(world: World, from: TestPeer, to: TestPeer): TestPeer | undefined {
  if (from.overlay.snapshot().links.some((link) => link.nodeId === to.nodeId)) return undefined;
  const forwards = (peer: TestPeer): number => peer.count('overlay_messages_forwarded_total');
  const before = world.peers.map(forwards);
  if (!ping(world, from, [node(to.nodeId)]).outcome.ok) return undefined;
  const used = world.peers.filter((peer, i) => forwards(peer) > (before[i] ?? 0));
  return used.length === 1 ? used[0] : undefined;
}

test('[R6940-6.6.5-02] [R6940-6.6-06] a request whose next hop goes silent takes another one within 1.5 s', () => {
  const world = ring(24);
  let tested = 0;
  for (const from of world.peers.slice(0, 12)) {
    const found = world.peers
      .map((to) => ({ to, transit: from === to ? undefined : transitPeer(world, from, to) }))
      .find(({ transit }) => transit !== undefined && transit !== from);
    if (found?.transit === undefined) continue;
    const { to, transit } = found;
    const before = from.count('overlay_messages_rerouted_total');
    transit.host.frozen = true;
    const { outcome, tookMs } = ping(world, from, [node(to.nodeId)]);
    assert.ok(outcome.ok);
    assert.ok(tookMs <= 1500, `${tookMs} ms`);
    assert.ok(from.count('overlay_messages_rerouted_total') > before);
    assert.ok(ping(world, from, [node(to.nodeId)]).tookMs <= 1000);
    transit.host.frozen = false;
    world.clock.advance(5000);
    tested++;
  }
  assert.ok(tested >= 3);
});

test('the owner of a resource that stops is replaced', () => {
  const world = ring(8);
  const resource = '8'.repeat(32) as ResourceId;
  const destination: Destination[] = [{ type: 'resource', resource }];
  const from = world.peers[0] as TestPeer;
  const first = ping(world, from, destination).outcome;
  assert.ok(first.ok);
  const owner = world.peers.find((peer) => peer.nodeId === first.value.answeredBy) as TestPeer;
  owner.host.frozen = true;
  const asker = owner === from ? (world.peers[1] as TestPeer) : from;
  const { outcome, tookMs } = ping(world, asker, destination);
  assert.ok(outcome.ok);
  assert.notEqual(outcome.value.answeredBy, owner.nodeId);
  assert.ok(tookMs <= 15_000, `${tookMs} ms`);
});

test('[R6940-6.2.1-08] [R6940-6.2.1-09] [R6940-6.2.1-10] [R6940-6.2.1-11] five transmissions, three seconds apart, then failure', () => {
  const world = ring(2);
  const [a, b] = world.peers as [TestPeer, TestPeer];
  const sent: { atMs: number; transaction: string }[] = [];
  const nobody = world.nodeId('nobody');
  const startedMs = world.clock.monotonicMs();
  world.network.onSend = (from, bytes) => {
    // data frame, header, a Ping for that Node-ID
    const at = 8 + 38;
    const text = Buffer.from(bytes.subarray(at)).toString('hex');
    if (from !== a.host || !text.includes(nobody)) return;
    sent.push({
      atMs: world.clock.monotonicMs() - startedMs,
      transaction: Buffer.from(bytes.subarray(8 + 20, 8 + 28)).toString('hex'),
    });
  };
  const { outcome, tookMs } = ping(world, a, [node(b.nodeId), node(nobody)]);
  assert.ok(!outcome.ok);
  assert.equal(outcome.error.reason, 'timeout');
  assert.deepEqual(
    sent.map(({ atMs }) => atMs - (sent[0]?.atMs ?? 0)),
    [0, 3000, 6000, 9000, 12_000],
  );
  assert.equal(new Set(sent.map(({ transaction }) => transaction)).size, 1);
  assert.ok(tookMs >= 15_000 && tookMs < 15_100, `${tookMs} ms`);
});

test('[R6940-6.3.4-21] an answer of another node than the one addressed is not taken', () => {
  const world = ring(3);
  const [a, b] = world.peers as [TestPeer, TestPeer, TestPeer];
  const impostor = world.user('x@test.example', 'impostor');
  const claimed = world.nodeId('claimed');
  // b hosts the Node-ID but its identity signs with another one.
  b.overlay.hostIdentity({
    ...impostor,
    certificate: { ...impostor.certificate, nodeIds: [claimed] },
  });
  const { outcome } = ping(world, a, [node(b.nodeId), node(claimed)]);
  assert.ok(!outcome.ok);
});

test('peers that lose all links come back through their bootstrap nodes', () => {
  const world = ring(4);
  const lost = world.peers[3] as TestPeer;
  for (const link of lost.overlay.snapshot().links) {
    const other = world.peers.find((peer) => peer.nodeId === link.nodeId) as TestPeer;
    other.overlay.updateConfig({ ...other.overlay.config(), badNodes: [lost.nodeId] });
    other.overlay.updateConfig({ ...other.overlay.config(), badNodes: [] });
  }
  world.clock.advance(50);
  assert.equal(lost.overlay.snapshot().links.length, 0);
  world.clock.advance(120_000);
  assert.ok(lost.overlay.snapshot().links.length > 0);
  for (const peer of world.peers) {
    assert.ok(ping(world, peer, [node(lost.nodeId)]).outcome.ok);
  }
});

test('[R6940-11.4-06] [R6940-11.4-07] at most ten former neighbors are remembered and used', () => {
  const world = ring(13);
  const store = memoryStore(world.clock);
  const last = world.add({ dependencies: { store } });
  assert.ok(world.settle());
  const remembered = Buffer.from(store.get('overlay/bootstrap-peers') ?? []).toString();
  const nodes = remembered.split('\n').map((line) => line.split(' ')[0] as NodeId);
  assert.ok(nodes.length > 0 && nodes.length <= 10);
  assert.ok(nodes.every((id) => world.peers.some((peer) => peer.nodeId === id)));
  const first = world.peers[0] as TestPeer;
  first.host.dead = true;
  first.host.frozen = true;
  world.clock.advance(120_000);
  const peers = world.peers.slice(1);
  for (const peer of peers) assert.ok(ping(world, peer, [node(last.nodeId)]).outcome.ok);
});

test('a bootstrap node that is not there yet is tried again', () => {
  const world = createWorld('late');
  const early = world.add({ bootstrap: [{ address: '10.0.0.2', port: linkPort }] });
  world.clock.advance(20_000);
  assert.notEqual(early.overlay.state(), 'joined');
  world.add({ bootstrap: 'first' });
  world.clock.advance(60_000);
  assert.equal(early.overlay.state(), 'joined');
});

test('our own address among the bootstrap nodes does no harm', () => {
  const world = createWorld('own');
  const first = world.add({ bootstrap: [{ address: '10.0.0.1', port: linkPort }] });
  world.add({
    bootstrap: [
      { address: '10.0.0.2', port: linkPort },
      { address: '10.0.0.3', port: linkPort },
    ],
  });
  world.add({ bootstrap: 'first' });
  world.clock.advance(60_000);
  assert.equal(world.peers[1]?.overlay.state(), 'joined');
  assert.equal(first.overlay.state(), 'idle');
});

test('stop says Leave and ends all links, also when the neighbors are silent', () => {
  const world = ring(3);
  const [a, b, c] = world.peers as [TestPeer, TestPeer, TestPeer];
  world.await<undefined>((done) => c.overlay.stop(() => done(undefined)));
  world.clock.advance(100);
  assert.equal(c.overlay.snapshot().links.length, 0);
  assert.equal(a.overlay.snapshot().links.length, 1);
  a.host.frozen = true;
  world.await<undefined>((done) => b.overlay.stop(() => done(undefined)), 20_000);
  assert.equal(b.overlay.state() === 'left' || b.overlay.state() === 'leaving', true);
});
