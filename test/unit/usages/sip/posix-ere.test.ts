import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileEre } from '../../../../src/usages/sip/posix-ere.ts';

function matches(pattern: string, text: string): boolean {
  const compiled = compileEre(pattern);
  assert.ok(compiled.ok, `${pattern}: ${compiled.ok ? '' : compiled.error}`);
  return compiled.value(text);
}

/** Pattern, texts that match it, texts that do not. */
type Row = readonly [pattern: string, matching: readonly string[], other: readonly string[]];

function checkAll(rows: readonly Row[]): void {
  for (const [pattern, matching, other] of rows) {
    for (const text of matching) assert.ok(matches(pattern, text), `${pattern} on "${text}"`);
    for (const text of other) assert.ok(!matches(pattern, text), `${pattern} not on "${text}"`);
  }
}

test('[R7904-3.4-03] patterns are POSIX extended regular expressions over the whole domain', () => {
  checkAll([
    [
      'dht\\.example\\.com',
      ['dht.example.com'],
      ['dhtxexample.com', 'evil-dht.example.com', 'dht.example.com.evil'],
    ],
    ['.*\\.my\\.example', ['a.b.my.example'], ['my.example']],
    ['Lab\\.Example', ['LAB.example'], []],
    ['', [''], ['a']],
  ]);
});

test('alternatives and repetitions', () => {
  checkAll([
    ['^a(b|cd)*e?$', ['a', 'abcdb', 'acde'], ['abc', 'aee']],
    ['x{2}|y{1,}', ['xx', 'y', 'yyy'], ['', 'x', 'xxx', 'xy']],
    ['a|', ['', 'a'], ['aa']],
    ['a|b|c', ['a', 'b', 'c'], ['', 'ab', 'd']],
    ['a{2,3}', ['aa', 'aaa'], ['a', 'aaaa']],
    ['a{0,1}b', ['b', 'ab'], ['aab']],
    ['a{0}b', ['b'], ['ab']],
    ['(ab){2}', ['abab'], ['ab', 'ababab']],
    ['a+', ['a', 'aaa'], ['']],
    ['a*b+c?', ['b', 'aabbc'], ['ac', 'bcc']],
    ['a{2}{2}', ['aaaa'], ['aa', 'aaa', 'aaaaa']],
    ['(a*)*', ['', 'aaa'], ['b']],
    ['(a|b|c)+\\.x', ['abc.x'], ['.x']],
    ['(a|)(b|)', ['', 'a', 'b', 'ab'], ['ba']],
    ['a{100}', ['a'.repeat(100)], ['a'.repeat(99)]],
    ['()', [''], ['a']],
  ]);
});

test('the marks of both ends hold at both ends only', () => {
  checkAll([
    ['^a$', ['a'], ['aa']],
    ['(^|x)a', ['a', 'xa'], ['ya']],
    ['a($|x)', ['a', 'ax'], ['ay']],
    ['a^b', [], ['ab', 'a^b']],
    ['a$b', [], ['ab', 'a$b']],
    ['\\^\\$\\*', ['^$*'], ['']],
  ]);
});

test('bracket expressions: ranges, negation, and characters that stand for themselves', () => {
  checkAll([
    ['[a-c]', ['a', 'b', 'c'], ['d', '-', '`']],
    ['[^a-c]', ['d', '-'], ['a', 'c', '']],
    ['[]a]b', [']b', 'ab'], ['b', '[b']],
    ['[^]a]', ['b', '['], [']', 'a']],
    ['[a-c-]', ['-', 'b'], ['d']],
    ['[-a]', ['-', 'a'], ['b']],
    ['[a-a]', ['a'], ['b']],
    ['[[.-.]x]', ['-', 'x'], ['.', '[']],
    ['[[=a=]]b', ['ab'], ['=b', 'b']],
    ['[[.a.]-c]', ['a', 'b', 'c'], ['d', '.']],
    ['[a[]', ['a', '['], ['b']],
    ['[[:alpha:]-]{2,3}[^0-9]', ['a-zz'], ['1a-z', 'a-9']],
  ]);
});

test('character classes hold what the standard says, whatever the case', () => {
  const table: readonly (readonly [string, string, string])[] = [
    ['alpha', 'azAZmq', '`{09-@['],
    ['digit', '0959', '/:a'],
    ['alnum', 'azAZ09', '`{/:-'],
    ['lower', 'azAZ', '`{0'],
    ['upper', 'azAZ', '`{0'],
    ['xdigit', '09afAF', '/:`gG'],
    ['space', ' \t\n\v\f\r', '\x08\x0e!'],
    ['blank', ' \t', '\n!\x08'],
    ['punct', '!~/:@[`{-.', ' \x7fa09zZ'],
    ['print', ' !~a', '\x1f\x7f'],
    ['graph', '!~a', ' \x7f'],
    ['cntrl', '\0\x1f\x7f', ' ~'],
  ];
  for (const [name, inside, outside] of table) {
    for (const character of inside) assert.ok(matches(`[[:${name}:]]`, character), name);
    for (const character of outside) {
      assert.ok(!matches(`[[:${name}:]]`, character), `${name} ${JSON.stringify(character)}`);
    }
  }
});

test('wrong patterns are refused with the reason', () => {
  const table: readonly (readonly [string, RegExp])[] = [
    ['(', /missing \)/],
    ['(a', /missing \)/],
    [')', /unexpected \) at 0/],
    ['ab)', /unexpected \) at 2/],
    ['[a', /missing \]/],
    ['[', /missing \]/],
    ['[a-', /missing \]/],
    ['[z-a]', /wrong range/],
    ['[b-[.a.]]', /wrong range/],
    ['[[.ab.]]', /wrong collating element/],
    ['[a-[.x]', /wrong range/],
    ['*a', /nothing to repeat at 0/],
    ['a(+', /nothing to repeat at 2/],
    ['a|?', /nothing to repeat at 2/],
    ['{2}', /nothing to repeat at 0/],
    ['a{2,1}', /wrong interval at 6/],
    ['a{', /wrong interval at 1/],
    ['a{x}', /wrong interval at 1/],
    ['a{1', /wrong interval at 1/],
    ['a{1000}', /wrong interval at 1/],
    ['a\\', /trailing backslash/],
    ['[[:nope:]]', /unknown character class/],
    ['[[:toString:]]', /unknown character class/],
    ['[[:alpha', /unknown character class/],
    [`a${'*'.repeat(17)}`, /too many repetitions/],
  ];
  for (const [pattern, reason] of table) {
    const compiled = compileEre(pattern);
    assert.match(compiled.ok ? '' : compiled.error, reason, pattern);
  }
});

test('hostile patterns are refused at their bounds', () => {
  assert.ok(compileEre(`a${'*'.repeat(16)}`).ok);
  assert.ok(compileEre('('.repeat(16) + ')'.repeat(16)).ok);
  const nested = compileEre('('.repeat(17) + ')'.repeat(17));
  assert.match(nested.ok ? '' : nested.error, /nested too deeply/);
  assert.ok(compileEre('()'.repeat(100)).ok, 'nesting is given back at the end of a group');
  assert.ok(compileEre('a'.repeat(256)).ok);
  const long = compileEre('a'.repeat(257));
  assert.match(long.ok ? '' : long.error, /too long/);
  for (const large of [
    '((((a{99}){99}){99}){99})',
    '(((a{99}){99}){1,})',
    '(a{99}){42}',
    '(((a*){99}){99}){0,9}',
    '(((a|b){99}){99})|c',
    'c|(((a|b){99}){99})',
  ]) {
    const compiled = compileEre(large);
    assert.match(compiled.ok ? '' : compiled.error, /too large/, large);
  }
  assert.ok(compileEre('(a{64}){63}').ok);
});

test('a hostile expression costs no more than others', () => {
  assert.ok(!matches('(a*)*(a|aa)+(a*)*b', 'a'.repeat(250)));
});
