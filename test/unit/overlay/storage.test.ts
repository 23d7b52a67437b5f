import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { Outcome } from '../../../src/base/outcome.ts';
import { idBytes, resourceIdOfName } from '../../../src/base/ids.ts';
import { utf8Encode } from '../../../src/base/text.ts';
import type { Identity } from '../../../src/ports/certificates.ts';
import type {
  FetchResult,
  OverlayError,
  StatResult,
  StoreResult,
} from '../../../src/overlay/api.ts';
import { errorCodes } from '../../../src/wire/reload/errors.ts';
import { createIdentity } from './support/fake-keys.ts';
import { createWorld, dictionaryKind, type TestPeer, type World } from './support/world.ts';

const alice = 'alice@test.example';
const resource = resourceIdOfName(alice);

function ring(count: number, seed = 'storage'): World {
  const world = createWorld(seed);
  world.add();
  world.clock.advance(1000);
  for (let i = 1; i < count; i++) {
    world.add();
    world.clock.advance(2000);
  }
  assert.ok(world.settle());
  return world;
}

function store(
  world: World,
  peer: TestPeer,
  identity: Identity,
  text: string,
  lifetimeS = 600,
): Outcome<StoreResult, OverlayError> {
  const key = idBytes(identity.certificate.nodeIds[0] as never);
  return world.await((done) => {
    const value = { key, exists: true, value: utf8Encode(text), lifetimeS };
    peer.overlay.store({ resource, kind: dictionaryKind, values: [value], identity }, done);
  });
}

function fetch(world: World, peer: TestPeer): Outcome<FetchResult, OverlayError> {
  return world.await((done) => peer.overlay.fetch({ resource, kind: dictionaryKind }, done));
}

function texts(outcome: Outcome<FetchResult, OverlayError>): string[] {
  assert.ok(outcome.ok);
  return outcome.value.values.map((value) => new TextDecoder().decode(value.value)).sort();
}

for (const count of [1, 2, 5]) {
  test(`what one of ${count} peers stores, all fetch`, () => {
    const world = ring(count);
    const user = world.user(alice, 'u1');
    const stored = store(world, world.peers.at(-1) as TestPeer, user, 'here');
    assert.ok(stored.ok);
    assert.equal(stored.value.generation, 1n);
    for (const peer of world.peers) {
      const fetched = fetch(world, peer);
      assert.deepEqual(texts(fetched), ['here']);
      assert.ok(fetched.ok);
      assert.equal(fetched.value.values[0]?.signerNodeId, user.certificate.nodeIds[0]);
      assert.equal(fetched.value.answeredBy, stored.value.storedBy);
    }
  });
}

test('[R6940-7.4.1.2-02] replicas get the value and the StoreAns names them', () => {
  const world = ring(5);
  const stored = store(world, world.peers[0] as TestPeer, world.user(alice, 'u1'), 'here');
  assert.ok(stored.ok);
  assert.equal(stored.value.replicas.length, 2);
  world.clock.advance(1000);
  for (const at of stored.value.replicas) {
    const stat = world.await<Outcome<StatResult, OverlayError>>((done) =>
      (world.peers[0] as TestPeer).overlay.stat({ resource, kind: dictionaryKind, at }, done),
    );
    assert.ok(stat.ok);
    assert.equal(stat.value.answeredBy, at);
    assert.equal(stat.value.values.length, 1);
    assert.equal(stat.value.generation, 1n);
  }
});

test('a user may not store at the resource of another', () => {
  const world = ring(3);
  const refused = store(world, world.peers[0] as TestPeer, world.user('bob@x', 'u2'), 'mine');
  assert.ok(!refused.ok);
  assert.equal(refused.error.code, errorCodes.forbidden);
  assert.deepEqual(texts(fetch(world, world.peers[1] as TestPeer)), []);
});

for (const count of [1, 2, 4]) {
  test(`a certificate that is expired or that nobody trusts stores nothing among ${count} peers`, () => {
    const world = ring(count);
    const nodeIds = [world.nodeId('s')];
    for (const identity of [
      createIdentity(world.clock, nodeIds, alice, { issuer: 'evil' }),
      createIdentity(world.clock, nodeIds, alice, { notAfterMs: world.clock.wallMs() - 1 }),
    ]) {
      const refused = store(world, world.peers[0] as TestPeer, identity, 'mine');
      assert.ok(!refused.ok);
    }
    assert.deepEqual(texts(fetch(world, world.peers[0] as TestPeer)), []);
  });
}

test('two identities of one user stand side by side; storing again replaces', () => {
  const world = ring(3);
  const [one, two] = [world.user(alice, 'u1'), world.user(alice, 'u2')];
  store(world, world.peers[0] as TestPeer, one, 'one');
  store(world, world.peers[1] as TestPeer, two, 'two');
  store(world, world.peers[0] as TestPeer, one, 'new');
  assert.deepEqual(texts(fetch(world, world.peers[2] as TestPeer)), ['new', 'two']);
});

test('a writer whose clock is behind takes the stored time plus one', () => {
  const world = ring(2);
  const user = world.user(alice, 'u1');
  store(world, world.peers[0] as TestPeer, user, 'first');
  const { clock } = world;
  const late = world.add({
    dependencies: {
      clock: {
        monotonicMs: () => clock.monotonicMs(),
        wallMs: () => clock.wallMs() - 3_600_000,
        after: (name, delayMs, fire) => clock.after(name, delayMs, fire),
      },
    },
  });
  world.settle();
  const stored = store(world, late, user, 'second');
  assert.ok(stored.ok);
  assert.ok(late.count('overlay_store_retries_total') > 0);
  assert.deepEqual(texts(fetch(world, world.peers[1] as TestPeer)), ['second']);
});

test('a value survives the loss of its storer and of the next', () => {
  const world = ring(6);
  const stored = store(world, world.peers[0] as TestPeer, world.user(alice, 'u1'), 'here', 7200);
  assert.ok(stored.ok);
  world.clock.advance(2000);
  for (let i = 0; i < 2; i++) {
    const before = fetch(world, alive(world)[0] as TestPeer);
    assert.ok(before.ok);
    const { answeredBy } = before.value;
    const storer = world.peers.find((peer) => peer.nodeId === answeredBy) as TestPeer;
    storer.host.dead = true;
    storer.host.frozen = true;
    world.clock.advance(120_000);
    for (const peer of alive(world)) assert.deepEqual(texts(fetch(world, peer)), ['here']);
  }
});

function alive(world: World): TestPeer[] {
  return world.peers.filter((peer) => !peer.host.dead);
}

test('data moves to a peer that becomes responsible, and back when it leaves', () => {
  const world = ring(2);
  const stored = store(world, world.peers[0] as TestPeer, world.user(alice, 'u1'), 'here', 7200);
  assert.ok(stored.ok);
  const nodeId = (resource.slice(0, 30) + 'ff') as typeof stored.value.storedBy;
  const late = world.add({ nodeId });
  assert.ok(world.settle());
  const moved = fetch(world, world.peers[0] as TestPeer);
  assert.deepEqual(texts(moved), ['here']);
  assert.ok(moved.ok);
  assert.equal(moved.value.answeredBy, late.nodeId);
  world.await<undefined>((done) => late.overlay.stop(() => done(undefined)));
  world.clock.advance(5000);
  for (const peer of world.peers.slice(0, 2)) {
    assert.deepEqual(texts(fetch(world, peer)), ['here']);
  }
});

test('unknown Kinds and misfitting values are refused locally', () => {
  const world = ring(1);
  const peer = world.peers[0] as TestPeer;
  const identity = world.user(alice, 'u1');
  const value = { exists: true, value: utf8Encode('x'), lifetimeS: 60 };
  for (const request of [
    { resource, kind: 0xf000_9999, values: [value], identity },
    { resource, kind: dictionaryKind, values: [value], identity },
    { resource, kind: dictionaryKind, values: [], identity },
  ]) {
    const outcome = world.await<Outcome<StoreResult, OverlayError>>((done) =>
      peer.overlay.store(request, done),
    );
    assert.ok(!outcome.ok);
    assert.equal(outcome.error.reason, 'invalid');
  }
});
