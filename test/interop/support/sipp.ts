/** SIPp as a caller, a callee and a registering phone. */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { temporaryFolder } from '../../support/temporary-folder.ts';

export interface SippRun {
  readonly scenario: string;
  /** The box; absent for a callee. */
  readonly proxy?: string;
  readonly port: number;
  readonly transport?: 'u1' | 't1';
  readonly args: readonly string[];
  readonly timeoutS?: number;
  /** Default 127.0.0.1. */
  readonly local?: string;
  /** Put before the command, to run it elsewhere. */
  readonly within?: readonly string[];
}

/** Runs one scenario to its end; 0 means that all calls passed. Output for the case of failure. */
export async function runSipp(run: SippRun): Promise<{ status: number; output: string }> {
  const folder = temporaryFolder('sipp');
  writeFileSync(join(folder, 'tone.alaw'), Buffer.alloc(8000, 0xd5));
  const args = [
    ...(run.proxy === undefined ? [] : [run.proxy]),
    ...[
      '-sf',
      resolve('test/interop/sipp', run.scenario),
      '-i',
      run.local ?? '127.0.0.1',
      '-p',
      String(run.port),
    ],
    ...['-t', run.transport ?? 'u1', '-m', '1', '-timeout', String(run.timeoutS ?? 20), '-nostdin'],
    ...['-trace_err', '-error_file', 'errors', '-trace_msg', '-message_file', 'messages'],
    ...run.args,
  ];
  return await new Promise((done) => {
    const [program = 'sipp', ...rest] = [...(run.within ?? []), 'sipp', ...args];
    const child = spawn(program, rest, { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = `sipp ${args.join(' ')}\n(${folder})\n`;
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.on('close', (code) => done({ status: code ?? -1, output }));
  });
}
