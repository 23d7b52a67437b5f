/** Feature sets of RFC 3840 §5 as values, and how they meet. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type FeatureValue,
  featuresMatch,
  parseFeatureSet,
  shareStated,
  statesAll,
} from '../../../../src/sip/proxy/feature-set.ts';
import { readPreferences, rate } from '../../../../src/sip/proxy/caller-preferences.ts';
import { createTargetFilter, noFilter } from '../../../../src/sip/proxy/target-filter.ts';
import type { ProxyTarget } from '../../../../src/sip/proxy/targets.ts';
import { requestOf } from '../core/request-of.ts';

const token = (text: string, negated = false): FeatureValue => ({ kind: 'token', negated, text });
const range = (low: number, high: number, negated = false): FeatureValue => ({
  kind: 'range',
  negated,
  low,
  high,
});

test('[S3840-9-01] values are read as tokens, strings and ranges', () => {
  const table: readonly (readonly [string, readonly FeatureValue[] | undefined])[] = [
    ['', [token('true')]],
    ['=FALSE', [token('false')]],
    ['="a, !B ,,c"', [token('a'), token('b', true), token('c')]],
    ['="<a, B>"', [{ kind: 'string', text: 'a, B' }]],
    ['=" <x> "', [{ kind: 'string', text: 'x' }]],
    ['="<x"', [token('<x')]],
    ['="x>"', [token('x>')]],
    ['="#=4"', [range(4, 4)]],
    ['="#>=-4.5"', [range(-4.5, Infinity)]],
    ['="#<=+4"', [range(-Infinity, 4)]],
    ['="#1:5"', [range(1, 5)]],
    ['="!#1:5,a"', [range(1, 5, true), token('a')]],
    ['="#4"', undefined],
    ['="#>4"', undefined],
    ['="#1:"', undefined],
    ['="!"', undefined],
    ['=""', undefined],
  ];
  for (const [text, expected] of table) {
    assert.deepEqual(parseFeatureSet(`*;class${text}`).get('class'), expected, text);
  }
});

test('feature tags: base names, and others behind a plus; each once', () => {
  const tags = (text: string): readonly string[] => [...parseFeatureSet(text).keys()];
  const base = [
    ...['audio', 'automata', 'class', 'duplex', 'data', 'control', 'mobility', 'description'],
    ...['events', 'priority', 'methods', 'extensions', 'schemes', 'application', 'video'],
    ...['language', 'type', 'isfocus', 'actor', 'text'],
  ];
  for (const tag of base) assert.deepEqual(tags(`*;${tag}`), [tag]);
  assert.deepEqual(tags('*;Audio;expires=5;+sip.ICE;+vendor.x;other'), [
    'audio',
    'ice',
    'vendor.x',
  ]);
  assert.deepEqual(tags('*;audio;+audio="FALSE"'), ['audio']);
  assert.deepEqual(tags('*;+sip.audio'), ['audio']);
  assert.deepEqual(tags('no parameters'), []);
  assert.deepEqual(tags('*;;'), []);
  const many = Array.from({ length: 40 }, (_, i) => `;+x${String(i)}`).join('');
  assert.equal(parseFeatureSet(`*${many}`).size, 32);
  const values = Array.from({ length: 70 }, (_, i) => `v${String(i)}`).join();
  assert.equal(parseFeatureSet(`*;methods="${values}"`).get('methods')?.length, 64);
});

test('values meet when something can have both', () => {
  const table: readonly (readonly [string, string, boolean])[] = [
    ['a', 'A', true],
    ['a', 'b', false],
    ['!a', 'a', false],
    ['!a', 'b', true],
    ['!a', '!a', true],
    ['!a', '!b', true],
    ['a,b', 'c,b', true],
    ['<a>', '<a>', true],
    ['<a>', '<A>', false],
    ['<a>', 'a', false],
    ['<a>', '!a', false],
    ['#1:5', '#5:9', true],
    ['#1:5', '#6:9', false],
    ['#1:5', '#=1', true],
    ['#<=1', '#>=1', true],
    ['#<=1', '#>=2', false],
    ['#1:5', 'a', false],
    ['!#1:5', '#2:4', false],
    ['!#1:5', '#1:5', false],
    ['!#1:5', '#1:6', true],
    ['!#1:5', '#0:5', true],
    ['!#1:5', 'a', true],
    ['!a', '#1:5', true],
  ];
  for (const [a, b, expected] of table) {
    const [first, second] = [a, b].map((value) => parseFeatureSet(`*;class="${value}"`));
    assert.ok(first !== undefined && second !== undefined);
    assert.equal(featuresMatch(first, second), expected, `${a} ${b}`);
    assert.equal(featuresMatch(second, first), expected, `${b} ${a}`);
  }
  const set = parseFeatureSet;
  assert.ok(featuresMatch(set('*;audio;video'), set('*;audio;text')));
  assert.ok(!featuresMatch(set('*;audio;video'), set('*;audio;video="FALSE"')));
});

test('how much a set says about others', () => {
  const set = parseFeatureSet;
  assert.ok(statesAll(set('*;audio;video="FALSE"'), set('*;video')));
  assert.ok(!statesAll(set('*;audio'), set('*;audio;video')));
  assert.ok(statesAll(set('*'), set('*')));
  assert.equal(shareStated(set('*;audio'), set('*;audio;video')), 0.5);
  assert.equal(shareStated(set('*;audio'), set('*')), 1);
  assert.equal(shareStated(set('*;text'), set('*;audio;video')), 0);
});

test('[S3841-7.2.4-03] the rating of a target is the mean of the rules it matches', () => {
  const rated = (features: string, ...headers: readonly string[]): number | undefined =>
    rate(readPreferences(requestOf(headers)), parseFeatureSet(features));
  const accept = (value: string): string => `Accept-Contact: *;${value}`;
  assert.equal(rated('*;audio;video', accept('audio'), accept('video;text')), 0.75);
  assert.equal(rated('*;audio;video', accept('audio'), accept('video;text;explicit')), 0.5);
  assert.equal(rated('*;audio', accept('audio="FALSE"')), 0);
  assert.equal(rated('*;audio', accept('audio="FALSE"'), accept('audio')), 1);
  assert.equal(rated('*;audio', accept('audio="FALSE" ; REQUIRE')), undefined);
  assert.equal(rated('*;audio', accept('text;require;Explicit;x')), undefined);
  assert.equal(rated('*;audio', accept('text;requires')), 0);
  assert.equal(rated('*;audio', 'Reject-Contact: *'), 0, 'a rule without tags rejects nobody');
  assert.equal(rated('*;audio', 'Reject-Contact: *;audio="FALSE"'), 0);
  assert.equal(rated('*;audio', 'Reject-Contact: *;audio'), undefined);
  assert.equal(rated('*;methods="INVITE"'), 1);
  assert.equal(rated('*;methods="BYE"'), undefined);
  assert.equal(rated('*;audio'), 0);
});

test('targets are ranked by q, behind the point by preference; implied ones are spared', () => {
  const target = (features: string, q = 500): ProxyTarget => ({
    uri: `sip:${features}`,
    q,
    route: [],
    side: 'phone',
    label: '',
    open: () => () => undefined,
    features,
  });
  const read = ({ features }: ProxyTarget) =>
    features === undefined || features === '' ? undefined : parseFeatureSet(features);
  const stated = createTargetFilter(requestOf(['Accept-Contact: *;audio;require']), read);
  assert.equal(stated.highestRank, 1000.999);
  assert.equal(stated.rank(target(';audio')), 500.999);
  assert.equal(stated.rank(target(';text')), 500);
  assert.equal(stated.rank(target('')), 500.999);
  assert.equal(stated.rank(target(';audio="FALSE"')), undefined);
  assert.deepEqual(stated.spared(), []);
  const implied = createTargetFilter(requestOf([]), read);
  assert.equal(implied.highestRank, 1000);
  assert.deepEqual(
    [';methods="INVITE"', '', ';text'].map((features) => implied.rank(target(features))),
    [500, 500, 500],
  );
  const other = target(';methods="BYE"');
  assert.equal(implied.rank(other), undefined);
  assert.deepEqual(implied.spared(), [other]);
  assert.deepEqual(implied.spared(), []);
  assert.deepEqual(
    [noFilter.highestRank, noFilter.rank(other), noFilter.spared()],
    [1000, 500, []],
  );
});
