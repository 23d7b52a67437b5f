/** Sends our configuration document to nodes that work with an older one. RFC 6940 §6.5.4, A-06. */
import { limits } from '../base/limits.ts';
import type { NodeId } from '../base/ids.ts';
import type { Clock } from '../ports/clock.ts';
import type { OverlayConfig } from '../ports/overlay-config.ts';
import type { Trace } from '../ports/trace.ts';
import { encodeToBytes } from '../wire/codec.ts';
import { configUpdateReq } from '../wire/reload/config-update.ts';
import type { Destination } from '../wire/reload/destination.ts';
import { messageCodes } from '../wire/reload/message-codes.ts';
import type { Transactions } from './transactions.ts';

export interface ConfigOffers {
  /** Offers the document, at most once per node and sequence within one request lifetime. */
  offer(nodeId: NodeId, path: readonly Destination[]): void;
}

export function createConfigOffers(dependencies: {
  readonly clock: Clock;
  readonly trace: Trace;
  readonly config: () => OverlayConfig;
  readonly transactions: () => Transactions;
}): ConfigOffers {
  /** Monotonic time of the last offer, oldest first. */
  const offered = new Map<string, number>();
  const sent = dependencies.trace.counter('overlay_config_offers_total');
  return {
    offer(nodeId, path) {
      const { sequence, document, reliabilityTimerMs } = dependencies.config();
      const key = `${nodeId} ${sequence}`;
      const now = dependencies.clock.monotonicMs();
      for (const [other, atMs] of offered) {
        const stale = now - atMs >= 5 * reliabilityTimerMs;
        if (!stale && offered.size < limits.overlay.configUpdatesRemembered) break;
        offered.delete(other);
      }
      if (offered.has(key)) return;
      offered.set(key, now);
      sent.add();
      dependencies.transactions().request(
        {
          destinations: path,
          messageCode: messageCodes.configUpdateReq,
          body: encodeToBytes(configUpdateReq, { type: 'config', configData: document }),
          anyResponder: path.every((entry) => entry.type !== 'node' || entry.nodeId !== nodeId),
        },
        (outcome) => {
          if (outcome.ok) return;
          dependencies.trace.log('info', 'config-offer-failed', {
            node: nodeId,
            reason: outcome.error.text,
          });
        },
      );
    },
  };
}
