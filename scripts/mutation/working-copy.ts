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
/** A mutant that builds without end dies of this long before the machine suffers. */
const heapMb = 1024;

export interface Ended {
  readonly isPassed: boolean;
  readonly isTimedOut: boolean;
  readonly tookMs: number;
  readonly output: string;
}

export interface WorkingCopy {
  readonly path: string;
  /** Runs test files in one process, which ends at the first failure or after `timeoutMs`. */
  run(files: readonly string[], timeoutMs: number, coverage?: string): Promise<Ended>;
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
    run(files, timeoutMs, coverage) {
      const startedMs = performance.now();
      return new Promise((resolve, reject) => {
        const args = [`--max-old-space-size=${heapMb}`, 'scripts/mutation/run-mutant.ts', ...files];
        const child = spawn(process.execPath, args, {
          cwd: path,
          stdio: ['ignore', 'pipe', 'pipe'],
          env: coverage === undefined ? env : { ...process.env, NODE_V8_COVERAGE: coverage },
        });
        let output = '';
        let isTimedOut = false;
        const timer = setTimeout(() => {
          isTimedOut = true;
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
          const tookMs = performance.now() - startedMs;
          resolve({ isPassed: code === 0, isTimedOut, tookMs, output });
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
