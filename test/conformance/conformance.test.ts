import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { citedIds, conformance } from '../../scripts/conformance.ts';
import { page, pageFile } from '../../scripts/conformance/page.ts';
import {
  citations,
  passedCitations,
  readRequirements,
  report,
} from '../../scripts/conformance/requirements.ts';

const folder = new URL('./', import.meta.url);
const read = (file: string): string => readFileSync(new URL(file, folder), 'utf8');
const tables = readdirSync(folder).filter((file) => file.endsWith('.tsv'));

test('every requirement has an id of its own and a level', () => {
  const ids = new Set<string>();
  for (const file of tables) {
    for (const { id } of readRequirements(read(file)) ?? []) {
      assert.ok(!ids.has(id), `${id} twice`);
      assert.deepEqual(citations(`[${id}]`), [id]);
      ids.add(id);
    }
  }
  assert.ok(ids.size > 1000);
});

test('exceptions name known ids and give a reason', () => {
  const ids = new Set(
    tables.flatMap((file) => readRequirements(read(file)) ?? []).map(({ id }) => id),
  );
  const rows = read('exceptions.tsv').trimEnd().split('\n');
  assert.equal(rows[0], 'id\treason');
  for (const row of rows.slice(1)) {
    const [id = '', reason = ''] = row.split('\t');
    assert.ok(ids.has(id), `${id} is in no table`);
    assert.ok(reason.length > 10, `${id} needs a reason`);
  }
});

test('the levels of RFC 6940 are counted', () => {
  const requirements = readRequirements(read('rfc6940.tsv')) ?? assert.fail();
  const counted = report(requirements, new Set(), new Set());
  assert.deepEqual(
    [counted.MUST.total, counted.SHOULD.total, counted.FACT.total, counted.MAY.total],
    [329, 89, 219, 53],
  );
});

test('covered, excepted and uncovered ids are told apart', () => {
  const requirements = readRequirements('id\tlevel\nA\tMUST\nB\tMUST\nC\tMUST\nD\tMAY\n') ?? [];
  assert.deepEqual(report(requirements, new Set(['A']), new Set(['A', 'B'])).MUST, {
    total: 3,
    covered: 1,
    excepted: 1,
    uncovered: ['C'],
  });
});

test('a table without the column id is not one of requirements', () => {
  assert.equal(readRequirements('rfc\tsection\n6940\t2\n'), undefined);
});

test('a citation counts only while every test that carries it passes', () => {
  const passed = passedCitations([
    { name: '[R6940-3-01] [R6940-3-02] works', status: 'passed' },
    { name: '[R6940-3-02] fails', status: 'failed' },
    { name: '[R6940-3-03] is skipped', status: 'skipped' },
    { name: '[S3261-7.1-01] works', status: 'passed' },
  ]);
  assert.deepEqual([...passed], ['R6940-3-01', 'S3261-7.1-01']);
});

test('no test cites an id that no table has', () => {
  assert.deepEqual(conformance(new Set()).strangers, []);
});

test('the published page says what the tests cite', () => {
  const { reports, exceptions } = conformance(citedIds());
  assert.equal(
    readFileSync(pageFile, 'utf8'),
    page(reports, exceptions),
    'not in step: npm run conformance -- --markdown',
  );
});
