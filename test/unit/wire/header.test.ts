import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UsageError } from '../../../src/base/assert.ts';
import { nodeIdFromBytes, resourceIdFromBytes } from '../../../src/base/ids.ts';
import { limits } from '../../../src/base/limits.ts';
import { decodeExact, encodeToBytes, WireError } from '../../../src/wire/codec.ts';
import {
  bareDestinations,
  destination,
  destinationList,
  sameDestination,
  type Destination,
} from '../../../src/wire/reload/destination.ts';
import {
  ackFrameLength,
  decodeFrame,
  encodeAckFrame,
  encodeDataFrame,
  frameLength,
} from '../../../src/wire/reload/framing.ts';
import {
  decodeHeader,
  encodeHeader,
  forwardingOptionFlags,
  protocolVersion,
  reloToken,
  type ForwardingHeader,
} from '../../../src/wire/reload/header.ts';
import { checkCodec, hex, misused, refuses, sameContent } from './check-codec.ts';

const node: Destination = { type: 'node', nodeId: nodeIdFromBytes(hex('11'.repeat(16))) };
const long: Destination = { type: 'node', nodeId: nodeIdFromBytes(hex('22'.repeat(20))) };
const resource: Destination = {
  type: 'resource',
  resource: resourceIdFromBytes(hex('33'.repeat(16))),
};
const opaqueId: Destination = { type: 'opaque', id: hex('cafe01') };
const compressed: Destination = { type: 'compressed', id: 0x8123 };

const header: ForwardingHeader = {
  overlay: 0x9aa32b8d,
  configurationSequence: 65_535,
  ttl: 100,
  fragment: { last: true, offset: 0 },
  transactionId: 0xffff_ffff_ffff_fffen,
  maxResponseLength: 0xffff_ffff,
  viaList: [node, compressed, opaqueId],
  destinationList: [long, opaqueId, resource],
  options: [
    { type: 99, flags: 0x07, value: hex('') },
    { type: 2, flags: 0x08, value: hex('cafe') },
  ],
};

const plainHeader: ForwardingHeader = { ...header, viaList: [], options: [] };

test('[R6940-6.3.2.2-01] destinations of every form', () => {
  checkCodec(destination, [node, long, resource, opaqueId]);
  checkCodec(destinationList(2), [[], [compressed], [node, opaqueId, compressed, resource]]);
  assert.deepEqual(encodeToBytes(destination, compressed), hex('8123'));
});

test('[R6940-6.3.2.2-03] the 16-bit form equals an opaque id of two bytes', () => {
  assert.ok(sameDestination(compressed, { type: 'opaque', id: hex('8123') }));
  assert.ok(!sameDestination(compressed, { type: 'opaque', id: hex('8124') }));
  assert.ok(!sameDestination(node, resource));
});

test('[R6940-6.3.2.2-02] [R6940-6.3.2.2-04] the first bit tells the compressed form', () => {
  misused(destination, { type: 'compressed', id: 0x7fff });
  misused(destination, { type: 'compressed', id: 0x1_0000 });
  assert.deepEqual(decodeExact(destination, hex('ffff')), { type: 'compressed', id: 0xffff });
  refuses(destination, hex('00 00'), 'type 0');
});

test('[R6940-6.3.2.2-06] a destination of unknown type is skipped by its length', () => {
  const bytes = Buffer.concat([hex('0903ffffff'), encodeToBytes(destination, node)]);
  sameContent(decodeExact(bareDestinations, bytes), [node]);
  refuses(bareDestinations, hex('0904ffffff'));
});

test('[R6940-6.3.2.2-05] inner and outer length of a destination agree', () => {
  refuses(destination, hex('0204 02 aabb 00'), 'a byte left over');
  refuses(destination, hex('0202 02 aabb'), 'an inner length beyond the outer');
  refuses(destination, hex(`010f${'11'.repeat(15)}`), 'a Node-ID of 15 bytes');
  refuses(destination, hex(`0115${'11'.repeat(21)}`), 'a Node-ID of 21 bytes');
});

test('[R6940-6.3.2.2-07] a Resource-ID is last in a Destination List and never in a Via List', () => {
  misused(bareDestinations, [resource, node]);
  const middle = Buffer.concat([resource, node].map((entry) => encodeToBytes(destination, entry)));
  refuses(bareDestinations, middle);
  assert.throws(() => encodeHeader({ ...header, viaList: [resource] }, 0), UsageError);
  const bytes = encodeHeader({ ...plainHeader, destinationList: [resource] }, 0);
  const swapped = Uint8Array.from(bytes);
  swapped[33] = 19;
  swapped[35] = 0;
  assert.throws(() => decodeHeader(swapped), WireError);
});

test('bound of the entries of a list', () => {
  const list = new Array<Destination>(limits.destinationListEntries).fill(compressed);
  assert.equal(decodeExact(bareDestinations, hex('8123'.repeat(list.length))).length, list.length);
  misused(bareDestinations, [...list, compressed]);
  refuses(bareDestinations, hex('8123'.repeat(list.length + 1)));
});

test('a Destination List has a least length where asked for', () => {
  const codec = destinationList(2, 3);
  checkCodec(codec, [[opaqueId]]);
  misused(codec, [compressed]);
  refuses(codec, hex('00028123'));
});

test('[R6940-6.3.2-01] [R6940-6.3.2-02] [R6940-6.3.2-05] header: round trip and layout', () => {
  const bytes = encodeHeader(header, 7);
  const whole = Buffer.concat([bytes, new Uint8Array(7)]);
  const decoded = decodeHeader(whole);
  sameContent(decoded.header, header);
  assert.equal(decoded.headerLength, bytes.length);
  assert.equal(decoded.messageLength, bytes.length + 7);
  assert.equal(whole.readUInt32BE(0), reloToken);
  assert.equal(whole[10], protocolVersion);
  assert.equal(encodeHeader({ ...plainHeader, destinationList: [] }, 0).length, 38);
});

test('[R6940-6.3.2-01] [R6940-6.3.2-06] header: wrong token or version', () => {
  const bytes = encodeHeader(header, 0);
  for (const [at, values] of [
    [0, [0x52, 0xd3]],
    [10, [0x00, 0x01, 0x0b, 0xff]],
  ] as const) {
    for (const value of values) {
      const changed = Uint8Array.from(bytes);
      changed[at] = value;
      assert.throws(() => decodeHeader(changed), WireError);
    }
  }
});

test('[R6940-6.3.2-13] [R6940-6.7-11] header: the first bit of the fragment field is set', () => {
  const bytes = Uint8Array.from(encodeHeader(header, 0));
  assert.equal(bytes[12], 0xc0);
  bytes[12] = 0x40;
  assert.throws(() => decodeHeader(bytes), WireError);
});

test('[R6940-6.3.2-14] [R6940-6.3.2-16] header: fragment offsets at their bounds', () => {
  for (const fragment of [
    { last: false, offset: 0 },
    { last: true, offset: 0xff_ffff },
  ]) {
    const bytes = encodeHeader({ ...header, fragment }, 0);
    assert.deepEqual(decodeHeader(bytes).header.fragment, fragment);
  }
  const tooFar = { last: true, offset: 0x100_0000 };
  assert.throws(() => encodeHeader({ ...header, fragment: tooFar }, 0), UsageError);
});

test('[R6940-6.3.2-17] header: the length field equals the bytes of the message', () => {
  const bytes = encodeHeader(header, 3);
  const message = Buffer.concat([bytes, new Uint8Array(3)]);
  assert.equal(message.readUInt32BE(16), message.length);
  for (let length = 0; length < message.length; length++) {
    assert.throws(() => decodeHeader(message.subarray(0, length)), WireError);
  }
  assert.throws(() => decodeHeader(Buffer.concat([message, hex('00')])), WireError);
});

test('header: list lengths that do not fit the lists', () => {
  const bytes = encodeHeader(header, 40);
  const message = Buffer.concat([bytes, new Uint8Array(40)]);
  for (const at of [33, 35, 37]) {
    for (const by of [-1, 1]) {
      const changed = Buffer.from(message);
      changed[at] = (changed[at] ?? 0) + by;
      assert.throws(() => decodeHeader(changed), WireError, `byte ${at} ${by}`);
    }
  }
});

test('[R6940-6.3.2.3-01] [R6940-6.3.2.3-02] forwarding options', () => {
  assert.deepEqual(forwardingOptionFlags, {
    forwardCritical: 1,
    destinationCritical: 2,
    responseCopy: 4,
  });
  const option = { type: 255, flags: 0, value: hex('') };
  const many = { ...header, options: new Array(limits.wire.forwardingOptions).fill(option) };
  assert.equal(decodeHeader(encodeHeader(many, 0)).header.options.length, many.options.length);
  const tooMany = { ...header, options: new Array(limits.wire.forwardingOptions + 1).fill(option) };
  assert.throws(() => encodeHeader(tooMany, 0), UsageError);
  const invalid = { ...header, options: [{ ...option, type: 0 }] };
  assert.throws(() => encodeHeader(invalid, 0), UsageError);
});

test('header: any changed byte is decoded or refused, never anything else', () => {
  const bytes = encodeHeader(header, 0);
  for (let at = 0; at < bytes.length; at++) {
    for (let flip = 1; flip < 256; flip += 7) {
      const changed = Uint8Array.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ flip;
      try {
        decodeHeader(changed);
      } catch (error) {
        assert.ok(error instanceof WireError);
      }
    }
  }
});

test('[R6940-6.6.2-01] [R6940-6.6.2-02] [R6940-6.6.2-03] frames', () => {
  const data = encodeDataFrame(0xffff_ffff, hex('010203'));
  sameContent(decodeFrame(data), { type: 'data', sequence: 0xffff_ffff, message: hex('010203') });
  const ack = encodeAckFrame(7, 0xffff_ffff);
  sameContent(decodeFrame(ack), { type: 'ack', ackSequence: 7, received: 0xffff_ffff });
  for (const frame of [data, ack]) {
    for (let length = 0; length < frame.length; length++) {
      assert.throws(() => decodeFrame(frame.subarray(0, length)), WireError);
    }
    assert.throws(() => decodeFrame(Buffer.concat([frame, hex('00')])), WireError);
  }
  assert.throws(() => decodeFrame(hex('8200000000000000')), WireError);
  assert.throws(() => encodeDataFrame(0, new Uint8Array(0x100_0000)), UsageError);
});

test('frames are found in a stream', () => {
  const stream = Buffer.concat([hex('ff'), encodeDataFrame(1, new Uint8Array(300)).subarray(0, 9)]);
  assert.deepEqual(frameLength(stream, 1), { ok: true, value: 308 });
  assert.deepEqual(frameLength(stream.subarray(0, 8), 1), { ok: true, value: undefined });
  assert.deepEqual(frameLength(hex('')), { ok: true, value: undefined });
  assert.deepEqual(frameLength(encodeAckFrame(1, 0).subarray(0, 1)), {
    ok: true,
    value: ackFrameLength,
  });
  assert.ok(!frameLength(stream).ok);
});
