/** Node-IDs whose certificates are revoked, as long as such a certificate could still be valid. RFC 6940 §11.1. */
import { parseNodeId } from '../../base/ids.ts';
import type { NodeId } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import type { Store } from '../../ports/store.ts';
import { loadRecords, putRecord } from './records.ts';
import type { Mutation } from './records.ts';

export interface BadNodes {
  /** Those not yet expired, the latest at most as many as a document may hold, in ascending order. */
  list(nowMs: number): readonly NodeId[];
  has(nodeId: NodeId): boolean;
  add(nodeIds: readonly NodeId[], untilMs: number, nowMs: number): Mutation<void>;
}

const prefix = 'authority/bad-node/';

/** @throws DamagedRecordError */
export function createBadNodes(deps: { readonly store: Store }): BadNodes {
  const untilById = new Map<NodeId, number>();
  loadRecords(deps.store, prefix, (text, { untilMs }) => {
    const nodeId = parseNodeId(text);
    if (nodeId === undefined || typeof untilMs !== 'number') return false;
    untilById.set(nodeId, untilMs);
    return true;
  });

  return {
    list(nowMs) {
      const current = [...untilById].filter(([, untilMs]) => untilMs > nowMs);
      current.sort((a, b) => b[1] - a[1]);
      return current
        .slice(0, limits.overlayConfig.nodeIds)
        .map(([nodeId]) => nodeId)
        .sort();
    },
    has: (nodeId) => untilById.has(nodeId),
    add(nodeIds, untilMs, nowMs) {
      const expired = [...untilById].filter(([, until]) => until <= nowMs).map(([id]) => id);
      for (const id of expired) untilById.delete(id);
      for (const id of nodeIds) untilById.set(id, untilMs);
      return {
        value: undefined,
        operations: [
          ...expired.map((id) => ({ delete: prefix + id })),
          ...nodeIds.map((id) => putRecord(prefix + id, { untilMs })),
        ],
      };
    },
  };
}
