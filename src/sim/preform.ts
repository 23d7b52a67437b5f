/**
 * A ring that is there at once: tables as they ought to be, links made without Attach, and an
 * Update from every linked peer. From then on everything is the protocol's own work.
 */
import type { NodeId } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import type { TransportAddress } from '../ports/connection.ts';
import { fingerTable, placeStart } from '../topology/chord/finger-table.ts';
import { nearest, type Neighbors } from '../topology/chord/neighbor-table.ts';
import { addOffset, lowerBound } from '../topology/chord/ring.ts';
import { encodeToBytes } from '../wire/codec.ts';
import { chordUpdate } from '../wire/reload/chord.ts';
import type { SimulatedNetwork } from './network.ts';
import type { SimulatedPeer } from './peer.ts';
import type { World } from './world.ts';

const { neighborsPerSide } = limits.topology;

/** Between the beginnings of two members: all at once would have a million messages under way. */
const beginGapMs = 0.2;

/**
 * Starts all these peers as members of one ring, one after the other; `doors`: where each looks for
 * others later. Returns when the last one begins, in milliseconds from now.
 */
export function preform(
  peers: readonly SimulatedPeer[],
  { network, world }: { readonly network: SimulatedNetwork; readonly world: World },
  doors: readonly TransportAddress[],
): number {
  const byId = new Map(peers.map((peer) => [peer.nodeId, peer]));
  const ids = [...byId.keys()].sort();
  const tables = new Map<NodeId, Neighbors>();
  const linked = new Map<NodeId, Set<NodeId>>(ids.map((id) => [id, new Set()]));
  for (const peer of peers) peer.prepare();
  for (const id of ids) {
    const neighbors = nearest(id, ids, neighborsPerSide);
    tables.set(id, neighbors);
    for (const other of [...neighbors.successors, ...fingersOf(id, ids, neighbors)]) {
      link(id, other);
    }
  }

  function link(a: NodeId, b: NodeId): void {
    const [from, to] = [byId.get(a), byId.get(b)];
    if (a === b || from === undefined || to === undefined || linked.get(a)?.has(b)) return;
    linked.get(a)?.add(b);
    linked.get(b)?.add(a);
    network.connect(from.address, to.address);
  }

  for (const peer of peers) {
    const update = { uptime: 0, type: 'neighbors', ...tablesOf(peer.nodeId) } as const;
    const body = encodeToBytes(chordUpdate, update);
    for (const other of linked.get(peer.nodeId) ?? []) {
      byId.get(other)?.topology.handleUpdate(peer.nodeId, body);
    }
  }
  peers.forEach((peer, i) => {
    world.after(i * beginGapMs, () => {
      peer.topology.join(true);
      peer.begin(doors.filter((door) => door !== peer.address));
    });
  });
  return peers.length * beginGapMs;

  function tablesOf(id: NodeId): Neighbors {
    return tables.get(id) ?? { predecessors: [], successors: [] };
  }
}

/** The first peer of each place that lies behind the last successor. */
function fingersOf(id: NodeId, ids: readonly NodeId[], { successors }: Neighbors): NodeId[] {
  const found: NodeId[] = [];
  const table = fingerTable(id, [], () => 0, successors.at(-1));
  for (let index = 1; index <= table.size; index++) {
    for (const place of table.places(index)) {
      const at = lowerBound(ids, addOffset(id, placeStart(place)));
      const finger = ids[at % ids.length];
      if (finger !== undefined && !successors.includes(finger)) found.push(finger);
    }
  }
  return found;
}
