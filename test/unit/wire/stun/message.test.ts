import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import { UsageError } from '../../../../src/base/assert.ts';
import { limits } from '../../../../src/base/limits.ts';
import { createPrng } from '../../../../src/base/prng.ts';
import { hexDecode } from '../../../../src/base/text.ts';
import { stunAttributes, type StunAttributes } from '../../../../src/wire/stun/attributes.ts';
import { bindingAnswer } from '../../../../src/wire/stun/binding-answer.ts';
import { decodeChannelData, encodeChannelData } from '../../../../src/wire/stun/channel-data.ts';
import { datagramKind } from '../../../../src/wire/stun/demultiplex.ts';
import { shortTermKey } from '../../../../src/wire/stun/integrity.ts';
import {
  decodeStun,
  encodeStun,
  isAuthentic,
  stunMethods,
  type StunMessage,
} from '../../../../src/wire/stun/message.ts';
import { sameContent } from '../check-codec.ts';

const transactionId = '000102030405060708090a0b';
const key = shortTermKey('secret');
const ipv4 = { address: '192.0.2.7', port: 4242 };
const ipv6 = { address: '2001:db8::7', port: 65535 };

function message(attributes: StunAttributes, over: Partial<StunMessage> = {}): StunMessage {
  return { class: 'request', method: 'binding', transactionId, attributes, ...over };
}

const samples: readonly StunAttributes[] = [
  {},
  { username: 'a:b', priority: 0xffff_ffff, useCandidate: true, iceControlling: 2n ** 64n - 1n },
  { iceControlled: 0n, software: 'x', mappedAddress: ipv4 },
  { xorMappedAddress: ipv6, alternateServer: ipv6 },
  { errorCode: { code: 300, reason: '' } },
  { errorCode: { code: 699, reason: 'Zürich' }, unknownAttributes: [0, 0x7fff] },
  { realm: 'r', nonce: 'n', requestedTransport: 17, requestedAddressFamily: 2 },
  { dontFragment: true, reservationToken: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8), lifetime: 600 },
  { channelNumber: 0x4001, xorPeerAddress: ipv4 },
  { xorPeerAddress: ipv6, data: Uint8Array.of(1, 2, 3) },
  { xorRelayedAddress: ipv4, data: new Uint8Array(0) },
];

test('every attribute survives a round trip, with and without message integrity', () => {
  const seen = new Set<string>();
  for (const attributes of samples) {
    for (const name of Object.keys(attributes)) seen.add(name);
    for (const secret of [undefined, key]) {
      const bytes = encodeStun(message(attributes), secret);
      const decoded = decodeStun(bytes);
      assert.ok(decoded.ok);
      sameContent(decoded.value.attributes, attributes);
      assert.equal(decoded.value.hasIntegrity, secret !== undefined);
      assert.equal(isAuthentic(decoded.value, key), secret !== undefined);
      assert.ok(decoded.value.hasFingerprint);
    }
  }
  assert.deepEqual([...seen].sort(), Object.keys(stunAttributes).sort());
});

test('every class and method survives a round trip', () => {
  for (const method of Object.keys(stunMethods) as StunMessage['method'][]) {
    for (const kind of ['request', 'indication', 'success', 'error'] as const) {
      const decoded = decodeStun(encodeStun(message({}, { class: kind, method })));
      assert.ok(decoded.ok);
      assert.equal(decoded.value.class, kind);
      assert.equal(decoded.value.method, method);
      assert.equal(decoded.value.transactionId, transactionId);
    }
  }
});

test('prefixes and trailing bytes are refused', () => {
  for (const attributes of samples) {
    const bytes = encodeStun(message(attributes), key);
    for (let length = 0; length < bytes.length; length++) {
      assert.ok(!decodeStun(bytes.subarray(0, length)).ok, `${length} bytes`);
    }
    assert.ok(!decodeStun(Uint8Array.from([...bytes, 0])).ok);
    assert.ok(!decodeStun(Uint8Array.from([...bytes, 0, 0, 0, 0])).ok);
  }
});

/** A message of raw attributes, without MESSAGE-INTEGRITY or FINGERPRINT. */
function raw(attributesHex: string, type = '0001'): Uint8Array {
  const length = (attributesHex.length / 2).toString(16).padStart(4, '0');
  return hexDecode(`${type}${length}2112a442${transactionId}${attributesHex}`)!;
}

test('headers that are no STUN are refused', () => {
  assert.ok(decodeStun(raw('')).ok);
  assert.equal(reasonOf(raw('', '4001')), 'unknown-type', 'the first two bits are zero');
  assert.equal(reasonOf(raw('', '0002')), 'unknown-type', 'an unknown method');
  const oldCookie = raw('');
  oldCookie[4] = 0;
  assert.equal(reasonOf(oldCookie), 'bad-value');
  assert.equal(reasonOf(raw('8022000178')), 'bad-length', 'the length is a multiple of four');
  assert.equal(reasonOf(raw('').subarray(0, 19)), 'truncated');
});

test('unknown attributes: those that must be understood are told, others skipped', () => {
  const decoded = decodeStun(raw('7f000003aabbcc00' + 'ff000000' + '0000000401020304'));
  assert.ok(decoded.ok);
  assert.deepEqual(decoded.value.unknownRequired, [0x7f00, 0x0000]);
});

test('only the first of several equal attributes counts', () => {
  const decoded = decodeStun(raw('0024000400000001' + '0024000400000002'));
  assert.ok(decoded.ok);
  assert.equal(decoded.value.attributes.priority, 1);
});

test('what follows MESSAGE-INTEGRITY is not believed', () => {
  const signed = encodeStun(message({ priority: 1 }), key);
  const withoutFingerprint = signed.subarray(20, -8);
  const added = `${Buffer.from(withoutFingerprint).toString('hex')}00250000`;
  const decoded = decodeStun(raw(added));
  assert.ok(decoded.ok && isAuthentic(decoded.value, key));
  assert.deepEqual(decoded.value.attributes, { priority: 1 });
});

test('nothing may follow FINGERPRINT', () => {
  const bytes = encodeStun(message({}));
  const added = `${Buffer.from(bytes.subarray(20)).toString('hex')}00250000`;
  assert.equal(reasonOf(raw(added)), 'trailing-bytes');
});

test('malformed values are refused, with the reason', () => {
  for (const [bad, code] of [
    ['00200008' + '0003a147e112a643', 'bad-value'], // an address family that does not exist
    ['00200014' + `0003a147${'00'.repeat(16)}`, 'bad-value'],
    ['00200004' + '0001a147', 'truncated'], // an address without address
    ['0020000c' + '0001a147e112a64300000000', 'trailing-bytes'], // more than an IPv4 address
    ['00090004' + '00000214', 'bad-value'], // error 220
    ['00090004' + '00000714', 'bad-value'], // error 720
    ['00090004' + '00000364', 'bad-value'], // error 3 and 100
    ['00090003' + '00000300', 'truncated'], // cut
    ['00060001' + 'ff000000', 'bad-value'], // no UTF-8
    ['000a0003' + '00010000', 'truncated'], // half an attribute type
    ['000a0001' + '00000000', 'truncated'],
    ['00240003' + '00000000', 'truncated'], // a short PRIORITY
    ['00250001' + '00000000', 'trailing-bytes'], // USE-CANDIDATE with a value
    ['00190003' + '11000000', 'truncated'], // a short REQUESTED-TRANSPORT
    ['00080013' + '00'.repeat(20), 'bad-length'], // a short MESSAGE-INTEGRITY
    ['80280004' + '00000000', 'bad-value'], // a wrong FINGERPRINT
    ['80280003' + '00000000', 'bad-length'],
    ['80280005' + '0000000000000000', 'bad-length'],
    ['0006fff0' + '00000000', 'truncated'], // longer than the message
  ] as const) {
    assert.equal(reasonOf(raw(bad)), code, bad);
  }
});

function reasonOf(bytes: Uint8Array): string | undefined {
  const decoded = decodeStun(bytes);
  return decoded.ok ? undefined : decoded.error.code;
}

test('numbers shorter than their field are sent with zeros behind, which are not looked at', () => {
  const sent = encodeStun(
    message({ requestedTransport: 17, channelNumber: 0x4001, requestedAddressFamily: 2 }),
  );
  assert.equal(
    Buffer.from(sent.subarray(20, -8)).toString('hex'),
    '0019000411000000' + '000c000440010000' + '0017000402000000',
  );
  const decoded = decodeStun(raw('00190004110a0b0c' + '000c000440010d0e'));
  assert.ok(decoded.ok);
  assert.deepEqual(decoded.value.attributes, { requestedTransport: 17, channelNumber: 0x4001 });
});

test('MESSAGE-INTEGRITY and FINGERPRINT of a long message cover the length up to themselves', () => {
  const bytes = Buffer.from(encodeStun(message({ data: new Uint8Array(1003).fill(9) }), key));
  const integrityAt = bytes.length - 8 - 24;
  const upTo = (end: number, covered: number): Buffer => {
    const part = Buffer.from(bytes.subarray(0, covered));
    part.writeUInt16BE(end - 20, 2);
    return part;
  };
  assert.equal(bytes.readUInt16BE(2), bytes.length - 20);
  assert.equal(
    bytes.subarray(integrityAt + 4, integrityAt + 24).toString('hex'),
    createHmac('sha1', 'secret')
      .update(upTo(integrityAt + 24, integrityAt))
      .digest('hex'),
  );
  const sum = crc32(upTo(bytes.length, bytes.length - 8));
  assert.equal(bytes.readUInt32BE(bytes.length - 4), (sum ^ 0x5354554e) >>> 0);
});

test('bounds: message size, number of attributes, length of texts', () => {
  const size = (n: number): Uint8Array =>
    encodeStun(message({ data: new Uint8Array(n) }, { class: 'indication', method: 'data' }));
  const overhead = size(0).length;
  assert.ok(decodeStun(size(limits.ice.stunBytes - overhead)).ok);
  assert.equal(reasonOf(size(limits.ice.stunBytes - overhead + 4)), 'too-many');
  assert.ok(decodeStun(raw('80000000'.repeat(limits.ice.attributes))).ok);
  assert.equal(reasonOf(raw('80000000'.repeat(limits.ice.attributes + 1))), 'too-many');
  const username = (n: number): string =>
    `0006${n.toString(16).padStart(4, '0')}${'61'.repeat(n)}${'00'.repeat((4 - (n % 4)) % 4)}`;
  assert.ok(decodeStun(raw(username(763))).ok);
  assert.equal(reasonOf(raw(username(764))), 'bad-length');
});

test('values that do not fit are local misuse', () => {
  for (const attributes of [
    { username: 'x'.repeat(764) },
    { errorCode: { code: 299, reason: '' } },
    { errorCode: { code: 700, reason: '' } },
    { xorMappedAddress: { address: 'host.example', port: 1 } },
    { xorMappedAddress: { address: '192.0.2.1', port: 65536 } },
    { priority: -1 },
    { reservationToken: new Uint8Array(7) },
  ] satisfies StunAttributes[]) {
    assert.throws(() => encodeStun(message(attributes)), UsageError);
  }
  assert.throws(() => encodeStun(message({}, { transactionId: '00' })), UsageError);
  const longest = { username: 'x'.repeat(763) };
  const decoded = decodeStun(encodeStun(message(longest)));
  assert.ok(decoded.ok);
  assert.deepEqual(decoded.value.attributes, longest);
});

test('an address begins with a zero and its family, and is combined with cookie and transaction id', () => {
  const sent = encodeStun(message({ mappedAddress: ipv4, xorMappedAddress: ipv6 }));
  assert.equal(
    Buffer.from(sent.subarray(20, -8)).toString('hex'),
    '000100080001' +
      '1092' +
      'c0000207' +
      '002000140002' +
      'deed' +
      '0113a9fa000102030405060708090a0c',
  );
});

test('random bytes never throw', () => {
  const prng = createPrng('stun');
  for (let i = 0; i < 20_000; i++) {
    const bytes = Uint8Array.from({ length: prng.u32() % 120 }, () => prng.u32() & 0xff);
    // Often enough a proper header, so that the attributes are reached.
    if (i % 2 === 0 && bytes.length >= 20) {
      const attributes = bytes.length - 20 - (bytes.length % 4);
      bytes.set([0, 1, 0, attributes, 0x21, 0x12, 0xa4, 0x42]);
      decodeStun(bytes.subarray(0, 20 + attributes));
    }
    decodeStun(bytes);
    decodeChannelData(bytes);
    bindingAnswer(bytes, ipv4);
  }
});

test('a Binding request is answered with the address it came from', () => {
  for (const from of [ipv4, ipv6]) {
    const answer = bindingAnswer(encodeStun(message({ software: 'a phone' })), from);
    const decoded = decodeStun(answer!);
    assert.ok(decoded.ok);
    assert.equal(decoded.value.class, 'success');
    assert.equal(decoded.value.transactionId, transactionId);
    assert.deepEqual(decoded.value.attributes, { xorMappedAddress: from });
  }
});

test('the Binding server refuses what it does not understand and is silent to what is no request', () => {
  const answer = bindingAnswer(raw('7f000000'), ipv4);
  const decoded = decodeStun(answer!);
  assert.ok(decoded.ok);
  assert.equal(decoded.value.class, 'error');
  assert.equal(decoded.value.attributes.errorCode?.code, 420);
  assert.deepEqual(decoded.value.attributes.unknownAttributes, [0x7f00]);

  const check = decodeStun(
    bindingAnswer(encodeStun(message({ priority: 1, useCandidate: true })), ipv4)!,
  );
  assert.ok(check.ok);
  assert.deepEqual(check.value.attributes.unknownAttributes, [0x0024, 0x0025]);

  for (const silent of [
    encodeStun(message({}, { class: 'indication' })),
    encodeStun(message({}, { class: 'success' })),
    encodeStun(message({}, { method: 'allocate' })),
    Buffer.from('OPTIONS sip:a SIP/2.0\r\n\r\n'),
    new Uint8Array(0),
  ]) {
    assert.equal(bindingAnswer(silent, ipv4), undefined);
  }
});

test('ChannelData survives a round trip; wrong channels and lengths are refused', () => {
  for (const channel of [0x4000, 0x4fff]) {
    for (const length of [0, 1, 1200]) {
      const bytes = encodeChannelData(channel, new Uint8Array(length).fill(7));
      sameContent(decodeChannelData(bytes), { channel, data: new Uint8Array(length).fill(7) });
      sameContent(decodeChannelData(Buffer.concat([bytes, Buffer.alloc(3)])), {
        channel,
        data: new Uint8Array(length).fill(7),
      });
      assert.equal(decodeChannelData(bytes.subarray(0, -1)), undefined);
    }
  }
  assert.equal(decodeChannelData(Uint8Array.of(0x3f, 0xff, 0, 0)), undefined);
  assert.equal(decodeChannelData(Uint8Array.of(0x50, 0, 0, 0)), undefined);
  assert.throws(() => encodeChannelData(0x3fff, new Uint8Array(0)), UsageError);
  assert.throws(() => encodeChannelData(0x5000, new Uint8Array(0)), UsageError);
});

test('the first byte tells STUN, DTLS and ChannelData apart', () => {
  const kinds = [0, 3, 4, 19, 20, 63, 64, 79, 80, 255].map((first) =>
    datagramKind(Uint8Array.of(first)),
  );
  assert.deepEqual(kinds, [
    ...['stun', 'stun', 'other', 'other', 'dtls', 'dtls'],
    ...['channel-data', 'channel-data', 'other', 'other'],
  ]);
  assert.equal(datagramKind(new Uint8Array(0)), 'other');
});
