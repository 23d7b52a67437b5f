import { createHeap } from '../../base/heap.ts';
import { limits } from '../../base/limits.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { Store, StoreOperation } from '../../ports/store.ts';
import type { Trace } from '../../ports/trace.ts';
import type { Binding, LocationChange, LocationEvent } from './binding.ts';
import type { LocationTable } from './location-table.ts';
import { decodeBindings, encodeBindings } from './stored-binding.ts';

export interface LocationTableDeps {
  readonly clock: Clock;
  readonly trace: Trace;
  readonly store: Store;
  /** Prefix of the keys in the store. */
  readonly prefix?: string;
  /** Most addresses of record; default `limits.sipRoles.aors`. */
  readonly capacity?: number;
}

/** Membership changes reach the store after this time, so that a burst is one batch. */
const urgentFlushMs = 5;
/** Refreshes are looked at this often; most need no write at all. */
const lazyFlushMs = 5000;
/** A stored expiry may lag behind by half the granted interval, at most this much. */
const maxSlackMs = 600_000;

/** All that is known of one address of record. */
interface AorRecord {
  readonly aor: string;
  bindings: readonly Binding[];
  earliestMs: number;
  /** Due time of its entry in the expiry queue, 0 when it has none. */
  queuedMs: number;
  /** Latest expiry as written in the store (without slack). */
  storedLatestMs: number;
  storedSlackMs: number;
}

/** Loads what the store holds and keeps it current. */
export function createLocationTable(deps: LocationTableDeps): LocationTable {
  const { clock, store, trace } = deps;
  const prefix = deps.prefix ?? 'sip/location/';
  const capacity = deps.capacity ?? limits.sipRoles.aors;
  const records = new Map<string, AorRecord>();
  /** Addresses by stream flow. */
  const byFlow = new Map<string, Set<AorRecord>>();
  const listeners = new Set<(event: LocationEvent) => void>();
  const expiries = createHeap<{ record: AorRecord; dueMs: number }>((a, b) => a.dueMs < b.dueMs);
  let urgent = new Set<string>();
  let lazy = new Set<AorRecord>();
  let bindingCount = 0;
  let expiryTimer: Timer | undefined;
  let expiryTimerDueMs = 0;
  let urgentTimer: Timer | undefined;
  let lazyTimer: Timer | undefined;
  let stopped = false;
  const refused = trace.counter('sip_location_refused_total');
  const expired = trace.counter('sip_location_expired_total');
  const writes = trace.counter('sip_location_writes_total');
  const writeFailures = trace.counter('sip_location_write_failures_total');

  load();
  trace.gauge('sip_location_aors', () => records.size);
  trace.gauge('sip_location_bindings', () => bindingCount);

  function load(): void {
    const now = clock.wallMs();
    for (const [key, value] of store.entries(prefix)) {
      const aor = key.slice(prefix.length);
      const bindings = decodeBindings(value);
      if (bindings === undefined) {
        trace.log('error', 'location-record-damaged', { aor });
        urgent.add(aor);
        continue;
      }
      const live = bindings.filter((b) => b.expiresAtMs > now);
      if (live.length !== bindings.length) urgent.add(aor);
      if (live.length === 0) continue;
      const record = newRecord(aor);
      records.set(aor, record);
      record.storedLatestMs = latestExpiry(live);
      setBindings(record, live);
    }
    if (urgent.size > 0) armUrgent();
  }

  function newRecord(aor: string): AorRecord {
    return { aor, bindings: [], earliestMs: 0, queuedMs: 0, storedLatestMs: 0, storedSlackMs: 0 };
  }

  function setBindings(record: AorRecord, bindings: readonly Binding[]): void {
    unindexFlows(record);
    bindingCount += bindings.length - record.bindings.length;
    record.bindings = bindings;
    indexFlows(record);
    let earliestMs = Infinity;
    for (const b of bindings) if (b.expiresAtMs < earliestMs) earliestMs = b.expiresAtMs;
    record.earliestMs = earliestMs;
    if (bindings.length > 0) queueExpiry(record);
  }

  function unindexFlows(record: AorRecord): void {
    for (const b of record.bindings) {
      if (b.transport === 'udp') continue;
      const members = byFlow.get(b.flowId);
      if (members?.delete(record) === true && members.size === 0) byFlow.delete(b.flowId);
    }
  }

  function indexFlows(record: AorRecord): void {
    for (const b of record.bindings) {
      if (b.transport === 'udp' || b.flowDead) continue;
      const members = byFlow.get(b.flowId);
      if (members === undefined) byFlow.set(b.flowId, new Set([record]));
      else members.add(record);
    }
  }

  /** One entry per address: a refresh only moves `earliestMs`, the entry is corrected when it comes up. */
  function queueExpiry(record: AorRecord): void {
    if (record.queuedMs !== 0 && record.queuedMs <= record.earliestMs) return;
    record.queuedMs = record.earliestMs;
    expiries.push({ record, dueMs: record.earliestMs });
    armExpiry();
  }

  function armExpiry(): void {
    const next = expiries.peek();
    if (next === undefined || stopped) return;
    if (expiryTimer !== undefined && expiryTimerDueMs <= next.dueMs) return;
    expiryTimer?.cancel();
    expiryTimerDueMs = next.dueMs;
    const delayMs = Math.max(0, Math.min(next.dueMs - clock.wallMs(), 3_600_000));
    expiryTimer = clock.after('sip-binding-expiry', delayMs + 1, onExpiryTimer);
  }

  function onExpiryTimer(): void {
    expiryTimer = undefined;
    const now = clock.wallMs();
    for (;;) {
      const next = expiries.peek();
      if (next === undefined || next.dueMs > now) break;
      expiries.pop();
      const { record } = next;
      if (record.queuedMs !== next.dueMs || records.get(record.aor) !== record) continue;
      record.queuedMs = 0;
      if (!expire(record, now)) queueExpiry(record);
    }
    armExpiry();
  }

  /** Drops what is over; true when the address is gone or nothing is queued for it any more. */
  function expire(record: AorRecord, now: number): boolean {
    if (record.earliestMs > now) return false;
    const live = record.bindings.filter((b) => b.expiresAtMs > now);
    expired.add(record.bindings.length - live.length);
    change(record, live, { first: false, last: live.length === 0, content: true }, 'expiry');
    return true;
  }

  function change(
    record: AorRecord,
    bindings: readonly Binding[],
    what: { first: boolean; last: boolean; content: boolean },
    cause: LocationEvent['cause'],
  ): void {
    setBindings(record, bindings);
    if (bindings.length === 0) records.delete(record.aor);
    if (what.content || what.first || what.last) {
      urgent.add(record.aor);
      armUrgent();
    } else {
      lazy.add(record);
      armLazy();
    }
    const event: LocationEvent = {
      aor: record.aor,
      first: what.first,
      last: what.last,
      content: what.content,
      expiresAtMs: latestExpiry(bindings),
      cause,
    };
    for (const listener of listeners) listener(event);
  }

  function armUrgent(): void {
    if (urgentTimer !== undefined || stopped) return;
    urgentTimer = clock.after('sip-location-write', urgentFlushMs, () => {
      urgentTimer = undefined;
      const aors = urgent;
      urgent = new Set();
      write(aors, undefined);
    });
  }

  function armLazy(): void {
    if (lazyTimer !== undefined || stopped) return;
    lazyTimer = clock.after('sip-location-lazy-write', lazyFlushMs, () => {
      lazyTimer = undefined;
      const candidates = lazy;
      lazy = new Set();
      const late = new Set<string>();
      for (const record of candidates) {
        const lagMs = latestExpiry(record.bindings) - record.storedLatestMs;
        if (lagMs > record.storedSlackMs) late.add(record.aor);
      }
      if (late.size > 0) write(late, undefined);
    });
  }

  function write(aors: ReadonlySet<string>, done: (() => void) | undefined, exact = false): void {
    const operations: StoreOperation[] = [];
    const now = clock.wallMs();
    for (const aor of aors) {
      const record = records.get(aor);
      if (record === undefined || record.bindings.length === 0) {
        operations.push({ delete: prefix + aor });
        continue;
      }
      record.storedLatestMs = latestExpiry(record.bindings);
      record.storedSlackMs = exact
        ? 0
        : Math.max(0, Math.min(maxSlackMs, Math.trunc((record.storedLatestMs - now) / 2)));
      operations.push({
        put: prefix + aor,
        value: encodeBindings(record.bindings, record.storedSlackMs),
      });
    }
    writes.add(operations.length);
    store.write(operations, (outcome) => {
      if (!outcome.ok) {
        writeFailures.add();
        trace.log('error', 'location-write-failed', { reason: outcome.error });
      }
      done?.();
    });
  }

  return {
    bindings(aor) {
      const record = records.get(aor);
      if (record === undefined) return noBindings;
      const now = clock.wallMs();
      if (record.earliestMs <= now) expire(record, now);
      return record.bindings;
    },
    aors: () => records.keys(),
    get aorCount() {
      return records.size;
    },
    get bindingCount() {
      return bindingCount;
    },
    apply(update, cause = 'register') {
      return applyUpdate(update, cause);
    },
    removeAll(aor) {
      const record = records.get(aor);
      if (record === undefined) return;
      change(record, [], { first: false, last: true, content: true }, 'removed');
    },
    flowClosed(flowId) {
      const members = byFlow.get(flowId);
      if (members === undefined) return;
      byFlow.delete(flowId);
      for (const record of members) {
        record.bindings = record.bindings.map((b) =>
          b.flowId === flowId && b.transport !== 'udp' ? { ...b, flowDead: true } : b,
        );
      }
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    flush(done) {
      const pending = new Set(urgent);
      urgent = new Set();
      for (const record of records.values()) {
        const lagMs = latestExpiry(record.bindings) - record.storedLatestMs;
        if (lagMs !== 0 || record.storedSlackMs !== 0) pending.add(record.aor);
      }
      lazy = new Set();
      write(pending, done, true);
    },
    stop() {
      stopped = true;
      expiryTimer?.cancel();
      urgentTimer?.cancel();
      lazyTimer?.cancel();
    },
  };

  function applyUpdate(update: LocationChange, cause: LocationEvent['cause']): boolean {
    let record = records.get(update.aor);
    if (record === undefined) {
      if (update.bindings.length === 0) return true;
      if (records.size >= capacity) {
        refused.add();
        return false;
      }
      record = newRecord(update.aor);
      records.set(update.aor, record);
    }
    if (update.bindings.length > limits.sipRoles.bindingsPerAor) {
      refused.add();
      if (record.bindings.length === 0) records.delete(update.aor);
      return false;
    }
    change(record, update.bindings, update, cause);
    return true;
  }
}

const noBindings: readonly Binding[] = [];

function latestExpiry(bindings: readonly Binding[]): number {
  let latestMs = 0;
  for (const b of bindings) if (b.expiresAtMs > latestMs) latestMs = b.expiresAtMs;
  return latestMs;
}
