import { spawnSync } from 'node:child_process';

/** `false` when all programs are there, else the reason why the test is skipped. */
export function without(...programs: readonly string[]): string | false {
  const missing = programs.filter(
    (program) => spawnSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' }).status !== 0,
  );
  return missing.length === 0
    ? false
    : `needs ${missing.join(', ')} (npm test as root installs them)`;
}
