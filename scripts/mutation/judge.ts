/** Which tests can notice a mutant, in which order they are asked, and what they say. */
import { mkdtempSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { testFiles } from '../run-tests.ts';
import { hasRun, readCoverage } from './coverage.ts';
import { createObservations, type Observation } from './observations.ts';
import type { Mutant } from './mutants.ts';
import type { WorkingCopy } from './working-copy.ts';

/** `killed` by a failing test, `timeout` when the tests no longer end. */
export type Verdict = 'killed' | 'timeout' | 'survived' | 'not run by any test';

export interface TestFile extends Observation {
  readonly path: string;
}

export interface Judge {
  readonly tests: readonly TestFile[];
  readonly judge: (
    copy: WorkingCopy,
    mutant: Mutant,
  ) => Promise<{ readonly verdict: Verdict; readonly by: string }>;
}

/** Test folders beside test/unit/FOLDER and test/vectors that exercise a folder. */
const further: Readonly<Record<string, readonly string[]>> = {
  overlay: ['test/sim'],
  sip: ['test/unit/adapter'],
  topology: ['test/sim'],
  'usages/sip': ['test/unit/adapter'],
  wire: ['test/unit/trust'],
};

/** Long simulations, left out: their time would be paid for every survivor. */
const leftOut = new Set(['test/sim/scenarios.test.ts']);

/** The first process runs tests of about this many milliseconds, each further one twice as many. */
const firstBatchMs = 1_000;
/** A mutant is asked about until tests of this many milliseconds have not noticed it. */
const enoughMs = 8_000;
/** Tests that use more than this and so many times their usual time are taken to be without end. */
const graceMs = 2_000;
const slowdown = 4;

/** Runs each test file alone and unchanged: what it covers, how long it takes. One that fails proves nothing. */
export async function createJudge(
  copy: WorkingCopy,
  folder: string,
  cache: string,
  say: (line: string) => void,
): Promise<Judge> {
  const folders = [`test/unit/${folder}`, 'test/vectors', ...(further[folder] ?? [])];
  const observations = createObservations(copy.path, cache);
  const tests: TestFile[] = [];
  for (const file of folders.flatMap((one) => testFiles(join(copy.path, one)))) {
    const path = file.slice(copy.path.length + 1);
    if (leftOut.has(path)) continue;
    const observation = observations.recall(path) ?? (await observe(path));
    if (observation !== undefined) tests.push({ path, ...observation });
  }

  async function observe(path: string): Promise<Observation | undefined> {
    const reports = mkdtempSync(join(copy.path, 'coverage-'));
    try {
      const ended = await copy.run([path], 300_000, reports);
      if (ended.isPassed) {
        return observations.keep(path, ended.usedMs, readCoverage(reports, `${copy.path}/`));
      }
      say(`left out, fails without any change: ${path}: ${ended.output.slice(0, 400)}`);
      return undefined;
    } finally {
      rmSync(reports, { recursive: true });
    }
  }

  /** Kills by `SOURCE TEST`: what has noticed changes of a source comes first for the next one. */
  const kills = new Map<string, number>();

  function relevant(mutant: Mutant): TestFile[] {
    const name = basename(mutant.file, '.ts');
    const folder = dirname(mutant.file).replace(/^src/, 'test/unit');
    const likely = ({ path }: TestFile): number =>
      (kills.get(`${mutant.file} ${path}`) ?? 0) +
      (dirname(path) === folder ? 4 : 0) +
      (basename(path) === `${name}.test.ts` ? 4 : 0);
    const found = tests
      .filter(({ coverage }) => hasRun(coverage.get(mutant.file), mutant.start))
      .sort((a, b) => (1 + likely(b)) / b.usedMs - (1 + likely(a)) / a.usedMs);
    // Files of one process share its start, which is most of what a quick one takes.
    const startMs = Math.min(...found.map(({ usedMs }) => usedMs));
    let leftMs = enoughMs;
    return found.filter(({ usedMs }, i) => {
      const ownMs = usedMs - startMs;
      if (i > 0 && ownMs > leftMs) return false;
      leftMs -= ownMs;
      return true;
    });
  }

  return {
    tests,
    async judge(copy, mutant) {
      const asked = relevant(mutant);
      if (asked.length === 0) return { verdict: 'not run by any test', by: '' };
      return copy.withMutant(mutant, async () => {
        for (const batch of batches(asked)) {
          const usualMs = batch.reduce((sum, { usedMs }) => sum + usedMs, 0);
          const paths = batch.map(({ path }) => path);
          const ended = await copy.run(paths, graceMs + slowdown * usualMs);
          if (ended.isPassed) continue;
          const key = `${mutant.file} ${killer(ended.output, paths)}`;
          kills.set(key, (kills.get(key) ?? 0) + 1);
          return {
            verdict: ended.isTimedOut ? 'timeout' : 'killed',
            by: ended.output.split('\n')[0] ?? '',
          };
        }
        return { verdict: 'survived', by: '' };
      });
    },
  };
}

function batches(tests: readonly TestFile[]): TestFile[][] {
  const found: TestFile[][] = [];
  let rest = [...tests];
  for (let wantedMs = firstBatchMs; rest.length > 0; wantedMs *= 2) {
    let sumMs = 0;
    const end = rest.findIndex(({ usedMs }) => (sumMs += usedMs) > wantedMs);
    const count = end === -1 ? rest.length : Math.max(1, end);
    found.push(rest.slice(0, count));
    rest = rest.slice(count);
  }
  return found;
}

/** The test file that run-mutant.ts names; the first one when the process ended otherwise. */
function killer(output: string, paths: readonly string[]): string {
  return paths.find((path) => output.includes(path)) ?? paths[0] ?? '';
}
