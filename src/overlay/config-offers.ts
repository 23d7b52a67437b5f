/** Sends our configuration document to nodes that work with an older one. RFC 6940 §6.5.4, A-06. */
import { limits } from '../base/limits.ts';
import type { KindId, NodeId } from '../base/ids.ts';
import type { Clock } from '../ports/clock.ts';
import type { OverlayConfig } from '../ports/overlay-config.ts';
import type { Trace } from '../ports/trace.ts';
import { encodeToBytes } from '../wire/codec.ts';
import { configUpdateReq, type ConfigUpdateReq } from '../wire/reload/config-update.ts';
import type { Destination } from '../wire/reload/destination.ts';
import { messageCodes } from '../wire/reload/message-codes.ts';
import type { Transactions } from './transactions.ts';

export interface ConfigOffers {
  /** Offers the document, at most once per node and sequence within one request lifetime. */
  offer(nodeId: NodeId, path: readonly Destination[]): void;
  /**
   * Tells the node of the Kinds it does not know, those of them that our document defines; likewise
   * at most once. RFC 6940 §7.4.1.2.
   */
  offerKinds(nodeId: NodeId, kinds: readonly KindId[]): void;
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

  /** True when nothing was offered under that key lately; from now on it was. */
  function isDue(key: string): boolean {
    const { reliabilityTimerMs } = dependencies.config();
    const now = dependencies.clock.monotonicMs();
    for (const [other, atMs] of offered) {
      const stale = now - atMs >= 5 * reliabilityTimerMs;
      if (!stale && offered.size < limits.overlay.configUpdatesRemembered) break;
      offered.delete(other);
    }
    if (offered.has(key)) return false;
    offered.set(key, now);
    return true;
  }

  function send(nodeId: NodeId, path: readonly Destination[], update: ConfigUpdateReq): void {
    sent.add();
    dependencies.transactions().request(
      {
        destinations: path,
        messageCode: messageCodes.configUpdateReq,
        body: encodeToBytes(configUpdateReq, update),
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
  }

  return {
    offer(nodeId, path) {
      const { sequence, document } = dependencies.config();
      if (!isDue(`${nodeId} ${sequence}`)) return;
      send(nodeId, path, { type: 'config', configData: document });
    },
    offerKinds(nodeId, wanted) {
      const { sequence, requiredKinds } = dependencies.config();
      const blocks: Uint8Array[] = [];
      for (const { kind, block } of requiredKinds) {
        if (block !== undefined && wanted.includes(kind)) blocks.push(block);
      }
      if (blocks.length === 0 || !isDue(`${nodeId} ${sequence} ${wanted.join(' ')}`)) return;
      send(nodeId, [{ type: 'node', nodeId }], { type: 'kind', kinds: blocks });
    },
  };
}
