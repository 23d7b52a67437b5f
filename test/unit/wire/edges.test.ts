/** The wire formats at their very edges: largest lengths, first and last codes. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeId } from '../../../src/base/ids.ts';
import { UsageError } from '../../../src/base/assert.ts';
import { Reader } from '../../../src/wire/reader.ts';
import { encodeToBytes, tryDecode } from '../../../src/wire/codec.ts';
import { extensionTypes } from '../../../src/wire/reload/contents.ts';
import { decodeDestination } from '../../../src/wire/reload/destination.ts';
import { errorCodeName, errorCodes } from '../../../src/wire/reload/errors.ts';
import { encodeDataFrame } from '../../../src/wire/reload/framing.ts';
import {
  decodeFragment,
  decodeHeader,
  encodeFragment,
  encodeHeader,
  type ForwardingHeader,
} from '../../../src/wire/reload/header.ts';
import { iceCandidates, type IceCandidate } from '../../../src/wire/reload/ice-candidate.ts';
import { messageClass, messageCodeName } from '../../../src/wire/reload/message-codes.ts';

const nodeId = '0123456789abcdef0123456789abcdef' as NodeId;

function u32Reader(value: number): Reader {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return new Reader(bytes);
}

test('the names of all error codes', () => {
  const names = [
    'Error_Forbidden',
    'Error_Not_Found',
    'Error_Request_Timeout',
    'Error_Generation_Counter_Too_Low',
    'Error_Incompatible_with_Overlay',
    'Error_Unsupported_Forwarding_Option',
    'Error_Data_Too_Large',
    'Error_Data_Too_Old',
    'Error_TTL_Exceeded',
    'Error_Message_Too_Large',
    'Error_Unknown_Kind',
    'Error_Unknown_Extension',
    'Error_Response_Too_Large',
    'Error_Config_Too_Old',
    'Error_Config_Too_New',
    'Error_In_Progress',
    'Error_Exp_A',
    'Error_Exp_B',
    'Error_Invalid_Message',
    'Error_Underlay_Destination_Unreachable',
    'Error_Underlay_Time_Exceeded',
    'Error_Message_Expired',
    'Error_Upstream_Misrouting',
    'Error_Loop_Detected',
    'Error_TTL_Hops_Exceeded',
  ];
  assert.deepEqual(
    names.map((_, i) => errorCodeName(i + 2)),
    names,
  );
  for (const code of [0, 1, 0x1b, 0xffff]) {
    assert.equal(errorCodeName(code), `0x${code.toString(16)}`);
  }
  for (const [name, code] of Object.entries(errorCodes)) {
    const plain = errorCodeName(code).replace('Error_', '').replaceAll('_', '').toLowerCase();
    assert.equal(plain, name.toLowerCase());
  }
});

test('the message extensions of RFC 7851 and RFC 7363', () => {
  assert.deepEqual(extensionTypes, { diagnosticPing: 0x2, selfTuningData: 0x3 });
});

test('what a message code is for', () => {
  const classes: readonly (readonly [number, string])[] = [
    [0, 'invalid'],
    [1, 'request'],
    [2, 'answer'],
    [0x7fff, 'request'],
    [0x7ffe, 'answer'],
    [0x8000, 'invalid'],
    [0xfffe, 'invalid'],
    [0xffff, 'error'],
  ];
  for (const [code, expected] of classes) assert.equal(messageClass(code), expected, `${code}`);
  assert.equal(messageCodeName(0x1d), 'app_attach_req');
  assert.equal(messageCodeName(0x23), '0x23');
});

test('the length of a data frame has three bytes', () => {
  for (const length of [0, 1, 255, 256, 65_535, 65_536, 0x01_02_03]) {
    const frame = encodeDataFrame(0x0a0b0c0d, new Uint8Array(length), Uint8Array.of(7));
    assert.equal(frame.length, 8 + length + 1);
    const total = length + 1;
    assert.deepEqual(
      [...frame.subarray(0, 8)],
      [128, 0x0a, 0x0b, 0x0c, 0x0d, total >>> 16, (total >>> 8) & 255, total & 255],
    );
    assert.equal(frame.at(-1), 7);
  }
});

test('a fragment field keeps its flag and its offset', () => {
  for (const last of [true, false]) {
    for (const offset of [0, 1, 1200, 0xff_ffff]) {
      const field = encodeFragment({ last, offset });
      assert.equal(field, 0x8000_0000 + (last ? 0x4000_0000 : 0) + offset);
      assert.deepEqual(decodeFragment(u32Reader(field)), { last, offset });
      assert.deepEqual(decodeFragment(u32Reader((field | 0x3f00_0000) >>> 0)), { last, offset });
    }
  }
  for (const offset of [-1, 0x100_0000]) {
    assert.throws(() => encodeFragment({ last: true, offset }), UsageError);
  }
  assert.throws(() => decodeFragment(u32Reader(0x4000_0000)), /bad-value/);
});

test('a destination of type 0 is no type; compressed ones have the top bit', () => {
  assert.throws(() => decodeDestination(new Reader(Uint8Array.of(0, 0))), /unknown-type/);
  assert.deepEqual(decodeDestination(new Reader(Uint8Array.of(0x81, 0x02))), {
    type: 'compressed',
    id: 0x8102,
  });
  assert.equal(decodeDestination(new Reader(Uint8Array.of(9, 1, 5))), undefined);
});

test('a list of candidates has at least one and at most the bound', () => {
  const candidate: IceCandidate = {
    type: 'host',
    addrPort: { type: 'ipv4', address: '192.0.2.1', port: 6084 },
    overlayLink: 'TLS-TCP-FH-NO-ICE',
    foundation: '1',
    priority: 1,
    extensions: [],
  };
  const one = encodeToBytes(iceCandidates, [candidate]);
  assert.deepEqual(tryDecode(iceCandidates, one), { ok: true, value: [candidate] });
  assert.equal(tryDecode(iceCandidates, Uint8Array.of(0, 0)).ok, false);
});

function headerWith(optionBytes: readonly number[]): ForwardingHeader {
  return {
    overlay: 1,
    configurationSequence: 2,
    ttl: 3,
    fragment: { last: true, offset: 0 },
    transactionId: 4n,
    maxResponseLength: 0,
    viaList: [],
    destinationList: [{ type: 'node', nodeId }],
    options: optionBytes.map((bytes) => ({ type: 9, flags: 0, value: new Uint8Array(bytes) })),
  };
}

test('a list of the header may have 65535 bytes and no more', () => {
  const bytes = encodeHeader(headerWith([65_531]), 0);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  assert.equal(view.getUint16(36), 65_535, 'options_length');
  assert.throws(() => encodeHeader(headerWith([65_520, 8]), 0), UsageError);
  for (const options of [[], [0], [5, 7]]) {
    assert.deepEqual(
      decodeHeader(encodeHeader(headerWith(options), 0)).header,
      headerWith(options),
    );
  }
});
