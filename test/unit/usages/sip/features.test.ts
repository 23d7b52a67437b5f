import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eachFeature, mayMatch, parseFeatures } from '../../../../src/usages/sip/features.ts';
import type { FeatureFilter } from '../../../../src/usages/sip/features.ts';

function parsed(text: string): FeatureFilter {
  return parseFeatures(text) ?? assert.fail(`no filter: ${text}`);
}

test('a comparison has a tag, an operator and a value, quoted or not', () => {
  const table: readonly (readonly [string, string, string, string])[] = [
    ['(a=b)', 'a', '=', 'b'],
    [' ( Sip.Schemes = SIP ) ', 'sip.schemes', '=', 'SIP'],
    ['(rate<=5)', 'rate', '<=', '5'],
    ['(rate>=5)', 'rate', '>=', '5'],
    ['(d="x (y")', 'd', '=', 'x (y'],
    ['(d=<x)y>)', 'd', '=', 'x)y'],
    ['(d=)', 'd', '=', ''],
  ];
  for (const [text, tag, operator, value] of table) {
    const filter = parsed(text);
    assert.ok(filter.kind === 'feature');
    assert.deepEqual([filter.tag, filter.operator, filter.value], [tag, operator, value]);
    assert.equal(filter.params.size, 0);
  }
});

test('parameters follow the expression they belong to', () => {
  const filter = parsed('(| (a=b);q=0.5 ; X=1 (c=d));q=0.25');
  assert.ok(filter.kind === 'or');
  assert.deepEqual([...filter.params], [['q', '0.25']]);
  assert.deepEqual(
    filter.items.map(({ params }) => [...params]),
    [
      [
        ['q', '0.5'],
        ['x', '1'],
      ],
      [],
    ],
  );
});

test('what is no expression is refused as a whole', () => {
  for (const text of [
    ...['', ' ', 'a=b', '(a=b', '(a)', '(=b)', '(1=b)', '(a=b) x', '(a=b)(c=d)', '(& (a=b)'],
    ...['(! (a=b)(c=d))', '(!)', '(& (a=b) x)', '(& (a=b) (x))', '(a=b);', '(a=b);q', '(a>b)'],
  ]) {
    assert.equal(parseFeatures(text), undefined, text);
  }
  assert.equal(parsed('(&)').kind, 'and');
  assert.equal(parsed('\t(&\r\n(a=b)\n)\t').kind, 'and');
});

test('expressions are nested sixteen deep at most', () => {
  const nested = (depth: number): string => '(&'.repeat(depth) + '(a=b)' + ')'.repeat(depth);
  assert.equal(parsed(nested(16)).kind, 'and');
  assert.equal(parseFeatures(nested(17)), undefined);
  assert.equal(parseFeatures(nested(5000)), undefined);
});

test('a feature satisfies a filter, fails it, or leaves it open', () => {
  const table: readonly (readonly [string, boolean | undefined])[] = [
    ['(a=b)', true],
    ['(a=B)', true],
    ['(a=c)', false],
    ['(x=b)', undefined],
    ['(a<=b)', undefined],
    ['(! (a=b))', false],
    ['(! (a=c))', true],
    ['(! (x=y))', undefined],
    ['(& (a=b) (a=c))', false],
    ['(& (a=b) (x=y))', undefined],
    ['(& (x=y) (a=c))', false],
    ['(& (a=b) (a=b))', true],
    ['(| (a=c) (a=b))', true],
    ['(| (x=y) (a=b))', true],
    ['(| (x=y) (a=c))', undefined],
    ['(| (a=c) (a=d))', false],
    ['(&)', true],
    ['(|)', false],
    ['(& (a=b)(| (c<=5) (d="x y")) )', undefined],
  ];
  for (const [text, expected] of table) {
    assert.equal(mayMatch(parsed(text), 'a', 'b'), expected, text);
  }
});

test('all comparisons of equality are visited, but for negated ones', () => {
  const visited: string[] = [];
  eachFeature(parsed('(& (a=b) (| (c=d) (e<=5)) (! (f=g)))'), (tag, value) => {
    visited.push(`${tag}=${value}`);
  });
  assert.deepEqual(visited, ['a=b', 'c=d']);
});
