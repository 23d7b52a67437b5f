import { test } from 'node:test';
import assert from 'node:assert/strict';
import { createPrng } from '../../../src/base/prng.ts';
import { hexDecode } from '../../../src/base/text.ts';
import type { NodeId, ResourceId } from '../../../src/base/ids.ts';
import { errorCodes } from '../../../src/wire/reload/errors.ts';
import { messageCodes } from '../../../src/wire/reload/message-codes.ts';
import type { Destination } from '../../../src/wire/reload/destination.ts';
import { createRawPeer, errorOf, type RawPeer } from './support/raw-peer.ts';
import { createWorld, type TestPeer, type World } from './support/world.ts';

const node = (nodeId: NodeId): Destination => ({ type: 'node', nodeId });
const wildcard = 'f'.repeat(32) as NodeId;

interface Scene {
  readonly world: World;
  readonly peer: TestPeer;
  readonly a: RawPeer;
  readonly b: RawPeer;
}

/** One peer alone in its ring, with two bare clients linked to it. */
function scene(): Scene {
  const world = createWorld('forwarding');
  const peer = world.add();
  world.clock.advance(1000);
  return {
    world,
    peer,
    a: createRawPeer(world, peer, 'a'),
    b: createRawPeer(world, peer, 'bb'),
  };
}

test('[R6940-6.1.1-03] a Ping to this node is answered with the next code and the same transaction', () => {
  const { a, peer } = scene();
  const [answer, ...more] = a.exchange({ header: { transactionId: 99n } });
  assert.equal(more.length, 0);
  assert.equal(answer?.payload.contents.messageCode, messageCodes.pingAns);
  assert.equal(answer.header.transactionId, 99n);
  assert.equal(answer.header.maxResponseLength, 0);
  assert.deepEqual(answer.header.destinationList, [node(a.nodeId)]);
  assert.deepEqual(answer.header.viaList, []);
  assert.equal(peer.count('overlay_messages_received_total', 'ping_req'), 1);
});

test('[R6940-6.3.4-18] [R6940-6.3.4-19] a message with a bad signature is dropped without an answer', () => {
  const { a, peer } = scene();
  assert.deepEqual(a.exchange({ forge: true }), []);
  assert.equal(peer.count('overlay_messages_dropped_total', 'signature'), 1);
  assert.equal(a.link.closed, false);
});

test('[R6940-6.1-01] a header of another overlay or version is dropped', () => {
  const { a, peer } = scene();
  assert.deepEqual(a.exchange({ header: { overlay: 1 } }), []);
  const bytes = a.message();
  bytes[10] = 0x0b;
  a.link.send(bytes);
  const token = a.message();
  token[0] = 0;
  a.link.send(token);
  const fragment = a.message();
  fragment[12] = 0x40;
  a.link.send(fragment);
  const before = a.received.length;
  assert.deepEqual(a.exchange({ header: { destinationList: [] } }), []);
  assert.equal(a.received.length, before);
  assert.equal(peer.count('overlay_messages_dropped_total', 'header'), 3);
  assert.equal(peer.count('overlay_messages_dropped_total', 'overlay'), 1);
});

test('[R6940-6.1.2-05] [R6940-6.3.2-07] [R6940-6.1-03] a forwarded request gains the previous hop and loses one TTL', () => {
  const { a, b } = scene();
  const via = [node('1'.repeat(32) as NodeId)];
  a.exchange({
    header: { destinationList: [node(b.nodeId)], viaList: via, ttl: 7 },
    forge: true,
  });
  const got = b.received[0];
  assert.deepEqual(got?.header.viaList, [...via, node(a.nodeId)]);
  assert.equal(got.header.ttl, 6);
  assert.deepEqual(got.header.destinationList, [node(b.nodeId)]);
});

test('[R6940-6.1.1-04] the own Node-ID at the head is removed', () => {
  const { a, b, peer } = scene();
  a.exchange({ header: { destinationList: [node(peer.nodeId), node(b.nodeId)] } });
  assert.deepEqual(b.received[0]?.header.destinationList, [node(b.nodeId)]);
});

test('[R6940-6.1.2-09] a response in transit gains no Via entry', () => {
  const { a, b } = scene();
  a.exchange({ header: { destinationList: [node(b.nodeId)] }, code: messageCodes.pingAns });
  assert.deepEqual(b.received[0]?.header.viaList, []);
});

test('[R6940-6.1.2-10] [R6940-6.2.2-01] an answer goes back through previous hop and reversed Via List', () => {
  const { a, b } = scene();
  const far = node('2'.repeat(32) as NodeId);
  const [answer] = a.exchange({ header: { viaList: [node(b.nodeId), far] } });
  assert.deepEqual(answer?.header.destinationList, [node(a.nodeId), far, node(b.nodeId)]);
});

test('[R6940-6.3.2-08] [R6940-6.3.2-09] TTL 0 in transit is answered with Error_TTL_Exceeded, at the destination it is fine', () => {
  const { a, b } = scene();
  const [refused] = a.exchange({ header: { destinationList: [node(b.nodeId)], ttl: 0 } });
  assert.equal(errorOf(refused), errorCodes.ttlExceeded);
  assert.equal(b.received.length, 0);
  const [answer] = a.exchange({ header: { ttl: 0 } });
  assert.equal(answer?.payload.contents.messageCode, messageCodes.pingAns);
});

test('[R6940-6.3.2-12] a TTL above initial-ttl is refused', () => {
  const { a, b } = scene();
  const [refused] = a.exchange({ header: { destinationList: [node(b.nodeId)], ttl: 101 } });
  assert.equal(errorOf(refused), errorCodes.ttlExceeded);
  assert.equal(b.received.length, 0);
});

test('errors answer requests only', () => {
  const { a, b } = scene();
  const header = { destinationList: [node(b.nodeId)], ttl: 0 };
  assert.deepEqual(a.exchange({ header, code: messageCodes.pingAns }), []);
});

test('error answers to transit messages are limited in rate', () => {
  const { a, b, peer } = scene();
  const header = { destinationList: [node(b.nodeId)], ttl: 0 };
  for (let i = 0; i < 80; i++) a.link.send(a.message({ header }));
  a.exchange();
  assert.ok(a.received.length < 60);
  assert.ok(peer.count('overlay_messages_dropped_total', 'error-rate') > 20);
});

test('[R6940-13.6.5-02] duplicate Destination List entries are refused', () => {
  const { a, b } = scene();
  const [refused] = a.exchange({
    header: { destinationList: [node(b.nodeId), node(a.nodeId), node(b.nodeId)] },
  });
  assert.equal(errorOf(refused), errorCodes.invalidMessage);
});

test('[R6940-6.1.1-06] [R6940-6.1-04] the wildcard is answered here and goes no further', () => {
  const { a, b } = scene();
  const [answer] = a.exchange({ header: { destinationList: [node(wildcard)] } });
  assert.equal(answer?.payload.contents.messageCode, messageCodes.pingAns);
  assert.equal(b.received.length, 0);
});

test('[R6940-6.1.1-07] a Node-ID of the own range that nobody has is dropped silently', () => {
  const { a, peer } = scene();
  const header = { destinationList: [node('3'.repeat(32) as NodeId)] };
  assert.deepEqual(a.exchange({ header }), []);
  assert.equal(peer.count('overlay_messages_dropped_total', 'node-not-here'), 1);
});

test('[R6940-6.1.1-08] a Node-ID of the own range that has a link gets its message', () => {
  const { a, b } = scene();
  a.exchange({ header: { destinationList: [node(b.nodeId)] } });
  assert.equal(b.received.length, 1);
});

test('[R6940-6.1.1-01] [R6940-6.5.3-01] a Resource-ID of the own range is answered', () => {
  const { a } = scene();
  const resource = '4'.repeat(32) as ResourceId;
  const [answer] = a.exchange({ header: { destinationList: [{ type: 'resource', resource }] } });
  assert.equal(answer?.payload.contents.messageCode, messageCodes.pingAns);
});

test('opaque ids that are not ours are dropped', () => {
  const { a, peer } = scene();
  const id = hexDecode('0102') as Uint8Array;
  assert.deepEqual(a.exchange({ header: { destinationList: [{ type: 'opaque', id }] } }), []);
  assert.deepEqual(
    a.exchange({ header: { destinationList: [{ type: 'compressed', id: 0x8001 }] } }),
    [],
  );
  assert.equal(peer.count('overlay_messages_dropped_total', 'unknown-opaque-id'), 2);
});

test('[R6940-6.3.2.3-04] [R6940-6.3.2.3-07] an unknown forward-critical option is refused in transit, carried otherwise', () => {
  const { a, b } = scene();
  const destinationList = [node(b.nodeId)];
  const option = { type: 77, value: Uint8Array.of(5) };
  const [refused] = a.exchange({
    header: { destinationList, options: [{ ...option, flags: 1 }] },
  });
  assert.equal(errorOf(refused), errorCodes.unsupportedForwardingOption);
  a.exchange({ header: { destinationList, options: [{ ...option, flags: 2 }] } });
  assert.equal(b.received.length, 1);
  assert.equal(b.received[0]?.header.options[0]?.type, 77);
});

test('[R6940-6.3.2.3-05] [R6940-6.3.2.3-06] options at the destination', () => {
  const { a } = scene();
  const option = { type: 77, value: Uint8Array.of(5) };
  const [refused] = a.exchange({ header: { options: [{ ...option, flags: 2 }] } });
  assert.equal(errorOf(refused), errorCodes.unsupportedForwardingOption);
  const [answer] = a.exchange({
    header: {
      options: [
        { ...option, flags: 4 },
        { type: 78, flags: 0, value: option.value },
      ],
    },
  });
  assert.deepEqual(
    answer?.header.options.map(({ type, flags }) => [type, flags]),
    [[77, 0]],
  );
});

test('[R6940-6.3.3-04] [R6940-6.3.3-05] unknown extensions: critical refused, others ignored', () => {
  const { a } = scene();
  const extension = { type: 0x77, extensionContents: new Uint8Array(0) };
  const [refused] = a.exchange({ extensions: [{ ...extension, critical: true }] });
  assert.equal(errorOf(refused), errorCodes.unknownExtension);
  const [answer] = a.exchange({ extensions: [{ ...extension, critical: false }] });
  assert.equal(answer?.payload.contents.messageCode, messageCodes.pingAns);
});

test('lists that leave no room for another entry are dropped, not sent on', () => {
  const { a, b, peer } = scene();
  const id = (i: number): Destination => node(i.toString(16).padStart(32, '0') as NodeId);
  const viaList = Array.from({ length: 64 }, (_, i) => id(i + 1));
  assert.deepEqual(a.exchange({ header: { viaList } }), []);
  assert.deepEqual(a.exchange({ header: { viaList, destinationList: [node(b.nodeId)] } }), []);
  assert.equal(b.received.length, 0);
  assert.equal(peer.count('overlay_messages_dropped_total', 'via-list'), 2);
  const [answer] = a.exchange({ header: { viaList: viaList.slice(1) } });
  assert.equal(answer?.header.destinationList.length, 64);
});

test('ids of foreign lengths are dropped or refused, in a ring of one and of several', () => {
  const { a, world } = scene();
  for (let round = 0; round < 2; round++) {
    for (const length of [0, 2, 30, 34, 40, 400]) {
      const resource = 'ab'.repeat(length / 2) as ResourceId;
      a.exchange({ header: { destinationList: [{ type: 'resource', resource }] } });
    }
    a.exchange({ header: { destinationList: [node('ab'.repeat(20) as NodeId)] } });
    world.add();
    world.settle();
  }
  const [answer] = a.exchange();
  assert.equal(answer?.payload.contents.messageCode, messageCodes.pingAns);
});

test('random bytes after a good header, and random headers, are dropped', () => {
  const { a, peer, world } = scene();
  const prng = createPrng('garbage');
  for (let i = 0; i < 300; i++) {
    const bytes = a.message();
    const from = i % 2 === 0 ? 38 : 12;
    for (let k = 0; k < 4; k++) bytes[from + prng.below(bytes.length - from)] = prng.below(256);
    a.link.send(bytes);
  }
  world.clock.advance(1000);
  assert.equal(a.link.closed, false);
  assert.ok(peer.count('overlay_messages_dropped_total') > 200);
});

test('an unknown method is refused', () => {
  const { a } = scene();
  const [refused] = a.exchange({ code: 0x51 });
  assert.equal(errorOf(refused), errorCodes.invalidMessage);
});

test('[R6940-6.3.2.1-04] [R6940-6.3.2.1-05] [R6940-6.3.2.1-06] [R6940-6.5.4-01] another configuration sequence', () => {
  const { a } = scene();
  const older = a.exchange({ header: { configurationSequence: 21 } });
  assert.equal(errorOf(older[0]), errorCodes.configTooOld);
  const update = older.find(
    (message) => message.payload.contents.messageCode === messageCodes.configUpdateReq,
  );
  assert.equal(update?.header.configurationSequence, 65_535);
  assert.deepEqual(update.header.destinationList, [node(a.nodeId)]);
  const newer = a.exchange({ header: { configurationSequence: 23 } });
  assert.equal(errorOf(newer[0]), errorCodes.configTooNew);
  assert.equal(newer.length, 1);
});

test('[R6940-6.2.1-13] a repeated request gets the same answer and is handled once', () => {
  const { a, peer, world } = scene();
  const bytes = a.message();
  a.link.send(bytes);
  world.clock.advance(100);
  a.link.send(bytes);
  world.clock.advance(100);
  const [first, second] = a.received.map((message) => message.payload.contents.messageBody);
  assert.ok(first !== undefined && second !== undefined);
  assert.deepEqual(first, second);
  assert.equal(peer.count('overlay_messages_received_total', 'ping_req'), 1);
});

test('[R6940-6.3.2-20] an answer above max_response_length becomes an error (A-07)', () => {
  const { a } = scene();
  const [refused] = a.exchange({ header: { maxResponseLength: 60 } });
  assert.equal(errorOf(refused), errorCodes.responseTooLarge);
});

test('[R6940-6.6-02] [R6940-6.6-04] a message above max-message-size is refused and the link closed', () => {
  const { a, world } = scene();
  a.link.send(a.message({ body: new Uint8Array(25_000) }));
  world.clock.advance(3000);
  assert.equal(errorOf(a.received[0]), errorCodes.messageTooLarge);
  assert.equal(a.closed.length, 1);
});

test('[R6940-6.7-01] [R6940-6.3.4-17] fragments are put together and answered', () => {
  const { a, world } = scene();
  const whole = a.message({ body: Uint8Array.of(2, 0, ...new Array<number>(512).fill(7)) });
  const headerLength = 38 + 18;
  const parts: [number, number][] = [
    [0, 300],
    [300, whole.length - headerLength],
  ];
  for (const [from, to] of parts.reverse()) {
    const piece = new Uint8Array(headerLength + to - from);
    piece.set(whole.subarray(0, headerLength));
    piece.set(whole.subarray(headerLength + from, headerLength + to), headerLength);
    const view = new DataView(piece.buffer);
    const last = headerLength + to === whole.length;
    view.setUint32(12, (0x8000_0000 | (last ? 0x4000_0000 : 0) | from) >>> 0);
    view.setUint32(16, piece.length);
    a.link.send(piece);
  }
  world.clock.advance(100);
  assert.equal(a.received[0]?.payload.contents.messageCode, messageCodes.pingAns);
});

test('[R6940-6.1.2-12] a certificate with several Node-IDs needs an Attach for more than Ping and Attach', () => {
  const { world, peer } = scene();
  const ids = [world.nodeId('m1'), world.nodeId('m2')];
  const raw = createRawPeer(world, peer, 'multi', ids);
  const [answer] = raw.exchange();
  assert.equal(answer?.payload.contents.messageCode, messageCodes.pingAns);
  const [refused] = raw.exchange({ code: messageCodes.probeReq, body: Uint8Array.of(1, 3) });
  assert.equal(errorOf(refused), errorCodes.forbidden);
});

test('[R6940-6.1.1-02] entries after a Resource-ID of the own range: dropped without an answer', () => {
  const { a, b, world } = scene();
  const id = Uint8Array.of(16, ...new Array<number>(16).fill(4)).subarray(1);
  const bytes = a.message({
    header: { destinationList: [{ type: 'opaque', id }, node(b.nodeId)] },
  });
  // The codec refuses to write such a list: the opaque entry becomes a resource.
  assert.equal(bytes[38], 3);
  bytes[38] = 2;
  a.link.send(bytes);
  world.clock.advance(500);
  assert.equal(a.received.length + b.received.length, 0);
});
