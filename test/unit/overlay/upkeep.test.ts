/** Padding of Pings, and what replicas say about the life of a value. RFC 6940 §6.5.3.1, §7.4.1.1. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { idBytes, resourceIdOfName, type NodeId } from '../../../src/base/ids.ts';
import type { Outcome } from '../../../src/base/outcome.ts';
import { hexEncode, utf8Encode } from '../../../src/base/text.ts';
import type { OverlayError, StoreResult } from '../../../src/overlay/api.ts';
import type { PingResult } from '../../../src/overlay/peer-api.ts';
import { decodeExact } from '../../../src/wire/codec.ts';
import { messageCodes } from '../../../src/wire/reload/message-codes.ts';
import { pingReq } from '../../../src/wire/reload/ping.ts';
import { storedValues, storeReq } from '../../../src/wire/reload/storage.ts';
import { capture } from './support/capture.ts';
import { createWorld, dictionaryKind, type TestPeer, type World } from './support/world.ts';

const alice = 'alice@test.example';

function ring(count: number, seed: string): World {
  const world = createWorld(seed);
  for (let i = 0; i < count; i++) {
    world.add();
    world.clock.advance(1500);
  }
  assert.ok(world.settle());
  return world;
}

test('Pings carry padding of random length and content', () => {
  const world = ring(2, 'padding');
  const [from, to] = world.peers as [TestPeer, TestPeer];
  const sent = capture(world);
  for (let i = 0; i < 20; i++) {
    const outcome = world.await<Outcome<PingResult, OverlayError>>((done) =>
      from.overlay.ping([{ type: 'node', nodeId: to.nodeId }], done),
    );
    assert.ok(outcome.ok);
  }
  const paddings = sent.flatMap(({ code, payload }) =>
    code === messageCodes.pingReq && payload !== undefined
      ? [decodeExact(pingReq, payload.contents.messageBody).padding]
      : [],
  );
  assert.equal(paddings.length, 20);
  assert.ok(new Set(paddings.map(({ length }) => length)).size > 5);
  assert.ok(paddings.every(({ length }) => length <= 64));
  assert.ok(new Set(paddings.map(hexEncode)).size > 15);
});

test('a replica that is made later carries what is left of the lifetime', () => {
  const world = ring(5, 'remaining lifetime');
  const identity = world.user(alice, 'u');
  const resource = resourceIdOfName(alice);
  const key = idBytes(identity.certificate.nodeIds[0] as NodeId);
  const [first] = world.peers as [TestPeer];
  const sent = capture(world);
  const lifetimes = (): number[] =>
    sent.flatMap(({ code, payload }) => {
      if (code !== messageCodes.storeReq || payload === undefined) return [];
      const request = decodeExact(storeReq, payload.contents.messageBody);
      if (request.replicaNumber === 0 || request.resource !== resource) return [];
      return request.kindData.flatMap(({ values }) =>
        decodeExact(storedValues('DICTIONARY'), values).map(({ lifetime }) => lifetime),
      );
    });
  const stored = world.await<Outcome<StoreResult, OverlayError>>((done) => {
    const values = [{ key, exists: true, value: utf8Encode('x'), lifetimeS: 3600 }];
    first.overlay.store({ resource, kind: dictionaryKind, values, identity }, done);
  });
  assert.ok(stored.ok);
  world.clock.advance(5000);
  assert.deepEqual(new Set(lifetimes()), new Set([3600]));

  world.clock.advance(1000_000);
  sent.length = 0;
  const holder = world.peers.find(({ nodeId }) => nodeId === stored.value.replicas[0]) as TestPeer;
  holder.host.dead = true;
  world.clock.advance(200_000);
  const later = lifetimes();
  assert.ok(later.length > 0, 'a new replica takes the place of the lost one');
  for (const lifetime of later) {
    assert.ok(lifetime <= 3600 - 1000 && lifetime >= 3600 - 1300, `${lifetime} s`);
  }
});
