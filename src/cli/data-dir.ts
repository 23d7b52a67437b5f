/** Files of a data directory, and the settings that apply to it. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomically } from '../node/files.ts';
import { loadSettings, type Settings } from '../node/settings.ts';
import { CommandError, type CommonArguments } from './command.ts';

export const settingsFileNames = ['chordial.yaml', 'chordial.yml', 'chordial.json'];

/** Settings files in the order in which they apply: those of the directory, then those named. */
export function settingsFiles(dir: string, named: readonly string[]): string[] {
  const own = settingsFileNames.map((name) => join(dir, name)).filter((file) => existsSync(file));
  return [...own, ...named];
}

/** The settings, or exit code 2 with one line that says which key is wrong. */
export function settingsOf(args: CommonArguments): Settings {
  const settings = loadSettings(settingsFiles(args.dir, args.configFiles), process.env, args.flags);
  if (!settings.ok) throw new CommandError(settings.error, 2);
  return settings.value;
}

export function adminTokenFile(dir: string): string {
  return join(dir, 'admin.token');
}

/** The bearer token with which the command line asks the running box. */
export function readAdminToken(dir: string): string {
  const file = adminTokenFile(dir);
  if (!existsSync(file)) {
    throw new CommandError(
      `no box has run from ${dir} yet; start it with: chordial start --dir ${dir}`,
    );
  }
  return readFileSync(file, 'utf8').trim();
}

/** Creates the directory for its owner alone; what this process writes from now on is for the owner alone. */
export function prepareDirectory(dir: string): void {
  process.umask(0o077);
  mkdirSync(dir, { recursive: true, mode: 0o700 });
}

/** Remembers settings beside those that are there, later ones over earlier; the file is read at every start. */
export function saveSettings(dir: string, ...settings: readonly object[]): void {
  const file = join(dir, 'chordial.json');
  const present = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as object) : {};
  const all = settings.reduce(merged, present);
  writeFileAtomically(file, `${JSON.stringify(all, undefined, 2)}\n`, 0o600);
}

function merged(base: object, over: object): object {
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over) as [string, unknown][]) {
    const present = result[key];
    const bothGroups = isGroup(present) && isGroup(value);
    result[key] = bothGroups ? merged(present, value) : value;
  }
  return result;
}

function isGroup(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** `a.b=c` flags as a settings object, kept as text; the schema coerces them when read. */
export function rememberedFlags(flags: Readonly<Record<string, string>>): object {
  const settings: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(flags)) {
    const parts = key.split('.');
    const last = parts.pop() ?? '';
    let group = settings;
    for (const part of parts) group = (group[part] ??= {}) as Record<string, unknown>;
    group[last] = value;
  }
  return settings;
}
