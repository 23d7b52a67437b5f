/** `chordial`: finds the command and runs it. */
import { enableCompileCache } from 'node:module';
import { setFlagsFromString } from 'node:v8';
import type { Command } from './cli/command.ts';
import { commonHelp } from './cli/command.ts';

enableCompileCache();
// A burst of first registrations keeps many objects alive for seconds; V8 would conclude that such objects
// are best made in the old generation, where from then on every message would wait for a full collection.
setFlagsFromString('--no-allocation-site-pretenuring');

const commands: Readonly<Record<string, { summary: string; load: () => Promise<Command> }>> = {
  start: {
    summary: 'run this box',
    load: async () => (await import('./cli/commands/start.ts')).startCommand,
  },
  init: {
    summary: 'create an overlay with its authority on this box',
    load: async () => (await import('./cli/commands/init.ts')).initCommand,
  },
  join: {
    summary: 'join an overlay with a token',
    load: async () => (await import('./cli/commands/join.ts')).joinCommand,
  },
  user: {
    summary: 'add, list, change and remove users',
    load: async () => (await import('./cli/commands/user.ts')).userCommand,
  },
  token: {
    summary: 'create, list and revoke join tokens',
    load: async () => (await import('./cli/commands/token.ts')).tokenCommand,
  },
  ban: {
    summary: 'list and lift bans of sources and users',
    load: async () => (await import('./cli/commands/ban.ts')).banCommand,
  },
  lookup: {
    summary: 'show where an address of record is registered',
    load: async () => (await import('./cli/commands/lookup.ts')).lookupCommand,
  },
  ring: {
    summary: 'show the ring as this box sees it',
    load: async () => (await import('./cli/commands/ring.ts')).ringCommand,
  },
  status: {
    summary: 'show the state of this box',
    load: async () => (await import('./cli/commands/status.ts')).statusCommand,
  },
  quickstart: {
    summary: 'init on the first run, then start (what npm start does)',
    load: async () => (await import('./cli/commands/quickstart.ts')).quickstartCommand,
  },
};

function overview(): string {
  const lines = Object.entries(commands).map(
    ([name, { summary }]) => `  ${name.padEnd(12)}${summary}`,
  );
  return `Usage: chordial COMMAND [options]

Commands:
${lines.join('\n')}

chordial COMMAND --help shows the options and an example of each.
${commonHelp}`;
}

async function main(args: readonly string[]): Promise<number> {
  const [name = 'help', ...rest] = args;
  const entry = commands[name];
  if (entry === undefined) {
    const isHelp = name === 'help' || name === '--help' || name === '-h';
    (isHelp ? process.stdout : process.stderr).write(
      isHelp ? `${overview()}\n` : `Unknown command "${name}".\n\n${overview()}\n`,
    );
    return isHelp ? 0 : 2;
  }
  const command = await entry.load();
  if (rest.includes('--help') || rest.includes('-h')) {
    process.stdout.write(`${command.help}\n${commonHelp}\n`);
    return 0;
  }
  return await command.run(rest);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const { message, exitCode } = error as Error & { exitCode?: number };
  process.stderr.write(`chordial: ${message}\n`);
  if (exitCode === undefined && process.env['CHORDIAL_LOG_LEVEL'] === 'debug') {
    process.stderr.write(`${String((error as Error).stack)}\n`);
  }
  process.exitCode = exitCode ?? 1;
}
