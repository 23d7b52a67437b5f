/** The tables of requirements, and which of their ids tests cover. */
export const levels = ['MUST', 'SHOULD', 'FACT', 'MAY'] as const;
const citation = /\[([RS]\d+-[A-Za-z0-9.]+-\d+)\]/g;
const quotedId = /'([RS]\d+-[A-Za-z0-9.]+-\d+)'/g;

export type Level = (typeof levels)[number];

export interface Requirement {
  readonly id: string;
  readonly level: Level;
}

export interface LevelReport {
  readonly total: number;
  readonly covered: number;
  readonly excepted: number;
  readonly uncovered: readonly string[];
}

/** By table, as the tables are named. */
export type Reports = Readonly<Record<string, Readonly<Record<Level, LevelReport>>>>;

export interface TestResult {
  readonly name: string;
  readonly status: string;
}

/** One row per line after the header; only tables whose first column is `id` hold requirements. */
export function readRequirements(text: string): Requirement[] | undefined {
  const [header = '', ...rows] = text.split('\n');
  const columns = header.split('\t');
  const levelAt = columns.indexOf('level');
  if (columns[0] !== 'id' || levelAt < 0) return undefined;
  return rows
    .filter((row) => row.trim() !== '')
    .map((row) => {
      const cells = row.split('\t');
      const level = levels.find((known) => known === cells[levelAt]);
      if (level === undefined) throw new Error(`${cells[0] ?? row}: unknown level`);
      return { id: cells[0] ?? '', level };
    });
}

/** Ids with the reason why no test can show them. */
export function readExceptions(text: string): Map<string, string> {
  const exceptions = new Map<string, string>();
  for (const row of text.split('\n').slice(1)) {
    const [id = '', reason = ''] = row.split('\t');
    if (id === '') continue;
    if (reason.trim() === '') throw new Error(`${id} is excepted without a reason`);
    exceptions.set(id, reason);
  }
  return exceptions;
}

/** Ids in square brackets. */
export function citations(text: string): string[] {
  return [...text.matchAll(citation)].map((match) => match[1] ?? '');
}

/** As {@link citations}, for the text of a test file: names may be made from a table of ids. */
export function citationsInFile(text: string): string[] {
  if (!text.includes('[${')) return citations(text);
  const quoted = [...text.matchAll(quotedId)].map((match) => match[1] ?? '');
  return [...citations(text), ...quoted];
}

/** Ids cited by at least one test that passed and by none that failed. */
export function passedCitations(results: readonly TestResult[]): Set<string> {
  const passed = new Set<string>();
  const failed = new Set<string>();
  for (const { name, status } of results) {
    if (status === 'skipped') continue;
    for (const id of citations(name)) (status === 'passed' ? passed : failed).add(id);
  }
  for (const id of failed) passed.delete(id);
  return passed;
}

export function report(
  requirements: readonly Requirement[],
  covered: ReadonlySet<string>,
  excepted: ReadonlySet<string>,
): Record<Level, LevelReport> {
  const of = (level: Level): LevelReport => {
    const ids = requirements.filter((r) => r.level === level).map((r) => r.id);
    const uncovered = ids.filter((id) => !covered.has(id) && !excepted.has(id));
    const coveredCount = ids.filter((id) => covered.has(id)).length;
    const exceptedCount = ids.length - coveredCount - uncovered.length;
    return { total: ids.length, covered: coveredCount, excepted: exceptedCount, uncovered };
  };
  return { MUST: of('MUST'), SHOULD: of('SHOULD'), FACT: of('FACT'), MAY: of('MAY') };
}
