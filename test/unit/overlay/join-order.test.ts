/** A join as it is seen on the wire, and links in place of lost ones. RFC 6940 §4.4, §12. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { resourceIdOfName, type NodeId } from '../../../src/base/ids.ts';
import type { Outcome } from '../../../src/base/outcome.ts';
import { utf8Encode } from '../../../src/base/text.ts';
import type { OverlayError, StoreResult } from '../../../src/overlay/api.ts';
import { following } from '../../../src/overlay/queries.ts';
import { decodeExact } from '../../../src/wire/codec.ts';
import { chordUpdate } from '../../../src/wire/reload/chord.ts';
import { messageCodes } from '../../../src/wire/reload/message-codes.ts';
import { capture, type Sent } from './support/capture.ts';
import { createWorld, singleKind, type TestPeer, type World } from './support/world.ts';

function ring(count: number, seed: string): World {
  const world = createWorld(seed);
  for (let i = 0; i < count; i++) {
    world.add();
    world.clock.advance(1500);
  }
  assert.ok(world.settle());
  return world;
}

const endsAt = ({ header }: Sent, id: string): boolean => {
  const last = header.destinationList.at(-1);
  return (
    (last?.type === 'node' && last.nodeId === id) ||
    (last?.type === 'resource' && last.resource === id)
  );
};

test('[R6940-12-01] a join: Attach, Update from AP, further Attaches, Join, Stores, Update that names JN, Updates from JN', () => {
  const world = ring(6, 'join order');
  const { clock } = world;
  const [first] = world.peers as [TestPeer];
  const joining = world.add({ start: false });
  const ids = world.peers.map(({ nodeId }) => nodeId).sort();
  const place = ids.indexOf(joining.nodeId);
  const admitting = world.peers.find(
    ({ nodeId }) => nodeId === ids[(place + 1) % ids.length],
  ) as TestPeer;
  // Something for the joining peer to take over: a resource just before it.
  let name = 0;
  const before = ids.at(place - 1) as NodeId;
  const isItsOwn = (id: string): boolean =>
    before < joining.nodeId
      ? id > before && id <= joining.nodeId
      : id > before || id <= joining.nodeId;
  while (!isItsOwn(resourceIdOfName(`user${name}@test.example`))) name++;
  const user = `user${name}@test.example`;
  const identity = world.user(user, 'u');
  const values = [{ exists: true, value: utf8Encode('x'), lifetimeS: 600 }];
  const stored = world.await<Outcome<StoreResult, OverlayError>>((done) => {
    const request = { resource: resourceIdOfName(user), kind: singleKind, values, identity };
    first.overlay.store(request, done);
  });
  assert.ok(stored.ok);

  const sent = capture(world);
  const bootstrap = [{ address: first.host.address, port: 6084 }];
  joining.overlay.start({ bootstrap });
  assert.ok(clock.advanceUntil(() => joining.overlay.state() === 'joined', 30_000));
  clock.advance(5000);

  const step = (what: string, fits: (one: Sent) => boolean): number => {
    const index = sent.findIndex(fits);
    assert.ok(index >= 0, what);
    return index;
  };
  const byJoining = ({ from }: Sent): boolean => from === joining.host;
  const byAdmitting = ({ from }: Sent): boolean => from === admitting.host;
  const update = (one: Sent) =>
    one.code === messageCodes.updateReq && one.payload !== undefined
      ? decodeExact(chordUpdate, one.payload.contents.messageBody)
      : undefined;
  const order = [
    step(
      'Attach to n+1',
      (one) =>
        byJoining(one) &&
        one.code === messageCodes.attachReq &&
        endsAt(one, following(joining.nodeId)),
    ),
    step(
      'Update from AP',
      (one) => byAdmitting(one) && update(one) !== undefined && endsAt(one, joining.nodeId),
    ),
    step(
      'Attach to a neighbor',
      (one) =>
        byJoining(one) &&
        one.code === messageCodes.attachReq &&
        one.header.destinationList.at(-1)?.type === 'node',
    ),
    step(
      'Join',
      (one) => byJoining(one) && one.code === messageCodes.joinReq && endsAt(one, admitting.nodeId),
    ),
    step(
      'Store to JN',
      (one) =>
        byAdmitting(one) && one.code === messageCodes.storeReq && endsAt(one, joining.nodeId),
    ),
    step('Update that names JN', (one) => {
      const said = byAdmitting(one) ? update(one) : undefined;
      return (
        said !== undefined &&
        said.type !== 'peerReady' &&
        said.predecessors[0] === joining.nodeId &&
        endsAt(one, joining.nodeId)
      );
    }),
    step('Update from JN', (one) => {
      const said = byJoining(one) ? update(one) : undefined;
      return said !== undefined && said.type !== 'peerReady';
    }),
  ];
  assert.deepEqual(
    order,
    order.toSorted((a, b) => a - b),
  );
});

test('[R6940-4.4-03] a connection that died without a word is noticed and replaced by another', () => {
  const world = ring(8, 'liveness');
  const ids = world.peers.map(({ nodeId }) => nodeId).sort();
  const peerOf = (id: NodeId): TestPeer =>
    world.peers.find(({ nodeId }) => nodeId === id) as TestPeer;
  const [subject, dead] = [peerOf(ids[0] as NodeId), peerOf(ids[1] as NodeId)];
  const successors = (): readonly NodeId[] => subject.overlay.snapshot().topology.successors;
  assert.deepEqual(successors().slice(0, 3), ids.slice(1, 4));
  // Nothing is closed: it just never answers again.
  dead.host.frozen = true;
  world.clock.advance(60_000);
  assert.deepEqual(successors().slice(0, 3), ids.slice(2, 5));
  const linked = subject.overlay.snapshot().links.filter(({ suspect }) => !suspect);
  for (const id of ids.slice(2, 5)) {
    assert.ok(
      linked.some(({ nodeId }) => nodeId === id),
      `no link with ${id}`,
    );
  }
});
