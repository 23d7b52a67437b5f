/**
 * The rules of a Store that depend on what is there: storage times, counters, indices, counts.
 * Pure: from the current Kind record and verified values to the next record. RFC 6940 §7.4.1.1.
 */
import { limits } from '../base/limits.ts';
import { failure, success, type Outcome } from '../base/outcome.ts';
import { lastIndex, type StoredData, type StoreKindData } from '../wire/reload/storage.ts';
import { tooLarge, tooOld, type StorageError } from './errors.ts';
import type { KindDefinition } from './kinds.ts';
import { arrayLength, contentKey, isSameValue, makeRecord, placeKey } from './records.ts';
import type { KindRecord } from './records.ts';

const largestGeneration = 0xffff_ffff_ffff_ffffn;

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
  const { dataModel, maxCount } = store.definition;
  const draft = new Map(current?.values);
  let length = dataModel === 'ARRAY' ? arrayLength(current) : 0;
  let present: Set<string> | undefined;
  let changed = false;
  for (const { stored, certificates } of store.values) {
    const isAppend = stored.value.index === lastIndex;
    const placed = isAppend ? { ...stored, value: { ...stored.value, index: length } } : stored;
    const { index } = placed.value;
    if (index !== undefined && index >= limits.storage.arrayLength) {
      return failure(tooLarge('array index beyond the limit of this peer'));
    }
    const record = makeRecord(dataModel, placed, nowMs + placed.lifetime * 1000, certificates);
    if (isAppend) {
      present ??= new Set([...draft.values()].map(contentKey));
      if (present.has(contentKey(record))) continue;
    }
    const key = placeKey(placed.value);
    const replaced = draft.get(key);
    if (replaced === undefined) {
      if (draft.size >= maxCount) return failure(tooLarge(`more than ${maxCount} values`));
    } else if (replaced.storageTime >= record.storageTime) {
      if (mode === 'merge' || isSameValue(replaced.encoded, record.encoded)) continue;
      return failure(tooOld('storage_time is not above that of the present value'));
    }
    draft.set(key, record);
    present?.add(contentKey(record));
    if (index !== undefined && index >= length) length = index + 1;
    changed = true;
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
      return changed ? after(current) : current;
    case 'replica':
      return received;
    case 'merge': {
      const next = changed ? after(current) : current;
      return received > next ? received : next;
    }
  }
}

/** The counter that follows; 0 is not one. */
function after(generation: bigint): bigint {
  return generation >= largestGeneration ? 1n : generation + 1n;
}
