import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { play, readScript, writeScript } from './golden-runner.ts';

const folder = join(import.meta.dirname, 'golden');

for (const file of readdirSync(folder)) {
  test(`golden script ${file}`, () => {
    const text = readFileSync(join(folder, file), 'utf8');
    const expected = readScript(text);
    assert.ok(expected.length > 0);
    const shown = play(
      file,
      expected.map(({ command }) => command),
    );
    // To accept what is shown now: GOLDEN=write, then read the difference.
    if (process.env['GOLDEN'] === 'write') {
      writeFileSync(join(folder, file), writeScript(text.split('\n\n')[0] ?? '', shown));
    } else assert.deepEqual(shown, expected);
  });
}
