import type { Store, StoreOperation } from '../../../src/ports/store.ts';
import { success } from '../../../src/base/outcome.ts';

/** A Store in memory; `done` comes in a later turn, as from a disk. */
export function createMemoryStore(): Store & { readonly data: Map<string, Uint8Array> } {
  const data = new Map<string, Uint8Array>();
  return {
    data,
    get: (key) => data.get(key),
    entries: (prefix) =>
      [...data].filter(([key]) => key.startsWith(prefix)).sort(([a], [b]) => (a < b ? -1 : 1)),
    write(operations, done) {
      write(data, operations);
      if (done !== undefined) {
        setImmediate(() => {
          done(success(undefined));
        });
      }
    },
  };
}

/** Applies what a mutation wants written. */
export function write(data: Map<string, Uint8Array>, operations: readonly StoreOperation[]): void {
  for (const operation of operations) {
    if ('put' in operation) data.set(operation.put, operation.value);
    else data.delete(operation.delete);
  }
}
