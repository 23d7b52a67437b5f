/**
 * Keeps the certificates of the users of a box in the overlay, few at a time: each under its AOR and
 * under the user's Node-ID at this box. RFC 6940 §8.
 */
import { createHeap } from '../../base/heap.ts';
import { limits } from '../../base/limits.ts';
import type { Identity } from '../../ports/certificates.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { Trace } from '../../ports/trace.ts';
import type { CertificateStore } from './certificate-store.ts';

export interface UserCertificatePublisher {
  /** The user has an identity, or a renewed one: its certificate is stored when its turn comes. */
  add(aor: string): void;
  /** This node is part of the overlay (again). */
  joined(): void;
  stop(): void;
}

export interface UserCertificatePublisherDependencies {
  readonly clock: Clock;
  readonly trace: Trace;
  readonly certificates: Pick<CertificateStore, 'publish'>;
  /** `undefined`: no longer served here; nothing is stored then. */
  readonly identityFor: (aor: string) => Identity | undefined;
  /** Milliseconds from one user to the next. */
  readonly paceMs: number;
}

interface Due {
  readonly aor: string;
  readonly atMs: number;
  /** Of two that are due at the same time the first one added goes first. */
  readonly order: number;
}

export function createUserCertificatePublisher(
  dependencies: UserCertificatePublisherDependencies,
): UserCertificatePublisher {
  const { clock, trace, certificates, paceMs } = dependencies;
  const { users, retryMs, refreshMs } = limits.usagesCertificates;
  const failures = trace.counter('user_certificate_publications_failed_total');
  const refused = trace.counter('user_certificates_refused_total');
  /** When each user's turn is; older entries of the heap count for nothing. */
  const turns = new Map<string, number>();
  const queue = createHeap<Due>(
    (a, b) => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order),
  );
  let timer: Timer | undefined;
  let order = 0;
  let running = false;
  let wanted = false;

  function plan(aor: string, atMs: number): void {
    turns.set(aor, atMs);
    queue.push({ aor, atMs, order: order++ });
  }

  function arm(): void {
    timer?.cancel();
    timer = undefined;
    const next = queue.peek();
    if (!wanted || running || next === undefined) return;
    const waitMs = Math.max(paceMs, next.atMs - clock.monotonicMs());
    timer = clock.after('user-certificates', waitMs, publishNext);
  }

  function publishNext(): void {
    timer = undefined;
    const next = queue.peek();
    if (next === undefined || next.atMs > clock.monotonicMs()) {
      arm();
      return;
    }
    queue.pop();
    const { aor } = next;
    if (turns.get(aor) !== next.atMs) {
      arm();
      return;
    }
    turns.delete(aor);
    const identity = dependencies.identityFor(aor);
    if (identity === undefined) {
      arm();
      return;
    }
    running = true;
    certificates.publish(identity, (outcome) => {
      running = false;
      if (!outcome.ok) {
        failures.add();
        trace.log('debug', 'user-certificate-not-stored', { reason: outcome.error.text });
      }
      // A renewed one has its turn already.
      if (!turns.has(aor)) plan(aor, clock.monotonicMs() + (outcome.ok ? refreshMs : retryMs));
      arm();
    });
  }

  return {
    add(aor) {
      if (!turns.has(aor) && turns.size >= users) {
        refused.add();
        return;
      }
      const now = clock.monotonicMs();
      if ((turns.get(aor) ?? Infinity) <= now) return;
      plan(aor, now);
      arm();
    },
    joined() {
      wanted = true;
      arm();
    },
    stop() {
      wanted = false;
      timer?.cancel();
      timer = undefined;
    },
  };
}
