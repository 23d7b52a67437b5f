/** Nodes that did not answer: left alone for a while, or until heard from. */
import type { NodeId } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import type { Clock } from '../../ports/clock.ts';

export interface Avoidance {
  avoid(nodeId: NodeId): void;
  /** The node was heard from. */
  clear(nodeId: NodeId): void;
  isAvoided(nodeId: NodeId): boolean;
  list(): readonly { readonly nodeId: NodeId; readonly remainingMs: number }[];
}

export function createAvoidance(clock: Clock, avoidMs: number): Avoidance {
  const until = new Map<NodeId, number>();

  return {
    avoid(nodeId) {
      until.delete(nodeId);
      if (until.size >= limits.usagesSip.avoidedNodes) {
        // All entries live equally long, so the first inserted is the one that ends first.
        const [oldest] = until.keys();
        if (oldest !== undefined) until.delete(oldest);
      }
      until.set(nodeId, clock.monotonicMs() + avoidMs);
    },
    clear: (nodeId) => void until.delete(nodeId),
    isAvoided(nodeId) {
      const untilMs = until.get(nodeId);
      if (untilMs === undefined) return false;
      if (clock.monotonicMs() < untilMs) return true;
      until.delete(nodeId);
      return false;
    },
    list() {
      const now = clock.monotonicMs();
      return [...until]
        .filter(([, untilMs]) => untilMs > now)
        .map(([nodeId, untilMs]) => ({ nodeId, remainingMs: Math.ceil(untilMs - now) }));
    },
  };
}
