/**
 * Signature work on the event loop, a few jobs in each turn. Measured: the way through the thread
 * pool adds 20 to 30 µs of CPU to each job, a third of a P-256 check and two thirds of a P-256
 * signature; RSA signing (300 µs) is the one job that is worth it, so `identity.ts` sends it there.
 */
import { limits } from '../base/limits.ts';

export interface SignatureQueue {
  /** Runs the job in a later turn of the event loop; false when too many wait. */
  push(job: () => void): boolean;
}

export function createSignatureQueue(): SignatureQueue {
  let jobs: (() => void)[] = [];
  let head = 0;
  let scheduled = false;

  function turn(): void {
    const end = Math.min(jobs.length, head + limits.node.signatureJobsPerTurn);
    while (head < end) {
      const job = jobs[head];
      head++;
      job?.();
    }
    scheduled = head < jobs.length;
    if (scheduled) {
      setImmediate(turn);
      if (head < 1024) return;
      jobs = jobs.slice(head);
    } else {
      jobs = [];
    }
    head = 0;
  }

  return {
    push(job) {
      if (jobs.length - head >= limits.node.signatureJobs) return false;
      jobs.push(job);
      if (!scheduled) {
        scheduled = true;
        setImmediate(turn);
      }
      return true;
    },
  };
}
