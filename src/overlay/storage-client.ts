/**
 * Store, Fetch and Stat as usages call them. RFC 6940 §7.4.
 */
import { limits } from '../base/limits.ts';
import type { KindId } from '../base/ids.ts';
import { failure, success, type Outcome } from '../base/outcome.ts';
import type { Clock } from '../ports/clock.ts';
import type { Trace } from '../ports/trace.ts';
import type { KindDefinition } from '../storage/kinds.ts';
import { isUnsigned } from '../storage/signed-value.ts';
import { encodeToBytes, tryDecode } from '../wire/codec.ts';
import type { Destination } from '../wire/reload/destination.ts';
import { errorCodes } from '../wire/reload/errors.ts';
import { messageCodes } from '../wire/reload/message-codes.ts';
import { statAns, storedMetaValues } from '../wire/reload/stat.ts';
import {
  fetchAns,
  fetchReq,
  lastIndex,
  selection,
  storeAnsOf,
  storedValues,
  storeReq,
  type StoredData,
} from '../wire/reload/storage.ts';
import type {
  FetchedValue,
  FetchRequest,
  FetchResult,
  Overlay,
  OverlayError,
  StatResult,
  StoreRequest,
  StoreResult,
  StoreValue,
} from './api.ts';
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
  readonly transactions: Transactions;
  readonly later: (run: () => void) => void;
}

type Done<T> = (outcome: Outcome<T, OverlayError>) => void;

export function createStorageClient(dependencies: StorageClientDependencies): StorageClient {
  const { clock, transactions, values: security, later } = dependencies;
  const refusedValues = dependencies.trace.counter('overlay_fetched_values_refused_total');
  const storeRetries = dependencies.trace.counter('overlay_store_retries_total');
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
    attemptStore(request, kind, { number: 1, afterMs: 0, generation: 0n }, done);
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
          if (outcome.ok) done(stored(outcome.value, request.kind, storageTimeMs));
          else storeFailed(request, kind, attempt, outcome.error, done);
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
          lifetime: value.lifetimeS,
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

  function stored(
    response: Response,
    kind: KindId,
    storageTimeMs: number,
  ): Outcome<StoreResult, OverlayError> {
    const answer = tryDecode(storeAnsOf(dependencies.nodeIdLength()), response.body);
    const part = answer.ok
      ? answer.value.kindResponses.find((item) => item.kind === kind)
      : undefined;
    if (part === undefined) return failure(malformed());
    return success({
      generation: part.generationCounter,
      replicas: part.replicas,
      storedBy: response.signer.nodeId,
      storageTimeMs,
    });
  }

  /** Data_Too_Old: our clock is behind what is stored, so the next time is that plus one. */
  function storeFailed(
    request: StoreRequest,
    kind: KindDefinition,
    attempt: StoreAttempt,
    error: RequestError,
    done: Done<StoreResult>,
  ): void {
    const number = attempt.number + 1;
    if (number > limits.overlay.storeAttempts) {
      done(failure(publicError(error)));
    } else if (error.code === errorCodes.dataTooOld) {
      storeRetries.add();
      fetch(slotsOf(request), (outcome) => {
        const times = outcome.ok ? outcome.value.values.map((value) => value.storageTimeMs) : [];
        const afterMs = Math.max(attempt.afterMs, 0, ...times) + 1;
        attemptStore(request, kind, { ...attempt, number, afterMs }, done);
      });
    } else if (error.code === errorCodes.generationCounterTooLow) {
      storeRetries.add();
      const answer = tryDecode(storeAnsOf(dependencies.nodeIdLength()), error.info);
      const part = answer.ok
        ? answer.value.kindResponses.find((item) => item.kind === request.kind)
        : undefined;
      const generation = part?.generationCounter ?? 0n;
      attemptStore(request, kind, { ...attempt, number, generation }, done);
    } else done(failure(publicError(error)));
  }

  function fetch(request: FetchRequest, done: Done<FetchResult>): void {
    const kind = dependencies.kind(request.kind);
    if (kind === undefined) {
      refuse(done, 'invalid', 'unknown Kind');
      return;
    }
    ask(request, kind, messageCodes.fetchReq, [resourceOf(request)], (outcome) => {
      if (outcome.ok) fetched(request, kind, outcome.value, done);
      else done(outcome);
    });
  }

  function ask(
    request: FetchRequest,
    kind: KindDefinition,
    messageCode: number,
    destinations: readonly Destination[],
    done: Done<Response>,
  ): void {
    const body = encodeToBytes(fetchReq, {
      resource: request.resource,
      specifiers: [{ kind: request.kind, generation: 0n, selection: selected(request, kind) }],
    });
    transactions.request({ destinations, messageCode, body }, (outcome) => {
      done(outcome.ok ? outcome : failure(publicError(outcome.error)));
    });
  }

  /** Each value is judged alone; a bad one never hides the others. */
  function fetched(
    request: FetchRequest,
    kind: KindDefinition,
    response: Response,
    done: Done<FetchResult>,
  ): void {
    const answer = tryDecode(fetchAns, response.body);
    const part = answer.ok
      ? answer.value.kindResponses.find((item) => item.kind === request.kind)
      : undefined;
    const list =
      part === undefined ? undefined : tryDecode(storedValues(kind.dataModel), part.values);
    if (part === undefined || list?.ok !== true) {
      done(failure(malformed()));
      return;
    }
    const results = new Array<FetchedValue | undefined>(list.value.length);
    let open = list.value.length;
    const finish = (): void => {
      const values = results.filter((value) => value !== undefined);
      const refused = results.length - values.length;
      if (refused > 0) refusedValues.add(refused);
      const { generation } = part;
      done(success({ generation, values, refused, answeredBy: response.signer.nodeId }));
    };
    if (open === 0) finish();
    list.value.forEach((data, i) => {
      if (isUnsigned(data)) {
        if (!data.value.exists) results[i] = fetchedValue(data, undefined, undefined);
        if (--open === 0) later(finish);
        return;
      }
      security.verify(request.resource, kind, data, response.certificates, (signer) => {
        if (signer.ok) {
          results[i] = fetchedValue(data, signer.value.signer, signer.value.signerNodeId);
        }
        if (--open === 0) finish();
      });
    });
  }

  return {
    store,
    fetch,
    stat(request, done) {
      const kind = dependencies.kind(request.kind);
      if (kind === undefined) {
        refuse(done, 'invalid', 'unknown Kind');
        return;
      }
      const destination: Destination =
        request.at === undefined ? resourceOf(request) : { type: 'node', nodeId: request.at };
      ask(request, kind, messageCodes.statReq, [destination], (outcome) => {
        done(outcome.ok ? statResult(outcome.value, request.kind, kind) : outcome);
      });
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

function malformed(): OverlayError {
  return publicError(localError('invalid', 'malformed answer'));
}

function resourceOf(request: FetchRequest): Destination {
  return { type: 'resource', resource: request.resource };
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

function selected(request: FetchRequest, kind: KindDefinition): Uint8Array {
  const wanted =
    kind.dataModel === 'DICTIONARY'
      ? { keys: request.keys ?? [] }
      : kind.dataModel === 'ARRAY'
        ? { indices: request.ranges ?? [{ first: 0, last: lastIndex }] }
        : {};
  return encodeToBytes(selection(kind.dataModel), wanted);
}

function fetchedValue(
  data: StoredData,
  signer: FetchedValue['signer'],
  signerNodeId: FetchedValue['signerNodeId'],
): FetchedValue {
  return {
    key: data.value.key,
    index: data.value.index,
    exists: data.value.exists,
    value: data.value.value,
    storageTimeMs: Number(data.storageTime),
    lifetimeS: data.lifetime,
    signer,
    signerNodeId,
  };
}

function statResult(
  response: Response,
  kindId: KindId,
  kind: KindDefinition,
): Outcome<StatResult, OverlayError> {
  const answer = tryDecode(statAns, response.body);
  const part = answer.ok
    ? answer.value.kindResponses.find((item) => item.kind === kindId)
    : undefined;
  const list =
    part === undefined ? undefined : tryDecode(storedMetaValues(kind.dataModel), part.values);
  if (part === undefined || list?.ok !== true) return failure(malformed());
  return success({
    generation: part.generation,
    values: list.value.map(({ storageTime, lifetime, metadata }) => ({
      key: metadata.key,
      index: metadata.index,
      exists: metadata.exists,
      storageTimeMs: Number(storageTime),
      lifetimeS: lifetime,
      valueHash: metadata.hashValue,
    })),
    answeredBy: response.signer.nodeId,
  });
}
