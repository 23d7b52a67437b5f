/** Which test files run which characters of a source, from V8's block coverage. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Range {
  readonly startOffset: number;
  readonly endOffset: number;
  readonly count: number;
}

/** Ranges by the path of the source. */
export type Coverage = ReadonlyMap<string, readonly Range[]>;

interface Script {
  readonly url: string;
  readonly functions: readonly { readonly ranges: readonly Range[] }[];
}

/** The ranges of each source below `root`; type stripping keeps offsets as they are. */
export function readCoverage(folder: string, root: string): Coverage {
  const found = new Map<string, readonly Range[]>();
  for (const name of readdirSync(folder)) {
    const report = JSON.parse(readFileSync(join(folder, name), 'utf8')) as {
      readonly result: readonly Script[];
    };
    for (const { url, functions } of report.result) {
      if (!url.startsWith('file:')) continue;
      const path = fileURLToPath(url);
      if (!path.startsWith(root)) continue;
      const ranges = functions.flatMap((one) => one.ranges);
      found.set(path.slice(root.length), [
        ...(found.get(path.slice(root.length)) ?? []),
        ...ranges,
      ]);
    }
  }
  return found;
}

/** True when the innermost range around the place has run. */
export function hasRun(ranges: readonly Range[] | undefined, at: number): boolean {
  let innermost: Range | undefined;
  for (const range of ranges ?? []) {
    if (range.startOffset > at || range.endOffset <= at) continue;
    if (innermost === undefined || length(range) <= length(innermost)) innermost = range;
  }
  return innermost !== undefined && innermost.count > 0;
}

function length({ startOffset, endOffset }: Range): number {
  return endOffset - startOffset;
}
