/** A copy of the repository that mutants are written into, and test runs inside it. */
import { spawn } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Mutant } from './mutants.ts';

const copied = ['src', 'test', 'scripts', 'bench', 'docs', 'config', 'bin', 'package.json'];
const nodeOptions = [
  // A mutant that builds without end dies of this long before the machine suffers.
  '--max-old-space-size=1024',
  '--test-reporter=./scripts/mutation/first-failure.ts',
  '--test-reporter-destination=stdout',
];
const limited = 'ulimit -t "$1"; shift; exec "$@"';
/** How much slower than its processor time a process may be on a busy machine. */
const wallFactor = 20;
/** See run-mutant.ts. */
const idleCode = 3;

export interface Ended {
  readonly isPassed: boolean;
  /** Used up its processor time, or waited for nothing. */
  readonly isTimedOut: boolean;
  /** Processor time of the process. */
  readonly usedMs: number;
  readonly output: string;
}

export interface WorkingCopy {
  readonly path: string;
  /** Runs test files in one process, which ends at the first failure or after `limitMs` of processor time. */
  run(files: readonly string[], limitMs: number, coverage?: string): Promise<Ended>;
  /** Writes the mutant while `work` runs. */
  withMutant<T>(mutant: Mutant, work: () => Promise<T>): Promise<T>;
  remove(): void;
}

export function makeWorkingCopy(root: string): WorkingCopy {
  const path = mkdtempSync(join(tmpdir(), 'chordial-mutate-'));
  for (const name of copied) {
    if (existsSync(join(root, name)))
      cpSync(join(root, name), join(path, name), { recursive: true });
  }
  symlinkSync(join(root, 'node_modules'), join(path, 'node_modules'));
  const env = { ...process.env, NODE_COMPILE_CACHE: join(path, '.compiled') };

  return {
    path,
    run(files, limitMs, coverage) {
      return new Promise((resolve, reject) => {
        const limitS = String(Math.ceil(limitMs / 1_000));
        const command = [process.execPath, ...nodeOptions, 'scripts/mutation/run-mutant.ts'];
        const child = spawn('sh', ['-c', limited, 'sh', limitS, ...command, ...files], {
          cwd: path,
          stdio: ['ignore', 'pipe', 'pipe'],
          env: coverage === undefined ? env : { ...process.env, NODE_V8_COVERAGE: coverage },
        });
        let output = '';
        const timer = setTimeout(() => child.kill('SIGKILL'), wallFactor * limitMs);
        for (const stream of [child.stdout, child.stderr]) {
          stream.on('data', (chunk: Buffer) => {
            output = (output + chunk.toString()).slice(-4_000);
          });
        }
        child.on('error', reject);
        child.on('close', (code, signal) => {
          clearTimeout(timer);
          resolve({
            isPassed: code === 0,
            isTimedOut: code === idleCode || signal === 'SIGXCPU' || signal === 'SIGKILL',
            usedMs: Number(/^used (\d+) ms$/m.exec(output)?.[1] ?? 0),
            output,
          });
        });
      });
    },
    async withMutant({ file, start, end, replacement }, work) {
      const original = readFileSync(join(path, file), 'utf8');
      writeFileSync(join(path, file), original.slice(0, start) + replacement + original.slice(end));
      try {
        return await work();
      } finally {
        writeFileSync(join(path, file), original);
      }
    },
    remove: () => rmSync(path, { recursive: true, force: true }),
  };
}
