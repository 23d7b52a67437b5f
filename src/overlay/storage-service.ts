/**
 * Storage as a part of the peer: requests from the overlay, replication and hand-over, and the
 * calls of usages. RFC 6940 §7.4, §10.4; order of checks A-16.
 */
import type { NodeId, ResourceId } from '../base/ids.ts';
import { failure, success, type Outcome } from '../base/outcome.ts';
import type { StorageError } from '../storage/errors.ts';
import type { Storage } from '../storage/storage.ts';
import type { Topology, TopologyHost } from '../topology/plugin.ts';
import { encodeToBytes, tryDecode } from '../wire/codec.ts';
import { errorCodes } from '../wire/reload/errors.ts';
import { findAns, findReq } from '../wire/reload/find.ts';
import { messageCodes } from '../wire/reload/message-codes.ts';
import { statAns } from '../wire/reload/stat.ts';
import { fetchAns, fetchReq, storeAnsOf, storeReq, type StoreReq } from '../wire/reload/storage.ts';
import type { Copier } from './copier.ts';
import type { IncomingRequest, RequestHandler } from './incoming.ts';

export interface StorageService {
  readonly handlers: ReadonlyMap<number, RequestHandler>;
  copyRange: TopologyHost['copyRange'];
  dropResources: TopologyHost['dropResources'];
}

export interface StorageServiceDependencies {
  readonly storage: Storage;
  readonly copier: Copier;
  readonly topology: () => Topology;
  readonly nodeIdLength: () => number;
  readonly later: (run: () => void) => void;
}

export function createStorageService(dependencies: StorageServiceDependencies): StorageService {
  const { storage, copier, topology, later } = dependencies;

  function store(request: IncomingRequest): void {
    const decoded = tryDecode(storeReq, request.body);
    if (!decoded.ok) {
      request.refuse(errorCodes.invalidMessage, `malformed StoreReq: ${decoded.error.code}`);
      return;
    }
    const wanted = decoded.value;
    if (!isAbout(request, wanted.resource)) {
      request.refuse(errorCodes.invalidMessage, 'resource differs from the Destination List');
      return;
    }
    const problem = misplaced(wanted, request.signer.nodeId);
    if (problem !== undefined) {
      request.refuse(problem, 'not a resource of this peer');
      return;
    }
    const replicas = wanted.replicaNumber === 0 ? topology().replicas() : [];
    const { nodeId, certificate } = request.signer;
    const context = {
      signer: { signer: certificate, signerNodeId: nodeId },
      certificates: request.certificates,
      replicas,
    };
    storage.handleStore(wanted, context, (outcome) => {
      if (!outcome.ok) {
        refuse(request, outcome.error);
        return;
      }
      const answer = storeAnsOf(dependencies.nodeIdLength());
      request.answer(encodeToBytes(answer, outcome.value.answer));
      if (wanted.replicaNumber === 0 && outcome.value.changed) {
        replicas.forEach((replica, i) => copier.copy(wanted.resource, replica, i + 1));
      }
    });
  }

  /** The error for a Store that has no place here; `undefined` when it has one. */
  function misplaced(wanted: StoreReq, signer: NodeId): number | undefined {
    const { resource, replicaNumber } = wanted;
    const responsible = topology().isResponsible(resource);
    if (replicaNumber === 0) return responsible ? undefined : errorCodes.notFound;
    const isOurs = responsible || topology().isPlausibleReplica(resource, replicaNumber);
    return isOurs && topology().isPlausibleHolder(resource, signer)
      ? undefined
      : errorCodes.forbidden;
  }

  function fetch(request: IncomingRequest): void {
    const decoded = tryDecode(fetchReq, request.body);
    if (!decoded.ok || !isAbout(request, decoded.value.resource)) {
      request.refuse(errorCodes.invalidMessage, 'malformed FetchReq');
      return;
    }
    const outcome = storage.fetch(decoded.value);
    if (!outcome.ok) refuse(request, outcome.error);
    else {
      const { answer, certificates } = outcome.value;
      request.answer(encodeToBytes(fetchAns, answer), { certificates });
    }
  }

  function stat(request: IncomingRequest): void {
    const decoded = tryDecode(fetchReq, request.body);
    if (!decoded.ok || !isAbout(request, decoded.value.resource)) {
      request.refuse(errorCodes.invalidMessage, 'malformed StatReq');
      return;
    }
    const outcome = storage.stat(decoded.value);
    if (outcome.ok) request.answer(encodeToBytes(statAns, outcome.value));
    else refuse(request, outcome.error);
  }

  function find(request: IncomingRequest): void {
    const decoded = tryDecode(findReq, request.body);
    if (!decoded.ok || !isAbout(request, decoded.value.resource)) {
      request.refuse(errorCodes.invalidMessage, 'malformed FindReq');
      return;
    }
    if (!topology().isResponsible(decoded.value.resource)) {
      request.refuse(errorCodes.notFound, 'not responsible for the resource');
      return;
    }
    const outcome = storage.find(decoded.value);
    if (outcome.ok) request.answer(encodeToBytes(findAns, outcome.value));
    else refuse(request, outcome.error);
  }

  return {
    handlers: new Map<number, RequestHandler>([
      [messageCodes.storeReq, store],
      [messageCodes.fetchReq, fetch],
      [messageCodes.statReq, stat],
      [messageCodes.findReq, find],
    ]),

    /**
     * A peer that becomes responsible gets the data as a replica Store, because replica_number 0 is
     * for the owner's own requests; its holder so far stays in the replica set.
     */
    copyRange(interval, target, replicaNumber, done) {
      const resources = [...storage.resources()].filter((resource) => isWithin(interval, resource));
      let open = resources.length;
      let failed = 0;
      const end = (): void => {
        const outcome: Outcome<void> =
          failed === 0 ? success(undefined) : failure(`${failed} resources not copied`);
        done(outcome);
      };
      if (open === 0) later(end);
      for (const resource of resources) {
        copier.copy(resource, target, Math.max(1, replicaNumber), (copied) => {
          if (!copied) failed++;
          if (--open === 0) end();
        });
      }
    },
    dropResources(keep) {
      storage.drop([...storage.resources()].filter((resource) => !keep(resource)));
    },
  };
}

/** a Destination List that ends in a Resource-ID ends in the one of the body. */
function isAbout(request: IncomingRequest, resource: ResourceId): boolean {
  const { destination } = request;
  return destination?.type !== 'resource' || destination.resource === resource;
}

function refuse(request: IncomingRequest, error: StorageError): void {
  request.refuse(error.code, error.info);
}

/** In the half-open ring interval (from, to]; equal ends mean the whole ring. */
function isWithin(
  { from, to }: { readonly from: NodeId; readonly to: NodeId },
  resource: ResourceId,
): boolean {
  const id: string = resource;
  return from < to ? from < id && id <= to : from < id || id <= to;
}
