import assert from 'node:assert/strict';
import { test } from 'node:test';
import { aorOf, aorParts, isGruu } from '../../../../src/usages/sip/aor.ts';

test('[R7904-2-01] an AOR has no scheme, port or parameters', () => {
  const table: readonly (readonly [string, string | undefined])[] = [
    ['sip:alice@x.example', 'alice@x.example'],
    ['sips:alice@X.Example:5061;transport=tls?a=b', 'alice@x.example'],
    ['SIP:alice@x>', 'alice@x'],
    ['alice@x?a=b', 'alice@x'],
    ['Alice@x.example.', 'Alice@x.example'],
    ['a@b@c', 'a@b@c'],
    ['bob@[2001:DB8::1]:5060', 'bob@[2001:db8::1]'],
    ['sip:[2001:DB8::1]', undefined],
    ['a@x_y-z.9', 'a@x_y-z.9'],
    ['a@', undefined],
    ['a@;x', undefined],
    ['a@x y', undefined],
    ['a@x:123456', undefined],
    ['a@x/y', undefined],
    ['@x', undefined],
    ['alice', undefined],
    ['', undefined],
  ];
  for (const [text, expected] of table) assert.equal(aorOf(text), expected, text);
  assert.deepEqual(aorParts('bob@[2001:DB8::1]:5060'), { user: 'bob', host: '[2001:db8::1]' });
});

test('[R7904-7-02] percent escapes are decoded before matching', () => {
  const table: readonly (readonly [string, string | undefined])[] = [
    ['sip:j%2Edoe@x', 'j.doe@x'],
    ['sip:j%2edoe@x', 'j.doe@x'],
    ['sip:j%C3%B6@x', 'jö@x'],
    ['jö@x', 'jö@x'],
    ['sip:a%2@x', undefined],
    ['sip:a%@x', undefined],
    ['sip:a%zz@x', undefined],
    ['sip:a%ff@x', undefined],
    ['sip:€%41@x', undefined],
    ['sip:@x', undefined],
  ];
  for (const [text, expected] of table) assert.equal(aorOf(text), expected, text);
});

test('no control character, blank or DEL hides in an AOR', () => {
  for (const bad of ['%00', '%1f', '%20', '%7f', '%0d%0a', ' ', '\t', '\x7f']) {
    assert.equal(aorOf(`sip:a${bad}b@x`), undefined, bad);
  }
  assert.equal(aorOf('a!b~c@x'), 'a!b~c@x');
  assert.equal(aorOf('a\x80b@x'), 'a\x80b@x');
});

test('an AOR has 254 characters at most, however it is written', () => {
  const user = 'a'.repeat(250);
  assert.equal(aorOf(`${user}@xyz`), `${user}@xyz`);
  assert.equal(aorOf(`${user}@xyzz`), undefined);
  const escaped = '%41'.repeat(240);
  assert.equal(aorOf(`${escaped}@${'x'.repeat(13)}`), `${'A'.repeat(240)}@${'x'.repeat(13)}`);
  assert.equal(aorOf('a@x'.padEnd(762, ';')), 'a@x');
  assert.equal(aorOf('a@x'.padEnd(763, ';')), undefined);
});

test('[R7904-6-01] a GRUU carries a gr parameter', () => {
  for (const gruu of ['sip:a@x;gr=abc', 'a@x;gr', 'a@x;GR;x', 'a@x;y;gr?h=1']) {
    assert.ok(isGruu(gruu), gruu);
  }
  for (const other of ['sip:a@x', 'sip:a@x;grx=1', 'a@x;x=gr', 'gr@x']) {
    assert.ok(!isGruu(other), other);
  }
});
