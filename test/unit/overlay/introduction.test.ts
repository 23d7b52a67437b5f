/** Links that go by a shared secret. RFC 6940 §13.4, A-51. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { concatBytes } from '../../../src/base/bytes.ts';
import { idBytes, resourceIdOfName, type NodeId } from '../../../src/base/ids.ts';
import type { Outcome } from '../../../src/base/outcome.ts';
import { utf8Encode } from '../../../src/base/text.ts';
import { limits } from '../../../src/base/limits.ts';
import type { FetchResult, OverlayError, StoreResult } from '../../../src/overlay/api.ts';
import type { SecureConnection } from '../../../src/ports/connection.ts';
import { decodeFrame, encodeDataFrame } from '../../../src/wire/reload/framing.ts';
import {
  createWorld,
  dictionaryKind,
  linkPort,
  type TestPeer,
  type World,
} from './support/world.ts';
import type { FakeHost } from './support/fake-network.ts';

const at = (address: string) => ({ address, port: linkPort });

function secretWorld(seed: string, count: number): World {
  const world = createWorld(seed);
  world.network.sharedSecret = true;
  for (let i = 0; i < count; i++) {
    world.add();
    world.clock.advance(1500);
  }
  return world;
}

test('without certificates on connections peers join, know each other, store and fetch', () => {
  const world = secretWorld('secret ring', 6);
  assert.ok(world.settle());
  for (const peer of world.peers) {
    const { links } = peer.overlay.snapshot();
    assert.equal(links.length, 5);
    for (const link of links) {
      const other = world.peers.find(({ nodeId }) => nodeId === link.nodeId) as TestPeer;
      const { address } = link.remote;
      assert.equal(other.host.address, address, 'the Node-ID is that of the node at the far end');
    }
  }
  const alice = 'alice@test.example';
  const identity = world.user(alice, 'u');
  const resource = resourceIdOfName(alice);
  const values = [
    {
      key: idBytes(identity.certificate.nodeIds[0] as NodeId),
      exists: true,
      value: utf8Encode('here'),
      lifetimeS: 600,
    },
  ];
  const [first, , third] = world.peers as [TestPeer, TestPeer, TestPeer];
  const stored = world.await<Outcome<StoreResult, OverlayError>>((done) => {
    first.overlay.store({ resource, kind: dictionaryKind, values, identity }, done);
  });
  assert.ok(stored.ok);
  const fetched = world.await<Outcome<FetchResult, OverlayError>>((done) =>
    third.overlay.fetch({ resource, kind: dictionaryKind }, done),
  );
  assert.equal(fetched.ok && fetched.value.values.length, 1);
});

/** A member that knows the secret and opens a connection by hand. */
function intruder(world: World): {
  connection: SecureConnection;
  got: Uint8Array[];
  gone: () => boolean;
} {
  const host: FakeHost = { address: '10.9.0.1', chain: [], frozen: false, dead: false };
  const got: Uint8Array[] = [];
  let connection: SecureConnection | undefined;
  let gone = false;
  world.network.dialer(host).dial(at('10.0.0.1'), 1000, (outcome) => {
    assert.ok(outcome.ok);
    connection = outcome.value;
    connection.setHandler({ data: (bytes) => got.push(bytes), closed: () => (gone = true) });
  });
  world.clock.advance(100);
  assert.ok(connection !== undefined);
  return { connection, got, gone: () => gone };
}

test('an introduction counts only on the connection that it was signed for', () => {
  const world = secretWorld('passed on', 2);
  assert.ok(world.settle());
  const [first] = world.peers as [TestPeer];
  const trap: FakeHost = { address: '10.9.0.9', chain: [], frozen: false, dead: false };
  let trapped: SecureConnection | undefined;
  world.network.listen(at('10.9.0.9'), trap, (connection) => {
    connection.setHandler({ data: () => undefined, closed: () => undefined });
    trapped = connection;
  });
  const late = world.add({ start: false });
  late.overlay.start({ bootstrap: [at('10.9.0.9')] });
  const overheard: Uint8Array[] = [];
  world.network.onSend = (from, bytes) => {
    if (from === late.host) overheard.push(bytes.slice());
  };
  world.clock.advance(1000);
  assert.ok(trapped !== undefined);
  const [introduction] = overheard;
  assert.ok(introduction !== undefined);
  assert.equal(decodeFrame(introduction).type, 'data');

  const thief = intruder(world);
  thief.connection.send(introduction);
  world.clock.advance(1000);
  assert.ok(thief.gone());
  assert.ok(!first.overlay.snapshot().links.some(({ nodeId }) => nodeId === late.nodeId));
  assert.equal(first.count('overlay_introductions_refused_total'), 1);
});

test('silence, noise and floods before an introduction end the connection', () => {
  const world = secretWorld('silent', 1);
  world.clock.advance(5000);
  const first = world.peers[0] as TestPeer;
  const silent = intruder(world);
  world.clock.advance(limits.overlay.introductionMs - 200);
  assert.ok(!silent.gone());
  world.clock.advance(200);
  assert.ok(silent.gone());
  const others = [
    Uint8Array.of(1, 2, 3),
    encodeDataFrame(0, utf8Encode('no message')),
    encodeDataFrame(0, new Uint8Array(limits.overlay.introductionBytes + 1)),
    concatBytes([
      encodeDataFrame(0, new Uint8Array(limits.overlay.introductionBytes)).subarray(0, -1),
    ]),
  ];
  for (const bytes of others) {
    const noisy = intruder(world);
    noisy.connection.send(bytes);
    world.clock.advance(limits.overlay.introductionMs);
    assert.ok(noisy.gone());
  }
  assert.equal(first.count('overlay_introductions_refused_total'), 1 + others.length);
  assert.equal(first.overlay.snapshot().links.length, 0);
});

test('connections that say nothing are bounded in number', () => {
  const world = secretWorld('many silent', 1);
  world.clock.advance(5000);
  const first = world.peers[0] as TestPeer;
  const host: FakeHost = { address: '10.9.0.1', chain: [], frozen: false, dead: false };
  const ended: string[] = [];
  for (let i = 0; i < limits.overlay.introductions + 3; i++) {
    world.network.dialer(host).dial(at('10.0.0.1'), 1000, (outcome) => {
      assert.ok(outcome.ok);
      outcome.value.setHandler({ data: () => undefined, closed: (why) => ended.push(why) });
    });
  }
  world.clock.advance(100);
  assert.equal(ended.length, 3);
  assert.equal(first.count('overlay_introductions_refused_total'), 3);
  world.clock.advance(limits.overlay.introductionMs);
  assert.equal(ended.length, limits.overlay.introductions + 3);
});
