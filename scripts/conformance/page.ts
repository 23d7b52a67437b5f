/** docs/conformance.md, from what the tests cite: the same text for the same repository. */
import { levels, type Level, type LevelReport, type Reports } from './requirements.ts';

export const pageFile = 'docs/conformance.md';

interface Bar {
  /** Part that must be covered or excepted. */
  readonly done: number;
  /** Largest part that may be excepted. */
  readonly excepted: number;
}

const bars: Readonly<Partial<Record<Level, Bar>>> = {
  MUST: { done: 1, excepted: 0.03 },
  SHOULD: { done: 0.95, excepted: 1 },
  FACT: { done: 0.9, excepted: 1 },
};

const titles: Readonly<Record<string, string>> = {
  rfc6940: 'RFC 6940, RELOAD base protocol',
  rfc7363: 'RFC 7363, self-tuning DHT',
  rfc7374: 'RFC 7374, service discovery (ReDiR)',
  rfc7851: 'RFC 7851, diagnostics',
  rfc7904: 'RFC 7904, SIP usage',
  sip: 'RFC 3261 and its relatives',
};

export function page(reports: Reports, exceptions: ReadonlyMap<string, string>): string {
  const tables = Object.entries(reports);
  return [
    '# Conformance',
    '',
    'Every requirement of the documents has an id in `test/conformance/*.tsv`, and every test that',
    'shows one carries the id in its name. This page counts the ids that tests cite;',
    '`npm run conformance` runs those tests and counts only what passes. Bars: MUST 100 % covered or',
    'excepted, with at most 3 % excepted; SHOULD 95 %; FACT (constants and defaults) 90 %. What an',
    'implementation MAY do has no bar. Written by `npm run conformance -- --markdown`.',
    '',
    '| document | level | total | covered | excepted | uncovered | bar |',
    '|---|---|---:|---:|---:|---:|---|',
    ...tables.flatMap(([table, byLevel]) =>
      levels
        .filter((level) => byLevel[level].total > 0)
        .map((level) => line(table, level, byLevel)),
    ),
    '',
    '## Excepted',
    '',
    '| id | reason |',
    '|---|---|',
    ...[...exceptions].map(([id, reason]) => `| ${id} | ${reason} |`),
    '',
    '## Uncovered',
    '',
    ...tables.flatMap(([table, byLevel]) => uncovered(table, byLevel)),
  ]
    .join('\n')
    .replace(/\n+$/, '\n');
}

function line(table: string, level: Level, byLevel: Reports[string]): string {
  const counts = byLevel[level];
  const { total, covered, excepted } = counts;
  const cells = [titles[table] ?? table, level, total, covered, excepted, counts.uncovered.length];
  return `| ${cells.join(' | ')} | ${verdict(level, counts)} |`;
}

function verdict(level: Level, { total, covered, excepted }: LevelReport): string {
  const bar = bars[level];
  if (bar === undefined) return '–';
  const met = covered + excepted >= bar.done * total && excepted <= bar.excepted * total;
  return met ? 'met' : 'not yet';
}

function uncovered(table: string, byLevel: Reports[string]): string[] {
  const parts = levels.flatMap((level) => {
    const ids = byLevel[level].uncovered;
    return ids.length === 0 ? [] : [`- ${level}: ${ids.join(', ')}`];
  });
  const list = parts.length === 0 ? ['Nothing.'] : parts;
  return [`### ${titles[table] ?? table}`, '', ...list, ''];
}
