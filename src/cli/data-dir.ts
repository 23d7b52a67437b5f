/** Files of a data directory, and the settings that apply to it. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
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
