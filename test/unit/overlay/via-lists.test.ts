import { test } from 'node:test';
import assert from 'node:assert/strict';
import { limits } from '../../../src/base/limits.ts';
import { createPrng } from '../../../src/base/prng.ts';
import type { NodeId } from '../../../src/base/ids.ts';
import type { Outcome } from '../../../src/base/outcome.ts';
import { silentTrace } from '../../../src/ports/trace.ts';
import type { OverlayError } from '../../../src/overlay/api.ts';
import type { PingResult } from '../../../src/overlay/peer-api.ts';
import {
  createViaLists,
  type TransitMessage,
  type ViaListMode,
  type ViaLists,
} from '../../../src/overlay/via-lists.ts';
import { messageCodes } from '../../../src/wire/reload/message-codes.ts';
import type { Destination } from '../../../src/wire/reload/destination.ts';
import { capture, hops } from './support/capture.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createRawPeer, errorOf, type Received } from './support/raw-peer.ts';
import { createWorld, type TestPeer, type World } from './support/world.ts';

const id = (digit: string): NodeId => digit.repeat(32) as NodeId;
const node = (nodeId: NodeId): Destination => ({ type: 'node', nodeId });
const random = (seed: string) => {
  const prng = createPrng(seed);
  return { u32: () => prng.u32(), bytes: (length: number) => prng.bytes(length) };
};

/** Four peers; the one in the middle of the source route keeps its way back by `mode`. */
function path(mode: ViaListMode): { world: World; route: Destination[] } {
  const world = createWorld(`via ${mode}`);
  for (let i = 0; i < 4; i++) {
    world.add(i === 2 ? { dependencies: { viaListMode: mode } } : {});
    world.clock.advance(1500);
  }
  assert.ok(world.settle());
  return { world, route: world.peers.slice(1).map(({ nodeId }) => node(nodeId)) };
}

function nodes(world: World): readonly (Destination | undefined)[] {
  return world.peers.map(({ nodeId }) => node(nodeId));
}

function ping(world: World, route: readonly Destination[]): Outcome<PingResult, OverlayError> {
  return world.await((done) => (world.peers[0] as TestPeer).overlay.ping(route, done));
}

function transit(mode: ViaListMode): { sent: ReturnType<typeof capture>; world: World } {
  const { world, route } = path(mode);
  const sent = capture(world);
  const outcome = ping(world, route);
  assert.ok(outcome.ok);
  assert.equal(outcome.value.answeredBy, world.peers[3]?.nodeId);
  return { world, sent: sent.filter(({ code }) => code === 23 || code === 24) };
}

test('[R6940-6.1.2-04] [R6940-6.2-01] [R6940-6.3.4-16] full Via Lists: the answer visits the same peers in reverse', () => {
  const { world, sent } = transit('full');
  assert.equal(hops(world.peers, sent), '0 1 2 3 2 1');
  const [a, b, c] = nodes(world);
  assert.deepEqual(
    sent.slice(0, 3).map(({ header }) => header.viaList),
    [[], [a], [a, b]],
  );
  assert.deepEqual(
    sent.slice(3).map(({ header }) => header.destinationList),
    [[c, b, a], [b, a], [a]],
  );
});

test('[R6940-6.1.2-07] [R6940-6.1.3-01] [R6940-6.1.1-05] [R6940-4.3-02] one token for the whole list, unpacked on the way back', () => {
  const { world, sent } = transit('opaque');
  assert.equal(hops(world.peers, sent), '0 1 2 3 2 1');
  const compressed = sent[2]?.header.viaList ?? [];
  assert.deepEqual(
    compressed.map(({ type }) => type),
    ['opaque'],
  );
  const [a, b, c] = nodes(world);
  assert.deepEqual(sent[3]?.header.destinationList, [c, ...compressed]);
  assert.deepEqual(sent[4]?.header.destinationList, [b, a]);
});

test('[R6940-6.1.2-06] per-transaction state leaves the Via List as it is', () => {
  const { world, sent } = transit('state');
  assert.equal(hops(world.peers, sent), '0 1 2 3 2 1');
  const [a, b, c] = nodes(world);
  assert.deepEqual(sent[2]?.header.viaList, [a]);
  assert.deepEqual(sent[3]?.header.destinationList, [c, a]);
  assert.deepEqual(sent[4]?.header.destinationList, [b, a]);
});

test('[R6940-6.3.2.2-08] a connection slot stands for the previous hop in two bytes', () => {
  const { world, sent } = transit('slots');
  assert.equal(hops(world.peers, sent), '0 1 2 3 2 1');
  const [a, b] = nodes(world);
  const list = sent[2]?.header.viaList ?? [];
  assert.deepEqual(list[0], a);
  assert.equal(list[1]?.type, 'compressed');
  assert.deepEqual(sent[4]?.header.destinationList, [b, a]);
});

test('[R6940-6.3.2.2-12] [R6940-6.3.2.2-13] a slot of another generation leads nowhere, silently', () => {
  const world = createWorld('stale');
  const peer = world.add({ dependencies: { viaListMode: 'slots' } });
  world.clock.advance(1000);
  const a = createRawPeer(world, peer, 'a');
  const b = createRawPeer(world, peer, 'bb');
  const request = { code: messageCodes.pingReq, header: { destinationList: [node(b.nodeId)] } };
  a.exchange(request);
  const slot = b.received[0]?.header.viaList[0] as Destination;
  assert.equal(slot.type, 'compressed');
  const answer = {
    code: messageCodes.pingAns,
    header: { destinationList: [node(peer.nodeId), slot] },
  };
  b.exchange(answer);
  const isAnswer = (got: Received): boolean => got.payload.contents.messageCode === answer.code;
  assert.equal(a.received.filter(isAnswer).length, 1);
  a.link.close('gone');
  world.clock.advance(100);
  const again = createRawPeer(world, peer, 'a');
  assert.ok(b.exchange(answer).every((got) => errorOf(got) === undefined));
  assert.ok(again.received.every((got) => !isAnswer(got)));
  assert.equal(peer.count('overlay_messages_dropped_total', 'unknown-opaque-id'), 1);
});

function lists(mode: ViaListMode): { via: ViaLists; clock: ReturnType<typeof createFakeClock> } {
  const clock = createFakeClock();
  const via = createViaLists({
    self: id('9'),
    mode,
    clock,
    random: random('via'),
    trace: silentTrace,
    lifetimeMs: () => 15_000,
  });
  return { via, clock };
}

function message(transactionId: bigint, code: number, from: NodeId): TransitMessage {
  const header = {
    transactionId,
    viaList: [node(id('1'))],
    fragment: { last: true, offset: 0 },
  };
  return { header, body: Uint8Array.of(0, code), from } as unknown as TransitMessage;
}

test('[R6940-6.1.2-08] kept ways back outlive the reliability timer and are then discarded', () => {
  for (const mode of ['state', 'opaque'] as const) {
    const { via, clock } = lists(mode);
    const [entry] = via.forward(message(1n, 23, id('2')));
    const finds = (): boolean =>
      mode === 'state'
        ? via.previousHop(message(1n, 24, id('3'))) === id('2')
        : via.expand(entry as Destination) !== undefined;
    clock.advance(3000);
    assert.ok(finds());
    clock.advance(11_999);
    assert.ok(finds());
    clock.advance(1);
    assert.ok(!finds());
    assert.equal(via.size, 0);
  }
});

test('a full table falls back to full Via Lists', () => {
  const { via } = lists('opaque');
  for (let i = 0; i < limits.overlay.returnStates; i++) via.forward(message(1n, 23, id('2')));
  assert.deepEqual(via.forward(message(2n, 23, id('2'))), [node(id('1')), node(id('2'))]);
  assert.equal(via.size, limits.overlay.returnStates);
});

test('[R6940-6.3.2.2-03] the name of a slot means the same as an opaque id of its two bytes', () => {
  const { via } = lists('slots');
  via.linkUp(id('2'));
  const [, short] = via.forward(message(1n, 23, id('2')));
  assert.equal(short?.type, 'compressed');
  assert.deepEqual(via.expand(short), [node(id('2'))]);
  const bytes = Uint8Array.of(short.id >> 8, short.id & 255);
  assert.deepEqual(via.expand({ type: 'opaque', id: bytes }), [node(id('2'))]);
  const other = Uint8Array.of(short.id >> 8, (short.id & 255) ^ 1);
  assert.equal(via.expand({ type: 'opaque', id: other }), undefined);
  via.linkDown(id('2'));
  assert.equal(via.expand(short), undefined);
});

test('[R6940-4.3-01] full Via Lists keep nothing', () => {
  const { via } = lists('full');
  for (let i = 0; i < 10_000; i++) via.forward(message(BigInt(i), 23, id('2')));
  assert.equal(via.size, 0);
});

test('requests and foreign ids are not taken for responses', () => {
  const { via } = lists('state');
  via.forward(message(1n, 23, id('2')));
  assert.equal(via.previousHop(message(1n, 23, id('3'))), undefined);
  assert.equal(via.previousHop(message(2n, 24, id('3'))), undefined);
  assert.equal(via.expand({ type: 'opaque', id: Uint8Array.of(1, 2, 3) }), undefined);
  assert.equal(via.expand({ type: 'compressed', id: 0x8000 }), undefined);
});
