/**
 * Linked peers as STUN servers: grouped by the address that this node has as seen by them, one asked
 * from each group. RFC 6940 §6.5.1.4.
 */
import { limits } from '../base/limits.ts';
import type { NodeId } from '../base/ids.ts';
import type { IcePath } from '../link/ice/types.ts';
import type { SecureConnection, TransportAddress } from '../ports/connection.ts';

export interface StunServers {
  /** A link came up; those dialed as bootstrap nodes answer at the port that was dialed. */
  linkUp(nodeId: NodeId, connection: SecureConnection): void;
  /** ICE found the path of a link, and how the peer sees this node. */
  pathFound(nodeId: NodeId, path: IcePath): void;
  linkDown(nodeId: NodeId): void;
  /** One of each group, in the order in which the groups were found. */
  servers(): readonly TransportAddress[];
}

interface Server extends TransportAddress {
  /** This node's address as seen there; `''` while it is not known. */
  group: string;
}

export function createStunServers(): StunServers {
  /** In the order of their links; bounded by the number of links. */
  const known = new Map<NodeId, Server>();

  return {
    linkUp(nodeId, { role, remote, stunRttMs, datagramBytes }) {
      if (role !== 'client' || stunRttMs !== undefined || datagramBytes === undefined) return;
      known.set(nodeId, { ...remote, group: '' });
    },
    pathFound(nodeId, { remote, local, reflexive, relayed }) {
      // What a relay or a NAT of the peer lets through for us it keeps from our other sockets.
      if (relayed) return;
      known.set(nodeId, { ...remote, group: (reflexive ?? local).address });
    },
    linkDown: (nodeId) => void known.delete(nodeId),
    servers() {
      const chosen = new Map<string, Server>();
      for (const [nodeId, server] of known) {
        const group = server.group === '' ? nodeId : server.group;
        if (!chosen.has(group)) chosen.set(group, server);
        if (chosen.size >= limits.ice.stunServers) break;
      }
      return [...chosen.values()].map(({ address, port }) => ({ address, port }));
    },
  };
}
