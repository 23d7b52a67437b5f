/** Rings in a settled state and questions about them, for the tests of the algorithm. */
import assert from 'node:assert/strict';
import type { NodeId, ResourceId } from '../../../../src/base/ids.ts';
import { hexEncode } from '../../../../src/base/text.ts';
import { tryDecode } from '../../../../src/wire/codec.ts';
import { chordUpdate } from '../../../../src/wire/reload/chord.ts';
import { messageCodes } from '../../../../src/wire/reload/message-codes.ts';
import { createRing, ringFaults, type RingHarness, type TestPeer } from './ring-harness.ts';

export const empty = new Uint8Array(0);

/** A ring of `count` peers that joined one after the other and settled. */
export function ringOf(
  count: number,
  seed: string | number = 1,
): { ring: RingHarness; peers: TestPeer[] } {
  const ring = createRing(seed);
  const first = ring.addPeer();
  ring.join(first);
  for (let i = 1; i < count; i++) {
    ring.join(ring.addPeer(), first);
    ring.run(100);
  }
  ring.run(3000);
  assert.deepEqual(ringFaults(ring), []);
  return { ring, peers: [...ring.peers.values()].sort((a, b) => (a.id < b.id ? -1 : 1)) };
}

export const at = (peers: readonly TestPeer[], index: number): TestPeer =>
  peers.at(((index % peers.length) + peers.length) % peers.length) as TestPeer;

export function updates(ring: RingHarness, sinceMs: number, from?: NodeId) {
  return ring.sent.flatMap((sent) => {
    if (sent.code !== messageCodes.updateReq || sent.atMs < sinceMs) return [];
    if (from !== undefined && sent.from !== from) return [];
    const update = tryDecode(chordUpdate, sent.body);
    assert.ok(update.ok);
    return [{ ...sent, update: update.value }];
  });
}

export function owner(peers: readonly TestPeer[], resource: ResourceId): TestPeer {
  const owners = peers.filter((peer) => peer.alive && peer.topology.isResponsible(resource));
  assert.equal(owners.length, 1, `${owners.length} owners of ${resource}`);
  return owners[0] as TestPeer;
}

export function storeEverywhere(
  ring: RingHarness,
  peers: readonly TestPeer[],
  count: number,
): ResourceId[] {
  return Array.from({ length: count }, (_, i) => {
    const resource = hexEncode(ring.random.bytes(16)) as ResourceId;
    const responsible = owner(peers, resource);
    responsible.resources.set(resource, i);
    for (const id of responsible.topology.replicas())
      ring.peers.get(id)?.resources.set(resource, i);
    return resource;
  });
}
