/** What a Store does to all its Kinds together: everything or nothing. RFC 6940 §7.4.1.1. */
import type { KindId, ResourceId } from '../base/ids.ts';
import { failure, success, type Outcome } from '../base/outcome.ts';
import { errorCodes } from '../wire/reload/errors.ts';
import { generationCounterTooLow, tooLarge, type StorageError } from './errors.ts';
import { counterMatches, planKind, type KindStore, type StoreMode } from './plan.ts';
import type { KindRecord } from './records.ts';
import type { StorageQuota } from './storage.ts';
import type { PreparedStore } from './store-checks.ts';
import type { Table } from './table.ts';

export interface KindChange {
  readonly kind: KindId;
  readonly current: KindRecord | undefined;
  readonly next: KindRecord;
}

export interface StorePlan {
  /** Kinds whose record is replaced; some may differ in the counter only. */
  readonly changes: readonly KindChange[];
  /** Values changed. */
  readonly changed: boolean;
  readonly counters: readonly { readonly kind: KindId; readonly generationCounter: bigint }[];
}

/** Checks times, counts and counters against what is stored now. */
export function planStore(
  table: Table,
  resource: ResourceId,
  stores: readonly KindStore[],
  mode: StoreMode,
  nowMs: number,
  quota: StorageQuota,
): Outcome<StorePlan, StorageError> {
  const present = table.get(resource);
  const recordOf = ({ definition }: KindStore): KindRecord | undefined => {
    const record = present?.get(definition.kind);
    // Values of a Kind whose data model the configuration changed make way.
    return record?.model === definition.dataModel ? record : undefined;
  };
  const changes: KindChange[] = [];
  const counters: { kind: KindId; generationCounter: bigint }[] = [];
  let changed = false;
  for (const store of stores) {
    const { kind } = store.definition;
    const current = recordOf(store);
    const plan = planKind(current, store, mode, nowMs);
    if (!plan.ok) return plan;
    const { next } = plan.value;
    changed ||= plan.value.changed;
    counters.push({ kind, generationCounter: next.generation });
    if (plan.value.changed || (current !== undefined && next.generation !== current.generation)) {
      changes.push({ kind, current: present?.get(kind), next });
    }
  }
  if (!stores.every((store) => counterMatches(recordOf(store), store, mode))) {
    const right = stores.map((store) => ({
      kind: store.definition.kind,
      generationCounter: recordOf(store)?.generation ?? 0n,
    }));
    return failure(generationCounterTooLow(right));
  }
  if (exceedsQuota(table, resource, changes, quota)) return failure(tooLarge('this peer is full'));
  return success({ changes, changed, counters });
}

/** A refusal for size alone, known before any signature is checked. */
export function sizeRefusal(
  table: Table,
  prepared: PreparedStore,
  nowMs: number,
): StorageError | undefined {
  const present = table.get(prepared.resource);
  for (const { definition, request, values } of prepared.kinds) {
    const record = present?.get(definition.kind);
    const current = record?.model === definition.dataModel ? record : undefined;
    if (values.length + (current?.values.size ?? 0) <= definition.maxCount) continue;
    const unchecked = values.map((stored) => ({ stored, certificates: [] }));
    const plan = planKind(
      current,
      { definition, request, values: unchecked },
      prepared.mode,
      nowMs,
    );
    if (!plan.ok && plan.error.code === errorCodes.dataTooLarge) return plan.error;
  }
  return undefined;
}

function exceedsQuota(
  table: Table,
  resource: ResourceId,
  changes: readonly KindChange[],
  quota: StorageQuota,
): boolean {
  const { resources, bytes } = table.figures();
  if (changes.length > 0 && table.get(resource) === undefined && resources >= quota.resources)
    return true;
  let growth = 0;
  for (const { current, next } of changes) growth += bytesOf(next) - bytesOf(current);
  return growth > 0 && bytes + growth > quota.bytes;
}

function bytesOf(record: KindRecord | undefined): number {
  let bytes = 0;
  for (const { encoded } of record?.values.values() ?? []) bytes += encoded.length;
  return bytes;
}
