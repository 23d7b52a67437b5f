import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  endOfQuoted,
  formatParams,
  hasUriUnsafe,
  isParamNamed,
  isSpaceCode,
  isToken,
  isTokenCode,
  nextComma,
  nextParam,
  paramValue,
  parseParams,
  parseUnsigned,
  quote,
  skipSpace,
  splitValues,
  unquote,
} from '../../../../src/sip/message/scan.ts';

const everyByte = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code));

test('tokens are what the grammar says, character by character', () => {
  const allowed = /[A-Za-z0-9\-.!%*_+`'~]/;
  for (const character of everyByte) {
    const expected = allowed.test(character);
    assert.equal(isTokenCode(character.charCodeAt(0)), expected, JSON.stringify(character));
    assert.equal(isToken(`a${character}`), expected);
    assert.equal(isToken(`${character}a`), expected);
  }
  assert.equal(isToken(''), false);
  assert.equal(isTokenCode(256 + 97), false);
  assert.equal(isTokenCode(Number.NaN), false);
});

test('white space is SP, HTAB, CR and LF', () => {
  for (const character of everyByte) {
    assert.equal(isSpaceCode(character.charCodeAt(0)), ' \t\r\n'.includes(character));
  }
  assert.equal(isSpaceCode(300), false);
  assert.equal(skipSpace('a \t\r\n b', 1), 6);
  assert.equal(skipSpace('a', 0), 0);
  assert.equal(skipSpace('a  ', 1), 3);
  assert.equal(skipSpace('a', 1), 1);
});

test('a URI holds no white space, control, quote or angle bracket', () => {
  for (const character of everyByte) {
    const code = character.charCodeAt(0);
    const unsafe = code <= 32 || '<>"\x7f'.includes(character);
    assert.equal(hasUriUnsafe(character, 0, 1), unsafe, JSON.stringify(character));
  }
  assert.equal(hasUriUnsafe('a\u0394', 0, 2), true);
  assert.equal(hasUriUnsafe('<a>', 1, 2), false);
  assert.equal(hasUriUnsafe('a<', 0, 2), true);
  assert.equal(hasUriUnsafe('<a', 0, 2), true);
});

test('numbers are digits only, at most as large as they may be', () => {
  assert.equal(parseUnsigned('0', 5), 0);
  assert.equal(parseUnsigned('0123', 200), 123);
  assert.equal(parseUnsigned('907', 907), 907);
  assert.equal(parseUnsigned('908', 907), undefined);
  for (const bad of ['', ' 1', '1 ', '-1', '+1', '1.0', '1/', '1:', 'x']) {
    assert.equal(parseUnsigned(bad, 1000), undefined, bad);
  }
});

test('quoted strings end at the first quote that is not escaped', () => {
  assert.equal(endOfQuoted('"ab"c', 0), 4);
  assert.equal(endOfQuoted('x"a\\"b"', 1), 7);
  assert.equal(endOfQuoted('"a\\\\"b"', 0), 5);
  assert.equal(endOfQuoted('""', 0), 2);
  for (const open of ['"ab', '"', '"ab\\"', '"ab\\']) assert.equal(endOfQuoted(open, 0), -1, open);
});

test('unquoting undoes quoting', () => {
  for (const text of ['', 'plain', 'a "b" \\ c', '\\\\', '\n']) {
    assert.equal(unquote(quote(text)), text);
  }
  assert.equal(quote('a"\\'), '"a\\"\\\\"');
  assert.equal(unquote('"a\\b\\\nc"'), 'ab\nc');
});

test('one parameter is read with its name, its value and what follows', () => {
  const read = (text: string, from = 0): readonly unknown[] => {
    const end = nextParam(text, from);
    return end < 0 ? [-1] : [end, paramValue(text)];
  };
  assert.deepEqual(read(';a=b;c'), [4, 'b']);
  assert.deepEqual(read(' ;a', 1), [3, undefined]);
  assert.deepEqual(read('; a = b ;c'), [8, 'b']);
  assert.deepEqual(read(';a ;c'), [3, undefined]);
  assert.deepEqual(read(';a="x;y,\\"" z'), [12, 'x;y,"']);
  assert.deepEqual(read(';a='), [3, '']);
  assert.deepEqual(read(';a=b,c'), [4, 'b']);
  assert.deepEqual(read(';a=b=c'), [6, 'b=c']);
  assert.deepEqual(read(';a=<b'), [3, '']);
  assert.deepEqual(read(';a,b'), [2, undefined]);
  assert.deepEqual(read(';[::1]'), [6, undefined]);
  for (const bad of ['', 'a=b', ';', ';=b', '; ;', ';,', ';"a"', ';a="b', ';<']) {
    assert.deepEqual(read(bad), [-1], bad);
  }
  assert.deepEqual(read(';a="x"'), [6, 'x']);
  assert.deepEqual(read(';b'), [2, undefined], 'no value is left over from the one before');
});

test('the name of a parameter is compared without case', () => {
  const named = (text: string, name: string): boolean => {
    nextParam(text, 0);
    return isParamNamed(text, name);
  };
  assert.ok(named(';TaG=1', 'tag') && named('; tag', 'tag') && named(';AZaz', 'azaz'));
  for (const other of [';tags', ';ta', ';tog', ';t@g']) {
    assert.ok(!named(other, 'tag'), other);
  }
  assert.ok(!named(';[', '{') && !named(';@', '`'));
});

test('all parameters: the first of two wins, and one that is malformed refuses all', () => {
  const params = parseParams('x ; A=1;b;a=2;C="q\\"" ', 1);
  assert.deepEqual(
    [...(params ?? [])],
    [
      ['a', '1'],
      ['b', undefined],
      ['c', 'q"'],
    ],
  );
  assert.equal(parseParams('x  ', 1)?.size, 0);
  assert.equal(parseParams('', 0)?.size, 0);
  for (const bad of [';', ';a;;b', ';a,', 'a', ';a "b"']) {
    assert.equal(parseParams(bad, 0), undefined, bad);
  }
});

test('parameters are written with quotes where they need them', () => {
  assert.equal(
    formatParams([
      ['a', undefined],
      ['b', ''],
      ['c', "w.!%*+`'~:[]/-_9"],
      ['d', 'x y'],
      ['e', 'x"'],
      ['f', '<urn:x>'],
      ['g', 'a;b'],
    ]),
    `;a;b=;c=w.!%*+\`'~:[]/-_9;d="x y";e="x\\"";f="<urn:x>";g="a;b"`,
  );
  assert.equal(formatParams([]), '');
});

test('commas count outside of quotes and angle brackets', () => {
  const table: readonly (readonly [string, number, number])[] = [
    ['a,b', 0, 1],
    ['a,b', 2, 3],
    [',', 0, 0],
    ['', 0, 0],
    ['"a,b",c', 0, 5],
    ['"a\\",b",c', 0, 7],
    ['<a,b>,c', 0, 5],
    ['"a,b', 0, 4],
    ['<a,b', 0, 4],
    ['a"', 0, 2],
    ['"","",', 3, 5],
  ];
  for (const [text, from, expected] of table) assert.equal(nextComma(text, from), expected, text);
});

test('values of a row are split and trimmed, empty ones left out, no more than wanted', () => {
  const split = (text: string, limit = 9): readonly string[] => {
    const found: string[] = [];
    splitValues(text, found, limit);
    return found;
  };
  assert.deepEqual(split('a, "b,c" ,<d,e>;f'), ['a', '"b,c"', '<d,e>;f']);
  assert.deepEqual(split(',, a ,,b,'), ['a', 'b']);
  assert.deepEqual(split(''), []);
  assert.deepEqual(split('a,b,c', 2), ['a', 'b']);
  assert.deepEqual(split('a,b,c', 3), ['a', 'b', 'c']);
  assert.deepEqual(split('a', 0), []);
});
