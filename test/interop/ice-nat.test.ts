/** ICE through NATs of the Linux kernel, with coturn between, in network namespaces. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { promisify } from 'node:util';
import type { NatResult } from './support/ice-nat-lab.ts';
import { without } from './support/tools.ts';

const mayUnshare = spawnSync('unshare', ['-n', '-m', 'true'], { stdio: 'ignore' }).status === 0;
const missing = without('turnserver', 'nft', 'ip');
const skip = missing === false && !mayUnshare ? 'needs root for network namespaces' : missing;

const combinations = [
  ['open', 'cone', 'directly'],
  ['open', 'symmetric', 'directly'],
  ['cone', 'cone', 'directly'],
  ['cone', 'symmetric', 'relayed'],
  ['symmetric', 'symmetric', 'relayed'],
  ['blocked', 'cone', 'relayed'],
  ['blocked', 'blocked', 'relayed'],
] as const;

describe('NATs of the kernel', { skip }, () => {
  for (const [a, b, way] of combinations) {
    test(`${a} and ${b} talk ${way}`, async () => {
      const lab = join(import.meta.dirname, 'support/ice-nat-lab.ts');
      const { stdout } = await promisify(execFile)(
        'unshare',
        ['-n', '-m', process.execPath, lab, a, b],
        { timeout: 40_000 },
      );
      const results = JSON.parse(stdout) as NatResult[];
      for (const { path, failure } of results) {
        assert.equal(failure, undefined);
        assert.equal(path?.relayed, way === 'relayed');
      }
      assert.ok(results.every(({ heard }) => heard.length === 1 && heard[0]!.startsWith('from ')));
    });
  }
});
