/**
 * The linked nodes as the algorithm sees them, and the tables derived from them. A node is a member
 * of the ring once it has sent an Update over its link, or was admitted by us (RFC 6940 §6.5.1,
 * §10.5); nodes that never do are clients and serve no transit.
 */
import type { NodeId, ResourceId } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import { fingerTable, placeOf, type FingerTable, type Place } from './finger-table.ts';
import { nearest, noNeighbors, type Neighbors } from './neighbor-table.ts';
import { inRange } from './ring.ts';

/** One linked node. */
export interface Peer {
  readonly id: NodeId;
  /** Which of our finger ranges holds it. */
  readonly place: Place;
  /** An Update came over this link: usable for transit. */
  heard: boolean;
  /** We admitted it by a Join; it is our predecessor even before its first Update. */
  admitted: boolean;
  /** Silent at the moment: routed around. */
  suspect: boolean;
  /** Silent for so long that it is treated as failed. */
  down: boolean;
  /** Missing in a neighbor's Update that should name it; being checked. */
  doubted: boolean;
  /** When it was last checked because of a doubt (monotonic). */
  checkedAtMs: number;
  /** When it was last heard from again after a silence (monotonic). */
  resumedAtMs: number;
  /** Its link was replaced and it has not said since that it is a member. */
  unconfirmed: boolean;
  /** How often it fell silent. */
  suspicions: number;
  /** We asked for this link, so we close it when it has become useless. */
  ours: boolean;
  /** How long it had been up when it sent the newest Update that came over this link (s). */
  uptimeS: number;
  /** What its last Update said, nearest first, bounded. */
  predecessors: readonly NodeId[];
  successors: readonly NodeId[];
  /** Its last Update had us among its neighbors. */
  namesUs: boolean;
  /** Tables last announced to it, to leave out repetitions. */
  announced: Neighbors | undefined;
}

export interface PeerTable {
  readonly self: NodeId;
  get(id: NodeId): Peer | undefined;
  all(): Iterable<Peer>;
  /** Adds the node or returns the entry it has. */
  add(id: NodeId): Peer;
  delete(id: NodeId): void;
  /** To be called after a field of a {@link Peer} has changed. */
  touch(): void;

  /** Members that are not down; suspects are still in it. */
  neighbors(): Neighbors;
  /** Heard from, linked and not silent, ascending. */
  routable(): readonly NodeId[];
  fingers(): FingerTable;
  /** The nearest predecessor that is not silent; `self` when there is none: the range is (it, self]. */
  rangeFrom(exclude?: ReadonlySet<NodeId>): NodeId;
  owns(k: NodeId | ResourceId): boolean;
}

const { neighborsPerSide } = limits.topology;

export function createPeerTable(self: NodeId): PeerTable {
  const peers = new Map<NodeId, Peer>();
  let stale = false;
  let neighbors = noNeighbors;
  let routable: readonly NodeId[] = [];
  let fingers: FingerTable | undefined;
  let rangeFrom = self;

  function refresh(): void {
    if (!stale) return;
    stale = false;
    const members: NodeId[] = [];
    const transit: NodeId[] = [];
    for (const peer of peers.values()) {
      if (isMember(peer)) members.push(peer.id);
      if (peer.heard && !peer.suspect) transit.push(peer.id);
    }
    neighbors = nearest(self, members.sort(), neighborsPerSide);
    routable = transit.sort();
    fingers = undefined;
    rangeFrom = neighbors.predecessors.find(isAwake) ?? self;
  }

  const isAwake = (id: NodeId): boolean => peers.get(id)?.suspect === false;

  return {
    self,
    get: (id) => peers.get(id),
    all: () => peers.values(),
    add(id) {
      let peer = peers.get(id);
      if (peer === undefined) {
        peer = newPeer(id, placeOf(self, id));
        peers.set(id, peer);
      }
      return peer;
    },
    delete(id) {
      if (peers.delete(id)) stale = true;
    },
    touch() {
      stale = true;
    },
    neighbors() {
      refresh();
      return neighbors;
    },
    routable() {
      refresh();
      return routable;
    },
    fingers() {
      refresh();
      fingers ??= fingerTable(
        self,
        routable,
        (id) => peers.get(id)?.place ?? 0,
        neighbors.successors.at(-1),
      );
      return fingers;
    },
    rangeFrom(exclude) {
      refresh();
      if (exclude === undefined || !exclude.has(rangeFrom)) return rangeFrom;
      return neighbors.predecessors.find((id) => isAwake(id) && !exclude.has(id)) ?? self;
    },
    owns(k) {
      refresh();
      return inRange(rangeFrom, k, self);
    },
  };
}

/** True for a node that belongs in the Neighbor Table if it is near enough. */
export function isMember(peer: Peer): boolean {
  return (peer.heard || peer.admitted) && !peer.down;
}

function newPeer(id: NodeId, place: Place): Peer {
  return {
    id,
    place,
    heard: false,
    admitted: false,
    suspect: false,
    down: false,
    doubted: false,
    checkedAtMs: -Infinity,
    resumedAtMs: -Infinity,
    unconfirmed: false,
    suspicions: 0,
    ours: false,
    uptimeS: 0,
    predecessors: [],
    successors: [],
    namesUs: false,
    announced: undefined,
  };
}
