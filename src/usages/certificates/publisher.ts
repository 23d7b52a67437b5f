/** Keeps a node's certificate in the overlay: stored after each join, and again from time to time. */
import { limits } from '../../base/limits.ts';
import type { Identity } from '../../ports/certificates.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { Trace } from '../../ports/trace.ts';
import type { CertificateStore } from './certificate-store.ts';

export interface CertificatePublisher {
  /** This node is part of the overlay (again): stores at once. RFC 6940 §8. */
  joined(): void;
  /** Renewed: stored beside the old one. */
  renewed(identity: Identity): void;
  stop(): void;
}

export function createCertificatePublisher(dependencies: {
  readonly clock: Clock;
  readonly trace: Trace;
  readonly certificates: Pick<CertificateStore, 'publish'>;
  readonly identity: Identity;
}): CertificatePublisher {
  const { clock, trace, certificates } = dependencies;
  const failures = trace.counter('certificate_publications_failed_total');
  let { identity } = dependencies;
  let timer: Timer | undefined;
  let wanted = false;
  let running = false;
  let again = false;

  function publish(): void {
    timer?.cancel();
    timer = undefined;
    if (running) {
      again = true;
      return;
    }
    running = true;
    certificates.publish(identity, (outcome) => {
      running = false;
      if (!wanted) return;
      if (!outcome.ok) {
        failures.add();
        trace.log('info', 'certificate-not-stored', { reason: outcome.error.text });
      }
      const { retryMs, refreshMs } = limits.usagesCertificates;
      const delayMs = again ? 0 : outcome.ok ? refreshMs : retryMs;
      again = false;
      timer = clock.after('certificate-publication', delayMs, publish);
    });
  }

  return {
    joined() {
      wanted = true;
      publish();
    },
    renewed(next) {
      identity = next;
      if (wanted) publish();
    },
    stop() {
      wanted = false;
      timer?.cancel();
    },
  };
}
