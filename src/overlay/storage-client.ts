/**
 * Store, Fetch and Stat as usages call them. RFC 6940 §7.4.
 */
import { bytesEqual } from '../base/bytes.ts';
import { limits } from '../base/limits.ts';
import type { KindId } from '../base/ids.ts';
import { failure, success, type Outcome } from '../base/outcome.ts';
import type { Clock } from '../ports/clock.ts';
import type { Trace } from '../ports/trace.ts';
import type { KindDefinition } from '../storage/kinds.ts';
import { encodeToBytes, tryDecode } from '../wire/codec.ts';
import { errorCodes } from '../wire/reload/errors.ts';
import { messageCodes } from '../wire/reload/message-codes.ts';
import { storeAnsOf, storedValues, storeReq, type StoredData } from '../wire/reload/storage.ts';
import type {
  FetchedValue,
  FetchRequest,
  FetchResult,
  Overlay,
  OverlayError,
  StoreRequest,
  StoreResult,
  StoreValue,
} from './api.ts';
import { createFetcher, malformed } from './fetcher.ts';
import { createPlaceMemory, placeName } from './place-memory.ts';
import type { ValueSecurity } from './value-security.ts';
import {
  localError,
  publicError,
  type RequestError,
  type Response,
  type Transactions,
} from './transactions.ts';

export type StorageClient = Pick<Overlay, 'store' | 'fetch' | 'stat'>;

export interface StorageClientDependencies {
  readonly clock: Clock;
  readonly trace: Trace;
  readonly kind: (kind: KindId) => KindDefinition | undefined;
  readonly nodeIdLength: () => number;
  readonly values: ValueSecurity;
  /** Whom a Fetch asks that does not say; the responsible peer when absent. */
  readonly fetchHolders?: NonNullable<FetchRequest['holders']> | undefined;
  readonly transactions: Transactions;
  readonly later: (run: () => void) => void;
}

type Done<T> = (outcome: Outcome<T, OverlayError>) => void;

export function createStorageClient(dependencies: StorageClientDependencies): StorageClient {
  const { clock, transactions, values: security, later } = dependencies;
  const storeRetries = dependencies.trace.counter('overlay_store_retries_total');
  const places = createPlaceMemory(clock);
  const ask = createFetcher({ ...dependencies, places });
  const { fetchHolders: holders } = dependencies;
  const wherever = holders === undefined ? {} : { holders };
  let lastStorageTimeMs = 0;

  /** Strictly rising, so that a later Store of the same value is never too old (§13.5.3). */
  function nextStorageTime(atLeastMs: number): number {
    const wallMs = Math.floor(clock.wallMs());
    lastStorageTimeMs = Math.max(wallMs, lastStorageTimeMs + 1);
    return Math.max(lastStorageTimeMs, atLeastMs);
  }

  function refuse<T>(done: Done<T>, reason: OverlayError['reason'], text: string): void {
    later(() => done(failure(publicError(localError(reason, text)))));
  }

  function store(request: StoreRequest, done: Done<StoreResult>): void {
    const kind = dependencies.kind(request.kind);
    const problem = kind === undefined ? 'unknown Kind' : problemOf(request.values, kind);
    if (kind === undefined || problem !== undefined) {
      refuse(done, 'invalid', problem ?? 'unknown Kind');
      return;
    }
    const generation = request.generation ?? 0n;
    attemptStore(request, kind, { number: 1, afterMs: -Infinity, generation }, done);
  }

  function attemptStore(
    request: StoreRequest,
    kind: KindDefinition,
    attempt: StoreAttempt,
    done: Done<StoreResult>,
  ): void {
    const storageTimeMs = nextStorageTime(attempt.afterMs);
    signAll(request, kind, storageTimeMs, (signed) => {
      const body = encodeToBytes(storeReq, {
        resource: request.resource,
        replicaNumber: 0,
        kindData: [
          {
            kind: request.kind,
            generationCounter: attempt.generation,
            values: encodeToBytes(storedValues(kind.dataModel), signed),
          },
        ],
      });
      transactions.request(
        {
          destinations: [{ type: 'resource', resource: request.resource }],
          messageCode: messageCodes.storeReq,
          body,
          identity: request.identity,
        },
        (outcome) => {
          if (outcome.ok) done(stored(request, outcome.value, signed, storageTimeMs));
          else storeFailed(request, kind, attempt, storageTimeMs, outcome.error, done);
        },
      );
    });
  }

  function signAll(
    request: StoreRequest,
    kind: KindDefinition,
    storageTimeMs: number,
    done: (signed: readonly StoredData[]) => void,
  ): void {
    const signed = new Array<StoredData>(request.values.length);
    let open = request.values.length;
    request.values.forEach((value, i) => {
      security.sign(
        request.resource,
        kind,
        {
          storageTime: BigInt(storageTimeMs),
          lifetime: lifetimeOf(request, value),
          value: placed(value, kind),
        },
        request.identity,
        (data) => {
          signed[i] = data;
          if (--open === 0) done(signed);
        },
      );
    });
  }

  /** A removal outlives what it removes, else a copy of that could be stored again (§7.4.1.3). */
  function lifetimeOf({ resource, kind }: StoreRequest, value: StoreValue): number {
    if (value.exists) return value.lifetimeS;
    return Math.max(value.lifetimeS, places.remainingS(placeName(resource, kind, value)));
  }

  function stored(
    { resource, kind }: StoreRequest,
    response: Response,
    signed: readonly StoredData[],
    storageTimeMs: number,
  ): Outcome<StoreResult, OverlayError> {
    const answer = tryDecode(storeAnsOf(dependencies.nodeIdLength()), response.body);
    const part = answer.ok
      ? answer.value.kindResponses.find((item) => item.kind === kind)
      : undefined;
    if (part === undefined) return failure(malformed());
    for (const { lifetime, value } of signed) {
      places.saw(placeName(resource, kind, value), storageTimeMs, lifetime);
    }
    return success({
      generation: part.generationCounter,
      replicas: part.replicas,
      storedBy: response.signer.nodeId,
      storageTimeMs,
    });
  }

  /**
   * Data_Too_Old: our clock is behind what is stored, so the next time is that plus one (§7).
   * Generation_Counter_Too_Low: what is newer wins, else ours is stored with the right counter.
   */
  function storeFailed(
    request: StoreRequest,
    kind: KindDefinition,
    attempt: StoreAttempt,
    storageTimeMs: number,
    error: RequestError,
    done: Done<StoreResult>,
  ): void {
    const number = attempt.number + 1;
    const isOld = error.code === errorCodes.dataTooOld;
    const isOutdated = error.code === errorCodes.generationCounterTooLow;
    if (number > limits.overlay.storeAttempts || (!isOld && !isOutdated)) {
      done(failure(publicError(error)));
      return;
    }
    storeRetries.add();
    fetch(slotsOf(request), (outcome) => {
      const values = outcome.ok ? outcome.value.values : [];
      const there = values.filter((value) => request.values.some((own) => isSamePlace(own, value)));
      const newestMs = Math.max(...there.map((value) => value.storageTimeMs));
      if (isOld) {
        const afterMs = Math.max(attempt.afterMs, newestMs) + 1;
        attemptStore(request, kind, { ...attempt, number, afterMs }, done);
      } else if (!outcome.ok) done(failure(publicError(error)));
      else if (newestMs > storageTimeMs) {
        done(failure({ ...publicError(error), newer: outcome.value }));
      } else {
        const { generation } = outcome.value;
        attemptStore(request, kind, { ...attempt, number, generation }, done);
      }
    });
  }

  function fetch(request: FetchRequest, done: Done<FetchResult>): void {
    const kind = dependencies.kind(request.kind);
    if (kind === undefined) refuse(done, 'invalid', 'unknown Kind');
    else ask.fetch({ ...wherever, ...request }, kind, done);
  }

  return {
    store,
    fetch,
    stat(request, done) {
      const kind = dependencies.kind(request.kind);
      if (kind === undefined) refuse(done, 'invalid', 'unknown Kind');
      else ask.stat(request, kind, done);
    },
  };
}

interface StoreAttempt {
  readonly number: number;
  /** The storage_time is at least this. */
  readonly afterMs: number;
  /** 0 = whatever it is. */
  readonly generation: bigint;
}

/** What keeps the values from fitting the Kind; `undefined` when they fit. */
function problemOf(values: readonly StoreValue[], kind: KindDefinition): string | undefined {
  if (values.length === 0) return 'nothing to store';
  for (const value of values) {
    if (kind.dataModel === 'DICTIONARY' && value.key === undefined)
      return 'a dictionary needs keys';
    if (kind.dataModel === 'ARRAY' && value.index === undefined) return 'an array needs indices';
    if (value.value.length > kind.maxSizeBytes) return 'value above max-size';
  }
  return undefined;
}

function placed(value: StoreValue, kind: KindDefinition): StoredData['value'] {
  const content = { exists: value.exists, value: value.value };
  if (kind.dataModel === 'DICTIONARY' && value.key !== undefined) {
    return { ...content, key: value.key };
  }
  if (kind.dataModel === 'ARRAY' && value.index !== undefined) {
    return { ...content, index: value.index };
  }
  return content;
}

/** A Fetch of just the places that a Store writes to. */
function slotsOf(request: StoreRequest): FetchRequest {
  const keys = request.values.flatMap((value) => (value.key === undefined ? [] : [value.key]));
  return {
    resource: request.resource,
    kind: request.kind,
    ...(keys.length > 0 ? { keys } : {}),
  };
}

function isSamePlace(own: StoreValue, { key, index }: FetchedValue): boolean {
  if (own.key !== undefined) return key !== undefined && bytesEqual(own.key, key);
  return own.index === index;
}
