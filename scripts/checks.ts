/** The static checks that `verify` and `test` share: each is one command with a name. */
import { spawn } from 'node:child_process';

export interface Check {
  readonly name: string;
  readonly command: readonly string[];
}

const bin = (path: string): string => `node_modules/${path}`;

export const staticChecks: readonly Check[] = [
  {
    name: 'format',
    command: [
      bin('prettier/bin/prettier.cjs'),
      '--check',
      '--log-level=warn',
      'src',
      'test',
      'bench',
      'scripts',
      '*.js',
      '*.cjs',
    ],
  },
  { name: 'types', command: [bin('typescript/bin/tsc'), '-p', 'tsconfig.json'] },
  {
    // What is built has declarations, which may need more names than the check above.
    name: 'types of the build',
    command: [
      bin('typescript/bin/tsc'),
      '-p',
      'tsconfig.build.json',
      '--noEmit',
      '--tsBuildInfoFile',
      '.cache/tsconfig.build-check.tsbuildinfo',
    ],
  },
  {
    name: 'types of the pure folders',
    command: [bin('typescript/bin/tsc'), '-b', 'tsconfig.pure.json'],
  },
  {
    name: 'lint',
    command: [
      bin('eslint/bin/eslint.js'),
      '--cache',
      '--cache-location',
      '.cache/eslint',
      'src',
      'test',
      'bench',
      'scripts',
    ],
  },
  {
    name: 'import rules',
    command: [
      bin('dependency-cruiser/bin/dependency-cruise.mjs'),
      '--config',
      '.dependency-cruiser.cjs',
      'src',
    ],
  },
  { name: 'dead code', command: [bin('knip/bin/knip.js')] },
];

/** Runs one check; the output is kept and returned for the case of failure. */
export async function runCheck(check: Check): Promise<{ passed: boolean; output: string }> {
  return await new Promise((resolve) => {
    const child = spawn(process.execPath, [...check.command], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const keep = (chunk: Buffer): void => {
      if (output.length < 200_000) output += chunk.toString();
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('close', (code) => resolve({ passed: code === 0, output }));
  });
}
