/** The storage engine: checks in order, verification jobs, atomic changes, expiry. RFC 6940 §7.4.1. */
import { UsageError } from '../base/assert.ts';
import type { KindId, NodeId, ResourceId } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import { failure, success, type Outcome } from '../base/outcome.ts';
import type { Certificate } from '../ports/certificates.ts';
import type { Timer } from '../ports/clock.ts';
import type { StoreOperation } from '../ports/store.ts';
import type { Counter } from '../ports/trace.ts';
import { errorCodeName } from '../wire/reload/errors.ts';
import { tryLater, type StorageError } from './errors.ts';
import { exportResource } from './export.ts';
import { checkFormat, loadAll, operationsFor, type Moment } from './persistence.ts';
import { answerFetch, answerFind, answerStat } from './query.ts';
import type { KindRecord } from './records.ts';
import type { Storage, StorageDependencies, Stored } from './storage.ts';
import {
  checkRequestSigner,
  prepareStore,
  verifyStore,
  type PreparedStore,
  type VerifiedStore,
} from './store-checks.ts';
import { planStore, sizeRefusal, type KindChange } from './store-plan.ts';
import { createTable } from './table.ts';

type Done = (outcome: Outcome<Stored, StorageError>) => void;

const noCertificates: ReadonlyMap<string, Certificate> = new Map();

export function createStorage(dependencies: StorageDependencies): Storage {
  const { clock, trace, store, kinds, verifier, quota = limits.storage } = dependencies;
  const table = createTable();
  const stored = trace.counter('storage_stores_total');
  const expired = trace.counter('storage_expired_values_total');
  const refusals = new Map<number, Counter>();
  let inProgress = 0;
  let unwritten = 0;
  let loaded = false;
  let closed = false;
  let timer: Timer | undefined;
  let timerAtMs = Infinity;
  trace.gauge('storage_resources', () => table.figures().resources);
  trace.gauge('storage_values', () => table.figures().values);
  trace.gauge('storage_bytes', () => table.figures().bytes);
  trace.gauge('storage_expiry_items', () => table.expiryItems());

  function now(): Moment {
    return { wallMs: clock.wallMs(), monotonicMs: clock.monotonicMs() };
  }

  function refused(error: StorageError): StorageError {
    let counter = refusals.get(error.code);
    if (counter === undefined) {
      counter = trace.counter('storage_refused_total', { reason: errorCodeName(error.code) });
      refusals.set(error.code, counter);
    }
    counter.add();
    return error;
  }

  function write(
    operations: readonly StoreOperation[],
    done: (outcome: Outcome<void>) => void,
  ): void {
    unwritten++;
    store.write(operations, (outcome) => {
      unwritten--;
      if (!outcome.ok) trace.log('error', 'storage-write-failed', { error: outcome.error });
      done(outcome);
    });
  }

  function mustBeLoaded(): void {
    if (!loaded) throw new UsageError('storage: load() comes first');
  }

  /** Puts one Kind record in place and returns what the disk needs for it. */
  function replace(
    resource: ResourceId,
    kind: KindId,
    next: KindRecord | undefined,
    certificates: ReadonlyMap<string, Certificate>,
    moment: Moment,
  ): StoreOperation[] {
    const change = table.replace(resource, kind, next, certificates);
    return operationsFor(resource, kind, next, change, moment);
  }

  /** Certificates in use by what a change replaces, for taking it back. */
  function certificatesOf(changes: readonly KindChange[]): ReadonlyMap<string, Certificate> {
    const held = new Map<string, Certificate>();
    for (const { current } of changes) {
      for (const value of current?.values.values() ?? []) {
        for (const fingerprint of value.certificates) {
          const certificate = table.certificate(fingerprint);
          if (certificate !== undefined) held.set(fingerprint, certificate);
        }
      }
    }
    return held;
  }

  /** What could not be made durable is not there, unless something newer was built on it. */
  function takeBack(
    resource: ResourceId,
    changes: readonly KindChange[],
    certificates: ReadonlyMap<string, Certificate>,
  ): void {
    for (const { kind, current, next } of changes) {
      if (table.get(resource)?.get(kind) !== next) continue;
      table.replace(resource, kind, current, certificates);
    }
    arm();
  }

  function commit(
    prepared: PreparedStore,
    verified: VerifiedStore,
    replicas: readonly NodeId[],
    done: Done,
  ): void {
    const moment = now();
    const { resource, mode } = prepared;
    const plan = planStore(table, resource, verified.kinds, mode, moment.monotonicMs, quota);
    if (!plan.ok) {
      done(plan);
      return;
    }
    const { changes, changed, counters } = plan.value;
    const kindResponses = counters.map((counter) => ({ ...counter, replicas }));
    const result = success({ answer: { kindResponses }, changed });
    const before = certificatesOf(changes);
    const operations = changes.flatMap(({ kind, next }) =>
      replace(resource, kind, next, verified.certificates, moment),
    );
    arm();
    // An unchanged value may still be on its way to the disk: its turn comes before this write's.
    if (operations.length === 0 && unwritten === 0) {
      done(result);
      return;
    }
    write(operations, (outcome) => {
      if (!outcome.ok) takeBack(resource, changes, before);
      done(outcome.ok ? result : failure(tryLater));
    });
  }

  function run(
    prepared: Outcome<PreparedStore, StorageError>,
    certificates: readonly Certificate[],
    replicas: readonly NodeId[],
    done: Done,
  ): void {
    mustBeLoaded();
    const settle: Done = (outcome) => {
      if (outcome.ok) stored.add();
      else refused(outcome.error);
      done(outcome);
    };
    const early =
      closed || inProgress >= limits.storage.storesAtOnce ? failure(tryLater) : prepared;
    if (!early.ok) {
      clock.after('store-refused', 0, () => {
        settle(early);
      });
      return;
    }
    inProgress++;
    const finish: Done = (outcome) => {
      inProgress--;
      settle(outcome);
    };
    verifyStore(dependencies, early.value, certificates, (verified) => {
      if (closed) finish(failure(tryLater));
      else if (!verified.ok) finish(verified);
      else commit(early.value, verified.value, replicas, finish);
    });
  }

  /** One timer for all values: at the next end of a life. */
  function arm(): void {
    const next = closed ? undefined : table.nextExpiryMs();
    if (next === undefined || next >= timerAtMs) return;
    timer?.cancel();
    const delayMs = Math.max(0, next - clock.monotonicMs());
    timerAtMs = clock.monotonicMs() + Math.min(delayMs, limits.storage.expiryCheckMs);
    timer = clock.after('storage-expiry', timerAtMs - clock.monotonicMs(), expire);
  }

  function expire(): void {
    timer = undefined;
    timerAtMs = Infinity;
    const moment = now();
    const operations: StoreOperation[] = [];
    for (const { resource, kind, placeKey } of table.expired(moment.monotonicMs)) {
      const record = table.get(resource)?.get(kind);
      if (record === undefined) continue;
      const values = new Map(record.values);
      values.delete(placeKey);
      operations.push(...replace(resource, kind, { ...record, values }, noCertificates, moment));
      expired.add();
    }
    if (operations.length > 0) write(operations, () => undefined);
    arm();
  }

  function remove(
    resources: readonly ResourceId[],
    keep: (kind: KindId) => boolean,
    done: (outcome: Outcome<void>) => void,
  ): void {
    mustBeLoaded();
    const moment = now();
    const operations: StoreOperation[] = [];
    for (const resource of resources) {
      for (const kind of [...(table.get(resource)?.keys() ?? [])]) {
        if (keep(kind)) continue;
        operations.push(...replace(resource, kind, undefined, noCertificates, moment));
      }
    }
    write(operations, done);
  }

  return {
    load() {
      const format = checkFormat(store);
      if (!format.ok) return format;
      const found = loadAll(store, verifier, now());
      if (!found.ok) return found;
      const { kinds: records, certificates } = found.value;
      for (const { resource, kind, record } of records) {
        table.replace(resource, kind, record, certificates);
      }
      loaded = true;
      arm();
      return success(undefined);
    },
    handleStore(request, context, done) {
      const original = request.replicaNumber === 0;
      const mode = original ? 'original' : 'replica';
      let prepared = prepareStore(request, mode, kinds);
      if (prepared.ok) {
        const size = sizeRefusal(table, prepared.value, clock.monotonicMs());
        const signer = original
          ? checkRequestSigner(prepared.value, context.signer)
          : success(undefined);
        if (size !== undefined) prepared = failure(size);
        else if (!signer.ok) prepared = signer;
      }
      run(prepared, context.certificates, context.replicas, done);
    },
    merge(request, certificates, done) {
      run(prepareStore(request, 'merge', kinds), certificates, [], done);
    },
    fetch(request) {
      const answer = answerFetch(request, kinds, table, clock.wallMs());
      if (!answer.ok) return failure(refused(answer.error));
      const { kindResponses, certificates } = answer.value;
      const named: Certificate[] = [];
      for (const fingerprint of certificates) {
        const certificate = table.certificate(fingerprint);
        if (certificate !== undefined) named.push(certificate);
      }
      return success({ answer: { kindResponses }, certificates: named });
    },
    stat(request) {
      const answer = answerStat(request, kinds, table, clock.wallMs());
      return answer.ok ? answer : failure(refused(answer.error));
    },
    find: (request) => success(answerFind(request, kinds, table)),
    resources: () => table.keys(),
    exportResource: (resource) => exportResource(table, resource, clock.monotonicMs()),
    drop: (resources, done = () => undefined) => remove(resources, () => false, done),
    dropKinds: (keep) => remove([...table.keys()], keep, () => undefined),
    figures: () => table.figures(),
    close() {
      closed = true;
      timer?.cancel();
    },
  };
}
