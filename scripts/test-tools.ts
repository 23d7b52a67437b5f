/** The outside programs that the interop tests talk to, and how to get them. */
import { spawnSync } from 'node:child_process';

export interface Tool {
  readonly program: string;
  readonly debianPackage: string;
}

export const tools: readonly Tool[] = [
  { program: 'baresip', debianPackage: 'baresip-core' },
  { program: 'sipp', debianPackage: 'sip-tester' },
  { program: 'tshark', debianPackage: 'tshark' },
  { program: 'curl', debianPackage: 'curl' },
  { program: 'openssl', debianPackage: 'openssl' },
  { program: 'linphonec', debianPackage: 'linphone-cli' },
  { program: 'chromium', debianPackage: 'chromium' },
  { program: 'svmap', debianPackage: 'sipvicious' },
  { program: 'turnserver', debianPackage: 'coturn' },
  { program: 'nft', debianPackage: 'nftables' },
  { program: 'ip', debianPackage: 'iproute2' },
];

/** True when the program is on the path. */
export function hasProgram(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`], { stdio: 'ignore' }).status === 0;
}

/**
 * As root: installs what is missing from Debian's packages. Otherwise prints the one line to run.
 * Returns the programs that are still missing.
 */
export function ensureTools(): string[] {
  const missing = tools.filter((tool) => !hasProgram(tool.program));
  if (missing.length === 0) return [];
  const packages = missing.map((tool) => tool.debianPackage).join(' ');
  const line = `apt-get install -y --no-install-recommends ${packages}`;
  if (process.getuid?.() !== 0) {
    console.log(`Missing test tools; their tests are skipped. To run them: sudo ${line}`);
    return missing.map((tool) => tool.program);
  }
  console.log(`Installing test tools: ${packages} …`);
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  spawnSync('apt-get', ['update', '-qq'], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: environment,
  });
  spawnSync('sh', ['-c', `${line} -qq`], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: environment,
  });
  return missing.filter((tool) => !hasProgram(tool.program)).map((tool) => tool.program);
}
