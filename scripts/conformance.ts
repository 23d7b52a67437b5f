/**
 * Lists which requirement ids of test/conformance/*.tsv the tests cite. A citation is a claim of the
 * test's author; with the results of a test run at hand only tests that passed in it count.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';

const folder = 'test/conformance';
const resultsFile = '.cache/test-results.json';
const exceptionsFile = 'exceptions.tsv';
const levels = ['MUST', 'SHOULD', 'FACT', 'MAY'] as const;
const citation = /\[([RS]\d+-[A-Za-z0-9.]+-\d+)\]/g;

export type Level = (typeof levels)[number];

export interface Requirement {
  readonly id: string;
  readonly level: Level;
}

export interface LevelReport {
  readonly total: number;
  readonly covered: number;
  readonly excepted: number;
  readonly uncovered: readonly string[];
}

export interface TestResult {
  readonly name: string;
  readonly status: string;
}

/** One row per line after the header; only tables whose first column is `id` hold requirements. */
export function readRequirements(text: string): Requirement[] | undefined {
  const [header = '', ...rows] = text.split('\n');
  const columns = header.split('\t');
  const levelAt = columns.indexOf('level');
  if (columns[0] !== 'id' || levelAt < 0) return undefined;
  return rows
    .filter((row) => row.trim() !== '')
    .map((row) => {
      const cells = row.split('\t');
      const level = levels.find((known) => known === cells[levelAt]);
      if (level === undefined) throw new Error(`${cells[0] ?? row}: unknown level`);
      return { id: cells[0] ?? '', level };
    });
}

/** Ids in square brackets. */
export function citations(text: string): string[] {
  return [...text.matchAll(citation)].map((match) => match[1] ?? '');
}

/** Ids cited by at least one test that passed and by none that failed. */
export function passedCitations(results: readonly TestResult[]): Set<string> {
  const passed = new Set<string>();
  const failed = new Set<string>();
  for (const { name, status } of results) {
    if (status === 'skipped') continue;
    for (const id of citations(name)) (status === 'passed' ? passed : failed).add(id);
  }
  for (const id of failed) passed.delete(id);
  return passed;
}

export function report(
  requirements: readonly Requirement[],
  covered: ReadonlySet<string>,
  excepted: ReadonlySet<string>,
): Record<Level, LevelReport> {
  const of = (level: Level): LevelReport => {
    const ids = requirements.filter((r) => r.level === level).map((r) => r.id);
    const uncovered = ids.filter((id) => !covered.has(id) && !excepted.has(id));
    const coveredCount = ids.filter((id) => covered.has(id)).length;
    const exceptedCount = ids.length - coveredCount - uncovered.length;
    return { total: ids.length, covered: coveredCount, excepted: exceptedCount, uncovered };
  };
  return { MUST: of('MUST'), SHOULD: of('SHOULD'), FACT: of('FACT'), MAY: of('MAY') };
}

function testSources(path: string): string[] {
  if (!existsSync(path)) return [];
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => readFileSync(join(path, file), 'utf8'));
}

function readExceptions(): Map<string, string> {
  const path = join(folder, exceptionsFile);
  const rows = existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(1) : [];
  const exceptions = new Map<string, string>();
  for (const row of rows) {
    const [id = '', reason = ''] = row.split('\t');
    if (id === '') continue;
    if (reason.trim() === '') throw new Error(`${path}: ${id} has no reason`);
    exceptions.set(id, reason);
  }
  return exceptions;
}

function main(): void {
  const json = process.argv.includes('--json');
  const cited = new Set(testSources('test').flatMap(citations));
  const results = existsSync(resultsFile)
    ? (JSON.parse(readFileSync(resultsFile, 'utf8')) as TestResult[])
    : undefined;
  const covered = results === undefined ? cited : passedCitations(results);
  const exceptions = readExceptions();
  const excepted = new Set(exceptions.keys());

  const known = new Set<string>();
  const reports = new Map<string, Record<Level, LevelReport>>();
  for (const file of readdirSync(folder).toSorted()) {
    if (!file.endsWith('.tsv') || file === exceptionsFile) continue;
    const requirements = readRequirements(readFileSync(join(folder, file), 'utf8'));
    if (requirements === undefined) continue;
    for (const { id } of requirements) known.add(id);
    reports.set(basename(file, '.tsv'), report(requirements, covered, excepted));
  }

  if (json) console.log(JSON.stringify(Object.fromEntries(reports)));
  else printTable(reports, results !== undefined, cited, covered);

  const strangers = [...cited, ...excepted].filter((id) => !known.has(id));
  if (strangers.length > 0) {
    console.error(`ids that no table has: ${strangers.join(' ')}`);
    process.exitCode = 1;
  }
}

function printTable(
  reports: ReadonlyMap<string, Record<Level, LevelReport>>,
  fromRun: boolean,
  cited: ReadonlySet<string>,
  covered: ReadonlySet<string>,
): void {
  console.log('Requirement ids cited by tests. A citation is the claim of the author of the test;');
  console.log(
    fromRun
      ? `counted are ids whose tests passed in the last run (${resultsFile}).`
      : 'no results of a test run were found, so ids are counted whether or not their test passes.',
  );
  console.log(row(['table', 'level', 'total', 'covered', 'excepted', 'uncovered']));
  for (const [table, byLevel] of reports) {
    for (const level of levels) {
      const { total, covered: count, excepted, uncovered } = byLevel[level];
      if (total > 0) console.log(row([table, level, total, count, excepted, uncovered.length]));
    }
  }
  const notRun = [...cited].filter((id) => !covered.has(id));
  if (notRun.length > 0) console.log(`cited, but not passed in that run: ${notRun.length}`);
}

function row(cells: readonly (string | number)[]): string {
  return cells
    .map((cell, i) => (i < 2 ? String(cell).padEnd(9) : String(cell).padStart(10)))
    .join('');
}

const entry = process.argv[1];
if (entry !== undefined && import.meta.url === pathToFileURL(entry).href) main();
