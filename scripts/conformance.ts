/**
 * `npm run conformance -- [--json] [--cached] [--markdown [--check]]`: which requirement ids of
 * test/conformance/*.tsv are covered. A citation is a claim of the test's author, so an id counts only
 * when a test that cites it has run and passed, and none failed, since the sources were last changed:
 * without such a run the tests that cite ids are run first. `--cached` takes the last run as it is.
 * `--markdown` writes docs/conformance.md; with `--check` it only compares.
 */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { page, pageFile } from './conformance/page.ts';
import {
  citationsInFile,
  passedCitations,
  readExceptions,
  readRequirements,
  report,
  levels,
  type Reports,
} from './conformance/requirements.ts';
import {
  readResults,
  runTestFiles,
  saveResults,
  testFiles,
  type TestResults,
} from './run-tests.ts';

const folder = 'test/conformance';
const exceptionsFile = 'exceptions.tsv';
/** What the outcome of a test depends on. */
const sources = ['src', 'test', 'scripts', 'config', 'package-lock.json'];

const args = new Set(process.argv.slice(2));

export interface Conformance {
  readonly reports: Reports;
  readonly exceptions: ReadonlyMap<string, string>;
  /** Ids that are cited or excepted and stand in no table. */
  readonly strangers: readonly string[];
}

/** Test files that cite ids; those of this program only mention some. */
function citingFiles(): string[] {
  const own = join('test', 'conformance');
  return testFiles('test').filter(
    (file) => !file.startsWith(own) && citationsInFile(readFileSync(file, 'utf8')).length > 0,
  );
}

/** Every id that a test cites, whether or not the test passes. */
export function citedIds(): Set<string> {
  return new Set(citingFiles().flatMap((file) => citationsInFile(readFileSync(file, 'utf8'))));
}

/** Counts the ids of all tables. */
export function conformance(covered: ReadonlySet<string>): Conformance {
  const exceptions = readExceptions(readFileSync(join(folder, exceptionsFile), 'utf8'));
  const excepted = new Set(exceptions.keys());
  const known = new Set<string>();
  const reports: Record<string, Reports[string]> = {};
  for (const file of readdirSync(folder).toSorted()) {
    if (!file.endsWith('.tsv') || file === exceptionsFile) continue;
    const requirements = readRequirements(readFileSync(join(folder, file), 'utf8'));
    if (requirements === undefined) continue;
    for (const { id } of requirements) known.add(id);
    reports[basename(file, '.tsv')] = report(requirements, covered, excepted);
  }
  const strangers = [...citedIds(), ...excepted].filter((id) => !known.has(id));
  return { reports, exceptions, strangers };
}

const help = `Usage: npm run conformance -- [--json] [--cached] [--markdown [--check]]

Counts the numbered requirements of test/conformance whose tests passed. Runs the tests that cite
requirements when a source is newer than the last run; about five minutes.

  --json      one line of JSON: totals and uncovered ids by table and level
  --cached    take the last run as it is
  --markdown  write docs/conformance.md from the citations
  --check     with --markdown: only tell whether that page is in step

Example: npm run conformance -- --cached --json`;

async function main(): Promise<void> {
  if (args.has('--help')) {
    console.log(help);
    return;
  }
  if (args.has('--markdown')) {
    writePage(args.has('--check'));
    return;
  }
  const kept = readResults();
  const isCurrent = kept !== undefined && kept.startedMs >= newestMs();
  const results = isCurrent || args.has('--cached') ? kept : await runCitingTests();
  if (results === undefined) {
    console.error('No test has run yet; leave out --cached to run those that cite ids.');
    process.exitCode = 1;
    return;
  }
  const ranAt = new Date(results.startedMs).toISOString();
  console.error(`Counted: what passed in the run of ${ranAt}${isCurrent ? '' : agedNote(kept)}.`);

  const covered = passedCitations(results.records);
  const { reports, strangers } = conformance(covered);
  if (args.has('--json')) console.log(JSON.stringify(reports));
  else printTable(reports);
  const notPassed = [...citedIds()].filter((id) => !covered.has(id));
  if (notPassed.length > 0) console.error(`Cited, but not passed: ${notPassed.join(' ')}`);
  if (strangers.length > 0) console.error(`Ids that no table has: ${strangers.join(' ')}`);
  const failed = results.records.some(({ status }) => status === 'failed');
  if (failed || strangers.length > 0) process.exitCode = 1;
}

function agedNote(kept: TestResults | undefined): string {
  return args.has('--cached') && kept !== undefined
    ? ', although sources have changed since then'
    : '';
}

/** Runs every test file that cites an id; of those with real phones and tools what only they cite. */
async function runCitingTests(): Promise<TestResults> {
  const startedMs = Date.now();
  const idsOf = (file: string): string[] => citationsInFile(readFileSync(file, 'utf8'));
  const isInterop = (file: string): boolean => file.startsWith(join('test', 'interop'));
  const own = citingFiles().filter((file) => !isInterop(file));
  const shown = new Set(own.flatMap(idsOf));
  const interop = citingFiles().filter(
    (file) => isInterop(file) && idsOf(file).some((id) => !shown.has(id)),
  );
  const parts = [
    { files: own, concurrency: 2 },
    { files: interop, concurrency: 1 },
  ];
  console.error(`Running ${own.length + interop.length} test files that cite requirements …`);
  const records = [];
  for (const part of parts) {
    // In slices, so that one sees how far it is.
    for (let i = 0; i < part.files.length; i += sliceFiles) {
      const slice = part.files.slice(i, i + sliceFiles);
      records.push(
        ...(await runTestFiles(slice, {
          concurrency: part.concurrency,
          timeoutMs: 600_000,
          print: console.error,
        })),
      );
      console.error(`  ${records.length} tests, ${slice.at(-1) ?? ''}`);
    }
  }
  saveResults(records, startedMs);
  return { startedMs, records };
}

const sliceFiles = 40;

/** Wall time of the last change among the sources. */
function newestMs(): number {
  const newestIn = (path: string): number => {
    if (!existsSync(path)) return 0;
    const stat = statSync(path);
    if (!stat.isDirectory()) return stat.mtimeMs;
    return Math.max(0, ...readdirSync(path).map((entry) => newestIn(join(path, entry))));
  };
  return Math.max(...sources.map(newestIn));
}

function writePage(checkOnly: boolean): void {
  const { reports, exceptions } = conformance(citedIds());
  const text = page(reports, exceptions);
  if (!checkOnly) {
    writeFileSync(pageFile, text);
    return;
  }
  if (existsSync(pageFile) && readFileSync(pageFile, 'utf8') === text) return;
  console.error(`${pageFile} is not in step: npm run conformance -- --markdown`);
  process.exitCode = 1;
}

function printTable(reports: Reports): void {
  console.log(
    'Requirement ids whose tests passed. A citation is the claim of the author of the test.',
  );
  console.log(row(['table', 'level', 'total', 'covered', 'excepted', 'uncovered']));
  for (const [table, byLevel] of Object.entries(reports)) {
    for (const level of levels) {
      const { total, covered, excepted, uncovered } = byLevel[level];
      if (total > 0) console.log(row([table, level, total, covered, excepted, uncovered.length]));
    }
  }
}

function row(cells: readonly (string | number)[]): string {
  return cells
    .map((cell, i) => (i < 2 ? String(cell).padEnd(9) : String(cell).padStart(10)))
    .join('');
}

const entry = process.argv[1];
if (entry !== undefined && import.meta.url === pathToFileURL(entry).href) await main();
