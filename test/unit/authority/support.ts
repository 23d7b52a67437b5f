import assert from 'node:assert/strict';
import { createPrng } from '../../../src/base/prng.ts';
import type { Outcome } from '../../../src/base/outcome.ts';
import type { Mutation } from '../../../src/authority/core/records.ts';
import { createMemoryStore, write } from './memory-store.ts';

export const rules = { overlayName: 'lab.example', domains: ['second.example'] };

/** A store, chance, and a way to make mutations durable. */
export function createHost(seed = 'authority') {
  const store = createMemoryStore();
  const commit = <T>(mutation: Mutation<T>): T => {
    write(store.data, mutation.operations);
    return mutation.value;
  };
  const commitOk = <T>(outcome: Outcome<Mutation<T>>): T => {
    assert.ok(outcome.ok, outcome.ok ? '' : outcome.error);
    return commit(outcome.value);
  };
  return { store, random: createPrng(seed), rules, commit, commitOk };
}
