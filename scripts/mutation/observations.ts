/**
 * What each test file does without any change, kept from run to run: it counts again only while every module
 * that the file loads and every file of data below test/ are the same.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Coverage, Range } from './coverage.ts';

export interface Observation {
  /** Processor time of the file alone, coverage included. */
  readonly usedMs: number;
  readonly coverage: Coverage;
}

interface Entry {
  /** Hashes of the modules by their path. */
  readonly loaded: Readonly<Record<string, string>>;
  readonly data: string;
  readonly usedMs: number;
  readonly ranges: readonly (readonly [string, readonly Range[]])[];
}

export interface Observations {
  recall(test: string): Observation | undefined;
  keep(test: string, usedMs: number, coverage: Coverage): Observation;
}

/** `root` holds the sources and tests, `cache` is the folder of what is kept. */
export function createObservations(root: string, cache: string): Observations {
  mkdirSync(cache, { recursive: true });
  const data = digest(dataFiles(root).map((path) => `${path} ${hashOf(path)}`));

  function hashOf(path: string): string {
    const full = join(root, path);
    return existsSync(full) ? digest([readFileSync(full, 'utf8')]) : '';
  }

  const entryPath = (test: string): string => join(cache, `${test.replaceAll('/', '-')}.json`);

  return {
    recall(test) {
      if (!existsSync(entryPath(test))) return undefined;
      const entry = JSON.parse(readFileSync(entryPath(test), 'utf8')) as Entry;
      const isSame = Object.entries(entry.loaded).every(([path, hash]) => hashOf(path) === hash);
      if (!isSame || entry.data !== data) return undefined;
      return { usedMs: entry.usedMs, coverage: new Map(entry.ranges) };
    },
    keep(test, usedMs, all) {
      const loaded = Object.fromEntries([...all.keys()].map((path) => [path, hashOf(path)]));
      const ranges = [...all].filter(([path]) => path.startsWith('src/'));
      const entry: Entry = { loaded, data, usedMs, ranges };
      writeFileSync(entryPath(test), JSON.stringify(entry));
      return { usedMs, coverage: new Map(ranges) };
    },
  };
}

/** What tests read rather than load, and what says how they run. */
function dataFiles(root: string): string[] {
  const below = readdirSync(join(root, 'test'), { recursive: true, withFileTypes: true });
  return below
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .concat('package.json')
    .sort();
}

function digest(texts: readonly string[]): string {
  const hash = createHash('sha256');
  for (const text of texts) hash.update(text).update('\0');
  return hash.digest('base64url');
}
