/** Reads the settings of a box from files (YAML or JSON), environment and flags. */
import { readFileSync } from 'node:fs';
import convict from 'convict';
import { parse as parseYaml } from 'yaml';
import { failure, success, type Outcome } from '../base/outcome.ts';
import { expectedOf } from './settings-formats.ts';
import { settingsSchema } from './settings-schema.ts';

type Value<S> = S extends { default: infer D; format: infer F }
  ? F extends readonly (infer Choice)[]
    ? Choice
    : D extends boolean
      ? boolean
      : D extends string
        ? string
        : D extends number
          ? number
          : D
  : { readonly [K in keyof S]: Value<S[K]> };

/** All settings with their values. */
export type Settings = Value<typeof settingsSchema>;

/**
 * Later files win over earlier ones, the environment over files, flags (`key=value`, key in dotted
 * form) over all. A failure is one line that names the source, the key, the value and what was expected.
 */
export function loadSettings(
  files: readonly string[],
  environment: NodeJS.ProcessEnv,
  flags: Readonly<Record<string, string>>,
): Outcome<Settings> {
  let config;
  try {
    config = convict(settingsSchema as never, { env: environment, args: [] });
  } catch (error) {
    return failure(`environment: ${reason(error)}`);
  }
  for (const file of files) {
    const loaded = readFile(file);
    if (!loaded.ok) return loaded;
    const misplaced = misplacedKey(loaded.value, settingsSchema, '');
    if (misplaced !== undefined) return failure(`${file}: ${misplaced}`);
    try {
      config.load(loaded.value as never);
      config.validate({ allowed: 'strict' });
    } catch (error) {
      return failure(`${file}: ${withValue(reason(error), loaded.value)}`);
    }
  }
  for (const [key, value] of Object.entries(flags)) {
    const entry = entryOf(key);
    if (entry === undefined) return failure(`--set ${key}: unknown setting "${key}"`);
    if (isGroup(entry)) {
      const [first = ''] = Object.keys(entry);
      return failure(
        `--set ${key}=${value}: "${key}" is a group of settings; set them one by one, as ${key}.${first}`,
      );
    }
    try {
      config.set(key as never, value as never);
    } catch (error) {
      return failure(`--set ${key}=${value}: ${reason(error)}`);
    }
  }
  try {
    config.validate({ allowed: 'strict' });
  } catch (error) {
    return failure(`environment or flags: ${reason(error)}`);
  }
  return success(config.getProperties() as Settings);
}

/** Markdown table of every setting, for docs/settings.md. */
export function settingsReference(): string {
  const rows: string[] = [];
  const walk = (schema: object, path: string): void => {
    for (const [key, entry] of Object.entries(schema) as [string, Record<string, unknown>][]) {
      const name = path === '' ? key : `${path}.${key}`;
      if (!('doc' in entry)) {
        walk(entry, name);
        continue;
      }
      const fallback = JSON.stringify(entry['default']);
      rows.push(
        `| \`${name}\` | ${typeName(entry['format'])} | \`${fallback}\` | \`${String(entry['env'])}\` | ${String(entry['doc'])} |`,
      );
    }
  };
  walk(settingsSchema, '');
  return [
    '# Settings',
    '',
    'Give them in `chordial.yaml` (or `.json`) in the data directory, in a file named with `--config`,',
    'in the environment, or with `--set key=value`. Later sources win in that order.',
    '',
    '| setting | type | default | environment | meaning |',
    '|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

function readFile(file: string): Outcome<object> {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    return failure(`${file}: cannot be read: ${reason(error)}`);
  }
  try {
    const parsed: unknown = file.endsWith('.json') ? JSON.parse(text) : parseYaml(text);
    if (parsed === null || parsed === undefined) return success({});
    if (typeof parsed !== 'object' || Array.isArray(parsed)) {
      return failure(`${file}: must hold settings as "key: value" lines`);
    }
    return success(parsed);
  } catch (error) {
    return failure(`${file}: ${reason(error)}`);
  }
}

/** What the schema says of a dotted key: a setting or a group of them. */
function entryOf(key: string): object | undefined {
  let entry: object = settingsSchema;
  for (const part of key.split('.')) {
    const inner: unknown =
      isGroup(entry) && Object.hasOwn(entry, part)
        ? (entry as Record<string, unknown>)[part]
        : undefined;
    if (typeof inner !== 'object' || inner === null) return undefined;
    entry = inner;
  }
  return entry;
}

function isGroup(entry: object): boolean {
  return !('doc' in entry);
}

/** A key that no setting has, a value where a group belongs, or a group where a value belongs. */
function misplacedKey(values: object, schema: object, path: string): string | undefined {
  for (const [key, value] of Object.entries(values) as [string, unknown][]) {
    const name = path === '' ? key : `${path}.${key}`;
    const entry = Object.hasOwn(schema, key) ? (schema as Record<string, object>)[key] : undefined;
    if (entry === undefined) {
      return `unknown setting "${name}"; docs/settings.md lists all settings`;
    }
    if (!isGroup(entry)) {
      // convict would take its fields for settings and leave the list empty.
      if (value === null || (typeof value === 'object' && !Array.isArray(value))) {
        const { format } = entry as { format?: unknown };
        return `${name}: ${expectedOf(format)}${gotOf(entry, value)}`;
      }
      continue;
    }
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return `${name}: must be a group of settings, got ${JSON.stringify(value)}`;
    }
    const inner = misplacedKey(value, entry, name);
    if (inner !== undefined) return inner;
  }
  return undefined;
}

function typeName(format: unknown): string {
  if (format === String) return 'text';
  if (format === 'switch') return 'true or false';
  if (format === 'port-number') return 'port number';
  if (format === 'whole-number') return 'whole number';
  if (Array.isArray(format)) return format.join(', ');
  return String(format);
}

/** Adds the value found in the file to a message that begins with a dotted key. */
function withValue(message: string, values: object): string {
  const key = /^([A-Za-z.]+):/.exec(message)?.[1];
  const entry = key === undefined ? undefined : entryOf(key);
  if (key === undefined || entry === undefined) return message;
  let value: unknown = values;
  for (const part of key.split('.')) {
    value =
      typeof value === 'object' ? (value as Record<string, unknown> | null)?.[part] : undefined;
  }
  return message.replace(/: value was .*$/, '') + gotOf(entry, value);
}

/** Values that may hold a password are not shown. */
function gotOf(entry: object, value: unknown): string {
  return 'sensitive' in entry ? '' : `, got ${JSON.stringify(value)}`;
}

/** convict's message on one line. */
function reason(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join('; ');
}
