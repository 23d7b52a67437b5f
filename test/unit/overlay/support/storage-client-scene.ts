/** A client of the storage whose overlay is played by the test. */
import assert from 'node:assert/strict';
import { emptyBytes } from '../../../../src/base/bytes.ts';
import { idBytes, resourceIdOfName, type NodeId } from '../../../../src/base/ids.ts';
import { failure, success, type Outcome } from '../../../../src/base/outcome.ts';
import { utf8Decode, utf8Encode } from '../../../../src/base/text.ts';
import { silentTrace } from '../../../../src/ports/trace.ts';
import type {
  FetchRequest,
  FetchResult,
  OverlayError,
  StoreRequest,
  StoreResult,
} from '../../../../src/overlay/api.ts';
import {
  createStorageClient,
  type StorageClientDependencies,
} from '../../../../src/overlay/storage-client.ts';
import type { OutgoingRequest, RequestOutcome } from '../../../../src/overlay/transactions.ts';
import { createValueSecurity } from '../../../../src/overlay/value-security.ts';
import type { KindDefinition } from '../../../../src/storage/kinds.ts';
import { createTrust } from '../../../../src/trust/trust.ts';
import { decodeExact, encodeToBytes } from '../../../../src/wire/codec.ts';
import { errorCodes } from '../../../../src/wire/reload/errors.ts';
import { messageCodes } from '../../../../src/wire/reload/message-codes.ts';
import {
  fetchAns,
  storeAns,
  storedValues,
  storeReq,
  type StoredData,
} from '../../../../src/wire/reload/storage.ts';
import { createIdentity, createVerifier } from './fake-keys.ts';
import { createFakeClock } from '../../../support/fake-clock.ts';
import { testConfig } from './world.ts';

const alice = 'alice@test.example';
export const resource = resourceIdOfName(alice);
export const kind: KindDefinition = {
  kind: 0xf000_0003,
  name: 'TEST',
  dataModel: 'DICTIONARY',
  accessControl: 'USER-NODE-MATCH',
  maxCount: 8,
  maxSizeBytes: 500,
};
export const nodeOf = (digit: string): NodeId => digit.repeat(32) as NodeId;
export const storer = nodeOf('5');
export const successors = [nodeOf('6'), nodeOf('7')];

type Reply = RequestOutcome | undefined;

/** One client; `reply` plays the overlay. */
export function scene(
  reply: (request: OutgoingRequest) => Reply,
  options: Pick<StorageClientDependencies, 'fetchHolders'> = {},
) {
  const clock = createFakeClock();
  const verifier = createVerifier(clock);
  const trust = createTrust({ verifier, clock, trace: silentTrace, config: () => testConfig });
  const users = ['a', 'b'].map((digit) => createIdentity(clock, [nodeOf(digit)], alice));
  const [one, two] = users as [(typeof users)[0], (typeof users)[0]];
  const requests: OutgoingRequest[] = [];
  const counts = new Map<string, number>();
  const client = createStorageClient({
    clock,
    trace: {
      ...silentTrace,
      counter: (name) => ({ add: (by = 1) => counts.set(name, (counts.get(name) ?? 0) + by) }),
    },
    kind: (id) => (id === kind.kind ? kind : undefined),
    nodeIdLength: () => 16,
    values: createValueSecurity(trust, clock),
    ...options,
    transactions: {
      request(request: OutgoingRequest, done: (outcome: RequestOutcome) => void) {
        requests.push(request);
        clock.after('answer', 1, () => {
          done(reply(request) ?? failure(errorOf(0)));
        });
        return () => undefined;
      },
    } as never,
    later: (run) => clock.after('later', 0, run),
  });

  function wait<T>(run: (done: (value: T) => void) => void): T {
    const got: T[] = [];
    run((value) => got.push(value));
    assert.ok(clock.advanceUntil(() => got.length > 0, 1000));
    return got[0] as T;
  }

  return {
    clock,
    client,
    one,
    two,
    requests,
    count: (name: string) => counts.get(name) ?? 0,
    store(parts: Partial<StoreRequest> = {}, lifetimeS = 600, exists = true) {
      const value = exists ? utf8Encode('mine') : emptyBytes;
      const values = [{ key: idBytes(nodeOf('a')), exists, value, lifetimeS }];
      const request = { resource, kind: kind.kind, values, identity: one, ...parts };
      return wait<Outcome<StoreResult, OverlayError>>((done) => client.store(request, done));
    },
    fetch(parts: Partial<FetchRequest> = {}) {
      const request = { resource, kind: kind.kind, ...parts };
      return wait<Outcome<FetchResult, OverlayError>>((done) => client.fetch(request, done));
    },
    /** A value of the user, as it was stored at that time. */
    value(text: string, storageTimeMs: number, user = one): StoredData {
      return wait((done) => {
        createValueSecurity(trust, clock).sign(
          resource,
          kind,
          {
            storageTime: BigInt(storageTimeMs),
            lifetime: 600,
            value: {
              key: idBytes(user.certificate.nodeIds[0] as NodeId),
              exists: true,
              value: utf8Encode(text),
            },
          },
          user,
          done,
        );
      });
    },
    fetched: (values: readonly StoredData[], by: NodeId = storer, generation = 1n): Reply => {
      const encoded = encodeToBytes(storedValues('DICTIONARY'), values);
      const kindResponses = [{ kind: kind.kind, generation, values: encoded }];
      return answer(by, encodeToBytes(fetchAns, { kindResponses }), [one, two]);
    },
  };
}

export function errorOf(code: number, info: Uint8Array = emptyBytes) {
  return { code, reason: 'error-response', text: 'refused', info, signer: storer } as const;
}

export function answer(
  by: NodeId,
  body: Uint8Array,
  users: readonly ReturnType<typeof createIdentity>[] = [],
): Reply {
  const certificates = users.map(({ certificate }) => certificate);
  const signer = { nodeId: by, certificate: {} as never };
  return success({ signer, body, extensions: [], certificates, roundTripMs: 1 });
}

export function stored(generationCounter = 1n): Reply {
  const kindResponses = [{ kind: kind.kind, generationCounter, replicas: [] }];
  return answer(storer, encodeToBytes(storeAns, { kindResponses }));
}

export function tooLow(generationCounter: bigint): Reply {
  const kindResponses = [{ kind: kind.kind, generationCounter, replicas: [] }];
  const info = encodeToBytes(storeAns, { kindResponses });
  return failure(errorOf(errorCodes.generationCounterTooLow, info));
}

export function valuesIn(request: OutgoingRequest | undefined): readonly StoredData[] {
  assert.equal(request?.messageCode, messageCodes.storeReq);
  const [part] = decodeExact(storeReq, request.body).kindData;
  return decodeExact(storedValues('DICTIONARY'), part?.values ?? emptyBytes);
}

export function textsOf(outcome: Outcome<FetchResult, OverlayError>): (string | undefined)[] {
  assert.ok(outcome.ok);
  return outcome.value.values.map(({ value }) => utf8Decode(value)).sort();
}
