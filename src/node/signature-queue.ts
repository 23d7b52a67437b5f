/**
 * Signature work on the event loop, a few jobs in each turn. Measured: a P-256 check costs 64 µs
 * here and 90 µs of CPU by way of the thread pool, so only RSA signing (ten times a check) goes there.
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
