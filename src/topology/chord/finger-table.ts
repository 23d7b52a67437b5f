/**
 * The Finger Table (RFC 6940 §10.1, §10.7.4.2, §10.7.4.3). Entry i is the routable peer nearest to
 * the start of range i; other peers inside a range serve routing as well (a peer MAY keep several).
 * Like the Neighbor Table it is a function of the routable peers, so a failed entry is gone from
 * everywhere at once and the closest preceding peer takes its place in routing (§10.7.2).
 */
import type { NodeId } from '../../base/ids.ts';
import { distance, fingerIndex, idBits } from './ring.ts';

export interface FingerTable {
  /** Entries in use: 16, or as many as reach the last successor, at most 128. */
  readonly size: number;
  /** The peer of entry i, 1 = half the ring away; `undefined` when no peer is known in that range. */
  entry(index: number): NodeId | undefined;
  /** The peers of all entries in ascending order, each once. */
  ids(): readonly NodeId[];
}

const leastEntries = 16;

/**
 * Sorts the routable peers into the ranges of `self`. `indexOf` gives the range of a peer
 * ({@link fingerIndex}, kept by the caller because it costs a subtraction of large numbers).
 */
export function fingerTable(
  self: NodeId,
  routable: readonly NodeId[],
  indexOf: (id: NodeId) => number,
  lastSuccessor: NodeId | undefined,
): FingerTable {
  const size =
    lastSuccessor === undefined
      ? leastEntries
      : Math.min(idBits, Math.max(leastEntries, fingerIndex(self, lastSuccessor)));
  const entries: (NodeId | undefined)[] = [];
  // Clockwise from self, so that within one range the first one met is the nearest to its start.
  const first = routable.findIndex((id) => id > self);
  for (let i = 0; i < routable.length; i++) {
    const id = routable[((first === -1 ? 0 : first) + i) % routable.length] as NodeId;
    const index = indexOf(id);
    if (index >= 1 && index <= size) entries[index] ??= id;
  }
  return {
    size,
    entry: (index) => entries[index],
    ids: () => entries.filter((id) => id !== undefined).sort(),
  };
}

/**
 * True when entry i holds a peer in the first quarter of its range. A peer further on is valid by
 * the letter of RFC 6940 §10.7.4.2, but leaves most of the range to be walked.
 */
export function isWellPlaced(self: NodeId, index: number, id: NodeId): boolean {
  const rangeLength = 1n << BigInt(idBits - index);
  return distance(self, id) - rangeLength <= rangeLength >> 2n;
}
