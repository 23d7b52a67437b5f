/** Types of settings beyond text and choices: what a value must be, and how it is read from text. */
import convict from 'convict';

/** What values of a format must be, by its name: "must be a list of strings". */
const expected = new Map<string, string>();

/** The sentence for a value that is none of the format; formats are those of the schema. */
export function expectedOf(format: unknown): string {
  if (format === String) return 'must be text';
  if (Array.isArray(format)) return `must be one of ${format.join(', ')}`;
  return expected.get(String(format)) ?? 'has another type';
}

function addFormat(options: {
  readonly name: string;
  readonly expected: string;
  readonly accepts: (value: unknown) => boolean;
  /** Text of the environment and of flags. */
  readonly read: (text: string) => unknown;
}): void {
  expected.set(options.name, options.expected);
  convict.addFormat({
    name: options.name,
    validate(value: unknown) {
      if (!options.accepts(value)) throw new Error(options.expected);
    },
    coerce: (value: unknown) => (typeof value === 'string' ? options.read(value) : value),
  });
}

/** Text that is no JSON stays text, which no list accepts. */
function readJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) return text;
    throw error;
  }
}

const isString = (value: unknown): boolean => typeof value === 'string';

addFormat({
  name: 'strings',
  expected: 'must be a list of strings',
  accepts: (value) => Array.isArray(value) && value.every(isString),
  read: (text) => text.split(',').filter((part) => part !== ''),
});
addFormat({
  name: 'switch',
  expected: 'must be true or false',
  accepts: (value) => typeof value === 'boolean',
  read: (text) => (text === 'true' ? true : text === 'false' ? false : text),
});

/** Whole numbers; text counts only when all of it is one. */
function addNumberFormat(name: string, largest: number, sentence: string): void {
  addFormat({
    name,
    expected: sentence,
    accepts: (value) => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= largest,
    read: (text) => (/^\d+$/.test(text) ? Number(text) : text),
  });
}
addNumberFormat('whole-number', Number.MAX_SAFE_INTEGER, 'must be an integer, 0 or more');
addNumberFormat('port-number', 65_535, 'must be an integer from 0 to 65535');

const algorithms: readonly unknown[] = ['MD5', 'SHA-256', 'SHA-512-256'];
const isAlgorithms = (value: unknown): boolean =>
  Array.isArray(value) && value.length > 0 && value.every((one) => algorithms.includes(one));
addFormat({
  name: 'digest-algorithms',
  expected: 'must be a non-empty list of MD5, SHA-256 and SHA-512-256',
  accepts: isAlgorithms,
  read: (text) => text.split(','),
});

/** What a field of a list of objects may be, by the word shown for it. */
const fieldTypes: Readonly<Record<string, (value: unknown) => boolean>> = {
  string: isString,
  strings: (value) => Array.isArray(value) && value.every(isString),
  boolean: (value) => typeof value === 'boolean',
  number: (value) => typeof value === 'number',
  text: (value) => isString(value) && value !== '',
  'udp|tcp|tls|ws|wss': (value) =>
    (['udp', 'tcp', 'tls', 'ws', 'wss'] as readonly unknown[]).includes(value),
  'proxy|redirect': (value) => value === 'proxy' || value === 'redirect',
  algorithms: isAlgorithms,
};

/** A list of objects whose fields have the types named; a trailing `?` marks those that may be absent. */
function addRecordsFormat(name: string, fields: Readonly<Record<string, string>>): void {
  const shown = Object.entries(fields).map(([field, type]) =>
    type.endsWith('?') ? `${field}?: ${type.slice(0, -1)}` : `${field}: ${type}`,
  );
  const isOf = (value: unknown, type: string): boolean =>
    type.endsWith('?')
      ? value === undefined || isOf(value, type.slice(0, -1))
      : fieldTypes[type]?.(value) === true;
  const isRecord = (item: unknown): boolean =>
    typeof item === 'object' &&
    item !== null &&
    Object.keys(item).every((field) => field in fields) &&
    Object.entries(fields).every(([field, type]) =>
      isOf((item as Record<string, unknown>)[field], type),
    );
  addFormat({
    name,
    expected: `must be a list of {${shown.join(', ')}}`,
    accepts: (value) => Array.isArray(value) && value.every(isRecord),
    read: readJson,
  });
}
addRecordsFormat('listeners', {
  name: 'text',
  transport: 'udp|tcp|tls|ws|wss',
  address: 'string',
  port: 'number',
  role: 'proxy|redirect?',
  digest: 'algorithms?',
});
addRecordsFormat('certificates', { cert: 'text', key: 'text' });
addRecordsFormat('trunks', {
  name: 'string',
  uri: 'string',
  user: 'string?',
  password: 'string?',
  register: 'boolean?',
  sources: 'strings?',
  account: 'string?',
  trusted: 'boolean?',
  healthS: 'number?',
});
addRecordsFormat('number-routes', {
  prefix: 'string',
  user: 'string?',
  trunks: 'strings?',
  strip: 'number?',
  prepend: 'string?',
});
