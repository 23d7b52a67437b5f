/**
 * The STUN servers a node knows: those of the configuration, and the peers it is connected to.
 * RFC 6940 §6.5.1.4.
 */
import { limits } from '../../base/limits.ts';
import type { NodeId } from '../../base/ids.ts';
import type { TransportAddress } from '../../ports/connection.ts';
import { addressKey } from './address.ts';

export interface StunServers {
  /**
   * A peer is connected without a relay between. `server`: where it receives; `reflexive`: the IP
   * address it sees us at. Tells a change of either too.
   */
  connected(peer: NodeId, server: TransportAddress, reflexive: string): void;
  /** It is not used any more (§6.5.1.4). */
  lost(peer: NodeId): void;
  /** Best first; without relation to the number of peers. */
  servers(): readonly TransportAddress[];
}

interface Peer {
  readonly server: TransportAddress;
  readonly reflexive: string;
}

/** More than one, so that the loss of a server does not cost the reflexive candidates. */
const wanted = 2;

/** `configured`: servers of the settings and bootstrap nodes, read at every use. */
export function createStunServers(configured: () => readonly TransportAddress[]): StunServers {
  /** In order of arrival: the first of a group is its server until it is lost. */
  const peers = new Map<NodeId, Peer>();

  /** One of each group; when those are few, further peers in place of groups that are gone. */
  function learned(): readonly TransportAddress[] {
    const groups = new Map<string, TransportAddress>();
    const others: TransportAddress[] = [];
    for (const { server, reflexive } of peers.values()) {
      if (groups.has(reflexive)) {
        if (others.length < wanted) others.push(server);
      } else if (groups.size < limits.ice.stunServers) groups.set(reflexive, server);
    }
    return [...groups.values(), ...others.slice(0, Math.max(0, wanted - groups.size))];
  }

  return {
    connected(peer, server, reflexive) {
      if (peers.size >= limits.ice.serverPeers && !peers.has(peer)) return;
      peers.set(peer, { server, reflexive });
    },
    lost(peer) {
      peers.delete(peer);
    },
    servers() {
      const all = new Map<string, TransportAddress>();
      for (const server of [...learned(), ...configured()]) all.set(addressKey(server), server);
      return [...all.values()].slice(0, 2 * limits.ice.stunServers);
    },
  };
}
