import assert from 'node:assert/strict';
import { test } from 'node:test';
import { saslPrep } from '../../../src/node/saslprep.ts';

const prepared = (text: string): string | undefined => {
  const outcome = saslPrep(text);
  return outcome.ok ? outcome.value : undefined;
};

test('[R6940-11.3-08] the examples of RFC 4013 §3', () => {
  assert.equal(prepared('I\u00adX'), 'IX');
  assert.equal(prepared('user'), 'user');
  assert.equal(prepared('USER'), 'USER');
  assert.equal(prepared('\u00aa'), 'a');
  assert.equal(prepared('\u2168'), 'IX');
  assert.equal(prepared('\u0007'), undefined);
  assert.equal(prepared('\u0627\u0031'), undefined);
});

test('composed and decomposed forms become one; spaces become the space', () => {
  assert.equal(prepared('pa\u0308sswo\u0308rd'), 'p\u00e4ssw\u00f6rd');
  assert.equal(prepared('a\u00a0b\u3000c'), 'a b c');
  assert.equal(prepared(' a b '), ' a b ');
  assert.equal(prepared(''), '');
  assert.equal(prepared('\u{1f600}'), '\u{1f600}');
});

test('what cannot be typed or seen is refused', () => {
  for (const one of [
    'a\u0000',
    '\u0085',
    '\ue000',
    '\ufffe',
    '\ud800',
    '\u2028',
    '\ufffd',
    '\u2ff0',
    '\u202e',
    '\u{e0041}',
    '\u{1d173}',
  ]) {
    assert.equal(prepared(`a${one}`), undefined, JSON.stringify(one));
  }
});

test('right-to-left text begins and ends so, and is not mixed', () => {
  assert.equal(prepared('\u05d0'), '\u05d0');
  assert.equal(prepared('\u05d01\u05d1'), '\u05d01\u05d1');
  assert.equal(prepared('\u05d0a\u05d1'), undefined);
  assert.equal(prepared('1\u05d0'), undefined);
});
