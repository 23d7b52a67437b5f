/** Runs node:test files and counts what happened, test by test. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { run } from 'node:test';

export interface TestRecord {
  readonly name: string;
  readonly file: string;
  readonly status: 'passed' | 'failed' | 'skipped';
  readonly message: string | undefined;
}

/** All `*.test.ts` below the folder, sorted. */
export function testFiles(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const found: string[] = [];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) found.push(...testFiles(path));
    else if (entry.name.endsWith('.test.ts')) found.push(path);
  }
  return found.sort();
}

/** Runs the files, `concurrency` at a time, each in a process of its own, and reports failures as they come. */
export async function runTestFiles(
  files: readonly string[],
  options: {
    readonly concurrency: number;
    readonly timeoutMs: number;
    /** Where failures are told; standard output when absent. */
    readonly print?: (text: string) => void;
  },
): Promise<TestRecord[]> {
  if (files.length === 0) return [];
  const { print = console.log } = options;
  const records: TestRecord[] = [];
  const stream = run({
    files: [...files],
    concurrency: options.concurrency,
    timeout: options.timeoutMs,
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
  const settle = (
    status: TestRecord['status'],
    data: { name: string; file?: string; details: { type?: string; error?: Error } },
  ): void => {
    const isWholeFile = data.file !== undefined && files.some((f) => data.name.endsWith(f));
    if (data.details.type === 'suite') return;
    if (isWholeFile && status !== 'failed') return;
    const cause = data.details.error?.cause;
    const message =
      status === 'failed'
        ? cause instanceof Error
          ? (cause.stack ?? cause.message)
          : typeof cause === 'string'
            ? cause
            : data.details.error?.message
        : undefined;
    if (isWholeFile && message?.includes('subtest') === true) return;
    records.push({ name: data.name, file: data.file ?? '', status, message });
    if (status === 'failed') {
      print(`not ok: ${data.name} (${data.file ?? ''})\n${message ?? ''}\n`);
    }
  };
  stream.on('test:pass', (data) => settle(data.skip === undefined ? 'passed' : 'skipped', data));
  stream.on('test:fail', (data) => settle('failed', data));
  stream.resume();
  await finished(stream);
  return records;
}

const resultsFile = '.cache/test-results.json';

/** The outcome of a run as the conformance table reads it. */
export interface TestResults {
  /** Wall time; what was changed later has not been tested. */
  readonly startedMs: number;
  readonly records: readonly Pick<TestRecord, 'name' | 'file' | 'status'>[];
}

/** Keeps the outcome of a run that began at `startedMs` (wall time). */
export function saveResults(records: readonly TestRecord[], startedMs: number): void {
  mkdirSync('.cache', { recursive: true });
  const results: TestResults = {
    startedMs,
    records: records.map(({ name, file, status }) => ({ name, file, status })),
  };
  writeFileSync(resultsFile, JSON.stringify(results));
}

/** `undefined` when nothing has run yet. */
export function readResults(): TestResults | undefined {
  if (!existsSync(resultsFile)) return undefined;
  const parsed: unknown = JSON.parse(readFileSync(resultsFile, 'utf8'));
  return typeof parsed === 'object' && parsed !== null && 'startedMs' in parsed
    ? (parsed as TestResults)
    : undefined;
}
