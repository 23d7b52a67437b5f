/**
 * The rules of a Store that depend on what is there: storage times, counters, indices, counts.
 * Pure: from the current Kind record and verified values to the next record. RFC 6940 §7.4.1.1.
 */
import { limits } from '../base/limits.ts';
import { failure, success, type Outcome } from '../base/outcome.ts';
import { lastIndex, type StoredData, type StoreKindData } from '../wire/reload/storage.ts';
import { tooLarge, tooOld, type StorageError } from './errors.ts';
import type { KindDefinition } from './kinds.ts';
import {
  arrayLength,
  isSameValue,
  makeRecord,
  placeKey,
  type KindRecord,
  type ValueRecord,
} from './records.ts';

/** An original Store, a replica or hand-over, or the take-over of what is newer. */
export type StoreMode = 'original' | 'replica' | 'merge';

/** A value whose signature and signer have been checked. */
export interface VerifiedValue {
  readonly stored: StoredData;
  /** Fingerprints of the certificates that its signature needs. */
  readonly certificates: readonly string[];
}

/** The part of a Store that is about one Kind. */
export interface KindStore {
  readonly definition: KindDefinition;
  readonly request: StoreKindData;
  readonly values: readonly VerifiedValue[];
}

export interface KindPlan {
  readonly next: KindRecord;
  /** Values changed; not merely the counter. */
  readonly changed: boolean;
}

/** Applies the values one after the other to a draft; the counter is {@link nextGeneration}'s. */
export function planKind(
  current: KindRecord | undefined,
  store: KindStore,
  mode: StoreMode,
  nowMs: number,
): Outcome<KindPlan, StorageError> {
  const { dataModel } = store.definition;
  const draft = new Map(current?.values);
  let length = dataModel === 'ARRAY' ? arrayLength(current) : 0;
  let changed = false;
  for (const value of store.values) {
    const placed = place(value.stored, draft, length);
    if (placed === undefined) continue;
    const { index } = placed.value;
    if (index !== undefined && index >= limits.storage.arrayLength) {
      return failure(tooLarge('array index beyond the limit of this peer'));
    }
    const key = placeKey(placed.value);
    const expiresAtMs = nowMs + placed.lifetime * 1000;
    const record = makeRecord(dataModel, placed, expiresAtMs, value.certificates);
    const present = draft.get(key);
    if (present !== undefined && present.storageTime >= record.storageTime) {
      if (mode === 'merge' || isSameValue(present.encoded, record.encoded)) continue;
      return failure(tooOld('storage_time is not above that of the present value'));
    }
    draft.set(key, record);
    if (index !== undefined && index >= length) length = index + 1;
    changed = true;
  }
  if (changed && draft.size > store.definition.maxCount) {
    return failure(tooLarge(`more than ${store.definition.maxCount} values`));
  }
  const generation = nextGeneration(current?.generation ?? 0n, store, mode, changed);
  return success({ next: { model: dataModel, generation, values: draft }, changed });
}

/** False when an original Store expects another counter than the stored one. */
export function counterMatches(
  current: KindRecord | undefined,
  store: KindStore,
  mode: StoreMode,
): boolean {
  const expected = store.request.generationCounter;
  return mode !== 'original' || expected === 0n || expected === (current?.generation ?? 0n);
}

function nextGeneration(
  current: bigint,
  store: KindStore,
  mode: StoreMode,
  changed: boolean,
): bigint {
  const received = store.request.generationCounter;
  switch (mode) {
    case 'original':
      return changed ? current + 1n : current;
    case 'replica':
      return received;
    case 'merge': {
      const next = changed ? current + 1n : current;
      return received > next ? received : next;
    }
  }
}

/**
 * The value with its real index: an append goes to the end. `undefined` when that very append is
 * there already, which its signature shows.
 */
function place(
  stored: StoredData,
  draft: ReadonlyMap<string, ValueRecord>,
  length: number,
): StoredData | undefined {
  if (stored.value.index !== lastIndex) return stored;
  for (const present of draft.values()) {
    if (present.storageTime !== stored.storageTime || present.index === undefined) continue;
    const again = { ...stored, value: { ...stored.value, index: present.index } };
    if (isSameValue(present.encoded, makeRecord('ARRAY', again, 0, []).encoded)) return undefined;
  }
  return { ...stored, value: { ...stored.value, index: length } };
}
