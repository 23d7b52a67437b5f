import { test } from 'node:test';
import assert from 'node:assert/strict';
import { concatBytes } from '../../../src/base/bytes.ts';
import { resourceIdOfName, idBytes } from '../../../src/base/ids.ts';
import type { Outcome } from '../../../src/base/outcome.ts';
import type { FetchResult, OverlayError, StoreResult } from '../../../src/overlay/api.ts';
import { chunkSizes, fragmentsOf } from '../../../src/overlay/fragments.ts';
import type { RoutedMessage } from '../../../src/overlay/routed-message.ts';
import { encodeFragment, unfragmented, type Fragment } from '../../../src/wire/reload/header.ts';
import { capture } from './support/capture.ts';
import { createWorld, dictionaryKind, type TestPeer } from './support/world.ts';

function message(length: number, fragment: Fragment = unfragmented): RoutedMessage {
  const body = Uint8Array.from({ length }, (_, i) => i & 0xff);
  return { header: { fragment }, body, from: undefined } as unknown as RoutedMessage;
}

test('[R6940-6.7-06] [R6940-6.7-09] equal pieces below the MTU less 32 bytes, offsets from the end of the header', () => {
  const pieces = fragmentsOf(message(3001), 100, 1200);
  assert.deepEqual(
    pieces.map(({ body }) => body.length),
    [1001, 1000, 1000],
  );
  assert.deepEqual(
    pieces.map(({ header }) => header.fragment.offset),
    [0, 1001, 2001],
  );
  assert.deepEqual(concatBytes(pieces.map(({ body }) => body)), message(3001).body);
  for (let length = 1; length < 6000; length += 7) {
    for (const { body } of fragmentsOf(message(length), 100, 1200)) {
      assert.ok(100 + body.length <= (length + 100 <= 1200 ? 1200 : 1168));
    }
  }
});

test('[R6940-6.7-10] the last piece is marked, and only that', () => {
  const [whole] = fragmentsOf(message(500), 100, 1200);
  assert.ok(whole !== undefined);
  assert.equal(encodeFragment(whole.header.fragment), 0xc000_0000);
  const last = fragmentsOf(message(3000), 100, 1200).map(({ header }) => header.fragment.last);
  assert.deepEqual(last, [false, false, true]);
  const again = fragmentsOf(message(2000, { offset: 5000, last: false }), 100, 1200);
  assert.deepEqual(
    again.map(({ header }) => header.fragment),
    [
      { offset: 5000, last: false },
      { offset: 6000, last: false },
    ],
  );
});

test('[R6940-6.7-03] every piece but the last carries at least 256 bytes', () => {
  for (let room = 256; room < 700; room += 13) {
    for (let length = 1; length < 3000; length += 11) {
      const sizes = chunkSizes(length, room);
      assert.equal(
        sizes.reduce((sum, size) => sum + size, 0),
        length,
      );
      assert.ok(sizes.slice(0, -1).every((size) => size >= 256 && size <= room));
      assert.ok((sizes.at(-1) ?? 0) <= room && (sizes.at(-1) ?? 0) > 0);
    }
  }
});

test('[R6940-6.7-04] a header that leaves no room for 256 bytes: the network fragments', () => {
  assert.equal(fragmentsOf(message(3000), 100, 200).length, 1);
  assert.equal(fragmentsOf(message(3000), 100, 387).length, 1);
  assert.ok(fragmentsOf(message(3000), 100, 388).length > 1);
});

test('[R6940-6.7-02] [R6940-6.7-05] a peer that fragments stores and fetches as ever, through others', () => {
  const world = createWorld('fragments');
  for (let i = 0; i < 8; i++) {
    world.add({ dependencies: { fragmentBytes: 600 } });
    world.clock.advance(1500);
  }
  assert.ok(world.settle());
  const alice = 'alice@test.example';
  const identity = world.user(alice, 'u');
  const key = idBytes(identity.certificate.nodeIds[0] as never);
  const resource = resourceIdOfName(alice);
  const value = new Uint8Array(400).fill(7);
  const sent = capture(world);
  const stored = world.await<Outcome<StoreResult, OverlayError>>((done) => {
    const values = [{ key, exists: true, value, lifetimeS: 600 }];
    (world.peers[3] as TestPeer).overlay.store(
      { resource, kind: dictionaryKind, values, identity },
      done,
    );
  });
  assert.ok(stored.ok);
  for (const peer of world.peers) {
    const fetched = world.await<Outcome<FetchResult, OverlayError>>((done) =>
      peer.overlay.fetch({ resource, kind: dictionaryKind }, done),
    );
    assert.ok(fetched.ok);
    assert.deepEqual(fetched.value.values[0]?.value, value);
  }
  const pieces = sent.filter(({ payload }) => payload === undefined);
  assert.ok(pieces.length > 10);
  // Only the first fragment of an answer shows that it is one, so the others may gain a Via List.
  const isAnswer = pieces.filter(
    ({ header, body }) => header.fragment.offset === 0 && ((body[1] ?? 0) & 1) === 0,
  );
  const answers = new Set(
    isAnswer.map(({ header, from }) => `${header.transactionId} ${from.address}`),
  );
  const lists = new Map<string, Set<string>>();
  for (const { header, from, atMs } of pieces) {
    if (answers.has(`${header.transactionId} ${from.address}`)) continue;
    const hop = `${header.transactionId} ${from.address} ${atMs} ${header.ttl}`;
    const seen = lists.get(hop) ?? new Set();
    lists.set(
      hop,
      seen.add(JSON.stringify([header.viaList, header.destinationList, header.options])),
    );
  }
  // All fragments of one request on one hop carry the same lists; decoding checked their length.
  assert.ok(lists.size > 3);
  assert.ok([...lists.values()].every((variants) => variants.size === 1));
});
