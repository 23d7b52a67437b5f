/**
 * Sends stored resources to other peers as replicas or because they own them now, a bounded number
 * at a time. RFC 6940 §7.4.1.1, §10.4.
 */
import { limits } from '../base/limits.ts';
import type { NodeId, ResourceId } from '../base/ids.ts';
import type { Trace } from '../ports/trace.ts';
import type { KindRegistry } from '../storage/kinds.ts';
import type { ExportedResource, Storage } from '../storage/storage.ts';
import { encodeToBytes, tryDecode } from '../wire/codec.ts';
import { errorCodes } from '../wire/reload/errors.ts';
import { messageCodes } from '../wire/reload/message-codes.ts';
import { fetchAns, fetchReq, lastIndex, selection, storeReq } from '../wire/reload/storage.ts';
import { emptyBytes } from '../base/bytes.ts';
import type { RequestError, Transactions } from './transactions.ts';

export interface Copier {
  /**
   * Copies the resource as it is when its turn comes. `done` is called later: true when the target
   * has it (or a newer one), or when there is nothing to copy any more.
   */
  copy(
    resource: ResourceId,
    target: NodeId,
    replicaNumber: number,
    done?: (copied: boolean) => void,
  ): void;
  /** Waiting and under way. */
  readonly size: number;
}

interface Job {
  readonly key: string;
  readonly resource: ResourceId;
  readonly target: NodeId;
  readonly replicaNumber: number;
  /** Asked for again while under way, so the copy may be outdated. */
  again: boolean;
  running: boolean;
  waiting: ((copied: boolean) => void)[];
}

export function createCopier(dependencies: {
  readonly trace: Trace;
  readonly storage: Storage;
  readonly kinds: KindRegistry;
  readonly transactions: Transactions;
  readonly later: (run: () => void) => void;
}): Copier {
  const { storage, transactions, later, trace } = dependencies;
  const jobs = new Map<string, Job>();
  const queue: Job[] = [];
  let head = 0;
  let running = 0;
  const copies = trace.counter('overlay_copies_total', { result: 'stored' });
  const failures = trace.counter('overlay_copies_total', { result: 'failed' });
  const merged = trace.counter('overlay_copies_total', { result: 'merged' });
  const refused = trace.counter('overlay_copies_total', { result: 'refused' });

  function copy(
    resource: ResourceId,
    target: NodeId,
    replicaNumber: number,
    done?: (copied: boolean) => void,
  ): void {
    const key = `${target}${replicaNumber}${resource}`;
    const held = jobs.get(key);
    if (held !== undefined) {
      if (done !== undefined) held.waiting.push(done);
      if (held.running) held.again = true;
      return;
    }
    if (jobs.size >= limits.overlay.copiesWaiting) {
      refused.add();
      if (done !== undefined) later(() => done(false));
      return;
    }
    const job: Job = {
      key,
      resource,
      target,
      replicaNumber,
      again: false,
      running: false,
      waiting: done === undefined ? [] : [done],
    };
    jobs.set(key, job);
    queue.push(job);
    later(pump);
  }

  function pump(): void {
    while (running < limits.overlay.copiesAtOnce) {
      const job = queue[head];
      if (job === undefined) {
        queue.length = 0;
        head = 0;
        return;
      }
      if (++head > 1024) {
        queue.splice(0, head);
        head = 0;
      }
      running++;
      job.running = true;
      send(job);
    }
  }

  function send(job: Job): void {
    job.again = false;
    const exported = storage.exportResource(job.resource);
    if (exported === undefined) {
      later(() => finish(job, true));
      return;
    }
    const { resource, kindData, certificates } = exported;
    transactions.request(
      {
        destinations: [{ type: 'node', nodeId: job.target }],
        messageCode: messageCodes.storeReq,
        body: encodeToBytes(storeReq, { resource, replicaNumber: job.replicaNumber, kindData }),
        certificates,
      },
      (outcome) => {
        if (outcome.ok) {
          copies.add();
          finish(job, true);
        } else if (isOutdated(outcome.error)) takeNewer(job, exported);
        else {
          failures.add();
          finish(job, false);
        }
      },
    );
  }

  /** The target holds newer data: it replaces ours (§7.4.1.1). */
  function takeNewer(job: Job, exported: ExportedResource): void {
    const specifiers = exported.kindData.map(({ kind }) => ({
      kind,
      generation: 0n,
      selection: everything(kind),
    }));
    transactions.request(
      {
        destinations: [{ type: 'node', nodeId: job.target }],
        messageCode: messageCodes.fetchReq,
        body: encodeToBytes(fetchReq, { resource: job.resource, specifiers }),
      },
      (outcome) => {
        const answer = outcome.ok ? tryDecode(fetchAns, outcome.value.body) : undefined;
        if (!outcome.ok || answer?.ok !== true) {
          finish(job, false);
          return;
        }
        const kindData = answer.value.kindResponses.map(({ kind, generation, values }) => ({
          kind,
          generationCounter: generation,
          values,
        }));
        const newer = { resource: job.resource, replicaNumber: job.replicaNumber, kindData };
        storage.merge(newer, outcome.value.certificates, (result) => {
          if (result.ok) merged.add();
          else trace.log('info', 'merge-failed', { reason: result.error.text });
          finish(job, result.ok);
        });
      },
    );
  }

  function everything(kindId: number): Uint8Array {
    const model = dependencies.kinds.get(kindId)?.dataModel;
    if (model === 'ARRAY') {
      return encodeToBytes(selection(model), { indices: [{ first: 0, last: lastIndex }] });
    }
    return model === 'DICTIONARY' ? encodeToBytes(selection(model), { keys: [] }) : emptyBytes;
  }

  function finish(job: Job, copied: boolean): void {
    if (job.again && copied) {
      send(job);
      return;
    }
    running--;
    jobs.delete(job.key);
    for (const done of job.waiting) done(copied);
    pump();
  }

  return {
    copy,
    get size() {
      return jobs.size;
    },
  };
}

function isOutdated(error: RequestError): boolean {
  return error.code === errorCodes.dataTooOld || error.code === errorCodes.generationCounterTooLow;
}
