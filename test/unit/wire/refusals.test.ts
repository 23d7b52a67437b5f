/** Why bytes are refused: the code of the error, which figures and logs tell. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeId, ResourceId } from '../../../src/base/ids.ts';
import { limits } from '../../../src/base/limits.ts';
import { attempt, Reader, tryDecode, u64, vector, u8 } from '../../../src/wire/codec.ts';
import { destinationKey, destinationList } from '../../../src/wire/reload/destination.ts';
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
