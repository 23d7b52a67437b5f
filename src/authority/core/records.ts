/** Records of the authority in the Store: JSON under a prefix, checked when loaded. */
import { utf8Decode, utf8Encode } from '../../base/text.ts';
import type { Store, StoreOperation } from '../../ports/store.ts';

/**
 * A change that is already in force in memory. It may be told to others only after `operations`
 * are durable; the host writes them, all or none.
 */
export interface Mutation<T> {
  readonly value: T;
  readonly operations: readonly StoreOperation[];
}

/** The store holds something this program did not write; it must not be taken for an empty one. */
export class DamagedRecordError extends Error {
  override readonly name = 'DamagedRecordError';
  constructor(key: string) {
    super(`the record ${key} of the authority's store is damaged`);
  }
}

export type Fields = Readonly<Record<string, unknown>>;

/** Calls `accept` with the rest of the key and the fields of each record. @throws {DamagedRecordError} */
export function loadRecords(
  store: Store,
  prefix: string,
  accept: (id: string, fields: Fields) => boolean,
): void {
  for (const [key, value] of store.entries(prefix)) {
    const fields = parseFields(value);
    if (fields === undefined || !accept(key.slice(prefix.length), fields)) {
      throw new DamagedRecordError(key);
    }
  }
}

export function putRecord(key: string, fields: object): StoreOperation {
  return { put: key, value: utf8Encode(JSON.stringify(fields)) };
}

function parseFields(value: Uint8Array): Fields | undefined {
  const text = utf8Decode(value);
  if (text === undefined) return undefined;
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'object' && parsed !== null ? (parsed as Fields) : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
