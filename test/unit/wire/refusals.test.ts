/** Why bytes are refused: the code of the error, which figures and logs tell. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UsageError } from '../../../src/base/assert.ts';
import type { NodeId, ResourceId } from '../../../src/base/ids.ts';
import { limits } from '../../../src/base/limits.ts';
import {
  attempt,
  bool,
  encodeToBytes,
  opaque,
  Reader,
  tryDecode,
  u64,
  u8,
  vector,
  type Codec,
} from '../../../src/wire/codec.ts';
import {
  destination,
  destinationKey,
  destinationList,
} from '../../../src/wire/reload/destination.ts';
import { decodeFrame, encodeAckFrame, frameLength } from '../../../src/wire/reload/framing.ts';
import { decodeHeader, encodeHeader } from '../../../src/wire/reload/header.ts';

function codeOf(outcome: { readonly ok: boolean; readonly error?: { readonly code: string } }) {
  return outcome.ok ? undefined : outcome.error?.code;
}

test('numbers and bytes that are not all there are truncated', () => {
  for (const length of [0, 1, 7]) {
    assert.equal(codeOf(tryDecode(u64, new Uint8Array(length))), 'truncated');
  }
  assert.equal(codeOf(tryDecode(u8, new Uint8Array(0))), 'truncated');
  for (const read of [
    (reader: Reader) => reader.take(4),
    (reader: Reader) => reader.enter(4),
    (reader: Reader) => reader.skip(4),
    (reader: Reader) => reader.u32(),
    (reader: Reader) => reader.u24(),
    (reader: Reader) => reader.u16() + reader.u16(),
  ]) {
    const failing = attempt(() => read(new Reader(new Uint8Array(2))));
    assert.equal(codeOf(failing), 'truncated');
  }
});

test('too many elements, options and entries are too many', () => {
  const items = vector(u8, 2, { maxItems: 3 });
  assert.equal(tryDecode(items, Uint8Array.of(0, 3, 1, 2, 3)).ok, true);
  assert.equal(codeOf(tryDecode(items, Uint8Array.of(0, 4, 1, 2, 3, 4))), 'too-many');

  const most = limits.wire.forwardingOptions;
  const header = {
    overlay: 1,
    configurationSequence: 2,
    ttl: 3,
    fragment: { last: true, offset: 0 },
    transactionId: 4n,
    maxResponseLength: 0,
    viaList: [],
    destinationList: [],
    options: Array.from({ length: most }, () => ({ type: 9, flags: 0, value: new Uint8Array() })),
  };
  const bytes = encodeHeader(header, 0);
  assert.equal(decodeHeader(bytes).header.options.length, most);
  const longer = new Uint8Array(bytes.length + 4);
  longer.set(bytes);
  longer[bytes.length] = 9;
  const view = new DataView(longer.buffer);
  view.setUint32(16, longer.length);
  view.setUint16(36, 4 * (most + 1));
  assert.equal(codeOf(attempt(() => decodeHeader(longer))), 'too-many');

  const entry = [1, 16, ...new Array<number>(16).fill(7)];
  const entries = (count: number): Uint8Array => {
    const body = Array.from({ length: count }, () => entry).flat();
    return Uint8Array.from([body.length >> 8, body.length & 255, ...body]);
  };
  const list = destinationList(2);
  assert.equal(tryDecode(list, entries(limits.destinationListEntries)).ok, true);
  assert.equal(codeOf(tryDecode(list, entries(limits.destinationListEntries + 1))), 'too-many');
});

test('destinations of different types are never equal; the short form equals the opaque id of two bytes', () => {
  const id = '81'.repeat(16);
  const keys = [
    destinationKey({ type: 'node', nodeId: id as NodeId }),
    destinationKey({ type: 'resource', resource: id as ResourceId }),
    destinationKey({ type: 'resource', resource: '00' as ResourceId }),
    destinationKey({ type: 'opaque', id: new Uint8Array(16).fill(0x81) }),
    destinationKey({ type: 'compressed', id: 0x8181 }),
  ];
  assert.equal(new Set(keys).size, keys.length);
  assert.equal(destinationKey({ type: 'opaque', id: Uint8Array.of(0x81, 0x81) }), keys[4]);
});

test('lengths outside their bounds are bad lengths, numbers without meaning bad values', () => {
  const bounds = { min: 2, max: 3 };
  const codecs: readonly Codec<unknown>[] = [opaque(1, bounds), vector(u8, 1, bounds)];
  for (const codec of codecs) {
    assert.equal(codeOf(tryDecode(codec, Uint8Array.of(1, 7))), 'bad-length');
    assert.equal(tryDecode(codec, Uint8Array.of(2, 7, 7)).ok, true);
    assert.equal(tryDecode(codec, Uint8Array.of(3, 7, 7, 7)).ok, true);
    assert.equal(codeOf(tryDecode(codec, Uint8Array.of(4, 7, 7, 7, 7))), 'bad-length');
  }
  assert.equal(codeOf(tryDecode(bool, Uint8Array.of(2))), 'bad-value');
  assert.equal(codeOf(tryDecode(destinationList(1, 3), Uint8Array.of(2, 0x81, 1))), 'bad-length');
  const nodeOf = (length: number): Uint8Array =>
    Uint8Array.from([1, length, ...new Array<number>(length).fill(7)]);
  assert.deepEqual(
    [15, 16, 20, 21].map((length) => codeOf(tryDecode(destination, nodeOf(length)))),
    ['bad-length', undefined, undefined, 'bad-length'],
  );
});

test('what is of no known type says so', () => {
  assert.equal(codeOf(tryDecode(destination, Uint8Array.of(4, 1, 0))), 'unknown-type');
  const frame = Uint8Array.of(130, 0, 0, 0, 0, 0, 0, 0);
  assert.equal(codeOf(frameLength(frame)), 'unknown-type');
  assert.equal(codeOf(attempt(() => decodeFrame(frame))), 'unknown-type');
  const ack = Uint8Array.from([...encodeAckFrame(1, 2), 0]);
  assert.equal(codeOf(attempt(() => decodeFrame(ack))), 'trailing-bytes');
});

test('the first and the last short form are sent', () => {
  for (const id of [0x8000, 0xffff]) {
    const bytes = encodeToBytes(destination, { type: 'compressed', id });
    assert.deepEqual([...bytes], [id >> 8, id & 255]);
  }
  for (const id of [0x7fff, 0x1_0000]) {
    assert.throws(() => encodeToBytes(destination, { type: 'compressed', id }), UsageError);
  }
});

test('an error in the header names the list and the entry', () => {
  const id = '81'.repeat(16) as NodeId;
  const node = { type: 'node', nodeId: id } as const;
  const header = {
    overlay: 1,
    configurationSequence: 2,
    ttl: 3,
    fragment: { last: true, offset: 0 },
    transactionId: 4n,
    maxResponseLength: 0,
    viaList: [node, node],
    destinationList: [node, node, node],
    options: [1, 2].map((type) => ({ type, flags: 0, value: Uint8Array.of(9) })),
  };
  const bytes = encodeHeader(header, 0);
  const broken = (at: number): string => {
    const changed = bytes.slice();
    changed[at] = 0;
    const outcome = attempt(() => decodeHeader(changed));
    assert.ok(!outcome.ok);
    return outcome.error.path;
  };
  const [fixed, entry] = [38, 18];
  assert.equal(broken(fixed), 'viaList[0]');
  assert.equal(broken(fixed + entry), 'viaList[1]');
  assert.equal(broken(fixed + 4 * entry), 'destinationList[2]');
  assert.equal(broken(fixed + 5 * entry), 'options[0]');
  assert.equal(broken(fixed + 5 * entry + 5), 'options[1]');
});
