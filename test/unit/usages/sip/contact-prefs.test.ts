import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decodeContactPrefs,
  encodeContactPrefs,
  instanceHash,
} from '../../../../src/usages/sip/contact-prefs.ts';
import type { PhoneFeatures } from '../../../../src/usages/sip/contact-prefs.ts';

const phone: PhoneFeatures = {
  sip: true,
  sips: false,
  q: 1000,
  instance: undefined,
  parameters: '',
};

const instance = 'ab'.repeat(16);

test('[R7904-3.2-06] [R7904-5.1-11] scheme preferences are written and read', () => {
  assert.equal(encodeContactPrefs([phone]), '(sip.schemes=SIP)');
  const sipsOnly = encodeContactPrefs([{ ...phone, sip: false, sips: true }]);
  assert.equal(sipsOnly, '(sip.schemes=SIPS)');
  assert.deepEqual(
    [decodeContactPrefs(sipsOnly).sip, decodeContactPrefs(sipsOnly).sips],
    [false, true],
  );
  const written = encodeContactPrefs([{ ...phone, sips: true }]);
  assert.equal(written, '(| (sip.schemes=SIP) (sip.schemes=SIPS))');
  const both = decodeContactPrefs(written);
  assert.ok(both.sip && both.sips);
  const not = decodeContactPrefs('(& (sip.audio=TRUE) (! (sip.schemes=SIP)))');
  assert.ok(!not.sip && not.sips);
});

test('[R7904-3.2-05] capabilities of several phones are an OR of predicates with q and instance', () => {
  const parameters =
    ';audio;methods="INVITE,BYE";description="<secret place>";x=1;mobility="fixed"';
  const text = encodeContactPrefs([
    { ...phone, q: 500, parameters },
    { ...phone, instance },
  ]);
  assert.equal(
    text,
    `(| (& (sip.schemes=SIP) (g.chordial.instance="${instance}")) ` +
      '(& (sip.schemes=SIP) (sip.audio=TRUE) (| (sip.methods=INVITE) (sip.methods=BYE)) ' +
      '(sip.mobility=fixed));q=0.5)',
  );
  const prefs = decodeContactPrefs(text);
  assert.deepEqual(prefs.instances, [instance]);
  assert.ok(prefs.anonymousPhones);
  assert.equal(prefs.q, 1000);
  assert.equal(decodeContactPrefs('(sip.audio=TRUE);q=0.25').q, 250);
});

test('Contact parameters become terms of RFC 3840, those that say nothing of the phone stay here', () => {
  const table: readonly (readonly [string, string])[] = [
    [';audio', '(sip.audio=TRUE)'],
    ['; AUDIO ; video ', '(sip.audio=TRUE) (sip.video=TRUE)'],
    [';class=business', '(sip.class=business)'],
    [';class = "personal"', '(sip.class=personal)'],
    [';mobility="!fixed"', '(! (sip.mobility=fixed))'],
    [';language="en, de-AT"', '(| (sip.language=en) (sip.language=de-AT))'],
    [';priority="#=4"', ''],
    [';methods="A,,<b>,C D"', '(sip.methods=A)'],
    [';methods=""', ''],
    [';expires=60;+sip.instance="<urn:x>";audio', '(sip.audio=TRUE)'],
    [';automata="FALSE"', '(sip.automata=FALSE)'],
  ];
  for (const [parameters, terms] of table) {
    const expected = terms === '' ? '(sip.schemes=SIP)' : `(& (sip.schemes=SIP) ${terms})`;
    assert.equal(encodeContactPrefs([{ ...phone, parameters }]), expected, parameters);
  }
});

test('every base tag is told', () => {
  const tags = [
    ...[
      'audio',
      'automata',
      'class',
      'duplex',
      'data',
      'control',
      'mobility',
      'events',
      'priority',
    ],
    ...['methods', 'extensions', 'application', 'video', 'language', 'type', 'isfocus', 'actor'],
    'text',
  ];
  for (const tag of tags) {
    const text = encodeContactPrefs([{ ...phone, parameters: `;${tag}` }]);
    assert.equal(text, `(& (sip.schemes=SIP) (sip.${tag}=TRUE))`);
  }
  const description = encodeContactPrefs([{ ...phone, parameters: ';description="<x>";other' }]);
  assert.equal(description, '(sip.schemes=SIP)');
});

test('a hostile phone cannot fill the record: 24 terms of one phone are told', () => {
  const text = encodeContactPrefs([{ ...phone, parameters: ';audio'.repeat(30) }]);
  assert.equal(text.split('(sip.audio=TRUE)').length - 1, 24);
});

test('[R7904-3.2-05] q is written with three digits at most, and not at all when it is 1', () => {
  const table: readonly (readonly [number, string])[] = [
    [1000, ''],
    [1001, ''],
    [999, ';q=0.999'],
    [500, ';q=0.5'],
    [120, ';q=0.12'],
    [100, ';q=0.1'],
    [1, ';q=0.001'],
    [0, ';q=0'],
    [-5, ';q=0'],
  ];
  for (const [q, expected] of table) {
    const text = encodeContactPrefs([{ ...phone, q }]);
    assert.equal(text, `(sip.schemes=SIP)${expected}`);
    assert.equal(decodeContactPrefs(text).q, Math.min(1000, Math.max(0, q)));
  }
});

test('q of a foreign record counts when it is one, the best of the phones and that of the whole', () => {
  const table: readonly (readonly [string, number])[] = [
    ['(a=b)', 1000],
    ['(a=b);q=0', 0],
    ['(a=b);q=1.000', 1000],
    ['(a=b);q=1.', 1000],
    ['(a=b);Q=0.125', 125],
    ['(a=b);q=1.5', 1000],
    ['(a=b);q=0.1234', 1000],
    ['(a=b);q=-1', 1000],
    ['(| (a=b);q=0.2 (c=d);q=0.7)', 700],
    ['(| (a=b);q=0.2 (c=d);q=0.7);q=0.3', 300],
    ['(& (a=b);q=0.2 (c=d));q=0.4', 400],
  ];
  for (const [text, q] of table) assert.equal(decodeContactPrefs(text).q, q, text);
});

test('the phones of a foreign record are known by well-formed instances', () => {
  const other = 'cd'.repeat(16);
  const of = (hash: string): string => `(g.chordial.instance="${hash}")`;
  const two = decodeContactPrefs(`(| (& (a=b) ${of(instance)}) ${of(other)})`);
  assert.deepEqual(two.instances, [instance, other]);
  assert.equal(two.anonymousPhones, false);
  for (const bad of [instance.slice(1), `${instance}a`, instance.toUpperCase(), 'xy'.repeat(16)]) {
    const prefs = decodeContactPrefs(of(bad));
    assert.deepEqual([prefs.instances, prefs.anonymousPhones], [[], true], bad);
  }
  const negated = decodeContactPrefs(`(! ${of(instance)})`);
  assert.deepEqual([negated.instances, negated.anonymousPhones], [[], true]);
  assert.deepEqual(decodeContactPrefs(`(other="${instance}")`).instances, []);
  const many = Array.from({ length: 20 }, (_, i) => of(i.toString(16).padStart(32, '0')));
  assert.equal(decodeContactPrefs(`(| ${many.join(' ')})`).instances.length, 16);
});

test('the order of phones changes nothing; many phones still fit into a record', () => {
  const a = { ...phone, parameters: ';audio' };
  const b = { ...phone, parameters: ';video' };
  assert.equal(encodeContactPrefs([a, b]), encodeContactPrefs([b, a]));
  assert.equal(encodeContactPrefs([a, a]), encodeContactPrefs([a]));
  const parameters = `;methods="${'INVITE,'.repeat(30)}BYE"`;
  const sixteen = Array.from({ length: 16 }, (_, i) => ({
    ...phone,
    parameters,
    instance: instanceHash('a@b', String(i)),
  }));
  const bare = encodeContactPrefs(sixteen);
  assert.equal(bare, encodeContactPrefs(sixteen.map((one) => ({ ...one, parameters: '' }))));
  assert.equal(decodeContactPrefs(bare).instances.length, 16);
});

test('1500 characters are written in full, one more drops the details', () => {
  const withTerms = (length: number): PhoneFeatures => {
    const empty = '(& (sip.schemes=SIP) (| (sip.events=) (sip.events=)))';
    const left = length - empty.length;
    const first = 'x'.repeat(Math.floor(left / 2));
    const second = 'y'.repeat(left - first.length);
    return { ...phone, parameters: `;events="${first},${second}"` };
  };
  // One quoted value is read up to 256 characters, so several phones make up the length.
  const phones = (last: number): PhoneFeatures[] => [
    ...Array.from({ length: 5 }, (_, i) => ({ ...withTerms(250), q: 990 - i })),
    withTerms(last),
  ];
  const sizeOf = (last: number): number => encodeContactPrefs(phones(last)).length;
  const spare = 1500 - sizeOf(100);
  assert.equal(sizeOf(100 + spare), 1500);
  const dropped = encodeContactPrefs(phones(101 + spare));
  assert.ok(!dropped.includes('sip.events') && dropped.includes('q=0.99'));
});

test('of too many phones what any of them can is told, and the highest q', () => {
  const many = Array.from({ length: 40 }, (_, i) => ({
    ...phone,
    q: 300 + i,
    instance: instanceHash('a@b', String(i)),
  }));
  assert.equal(encodeContactPrefs(many), '(sip.schemes=SIP);q=0.339');
  const mixed = [...many, { ...phone, sip: false, sips: true, q: 100, instance }];
  assert.equal(encodeContactPrefs(mixed), '(| (sip.schemes=SIP) (sip.schemes=SIPS));q=0.339');
  const secure = many.map((one) => ({ ...one, sip: false, sips: true }));
  assert.equal(encodeContactPrefs(secure), '(sip.schemes=SIPS);q=0.339');
});

test('the public hash of an instance differs from user to user', () => {
  assert.equal(instanceHash('a@b', 'urn:uuid:1'), instanceHash('a@b', 'URN:UUID:1'));
  assert.notEqual(instanceHash('a@b', 'urn:uuid:1'), instanceHash('c@b', 'urn:uuid:1'));
  assert.match(instanceHash('a@b', 'urn:uuid:1'), /^[0-9a-f]{32}$/);
});

test('foreign predicates of any shape are read in linear time and exclude nothing', () => {
  const unrestricted = {
    sip: true,
    sips: true,
    q: 1000,
    instances: [],
    anonymousPhones: true,
    addresses: [],
  };
  for (const text of ['', '(', '()', '(&', '(sip.schemes', 'x', '(! )', '('.repeat(5000)]) {
    assert.deepEqual(decodeContactPrefs(text), unrestricted, text.slice(0, 20));
  }
  const padded = (length: number): string => '(sip.schemes=SIPS)'.padEnd(length, ' ');
  assert.equal(decodeContactPrefs(padded(16_384)).sip, false);
  assert.deepEqual(decodeContactPrefs(padded(16_385)), unrestricted);
});
