/**
 * `npm run mutate -- --folder storage [--folder wire …] [--sample 300] [--seed S] [--jobs 2] [--only TEXT]
 * [--again REPORT] [--json]`: changes the sources at a seeded sample of places and counts the changes that the
 * tests notice; docs/mutation.md tells the method. Works on a copy. `--only` takes the sources whose path holds
 * the text, `--again` the survivors of an earlier `--json` report. Leaves with 1 when a folder has fewer than
 * 85 % of its mutants killed.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createPrng } from '../src/base/prng.ts';
import { createJudge, type Verdict } from './mutation/judge.ts';
import { findMutants, type Mutant } from './mutation/mutants.ts';
import { makeWorkingCopy, type WorkingCopy } from './mutation/working-copy.ts';

const root = join(import.meta.dirname, '..');
const usage =
  'usage: npm run mutate -- --folder NAME [--folder NAME …] [--sample N] [--seed S] [--jobs N] [--only TEXT] [--again REPORT] [--json]';
const bar = 0.85;
const cache = join(root, 'node_modules/.cache/chordial-mutate');

interface Report {
  readonly folder: string;
  readonly mutants: number;
  readonly sample: number;
  readonly killed: number;
  readonly timeouts: number;
  readonly score: number;
  readonly survivors: readonly {
    readonly id: string;
    readonly place: string;
    readonly operator: string;
    readonly text: string;
    readonly verdict: Verdict;
  }[];
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
        only: { type: 'string', default: '' },
        again: { type: 'string' },
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

/** Names a mutant by what it changes, so that it is found again in a source edited elsewhere. */
function idOf({ file, operator, text, nth }: Mutant): string {
  return `${file} | ${operator} | ${text} | ${nth}`;
}

function survivorsOf(path: string): ReadonlySet<string> {
  const { folders } = JSON.parse(readFileSync(path, 'utf8')) as { folders: readonly Report[] };
  return new Set(folders.flatMap(({ survivors }) => survivors.map(({ id }) => id)));
}

async function mutateFolder(folder: string, copies: readonly WorkingCopy[]): Promise<Report> {
  const [first = fail('no copy')] = copies;
  const { tests, judge } = await createJudge(first, folder, cache, say);
  if (tests.length === 0) fail(`no passing test for ${folder}`);
  const all = sources(`src/${folder}`)
    .filter((file) => file.includes(options.only))
    .flatMap((file) => findMutants(file, readFileSync(join(first.path, file), 'utf8')))
    .filter((mutant) => again === undefined || again.has(idOf(mutant)));
  const drawn = draw(all, sample, `${seed} ${folder}`);
  say(`${folder}: ${drawn.length} of ${all.length} mutants, ${tests.length} test files`);
  const results: { readonly mutant: Mutant; readonly verdict: Verdict }[] = [];
  const waiting = drawn.entries();
  await Promise.all(
    copies.map(async (copy) => {
      for (const [i, mutant] of waiting) {
        const { verdict, by } = await judge(copy, mutant);
        results[i] = { mutant, verdict };
        const isKilled = verdict === 'killed' || verdict === 'timeout';
        const place = `${mutant.file}:${mutant.line} ${mutant.operator}: ${mutant.text}`;
        say(`${isKilled ? 'killed  ' : 'SURVIVED'} ${place} (${verdict}) ${by}`);
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
    timeouts: results.filter(({ verdict }) => verdict === 'timeout').length,
    score: results.length === 0 ? 1 : killed / results.length,
    survivors: survivors
      .map(({ mutant, verdict }) => ({
        id: idOf(mutant),
        place: `${mutant.file}:${mutant.line}`,
        operator: mutant.operator,
        text: mutant.text,
        verdict,
      }))
      .sort((a, b) => a.place.localeCompare(b.place, 'en', { numeric: true })),
  };
}

const options = parse();
const { json, seed } = options;
const sample = whole('sample', options.sample);
const again = options.again === undefined ? undefined : survivorsOf(options.again);
const folders = options.folder;
if (folders.length === 0) fail(usage);
for (const folder of folders) {
  if (!/^[a-z-]+(\/[a-z-]+)*$/.test(folder) || !existsSync(join(root, 'src', folder))) {
    fail(`there is no src/${folder}`);
  }
}
say(`seed ${seed}`);
const copies = Array.from({ length: whole('jobs', options.jobs) }, () => makeWorkingCopy(root));
const removeCopies = (): void => {
  for (const copy of copies) copy.remove();
};
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    removeCopies();
    process.exit(130);
  });
}
const reports: Report[] = [];
try {
  for (const folder of folders) reports.push(await mutateFolder(folder, copies));
} finally {
  removeCopies();
}
if (json)
  process.stdout.write(`${JSON.stringify({ seed, bar, folders: reports }, undefined, 1)}\n`);
for (const { folder, killed, sample: tried, timeouts, score, survivors } of reports) {
  say(
    `${folder}: ${killed} of ${tried} killed (${timeouts} by time), ${(score * 100).toFixed(1)} %`,
  );
  for (const { place, operator, text, verdict } of survivors) {
    say(`  ${place} ${operator}: ${text} (${verdict})`);
  }
}
process.exit(reports.every(({ score }) => score >= bar) ? 0 : 1);
