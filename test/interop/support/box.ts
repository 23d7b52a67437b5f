/** The command line as an operator runs it: one command to its end, or a box in the foreground. */
import { spawn } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { until } from './wait.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const program = resolve('src/main.ts');

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
}

/** Runs `chordial …` to its end. */
export async function chordial(
  args: readonly string[],
  options: { readonly input?: string; readonly timeoutMs?: number } = {},
): Promise<Finished> {
  const started = performance.now();
  const child = spawn(process.execPath, [program, ...args], { stdio: 'pipe' });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 15_000);
  const code = await new Promise<number | null>((done) => child.on('close', done));
  clearTimeout(timer);
  return { code, stdout, stderr, ms: performance.now() - started };
}

export interface RunningBox {
  readonly pid: number;
  stdout(): string;
  stderr(): string;
  /** Waits until standard output or standard error has the text. */
  says(text: string, timeoutMs?: number): Promise<void>;
  /** Sends the signal and yields exit code and milliseconds to the end. */
  stop(signal?: NodeJS.Signals): Promise<{ readonly code: number | null; readonly ms: number }>;
  signal(signal: NodeJS.Signals): void;
  /** Exit code once it has ended. */
  readonly ended: Promise<number | null>;
}

/** Starts `chordial …` and leaves it running. */
export function startBox(args: readonly string[]): RunningBox {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  let over = false;
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  const ended = new Promise<number | null>((done) => {
    child.on('close', (code) => {
      over = true;
      done(code);
    });
  });
  return {
    pid: child.pid ?? 0,
    stdout: () => stdout,
    stderr: () => stderr,
    ended,
    signal: (signal) => void child.kill(signal),
    async says(text, timeoutMs = 15_000) {
      const has = (): boolean => stdout.includes(text) || stderr.includes(text);
      await until(
        `the box says ${text}`,
        () => {
          if (over && !has()) throw new Error(`the box ended\n${stdout}\n${stderr}`);
          return has();
        },
        timeoutMs,
      );
    },
    async stop(signal = 'SIGTERM') {
      const started = performance.now();
      child.kill(signal);
      const hard = setTimeout(() => child.kill('SIGKILL'), 20_000);
      const code = await ended;
      clearTimeout(hard);
      return { code, ms: performance.now() - started };
    },
  };
}

export function newDirectory(): string {
  return join(temporaryFolder('chordial-box'), 'data');
}

/** `--set` options that put every port of a box on one address. */
export function at(address: string, further: Readonly<Record<string, string>> = {}): string[] {
  const settings = {
    'sip.address': address,
    'link.address': address,
    'admin.address': address,
    'authority.address': address,
    'authority.publicHost': address,
    ...further,
  };
  return Object.entries(settings).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
}

/** Every file and folder below, with its mode in octal. */
export function modes(folder: string): { readonly path: string; readonly mode: string }[] {
  const own = { path: folder, mode: (statSync(folder).mode & 0o777).toString(8) };
  const below = readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return modes(path);
    return [{ path, mode: (statSync(path).mode & 0o777).toString(8) }];
  });
  return [own, ...below];
}
