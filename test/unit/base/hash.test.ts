import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { test } from 'node:test';
import { hmacSha256, hmacSha256Hex, sha256Of } from '../../../src/base/hash.ts';
import { hexEncode } from '../../../src/base/text.ts';

test('HMAC-SHA-256 as digits fits the test cases of RFC 4231', () => {
  const cases: [key: Uint8Array, text: string, digest: string][] = [
    [
      new Uint8Array(20).fill(0x0b),
      'Hi There',
      'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7',
    ],
    [
      Buffer.from('Jefe'),
      'what do ya want for nothing?',
      '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
    ],
    [
      new Uint8Array(131).fill(0xaa),
      'Test Using Larger Than Block-Size Key - Hash Key First',
      '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54',
    ],
  ];
  for (const [key, text, digest] of cases) {
    assert.equal(hmacSha256Hex(key, Buffer.from(text)), digest);
    assert.equal(hexEncode(hmacSha256(key, Buffer.from(text))), digest);
  }
});

test('keys and texts of all lengths give what the platform gives, in any order', () => {
  const keys = [0, 1, 63, 64, 65, 200].map((length) => new Uint8Array(length).fill(length + 1));
  for (const length of [300, 0, 12, 64, 55]) {
    const text = new Uint8Array(length).fill(length);
    for (const key of keys) {
      const expected = createHmac('sha256', key).update(text).digest('hex');
      assert.equal(hmacSha256Hex(key, text), expected);
    }
  }
});

test('the digest of several parts is that of all of them in a row, short or long', () => {
  for (const lengths of [[], [0, 3], [700, 20], [16_000, 384], [16_000, 385], [9, 50_000]]) {
    const parts = lengths.map((length, i) => new Uint8Array(length).fill(i + 1));
    const expected = createHash('sha256').update(Buffer.concat(parts)).digest('hex');
    assert.equal(hexEncode(sha256Of(...parts)), expected);
  }
});
