import type { Outcome } from '../base/outcome.ts';

/**
 * A durable ordered key-value store. Keys are latin1 text, compared by code unit; values are bytes.
 * A write is visible to reads at once and durable when its `done` is called.
 */
export interface Store {
  get(key: string): Uint8Array | undefined;
  /** All entries whose key starts with `prefix`, ascending. */
  entries(prefix: string): Iterable<readonly [key: string, value: Uint8Array]>;
  /** Applies all operations or none. `done` comes after the data is on disk. */
  write(operations: readonly StoreOperation[], done?: (outcome: Outcome<void>) => void): void;
}

export type StoreOperation =
  { readonly put: string; readonly value: Uint8Array } | { readonly delete: string };
