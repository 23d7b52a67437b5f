/** The node's own identity and those of users it hosts. RFC 6940 §6.1.1; DESIGN: [..., A, U]. */
import { UsageError } from '../base/assert.ts';
import { limits } from '../base/limits.ts';
import type { NodeId } from '../base/ids.ts';
import type { Identity } from '../ports/certificates.ts';

export interface Identities {
  readonly self: NodeId;
  isHosted(nodeId: NodeId): boolean;
  /** The identity that speaks for a Node-ID of ours; the node's own for any other. */
  of(nodeId: NodeId): Identity;
  host(identity: Identity): void;
  unhost(nodeId: NodeId): void;
  /** Identities hosted beside the node's own. */
  readonly size: number;
}

/** Throws UsageError when the certificate carries no Node-ID. */
export function createIdentities(own: Identity): Identities {
  const self = own.certificate.nodeIds[0];
  if (self === undefined) throw new UsageError('the node certificate carries no Node-ID');
  const hosted = new Map<NodeId, Identity>();
  return {
    self,
    isHosted: (nodeId) => hosted.has(nodeId),
    of: (nodeId) => hosted.get(nodeId) ?? own,
    host(identity) {
      if (hosted.size >= limits.overlay.hostedIdentities) {
        throw new UsageError('too many hosted identities');
      }
      for (const nodeId of identity.certificate.nodeIds) {
        if (nodeId !== self) hosted.set(nodeId, identity);
      }
    },
    unhost(nodeId) {
      hosted.delete(nodeId);
    },
    get size() {
      return hosted.size;
    },
  };
}
