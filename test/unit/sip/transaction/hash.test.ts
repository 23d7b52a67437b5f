import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hexWord, mixText } from '../../../../src/sip/transaction/hash.ts';

test('a word is written as eight digits, whatever its sign and size', () => {
  assert.equal(hexWord(0), '00000000');
  assert.equal(hexWord(0x1020304), '01020304');
  assert.equal(hexWord(-1), 'ffffffff');
  assert.equal(hexWord(0xfedcba98), 'fedcba98');
});

test('every part of a text, its order and its end, and the seed change the hash', () => {
  const texts = ['', '\0', 'a', 'b', 'ab', 'ba', 'aa', 'a\0', '\0a', 'abc'];
  const hashes = new Set(texts.map((text) => mixText(1, text)));
  assert.equal(hashes.size, texts.length);
  for (const text of texts) assert.notEqual(mixText(2, text), mixText(1, text));
  assert.notEqual(mixText(mixText(1, 'a'), 'b'), mixText(mixText(1, 'ab'), ''));
});

test('texts that differ in one letter spread over all buckets', () => {
  const buckets = new Set<number>();
  for (let i = 0; i < 4096; i++) buckets.add(mixText(7, `z9hG4bK${String(i)}`) & 255);
  assert.ok(buckets.size > 250, String(buckets.size));
  const high = new Set<number>();
  for (let i = 0; i < 4096; i++) high.add((mixText(7, String(i)) >>> 24) & 255);
  assert.ok(high.size > 250, String(high.size));
});
