/** Renews the certificate of this box before it ends. RFC 6940 §11.3. */
import type { Outcome } from '../../base/outcome.ts';
import type { Certificate } from '../../ports/certificates.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { Trace } from '../../ports/trace.ts';

export interface NodeRenewal {
  start(): void;
  stop(): void;
}

const firstRetryMs = 60_000;
const lastRetryMs = 3_600_000;
/** Timers are kept short, so that a clock that was set or a machine that slept does no harm. */
const longestWaitMs = 86_400_000;

/**
 * Asks for a new certificate when two thirds of the lifetime are over; after a failure again, one
 * minute later at first and one hour later at last.
 */
export function createNodeRenewal(options: {
  readonly certificate: Certificate;
  readonly clock: Clock;
  readonly trace: Trace;
  /** Enrolls with a new key, saves both and puts them to use; yields the certificate, or a sentence for the log. */
  readonly renew: () => Promise<Outcome<Certificate>>;
}): NodeRenewal {
  const { clock, trace, renew } = options;
  const failures = trace.counter('node_certificate_renewal_failures_total');
  let { certificate } = options;
  let timer: Timer | undefined;
  let stopped = false;
  let retryMs = firstRetryMs;

  function check(): void {
    const waitMs = renewalAtMs(certificate) - clock.wallMs();
    if (waitMs <= 0) attempt().catch(failed);
    else wait(waitMs);
  }

  function wait(delayMs: number): void {
    if (stopped) return;
    timer = clock.after('node-renewal', Math.min(delayMs, longestWaitMs), check);
  }

  async function attempt(): Promise<void> {
    const renewed = await renew();
    if (stopped) return;
    if (!renewed.ok) {
      failed(renewed.error);
      return;
    }
    certificate = renewed.value;
    retryMs = firstRetryMs;
    trace.log('info', 'node-certificate-renewed', {
      until: new Date(certificate.notAfterMs).toISOString(),
    });
    // A certificate that is due again at once must not become a loop.
    wait(Math.max(renewalAtMs(certificate) - clock.wallMs(), firstRetryMs));
  }

  function failed(reason: unknown): void {
    failures.add();
    trace.log('warn', 'node-certificate-not-renewed', {
      reason: String(reason),
      until: new Date(certificate.notAfterMs).toISOString(),
    });
    wait(retryMs);
    retryMs = Math.min(retryMs * 2, lastRetryMs);
  }

  return {
    start: check,
    stop() {
      stopped = true;
      timer?.cancel();
    },
  };
}

/** Wall time at which two thirds of the lifetime are over. */
export function renewalAtMs({ notBeforeMs, notAfterMs }: Certificate): number {
  return notBeforeMs + ((notAfterMs - notBeforeMs) * 2) / 3;
}
