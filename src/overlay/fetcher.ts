/**
 * Fetch and Stat: one peer asked and its values judged, or all holders and their newest values taken.
 * RFC 6940 §7.4.2, §7.4.3, §13.5.3.
 */
import type { KindId, NodeId } from '../base/ids.ts';
import { failure, success, type Outcome } from '../base/outcome.ts';
import type { Trace } from '../ports/trace.ts';
import type { KindDefinition } from '../storage/kinds.ts';
import { isUnsigned } from '../storage/signed-value.ts';
import { encodeToBytes, tryDecode } from '../wire/codec.ts';
import type { Destination } from '../wire/reload/destination.ts';
import { messageCodes } from '../wire/reload/message-codes.ts';
import { pingReq } from '../wire/reload/ping.ts';
import { statAns, storedMetaValues } from '../wire/reload/stat.ts';
import {
  fetchAns,
  fetchReq,
  lastIndex,
  selection,
  storedValues,
  type StoredData,
} from '../wire/reload/storage.ts';
import { emptyBytes } from '../base/bytes.ts';
import type {
  FetchedValue,
  FetchRequest,
  FetchResult,
  OverlayError,
  StatRequest,
  StatResult,
} from './api.ts';
import { placeName, type PlaceMemory } from './place-memory.ts';
import { following } from './queries.ts';
import { localError, publicError, type Response, type Transactions } from './transactions.ts';
import type { ValueSecurity } from './value-security.ts';

type Done<T> = (outcome: Outcome<T, OverlayError>) => void;

export interface Fetcher {
  fetch(request: FetchRequest, kind: KindDefinition, done: Done<FetchResult>): void;
  stat(request: StatRequest, kind: KindDefinition, done: Done<StatResult>): void;
}

export interface FetcherDependencies {
  readonly trace: Trace;
  readonly transactions: Transactions;
  readonly values: ValueSecurity;
  readonly places: PlaceMemory;
  readonly later: (run: () => void) => void;
}

/** Peers behind the responsible one that hold its replicas. §10.4. */
const replicaHolders = 2;

export function createFetcher(dependencies: FetcherDependencies): Fetcher {
  const { trace, transactions, values: security, places, later } = dependencies;
  const refusedValues = trace.counter('overlay_fetched_values_refused_total');
  const rollbacks = trace.counter('overlay_fetched_values_rolled_back_total');

  function send(
    request: StatRequest,
    kind: KindDefinition,
    messageCode: number,
    done: Done<Response>,
  ): void {
    const destination: Destination =
      request.at === undefined
        ? { type: 'resource', resource: request.resource }
        : { type: 'node', nodeId: request.at };
    const body = encodeToBytes(fetchReq, {
      resource: request.resource,
      specifiers: [{ kind: request.kind, generation: 0n, selection: selected(request, kind) }],
    });
    const destinations: readonly Destination[] =
      request.via === undefined || request.via === request.at
        ? [destination]
        : [{ type: 'node', nodeId: request.via }, destination];
    transactions.request({ destinations, messageCode, body }, (outcome) => {
      done(outcome.ok ? outcome : failure(publicError(outcome.error)));
    });
  }

  function fetchOne(request: FetchRequest, kind: KindDefinition, done: Done<FetchResult>): void {
    send(request, kind, messageCodes.fetchReq, (outcome) => {
      if (outcome.ok) judge(request, kind, outcome.value, done);
      else done(outcome);
    });
  }

  /** Each value is judged alone; a bad one never hides the others. */
  function judge(
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

  /** Marks what is older than what was seen before, and remembers the rest. */
  function remember(request: FetchRequest, result: FetchResult): FetchResult {
    let rolledBack = 0;
    for (const value of result.values) {
      if (value.signer === undefined) continue;
      const place = placeName(request.resource, request.kind, value);
      if (places.isRolledBack(place, value.storageTimeMs)) rolledBack++;
      else places.saw(place, value.storageTimeMs, value.lifetimeS);
    }
    if (rolledBack === 0) return result;
    rollbacks.add(rolledBack);
    trace.log('warn', 'rolled-back-value', {
      resource: request.resource,
      kind: request.kind,
      node: result.answeredBy,
    });
    return { ...result, rolledBack };
  }

  function fetch(request: FetchRequest, kind: KindDefinition, done: Done<FetchResult>): void {
    fetchOne(request, kind, (outcome) => {
      if (!outcome.ok) {
        done(outcome);
        return;
      }
      const first = remember(request, outcome.value);
      const isSuspicious = (first.rolledBack ?? 0) > 0;
      if (request.at !== undefined || (request.holders !== 'all' && !isSuspicious)) {
        done(success(first));
      } else askOthers(request, kind, first, done);
    });
  }

  function askOthers(
    request: FetchRequest,
    kind: KindDefinition,
    first: FetchResult,
    done: Done<FetchResult>,
  ): void {
    findHolders([first.answeredBy], (found) => {
      const holders = found.slice(1);
      const results = [first];
      let open = holders.length;
      const finish = (): void => done(success(remember(request, newestOf(request, results))));
      if (open === 0) finish();
      for (const at of holders) {
        fetchOne({ ...request, at }, kind, (outcome) => {
          if (outcome.ok) results.push(outcome.value);
          if (--open === 0) finish();
        });
      }
    });
  }

  /** The responsible peer and those after it, each found as the owner of the place behind the last. */
  function findHolders(found: readonly NodeId[], done: (holders: readonly NodeId[]) => void): void {
    const last = found.at(-1);
    if (last === undefined || found.length > replicaHolders) {
      done(found);
      return;
    }
    transactions.request(
      {
        destinations: [{ type: 'resource', resource: following(last) }],
        messageCode: messageCodes.pingReq,
        body: encodeToBytes(pingReq, { padding: emptyBytes }),
        transmissions: 2,
      },
      (outcome) => {
        const next = outcome.ok ? outcome.value.signer.nodeId : undefined;
        // Once around a small ring there is nobody else.
        if (next === undefined || found.includes(next)) done(found);
        else findHolders([...found, next], done);
      },
    );
  }

  return {
    fetch,
    stat(request, kind, done) {
      send(request, kind, messageCodes.statReq, (outcome) => {
        done(outcome.ok ? statResult(outcome.value, request.kind, kind) : outcome);
      });
    },
  };
}

/** The newest signed value of each place; what stands for "no value" only where nobody has one. */
function newestOf(request: FetchRequest, results: readonly FetchResult[]): FetchResult {
  const newest = new Map<string, FetchedValue>();
  let { generation, answeredBy, refused } = results[0] as FetchResult;
  for (const result of results) {
    if (result.generation > generation) ({ generation, answeredBy } = result);
    refused = Math.min(refused, result.refused);
    for (const value of result.values) {
      const place = placeName(request.resource, request.kind, value);
      const known = newest.get(place);
      const isBetter =
        known === undefined ||
        (value.signer !== undefined &&
          (known.signer === undefined || value.storageTimeMs > known.storageTimeMs));
      if (isBetter) newest.set(place, value);
    }
  }
  return { generation, answeredBy, refused, values: [...newest.values()] };
}

export function malformed(): OverlayError {
  return publicError(localError('invalid', 'malformed answer'));
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
