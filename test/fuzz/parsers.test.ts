/** A short, seeded round of the fuzzer over every parser; `npm run fuzz` goes on for longer. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPrng } from '../../src/base/prng.ts';
import { hostile, mutate } from './mutate.ts';
import { fuzzTargets } from './targets.ts';

for (const target of fuzzTargets) {
  test(`${target.name}: mutants and hostile repetitions are read or refused, never thrown`, () => {
    const prng = createPrng(target.name);
    assert.ok(target.samples.length > 0);
    for (let i = 0; i < 2000; i++) {
      target.run(mutate(target.samples[i % target.samples.length]!, prng));
    }
    for (const input of hostile(target.samples, 8192)) target.run(input);
  });
}
