/** Reading Updates and Leaves: bounded, sorted, compared with what the sender said before. */
import type { NodeId } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import { nearest, type Neighbors } from './neighbor-table.ts';
import type { Peer } from './peers.ts';
import { inRange } from './ring.ts';

const { reportedIdsPerList, neighborsPerSide } = limits.topology;

/** Ids of a received list that are looked at: enough for a peer that keeps far longer lists than we. */
const readIdsPerList = 8 * reportedIdsPerList;

/** The lists of an Update, nearest to the sender first whatever their order was, bounded. */
export function sortedLists(
  from: NodeId,
  lists: { readonly predecessors: readonly NodeId[]; readonly successors: readonly NodeId[] },
): Neighbors {
  return {
    predecessors: nearest(from, ascending(lists.predecessors), reportedIdsPerList).predecessors,
    successors: nearest(from, ascending(lists.successors), reportedIdsPerList).successors,
  };
}

function ascending(ids: readonly NodeId[]): NodeId[] {
  return [...new Set(ids.slice(0, readIdsPerList))].sort();
}

/**
 * Takes over what the peer says about its neighbors. Returns the nodes it named before and now
 * passes over although nodes beyond them are in its lists.
 */
export function rememberLists(peer: Peer, lists: Neighbors, self: NodeId): readonly NodeId[] {
  const gone = [
    ...peer.successors.filter((id) => passedOver(id, peer.id, lists.successors, false)),
    ...peer.predecessors.filter((id) => passedOver(id, peer.id, lists.predecessors, true)),
  ];
  peer.namesUs = lists.predecessors.includes(self) || lists.successors.includes(self);
  // Copies have no room for more: every peer keeps these of every other one it is linked with.
  peer.predecessors = lists.predecessors.filter((id) => id !== self).slice();
  // Ourselves stay in: routing wants to know whether the peer takes us for its successor.
  peer.successors = lists.successors.slice();
  return gone;
}

function passedOver(
  id: NodeId,
  from: NodeId,
  list: readonly NodeId[],
  backwards: boolean,
): boolean {
  if (list.includes(id)) return false;
  const last = list.at(-1);
  if (last === undefined || list.length < neighborsPerSide) return true;
  return backwards ? inRange(last, id, from) : inRange(from, id, last);
}
