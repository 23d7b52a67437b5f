/** What a peer does with its parts over time: links that nobody needs, news for its user, the way back, the end. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { resourceIdOfName } from '../../../src/base/ids.ts';
import type { Outcome } from '../../../src/base/outcome.ts';
import { limits } from '../../../src/base/limits.ts';
import { latin1Decode } from '../../../src/base/text.ts';
import type { OverlayError } from '../../../src/overlay/api.ts';
import type { OverlayChange, PingResult } from '../../../src/overlay/peer-api.ts';
import type { Identity } from '../../../src/ports/certificates.ts';
import type { Dialer } from '../../../src/ports/connection.ts';
import { createIdentity } from './support/fake-keys.ts';
import { createRawPeer } from './support/raw-peer.ts';
import { createWorld, linkPort, memoryStore, type TestPeer, type World } from './support/world.ts';

const { idleLinkMs, stopMs } = limits.overlay;
const nowhere = [{ address: '10.66.0.1', port: linkPort }];

function ring(seed: string, count: number): World {
  const world = createWorld(seed);
  for (let i = 0; i < count; i++) {
    world.add();
    world.clock.advance(1500);
  }
  assert.ok(world.settle());
  return world;
}

const linkedWith = ({ overlay }: TestPeer): readonly string[] =>
  overlay.snapshot().links.map(({ nodeId }) => nodeId);

test('a link that no table needs is closed after five minutes without a message, and only then', () => {
  const world = ring('idle', 2);
  const [first, second] = world.peers as [TestPeer, TestPeer];
  const silent = createRawPeer(world, first, 'a');
  const busy = createRawPeer(world, first, 'bb');
  silent.exchange();
  world.clock.advance(idleLinkMs / 2);
  busy.exchange();
  world.clock.advance(idleLinkMs / 2 - 1500);
  assert.deepEqual(silent.closed, []);
  busy.exchange();
  world.clock.advance(idleLinkMs / 2 + 1500);
  assert.deepEqual(silent.closed, ['peer closed: idle']);
  assert.deepEqual(busy.closed, []);
  assert.deepEqual(linkedWith(first), [second.nodeId, busy.nodeId], 'a neighbour may be silent');
});

test('a request that ends at this peer is neither signed nor sent', () => {
  const world = createWorld('own');
  const own = createIdentity(world.clock, [world.nodeId('own')], 'own');
  let signed = 0;
  const identity: Identity = {
    ...own,
    sign(input, done) {
      signed++;
      own.sign(input, done);
    },
  };
  const { overlay, nodeId } = world.add({ identity, nodeId: world.nodeId('own') });
  world.clock.advance(1000);
  signed = 0;
  for (const destination of [
    { type: 'node', nodeId },
    { type: 'resource', resource: resourceIdOfName('anything') },
  ] as const) {
    const outcome = world.await<Outcome<PingResult, OverlayError>>((done) =>
      overlay.ping([destination], done),
    );
    assert.ok(outcome.ok);
    assert.equal(outcome.value.answeredBy, nodeId);
  }
  assert.equal(signed, 0);
});

test('the user of a peer is told of links that come and go, and of its state', () => {
  const world = createWorld('news');
  const peer = world.add({ start: false });
  const news: OverlayChange[] = [];
  peer.overlay.onChange((what) => news.push(what));
  peer.overlay.start({ bootstrap: 'first' });
  world.clock.advance(1000);
  assert.deepEqual([peer.overlay.state(), news.includes('state')], ['joined', true]);
  news.length = 0;
  const raw = createRawPeer(world, peer, 'a');
  assert.ok(news.includes('links'));
  news.length = 0;
  raw.link.close('gone');
  world.clock.advance(100);
  assert.ok(news.includes('links'));
});

test('[R6940-11.4-02] a peer remembers whom it has dialed, and that it was a member once it is one', () => {
  const world = createWorld('memory');
  const first = world.add({ start: false });
  const store = memoryStore(world.clock);
  const second = world.add({ dependencies: { store } });
  world.clock.advance(5000);
  assert.deepEqual(linkedWith(second), [first.nodeId]);
  assert.notEqual(second.overlay.state(), 'joined');
  assert.equal(store.get('overlay/member'), undefined);
  const remembered = latin1Decode(store.get('overlay/bootstrap-peers') ?? new Uint8Array());
  assert.equal(remembered, `${first.nodeId} 10.0.0.1 ${linkPort}`);
  first.overlay.start({ bootstrap: 'first' });
  assert.ok(world.settle());
  assert.notEqual(store.get('overlay/member'), undefined);
});

test('a peer that loses its only link dials again within a second', () => {
  const world = createWorld('lost link');
  const first = world.add({ start: false });
  const dials: number[] = [];
  const second = world.add({ start: false });
  const { network, clock } = world;
  const dialer: Dialer = {
    dial(target, timeoutMs, done) {
      dials.push(clock.monotonicMs());
      return network.dialer(second.host).dial(target, timeoutMs, done);
    },
  };
  const third = world.add({
    dependencies: { dialer },
    identity: second.identity,
    nodeId: second.nodeId,
  });
  clock.advance(3000);
  assert.deepEqual(linkedWith(third), [first.nodeId]);
  dials.length = 0;
  first.overlay.updateConfig({ ...first.overlay.config(), badNodes: [third.nodeId] });
  clock.advance(1000);
  assert.ok(dials.length > 0);
});

test('after its stop a peer has closed its links and answered what was asked', () => {
  const world = ring('stop', 3);
  const [, second, third] = world.peers as [TestPeer, TestPeer, TestPeer];
  const raw = createRawPeer(world, second, 'a');
  third.host.frozen = true;
  const outcomes: Outcome<PingResult, OverlayError>[] = [];
  const destination = [{ type: 'node', nodeId: third.nodeId }] as const;
  second.overlay.ping(destination, (outcome) => outcomes.push(outcome));
  const ends: string[] = [];
  second.overlay.stop(() => ends.push('first'));
  second.overlay.stop(() => ends.push('second'));
  assert.equal(ends.length, 0, 'never inside the call');
  const before = world.clock.monotonicMs();
  assert.ok(world.clock.advanceUntil(() => ends.includes('first'), 2 * stopMs));
  assert.ok(world.clock.monotonicMs() - before <= stopMs, 'nobody holds up a stop for long');
  assert.deepEqual(ends.sort(), ['first', 'second']);
  assert.deepEqual(
    outcomes.map(({ ok }) => ok),
    [false],
  );
  world.clock.advance(100);
  assert.deepEqual(raw.closed, ['peer closed: leaving']);
  assert.deepEqual(linkedWith(second), []);
  world.clock.advance(60_000);
  assert.equal(ends.length, 2);
  assert.equal(outcomes.length, 1);
});

test('a peer that is stopping takes no links any more', () => {
  const world = createWorld('late');
  const peer = world.add();
  world.clock.advance(1000);
  peer.overlay.stop(() => undefined);
  const late = createRawPeer(world, peer, 'a');
  assert.deepEqual(late.closed, ['peer closed: leaving']);
  assert.deepEqual(linkedWith(peer), []);
});

test('nothing wakes up any more for a stopped peer', () => {
  for (const bootstrap of ['first', nowhere] as const) {
    const world = createWorld('still');
    const peer = world.add({ bootstrap });
    world.clock.advance(30_000);
    assert.ok(world.clock.pending > 0);
    let stopped = 0;
    peer.overlay.stop(() => stopped++);
    world.clock.advance(stopMs);
    assert.equal(stopped, 1);
    assert.equal(world.clock.pending, 0);
  }
});
