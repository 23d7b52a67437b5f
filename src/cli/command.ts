/** What every command of the command line is made of. */
import { parseArgs, type ParseArgsConfig } from 'node:util';

export interface Command {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** Usage, options and an example; printed by `--help`. */
  readonly help: string;
  /** Yields the exit code: 0 done, 1 failed, 2 wrong use or settings. */
  run(args: readonly string[]): Promise<number>;
}

/** The command cannot go on; the message says what to do next. */
export class CommandError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

const commonOptions = {
  dir: { type: 'string' },
  config: { type: 'string', multiple: true },
  set: { type: 'string', multiple: true },
  json: { type: 'boolean' },
} as const;

export const commonHelp = `
Options of every command:
  --dir DIR         data directory (default: $CHORDIAL_DIR, else .chordial)
  --config FILE     settings file (YAML or JSON) beside DIR/chordial.yaml; may be repeated
  --set KEY=VALUE   one setting; may be repeated
  --json            machine-readable output
  --help            this text`;

export interface CommonArguments {
  readonly dir: string;
  readonly configFiles: readonly string[];
  readonly flags: Readonly<Record<string, string>>;
  readonly json: boolean;
  readonly positionals: readonly string[];
  /** Options of the command itself. */
  readonly options: Readonly<Record<string, string | boolean | undefined>>;
}

/** What a command takes beside the options of every command. */
export interface CommandSyntax {
  readonly name: string;
  /** Most words that are no options; default none. */
  readonly words?: number;
  readonly options?: NonNullable<ParseArgsConfig['options']>;
}

/** Parses strictly: an unknown option, and a word too many, are a wrong use. */
export function parseCommand(args: readonly string[], syntax: CommandSyntax): CommonArguments {
  const { name, words = 0, options: own = {} } = syntax;
  const wrongUse = (what: string): CommandError =>
    new CommandError(`${what}; "chordial ${name} --help" shows what there is`, 2);
  let parsed;
  try {
    parsed = parseArgs({
      args: [...args],
      options: { ...commonOptions, ...own },
      allowPositionals: true,
    });
  } catch (error) {
    // Node's advice on words that begin with a dash helps nobody here.
    throw wrongUse((error as Error).message.split('. ')[0] ?? 'wrong option');
  }
  const extra = parsed.positionals[words];
  if (extra !== undefined) throw wrongUse(`unexpected "${extra}"`);
  const values = parsed.values as Record<string, string | boolean | string[] | undefined>;
  const flags: Record<string, string> = {};
  for (const pair of (values['set'] as string[] | undefined) ?? []) {
    const equals = pair.indexOf('=');
    if (equals < 1) throw new CommandError(`--set needs KEY=VALUE, got "${pair}"`, 2);
    flags[pair.slice(0, equals)] = pair.slice(equals + 1);
  }
  const options: Record<string, string | boolean | undefined> = {};
  for (const key of Object.keys(own)) options[key] = values[key] as string | boolean | undefined;
  return {
    dir: (values['dir'] as string | undefined) ?? process.env['CHORDIAL_DIR'] ?? '.chordial',
    configFiles: (values['config'] as string[] | undefined) ?? [],
    flags,
    json: values['json'] === true,
    positionals: parsed.positionals,
    options,
  };
}

/** Prints a value as JSON, or the lines for a person. */
export function print(json: boolean, value: unknown, lines: readonly string[]): void {
  if (json) process.stdout.write(`${JSON.stringify(value)}\n`);
  else for (const line of lines) process.stdout.write(`${line}\n`);
}

/** Reads all of standard input, without the line end; for secrets, which do not belong into arguments. */
export async function readSecret(prompt: string): Promise<string> {
  if (process.stdin.isTTY) process.stderr.write(`${prompt}: `);
  let text = '';
  for await (const chunk of process.stdin) {
    text += String(chunk);
    if (text.includes('\n') || text.length > 65_536) break;
  }
  return text.split('\n')[0]?.trim() ?? '';
}
