import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatNameAddr, parseNameAddr } from '../../../../src/sip/message/name-addr.ts';
import type { NameAddr } from '../../../../src/sip/message/name-addr.ts';

function nameAddr(text: string): NameAddr {
  const parsed = parseNameAddr(text);
  assert.ok(parsed.ok, text);
  return parsed.value;
}

test('reads the three forms of an address', () => {
  const quoted = nameAddr('"Bob \\"the\\" B, <x>" <sip:bob@b.com;lr>;tag=1;q="0,5"');
  assert.equal(quoted.display, 'Bob "the" B, <x>');
  assert.equal(quoted.uri, 'sip:bob@b.com;lr');
  assert.equal(quoted.tag, '1');
  assert.equal(quoted.params.get('q'), '0,5');
  const tokens = nameAddr('Bob  Smith <sip:bob@b.com>');
  assert.equal(tokens.display, 'Bob  Smith');
  assert.equal(tokens.tag, undefined);
  assert.ok(tokens.parsedUri.ok && tokens.parsedUri.value.user === 'bob');
});

test('display names: quoted, tokens, other letters, or none', () => {
  const table: readonly (readonly [string, string | undefined])[] = [
    ['<a:b>', undefined],
    [' \t<a:b>', undefined],
    ['"" <a:b>', ''],
    ['"x"<a:b>', 'x'],
    [' "x" \t <a:b>', 'x'],
    ['  Bob  <a:b>', 'Bob'],
    ['J\xf6rg <a:b>', 'J\xf6rg'],
    ['\x80<a:b>', '\x80'],
  ];
  for (const [text, display] of table) {
    assert.equal(nameAddr(text).display, display, text);
    assert.equal(nameAddr(text).uri, 'a:b');
    assert.equal(nameAddr(text).raw, text);
  }
});

test('[S3261-20.10-01] without brackets the parameters belong to the header', () => {
  const parsed = nameAddr('sip:a@b ; expires=60;tag=x');
  assert.equal(parsed.uri, 'sip:a@b');
  assert.equal(parsed.display, undefined);
  assert.equal(parsed.params.get('expires'), '60');
  assert.equal(parsed.tag, 'x');
  assert.equal(nameAddr('  sip:a@b\t').uri, 'sip:a@b');
});

test('the first tag counts, in any case, quoted or not; one without a value is none', () => {
  const table: readonly (readonly [string, string | undefined])[] = [
    ['<a:b>;tag=1;tag=2', '1'],
    ['<a:b>;x;TAG=1', '1'],
    ['<a:b>;tag="q"', 'q'],
    ['<a:b>;tag;tag=2', undefined],
    ['<a:b>;tags=1', undefined],
    ['<a:b> ; tag = 1 ', '1'],
  ];
  for (const [text, tag] of table) assert.equal(nameAddr(text).tag, tag, text);
});

test('[S4475-3.1.1.6-01] no space is needed before the bracket', () => {
  assert.equal(nameAddr('caller<sip:caller@example.com>;tag=323').display, 'caller');
});

test('malformed addresses are refused with a word', () => {
  const table: readonly (readonly [string, string])[] = [
    ['', 'bad-uri'],
    ['"Bob <sip:a@b>', 'unterminated-quote'],
    ['"Bob" sip:a@b', 'bad-name-addr'],
    ['"Bob"', 'bad-name-addr'],
    ['<sip:a@b', 'unterminated-bracket'],
    ['<>', 'bad-uri'],
    ['<sip:>', 'bad-uri'],
    ['<:x>', 'bad-uri'],
    ['<sip>:x', 'bad-uri'],
    ['< sip:a@b>', 'bad-uri'],
    ['<sip:a@b >', 'bad-uri'],
    ['Bell, Alexander <sip:a@b>', 'bad-uri'],
    ['Bob@x <sip:a@b>', 'bad-uri'],
    ['<sip:a@b>;;tag=1', 'bad-header-parameter'],
    ['<sip:a@b> junk', 'bad-header-parameter'],
    ['<sip:a@b>;tag="x', 'bad-header-parameter'],
    ['sip:a@b;', 'bad-header-parameter'],
    ['sip:a@b, sip:c@d', 'bad-uri'],
    ['sip:a@b,sip:c@d', 'uri-needs-brackets'],
    ['sip:user@example.com?Route=%3Csip:x%3E', 'uri-needs-brackets'],
    [':x', 'bad-uri'],
    ['sip:', 'bad-uri'],
    ['sip:;x', 'bad-uri'],
    ['sip;x:y', 'bad-uri'],
  ];
  for (const [text, error] of table) {
    assert.deepEqual(parseNameAddr(text), { ok: false, error }, text);
  }
});

test('[S4475-3.1.2.13-01] a URI with a header part needs brackets', () => {
  assert.equal(parseNameAddr('sip:user@example.com?Route=%3Csip:x%3E').ok, false);
  assert.equal(nameAddr('<sip:a@b?c=d>').uri, 'sip:a@b?c=d');
});

test('writes addresses that read back the same', () => {
  const params: [string, string | undefined][] = [
    ['tag', 'a1'],
    ['ob', undefined],
    ['+sip.instance', '<urn:uuid:1>'],
  ];
  const text = formatNameAddr({ display: 'A "B" \\', uri: 'sip:a@b', params });
  const parsed = nameAddr(text);
  assert.equal(parsed.display, 'A "B" \\');
  assert.deepEqual([...parsed.params], params);
  assert.equal(formatNameAddr({ uri: 'sip:a@b' }), '<sip:a@b>');
  assert.equal(formatNameAddr({ display: '', uri: 'sip:a@b' }), '<sip:a@b>');
  assert.equal(formatNameAddr({ display: 'Bob', uri: 'sip:a@b' }), 'Bob <sip:a@b>');
  assert.equal(formatNameAddr({ display: 'Bob B', uri: 'sip:a@b' }), '"Bob B" <sip:a@b>');
});
