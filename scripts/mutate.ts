/**
 * `npm run mutate -- --folder storage [--folder wire …] [--sample 300] [--seed S] [--jobs 2] [--json]`:
 * changes the sources at a seeded sample of places and counts the changes that the tests notice.
 * Works on a copy. Leaves with 1 when a folder has fewer than 85 % of its mutants killed.
 */
import { spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { createPrng } from '../src/base/prng.ts';
import { hasRun, readCoverage } from './mutation/coverage.ts';
import { findMutants, type Mutant } from './mutation/mutants.ts';
import { testFiles } from './run-tests.ts';

const root = join(import.meta.dirname, '..');
const usage =
  'usage: npm run mutate -- --folder NAME [--folder NAME …] [--sample N] [--seed S] [--jobs N] [--json]';
const bar = 0.85;
const copied = ['src', 'test', 'scripts', 'bench', 'docs', 'config', 'bin', 'package.json'];

/** Test folders beside test/unit/FOLDER and test/vectors that exercise a folder. */
const further: Readonly<Record<string, readonly string[]>> = {
  overlay: ['test/sim', 'test/unit/topology'],
  storage: ['test/unit/overlay'],
  topology: ['test/unit/overlay', 'test/sim'],
  trust: ['test/unit/overlay'],
  wire: ['test/unit/trust', 'test/unit/storage'],
  link: ['test/unit/overlay'],
};

type Verdict = 'killed' | 'timeout' | 'survived' | 'not run by any test';

interface TestFile {
  readonly path: string;
  readonly tookMs: number;
  readonly coverage: ReturnType<typeof readCoverage>;
}

interface Ended {
  readonly code: number;
  readonly output: string;
  readonly timedOut: boolean;
  readonly tookMs: number;
}

function fail(reason: string): never {
  process.stderr.write(`${reason}\n`);
  process.exit(2);
}

function say(line: string): void {
  (json ? process.stderr : process.stdout).write(`${line}\n`);
}

function parse() {
  try {
    return parseArgs({
      options: {
        folder: { type: 'string', multiple: true, default: [] },
        sample: { type: 'string', default: '300' },
        seed: { type: 'string', default: String(Date.now()) },
        jobs: { type: 'string', default: '2' },
        json: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    return fail(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
  }
}

function whole(name: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) fail(`--${name} must be a whole number above 0`);
  return value;
}

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return sources(path);
    return entry.name.endsWith('.ts') ? [path] : [];
  });
}

function draw(mutants: readonly Mutant[], count: number, seed: string): Mutant[] {
  const prng = createPrng(seed);
  const rest = [...mutants];
  const drawn: Mutant[] = [];
  while (drawn.length < count && rest.length > 0) {
    drawn.push(...rest.splice(prng.below(rest.length), 1));
  }
  return drawn;
}

/** A working copy that a mutant can be written into. */
function makeCopy(): string {
  const copy = mkdtempSync(join(tmpdir(), 'chordial-mutate-'));
  for (const name of copied) {
    if (existsSync(join(root, name)))
      cpSync(join(root, name), join(copy, name), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

function runTests(
  copy: string,
  files: readonly string[],
  timeoutMs: number,
  coverage?: string,
): Promise<Ended> {
  const startedMs = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['scripts/mutation/run-mutant.ts', ...files], {
      cwd: copy,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: coverage === undefined ? process.env : { ...process.env, NODE_V8_COVERAGE: coverage },
    });
    let output = '';
    let timedOut = false;
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
    }, timeoutMs);
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        if (output.length < 4000) output += chunk.toString();
      });
    }
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code: code ?? 1, output, timedOut, tookMs: performance.now() - startedMs });
    });
  });
}

/** Each test file alone and unchanged: what it covers, how long it takes. One that fails proves nothing. */
async function measure(copy: string, folder: string): Promise<TestFile[]> {
  const folders = [`test/unit/${folder}`, 'test/vectors', ...(further[folder] ?? [])];
  const measured: TestFile[] = [];
  for (const path of folders.flatMap((one) => testFiles(join(copy, one)))) {
    const relative = path.slice(copy.length + 1);
    const reports = mkdtempSync(join(copy, 'coverage-'));
    const ended = await runTests(copy, [relative], 300_000, reports);
    if (ended.code === 0) {
      const coverage = readCoverage(reports, `${copy}/`);
      measured.push({ path: relative, tookMs: ended.tookMs, coverage });
    } else say(`left out, fails without any change: ${relative}: ${ended.output.slice(0, 400)}`);
    rmSync(reports, { recursive: true });
  }
  if (measured.length === 0) fail(`no passing test for ${folder}`);
  return measured;
}

/** Those that run the place: same name first, then the near and quick ones. */
function relevant(tests: readonly TestFile[], mutant: Mutant, folder: string): TestFile[] {
  const name = basename(mutant.file, '.ts');
  const rank = ({ path }: TestFile): number => {
    if (basename(path) === `${name}.test.ts`) return 0;
    return path.startsWith(`test/unit/${folder}/`) ? 1 : 2;
  };
  return tests
    .filter(({ coverage }) => hasRun(coverage.get(mutant.file), mutant.start))
    .sort((a, b) => rank(a) - rank(b) || a.tookMs - b.tookMs);
}

async function judge(
  copy: string,
  mutant: Mutant,
  tests: readonly TestFile[],
): Promise<{ readonly verdict: Verdict; readonly by: string }> {
  if (tests.length === 0) return { verdict: 'not run by any test', by: '' };
  const original = readFileSync(join(copy, mutant.file), 'utf8');
  const { start, end, replacement } = mutant;
  writeFileSync(
    join(copy, mutant.file),
    original.slice(0, start) + replacement + original.slice(end),
  );
  const usualMs = tests.reduce((sum, { tookMs }) => sum + tookMs, 0);
  const ended = await runTests(
    copy,
    tests.map(({ path }) => path),
    10_000 + 4 * usualMs,
  );
  writeFileSync(join(copy, mutant.file), original);
  if (ended.timedOut) return { verdict: 'timeout', by: '' };
  if (ended.code === 0) return { verdict: 'survived', by: '' };
  return { verdict: 'killed', by: ended.output.split('\n')[0] ?? '' };
}

async function mutateFolder(folder: string, copies: readonly string[]) {
  const [first = fail('no copy')] = copies;
  const tests = await measure(first, folder);
  const all = sources(`src/${folder}`).flatMap((file) =>
    findMutants(file, readFileSync(join(first, file), 'utf8')),
  );
  const drawn = draw(all, sample, `${seed} ${folder}`);
  say(`${folder}: ${drawn.length} of ${all.length} mutants, ${tests.length} test files`);
  const results: { mutant: Mutant; verdict: Verdict; by: string }[] = [];
  const waiting = drawn.entries();
  await Promise.all(
    copies.map(async (copy) => {
      for (const [i, mutant] of waiting) {
        const { verdict, by } = await judge(copy, mutant, relevant(tests, mutant, folder));
        results[i] = { mutant, verdict, by };
        const place = `${mutant.file}:${mutant.line}`;
        const isKilled = verdict === 'killed' || verdict === 'timeout';
        say(`${isKilled ? 'killed  ' : 'SURVIVED'} ${place} ${mutant.operator} (${verdict})`);
      }
    }),
  );
  const survivors = results.filter(({ verdict }) => verdict !== 'killed' && verdict !== 'timeout');
  const killed = results.length - survivors.length;
  return {
    folder,
    mutants: all.length,
    sample: results.length,
    killed,
    score: results.length === 0 ? 1 : killed / results.length,
    survivors: survivors.map(({ mutant, verdict }) => ({
      place: `${mutant.file}:${mutant.line}`,
      operator: mutant.operator,
      replacement: mutant.replacement,
      verdict,
    })),
  };
}

const options = parse();
const { json, seed } = options;
const sample = whole('sample', options.sample);
const folders = options.folder;
if (folders.length === 0) fail(usage);
for (const folder of folders) {
  if (!/^[a-z-]+(\/[a-z-]+)*$/.test(folder) || !existsSync(join(root, 'src', folder))) {
    fail(`there is no src/${folder}`);
  }
}
say(`seed ${seed}`);
const copies = Array.from({ length: whole('jobs', options.jobs) }, makeCopy);
const removeCopies = (): void => {
  for (const copy of copies) rmSync(copy, { recursive: true, force: true });
};
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    removeCopies();
    process.exit(130);
  });
}
const reports: Awaited<ReturnType<typeof mutateFolder>>[] = [];
try {
  for (const folder of folders) reports.push(await mutateFolder(folder, copies));
} finally {
  removeCopies();
}
if (json) process.stdout.write(`${JSON.stringify({ seed, bar, folders: reports })}\n`);
for (const { folder, killed, sample: tried, score, survivors } of reports) {
  say(`${folder}: ${killed} of ${tried} killed, ${(score * 100).toFixed(1)} %`);
  for (const { place, operator, replacement, verdict } of survivors) {
    say(`  ${place} ${operator}: ${replacement.split('\n')[0] ?? ''} (${verdict})`);
  }
}
process.exit(reports.every(({ score }) => score >= bar) ? 0 : 1);
