/** The Store port on LevelDB: synchronous reads, writes gathered and brought to the disk in batches. */
import { crc32 } from 'node:zlib';
import { ClassicLevel } from 'classic-level';
import { limits } from '../base/limits.ts';
import { failure, success } from '../base/outcome.ts';
import type { Outcome } from '../base/outcome.ts';
import type { Store, StoreOperation } from '../ports/store.ts';
import { createSortedKeys } from './sorted-keys.ts';
import { checkStoreFiles } from './store-check.ts';

export interface HostStore extends Store {
  /** Brings what was written to the disk, then closes. Writes after it fail. */
  close(): Promise<void>;
}

type Database = ClassicLevel<Buffer, Uint8Array>;
type BatchOperation =
  | { readonly type: 'put'; readonly key: Buffer; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: Buffer };

/** Written by this version; a store of another format is refused. Sorts before all other keys. */
const formatKey = '\u0000format';
const formatVersion = '1';
const checksumBytes = 4;
const encodings = { keyEncoding: 'buffer', valueEncoding: 'view' } as const;

const usualRemedy =
  'move the directory away and start again: registrations then return as phones register and peers replicate';

/**
 * Opens or creates the store in a directory. Fails when another process holds it, when it is of
 * another format and when it is damaged; the error names the place and says what to do. `remedy`:
 * what to do without a backup.
 */
export async function openStore(
  directory: string,
  remedy = usualRemedy,
): Promise<Outcome<HostStore>> {
  const damaged = (what: string): string =>
    `the store ${directory} is damaged: ${what}. Restore it from a backup, or ${remedy}`;
  const files = checkStoreFiles(directory);
  if (!files.ok) return failure(damaged(files.error));
  const database: Database = new ClassicLevel<Buffer, Uint8Array>(directory, encodings);
  try {
    await database.open();
  } catch (error) {
    return failure(openError(directory, error, damaged));
  }
  try {
    const keys = await readAll(database);
    if (!keys.ok) {
      await database.close();
      return failure(damaged(keys.error));
    }
    return success(createStore(database, keys.value));
  } catch (error) {
    await database.close();
    return failure(damaged((error as Error).message));
  }
}

/** Every key, after a look at every value; an empty store gets the format mark. */
async function readAll(database: Database): Promise<Outcome<string[]>> {
  const keys: string[] = [];
  let format: string | undefined;
  for await (const [rawKey, stored] of database.iterator()) {
    const key = rawKey.toString('latin1');
    const value = unwrap(stored);
    if (value === undefined) return failure(`the value of ${JSON.stringify(key)} is corrupt`);
    if (key === formatKey) format = Buffer.from(value).toString('latin1');
    else keys.push(key);
  }
  if (format === undefined && keys.length === 0) {
    await database.put(latin1(formatKey), wrap(latin1(formatVersion)), { sync: true });
    return success(keys);
  }
  if (format === formatVersion) return success(keys);
  return failure(
    format === undefined ? 'the format mark is missing' : `it has the unknown format ${format}`,
  );
}

function openError(directory: string, error: unknown, damaged: (what: string) => string): string {
  const cause = (error as { cause?: { code?: string; message?: string } }).cause;
  const text = cause?.message ?? (error as Error).message;
  if (cause?.code === 'LEVEL_LOCKED') {
    return `the store ${directory} is in use by another process`;
  }
  if (/permission denied|EACCES|read-only/i.test(text)) {
    return `cannot open the store ${directory}: ${text}`;
  }
  return damaged(text);
}

function createStore(database: Database, existing: readonly string[]): HostStore {
  const keys = createSortedKeys();
  for (const key of existing) keys.add(key);
  /** Values written and not yet durable; `undefined` = deleted. */
  const fresh = new Map<string, { readonly value: Uint8Array | undefined }>();
  let waiting: Batch = emptyBatch();
  let pendingBytes = 0;
  let flushing: Promise<void> | undefined;
  let closed = false;

  function get(key: string): Uint8Array | undefined {
    const unsaved = fresh.get(key);
    return unsaved === undefined ? read(key) : unsaved.value;
  }

  function read(key: string): Uint8Array | undefined {
    if (closed) return undefined;
    const stored = database.getSync(latin1(key));
    if (stored === undefined) return undefined;
    const value = unwrap(stored);
    if (value === undefined) {
      throw new Error(`the value of ${JSON.stringify(key)} in ${database.location} is corrupt`);
    }
    return value;
  }

  function apply(operation: StoreOperation): void {
    if ('put' in operation) {
      const entry = { value: operation.value.slice() };
      fresh.set(operation.put, entry);
      keys.add(operation.put);
      waiting.entries.push([operation.put, entry]);
    } else {
      const entry = { value: undefined };
      fresh.set(operation.delete, entry);
      keys.delete(operation.delete);
      waiting.entries.push([operation.delete, entry]);
    }
  }

  async function flush(): Promise<void> {
    // Everything written in this turn of the event loop joins the batch.
    await new Promise((resolve) => setImmediate(resolve));
    while (waiting.entries.length > 0 || waiting.done.length > 0) {
      const batch = waiting;
      waiting = emptyBatch();
      const outcome = await writeBatch(database, batch);
      for (const [key, entry] of batch.entries) {
        if (fresh.get(key) !== entry) continue;
        fresh.delete(key);
        if (!outcome.ok) restoreKey(key);
      }
      pendingBytes -= batch.bytes;
      for (const done of batch.done) done(outcome);
    }
    flushing = undefined;
  }

  /** After a failed write, reads show again what is on the disk. */
  function restoreKey(key: string): void {
    if (read(key) === undefined) keys.delete(key);
    else keys.add(key);
  }

  return {
    get,
    *entries(prefix) {
      for (const key of keys.startingWith(prefix)) {
        const value = get(key);
        if (value !== undefined) yield [key, value];
      }
    },
    write(operations, done) {
      const bytes = operations.reduce((sum, operation) => sum + sizeOf(operation), 0);
      if (closed || pendingBytes + bytes > limits.node.storePendingBytes) {
        const why = closed ? 'the store is closed' : 'too many writes wait for the disk';
        if (done !== undefined) setImmediate(done, failure(why));
        return;
      }
      pendingBytes += bytes;
      waiting.bytes += bytes;
      for (const operation of operations) apply(operation);
      if (done !== undefined) waiting.done.push(done);
      flushing ??= flush();
    },
    async close() {
      if (closed) return;
      while (flushing !== undefined) await flushing;
      closed = true;
      await database.close();
    },
  };
}

interface Batch {
  readonly entries: (readonly [key: string, entry: { readonly value: Uint8Array | undefined }])[];
  readonly done: ((outcome: Outcome<void>) => void)[];
  bytes: number;
}

function emptyBatch(): Batch {
  return { entries: [], done: [], bytes: 0 };
}

async function writeBatch(database: Database, batch: Batch): Promise<Outcome<void>> {
  const operations = batch.entries.map(([key, { value }]): BatchOperation => {
    return value === undefined
      ? { type: 'del', key: latin1(key) }
      : { type: 'put', key: latin1(key), value: wrap(value) };
  });
  try {
    await database.batch(operations, { sync: true });
    return success(undefined);
  } catch (error) {
    return failure(`cannot write to the store ${database.location}: ${(error as Error).message}`);
  }
}

function sizeOf(operation: StoreOperation): number {
  return 'put' in operation
    ? operation.put.length + operation.value.length
    : operation.delete.length;
}

function latin1(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}

/** A value as stored: its CRC-32, then its bytes. */
function wrap(value: Uint8Array): Uint8Array {
  const stored = new Uint8Array(checksumBytes + value.length);
  new DataView(stored.buffer).setUint32(0, crc32(value));
  stored.set(value, checksumBytes);
  return stored;
}

function unwrap(stored: Uint8Array): Uint8Array | undefined {
  if (stored.length < checksumBytes) return undefined;
  const value = stored.subarray(checksumBytes);
  const view = new DataView(stored.buffer, stored.byteOffset, checksumBytes);
  return view.getUint32(0) === crc32(value) ? value : undefined;
}
