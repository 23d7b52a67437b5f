import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UsageError } from '../../../src/base/assert.ts';
import {
  bool,
  checked,
  decodeExact,
  delimited,
  encodeToBytes,
  enumOf,
  extensibleSelect,
  fixed,
  joined,
  latin1,
  opaque,
  openEnum,
  Reader,
  select,
  sizedSelect,
  struct,
  tryDecode,
  u16,
  u24,
  u32,
  u64,
  u8,
  vector,
  WireError,
  Writer,
  written,
} from '../../../src/wire/codec.ts';
import { checkCodec, hex, misused, refuses, sameContent } from './check-codec.ts';

const arms = {
  number: { tag: 1, fields: { n: u16 } },
  bytes: { tag: 2, fields: { b: opaque(1), c: u8 } },
  empty: { tag: 3, fields: {} },
} as const;

test('unsigned integers: every width at its bounds', () => {
  checkCodec(u8, [0, 1, 0xff]);
  checkCodec(u16, [0, 0x0102, 0xffff]);
  checkCodec(u24, [0, 0x010203, 0xff_ffff]);
  checkCodec(u32, [0, 0x01020304, 0xffff_ffff]);
  checkCodec(u64, [0n, 1n, 0x0102030405060708n, 0xffff_ffff_ffff_ffffn]);
  assert.deepEqual(encodeToBytes(u24, 0x010203), hex('010203'));
  assert.deepEqual(encodeToBytes(u64, 0x0102030405060708n), hex('0102030405060708'));
  for (const [codec, tooLarge] of [
    [u8, 0x100],
    [u16, 0x1_0000],
    [u24, 0x100_0000],
    [u32, 0x1_0000_0000],
  ] as const) {
    misused(codec, tooLarge);
    misused(codec, -1);
    misused(codec, 0.5);
    misused(codec, Number.NaN);
  }
  misused(u64, 0x1_0000_0000_0000_0000n);
  misused(u64, -1n);
});

test('[R6940-6.3.1.1-01] a Boolean is 0 or 1', () => {
  checkCodec(bool, [true, false]);
  assert.deepEqual(encodeToBytes(bool, true), hex('01'));
  refuses(bool, hex('02'));
  refuses(bool, hex('ff'));
});

test('[R6940-6.3.1.1-05] a length prefix has the width of its upper bound', () => {
  for (const [prefixBytes, prefix] of [
    [1, '02'],
    [2, '0002'],
    [3, '000002'],
    [4, '00000002'],
  ] as const) {
    const codec = opaque(prefixBytes);
    checkCodec(codec, [hex(''), hex('cafe')]);
    assert.deepEqual(encodeToBytes(codec, hex('cafe')), hex(`${prefix}cafe`));
  }
  checkCodec(opaque(1), [new Uint8Array(255)]);
  misused(opaque(1), new Uint8Array(256));
  checkCodec(opaque(2), [new Uint8Array(700)]);
  misused(opaque(2), new Uint8Array(65_536));
});

test('opaque: bounds of the length, one less and one more', () => {
  const codec = opaque(1, { min: 2, max: 4 });
  checkCodec(codec, [hex('0102'), hex('01020304')]);
  misused(codec, hex('01'));
  misused(codec, hex('0102030405'));
  refuses(codec, hex('0101'));
  refuses(codec, hex('050102030405'));
});

test('fixed and text', () => {
  checkCodec(fixed(3), [hex('010203')]);
  misused(fixed(3), hex('0102'));
  checkCodec(latin1(1), ['', 'passive', '\u00ff']);
});

test('[R6940-6.3.1-01] a vector counts bytes, not elements', () => {
  const codec = vector(u16, 1, { min: 2, max: 6 });
  checkCodec(codec, [[1], [1, 2, 3]]);
  assert.deepEqual(encodeToBytes(codec, [1, 2]), hex('0400010002'));
  misused(codec, []);
  misused(codec, [1, 2, 3, 4]);
  refuses(codec, hex('00'));
  refuses(codec, hex('080001000200030004'));
  refuses(codec, hex('03000100'), 'an element across the end');
});

test('vector: bound of the number of elements', () => {
  const codec = vector(u8, 1, { maxItems: 2 });
  checkCodec(codec, [[1, 2]]);
  misused(codec, [1, 2, 3]);
  refuses(codec, hex('03010203'));
});

test('a delimited structure fills its length exactly', () => {
  const codec = delimited(struct({ a: u8, b: opaque(1) }), 2);
  checkCodec(codec, [{ a: 7, b: hex('cafe') }]);
  refuses(codec, hex('00050702cafe00'), 'a byte left over inside');
  refuses(codec, hex('00030702cafe'), 'a field beyond the inner end');
});

test('a byte left over inside is not taken for the next field', () => {
  const inner = struct({ a: u8, b: opaque(1) });
  const after = { after: u8 };
  const leftOver = hex('00050702cafe00');
  refuses(struct({ inner: delimited(inner, 2), ...after }), leftOver);
  refuses(struct({ list: vector(u16, 1), ...after }), hex('03000100'));
  refuses(struct({ arm: sizedSelect(u8, 1, arms), ...after }), hex('0103000500'));
  refuses(struct({ arm: extensibleSelect(u8, 1, arms), ...after }), hex('0103000500'));
});

test('an error names the field and the offset', () => {
  const codec = struct({ outer: u8, list: vector(struct({ flag: bool }), 1) });
  const outcome = tryDecode(codec, hex('00020102'));
  assert.ok(!outcome.ok);
  assert.equal(outcome.error.code, 'bad-value');
  assert.equal(outcome.error.path, 'list[1].flag');
  assert.equal(outcome.error.offset, 4);
  assert.equal(String(outcome.error), 'bad-value at byte 4 in list[1].flag');
});

test('tryDecode passes errors that are not about the bytes', () => {
  const broken = {
    encode: () => undefined,
    decode(): never {
      throw new RangeError('bug');
    },
  };
  assert.throws(() => tryDecode(broken, hex('')), RangeError);
});

test('an enumeration that is not open refuses unknown numbers', () => {
  const codec = enumOf(u8, { one: 1, two: 2 });
  checkCodec(codec, ['one', 'two']);
  refuses(codec, hex('00'));
  refuses(codec, hex('03'));
});

test('an open enumeration keeps unknown numbers', () => {
  const codec = openEnum(u8, { one: 1, two: 2 });
  checkCodec(codec, ['one', 'two', 0, 255]);
});

test('a select that is not extensible refuses unknown tags', () => {
  const open = select(u8, arms);
  checkCodec(open, [{ type: 'number', n: 5 }, { type: 'empty' }]);
  refuses(open, hex('09'));
  const sized = sizedSelect(u8, 2, arms);
  checkCodec(sized, [{ type: 'bytes', b: hex('cafe'), c: 1 }, { type: 'empty' }]);
  refuses(sized, hex('090001ff'));
  refuses(sized, hex('01000300050a'), 'a byte left over in an arm');
});

test('an extensible select keeps unknown arms as received', () => {
  const codec = extensibleSelect(u8, 2, arms);
  checkCodec(codec, [
    { type: 'number', n: 5 },
    { type: 'unknown', tag: 9, raw: hex('cafe01') },
  ]);
  const following = struct({ first: codec, then: u8 });
  sameContent(decodeExact(following, hex('090003cafe0142')), {
    first: { type: 'unknown', tag: 9, raw: hex('cafe01') },
    then: 0x42,
  });
});

test('joined fields form one flat value', () => {
  const codec = joined(struct({ a: u8 }), select(u8, arms));
  checkCodec(codec, [{ a: 1, type: 'number', n: 2 }]);
});

test('a rule is enforced in both directions', () => {
  const even = checked(u8, (n) => n % 2 === 0, 'even');
  checkCodec(even, [2]);
  misused(even, 3);
  refuses(even, hex('03'));
});

test('decoded byte arrays are views, not copies', () => {
  const bytes = hex('02cafe');
  const value = decodeExact(opaque(1), bytes);
  assert.equal(value.buffer, bytes.buffer);
});

test('a reader never leaves its part', () => {
  const reader = new Reader(hex('0102030405'));
  const outer = reader.enter(2);
  assert.equal(reader.u16(), 0x0102);
  assert.throws(() => reader.u8(), WireError);
  reader.leave(outer);
  assert.equal(reader.remaining, 3);
  assert.throws(() => reader.enter(4), WireError);
});

test('a writer grows, nests and refuses lengths that do not fit', () => {
  const writer = new Writer();
  const opened = writer.open(1);
  writer.raw(new Uint8Array(256));
  assert.throws(() => writer.close(opened, 1), UsageError);
  const large = written((outer) => {
    outer.raw(new Uint8Array(200_000));
    outer.raw(written((inner) => inner.u16(0x0102)));
  });
  assert.equal(large.length, 200_002);
  assert.deepEqual(large.slice(-2), hex('0102'));
  assert.deepEqual(encodeToBytes(u8, 1), hex('01'), 'usable after a failed encoding');
});

test('a failed encoding does not disturb the next one', () => {
  misused(struct({ a: u16, b: u8 }), { a: 1, b: 256 });
  assert.deepEqual(encodeToBytes(u8, 7), hex('07'));
});

test('every element is decoded once, however long the list', () => {
  let decodes = 0;
  const counted = {
    ...u8,
    decode(reader: Reader): number {
      decodes++;
      return u8.decode(reader);
    },
  };
  const codec = vector(counted, 4, { maxItems: 1 << 20 });
  const bytes = encodeToBytes(codec, new Array<number>(65_536).fill(1));
  assert.equal(decodeExact(codec, bytes).length, 65_536);
  assert.equal(decodes, 65_536);
});
