/** The published test vectors for STUN, RFC 5769 §2. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hexDecode, hexEncode } from '../../../../src/base/text.ts';
import { longTermKey, shortTermKey } from '../../../../src/wire/stun/integrity.ts';
import {
  decodeStun,
  encodeStun,
  isAuthentic,
  type ReceivedStun,
} from '../../../../src/wire/stun/message.ts';

const password = shortTermKey('VOkJxbRl1RmTxUk/WvJxBt');

const request =
  '000100582112a442b7e7a701bc34d686fa87dfae802200105354554e207465737420636c69656e74002400046e0001ff80290008932ff9b151263b36000600096576746a3a68367659202020000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a280280004e57a3bcf';
const ipv4Response =
  '0101003c2112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000080001a147e112a643000800142b91f599fd9e90c38c7489f92af9ba53f06be7d780280004c07d4c96';
const ipv6Response =
  '010100482112a442b7e7a701bc34d686fa87dfae8022000b7465737420766563746f7220002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d900080014a382954e4be67bf11784c97c8292c275bfe3ed4180280004c8fb0b4c';
const longTermRequest =
  '000100602112a44278ad3433c6ad72c029da412e00060012e3839ee38388e383aae38383e382afe382b900000015001c662f2f3439396b39353464364f4c33346f4c394653547679363473410014000b6578616d706c652e6f72670000080014f67024656dd64a3e02b8e0712e85c9a28ca89666';

function decoded(hex: string): ReceivedStun {
  const message = decodeStun(hexDecode(hex)!);
  assert.ok(message.ok);
  return message.value;
}

test('§2.1: a check with short-term credentials', () => {
  const message = decoded(request);
  assert.equal(message.class, 'request');
  assert.equal(message.method, 'binding');
  assert.equal(message.transactionId, 'b7e7a701bc34d686fa87dfae');
  assert.deepEqual(message.attributes, {
    software: 'STUN test client',
    priority: 0x6e0001ff,
    iceControlled: 0x932ff9b151263b36n,
    username: 'evtj:h6vY',
  });
  assert.deepEqual(message.unknownRequired, []);
  assert.ok(message.hasFingerprint);
  assert.ok(isAuthentic(message, password));
  assert.ok(!isAuthentic(message, shortTermKey('another')));
});

test('§2.2: a response with an IPv4 address', () => {
  const message = decoded(ipv4Response);
  assert.equal(message.class, 'success');
  assert.deepEqual(message.attributes, {
    software: 'test vector',
    xorMappedAddress: { address: '192.0.2.1', port: 32853 },
  });
  assert.ok(message.hasFingerprint && isAuthentic(message, password));
});

test('§2.3: a response with an IPv6 address', () => {
  const message = decoded(ipv6Response);
  assert.deepEqual(message.attributes.xorMappedAddress, {
    address: '2001:db8:1234:5678:11:2233:4455:6677',
    port: 32853,
  });
  assert.ok(message.hasFingerprint && isAuthentic(message, password));
});

test('§2.4: a request with long-term credentials, read and written', () => {
  const message = decoded(longTermRequest);
  const username = '\u30DE\u30C8\u30EA\u30C3\u30AF\u30B9';
  assert.deepEqual(message.attributes, {
    username,
    nonce: 'f//499k954d6OL34oL9FSTvy64sA',
    realm: 'example.org',
  });
  const key = longTermKey(username, 'example.org', 'TheMatrIX');
  assert.ok(isAuthentic(message, key));
  assert.ok(!message.hasFingerprint);

  // Ours adds a FINGERPRINT, which the message integrity does not cover.
  const again = encodeStun(message, key);
  assert.equal(hexEncode(again.subarray(4, -8)), longTermRequest.slice(8));
});

test('a changed bit anywhere is noticed', () => {
  const bytes = hexDecode(request)!;
  for (let at = 0; at < bytes.length; at++) {
    const changed = Uint8Array.from(bytes);
    changed[at]! ^= 1;
    const message = decodeStun(changed);
    assert.ok(!message.ok || !message.value.hasFingerprint, `byte ${at}`);
  }
  // Without FINGERPRINT, the message integrity covers all but itself.
  const bare = hexDecode(longTermRequest)!;
  const key = longTermKey('\u30DE\u30C8\u30EA\u30C3\u30AF\u30B9', 'example.org', 'TheMatrIX');
  for (let at = 0; at < bare.length; at++) {
    const changed = Uint8Array.from(bare);
    changed[at]! ^= 1;
    const message = decodeStun(changed);
    assert.ok(!message.ok || !isAuthentic(message.value, key), `byte ${at}`);
  }
});
