/** Starts and drives `npm run lab` for tests. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from './wait.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

export interface LabAdapter {
  readonly adapter: number;
  readonly sip: string;
  readonly admin: string;
  readonly nodeId: string;
  readonly pid: number;
}

export interface Lab {
  readonly dir: string;
  readonly domain: string;
  readonly adapters: readonly LabAdapter[];
  /** Milliseconds from the start of the process to `ready`. */
  readonly readyMs: number;
  status(k: number): Promise<Record<string, unknown>>;
  get(k: number, path: string): Promise<Response>;
  log(k: number): string;
  stop(): Promise<void>;
}

export interface LabOptions {
  readonly adapters: number;
  readonly dir?: string;
  readonly keylog?: string;
  readonly config?: string;
  /** Value of link.protocol of the overlay. */
  readonly links?: string;
  readonly domain?: string;
  /** Last byte of the authority's address; default 10. */
  readonly base?: number;
  readonly readyWithinMs?: number;
}

export async function startLab(options: LabOptions): Promise<Lab> {
  const dir = options.dir ?? temporaryFolder('chordial-lab');
  const args = ['scripts/lab.ts', '--adapters', String(options.adapters), '--dir', dir];
  if (options.keylog !== undefined) args.push('--keylog', options.keylog);
  if (options.links !== undefined) args.push('--links', options.links);
  if (options.config !== undefined) args.push('--config', options.config);
  if (options.base !== undefined) args.push('--base', String(options.base));
  if (options.domain !== undefined) args.push('--domain', options.domain);
  const started = performance.now();
  const child: ChildProcess = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let errors = '';
  child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr?.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  let exited = false;
  child.on('exit', () => (exited = true));
  await until(
    'the lab is ready',
    () => {
      if (exited) throw new Error(`the lab ended early\n${output}\n${errors}`);
      return output.includes('{"ready":true}');
    },
    options.readyWithinMs ?? 30_000,
  ).catch((error: unknown) => {
    child.kill('SIGKILL');
    throw new Error(`${String(error)}\n${output}\n${errors}`);
  });
  const readyMs = performance.now() - started;
  const adapters = output
    .split('\n')
    .filter((line) => line.includes('"adapter"'))
    .map((line) => JSON.parse(line) as LabAdapter);
  const adapter = (k: number): LabAdapter => adapters.find((a) => a.adapter === k)!;
  return {
    dir,
    domain: options.domain ?? 'lab.example',
    adapters,
    readyMs,
    get: async (k, path) => await fetch(`${adapter(k).admin}${path}`),
    status: async (k) =>
      (await (await fetch(`${adapter(k).admin}/api/status`)).json()) as Record<string, unknown>,
    log: (k) => readFileSync(join(dir, `adapter-${k}`, 'log.jsonl'), 'utf8'),
    async stop() {
      if (exited) return;
      child.kill('SIGTERM');
      await until('the lab ended', () => exited, 15_000).catch((error: unknown) => {
        child.kill('SIGKILL');
        throw error;
      });
    },
  };
}
