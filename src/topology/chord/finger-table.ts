/**
 * The Finger Table (RFC 6940 §10.1, §10.7.4.2, §10.7.4.3). Entry i is the routable peer nearest to
 * the start of range i. The farthest ranges are cut in halves, each with a peer of its own (several
 * peers MAY be kept for one finger), because a message crosses them most often. Like the Neighbor
 * Table this is a function of the routable peers, so a failed entry is gone from everywhere at once
 * and the closest preceding peer takes its place in routing (§10.7.2).
 */
import type { NodeId } from '../../base/ids.ts';
import { distance, idBits } from './ring.ts';

export interface FingerTable {
  /** Entries in use: 16, or as many as reach the last successor, at most 128. */
  readonly size: number;
  /** The peer of entry i, 1 = half the ring away; `undefined` when no peer is known in that range. */
  entry(index: number): NodeId | undefined;
  /** The peer nearest to the start of a place. */
  at(place: Place): NodeId | undefined;
  /** The places of entry i: its range, or the halves of it. */
  places(index: number): readonly Place[];
  /** The peers of all entries in ascending order, each once. */
  ids(): readonly NodeId[];
}

/** Part of the ring with a finger: twice the index of its range, plus 1 for the farther half. */
export type Place = number;

const leastEntries = 16;
const halvedEntries = 5;

/** Where a peer counts in the table of `self`; 0 for `self`. */
export function placeOf(self: NodeId, id: NodeId): Place {
  const way = distance(self, id);
  if (way === 0n) return 0;
  const index = idBits + 1 - way.toString(2).length;
  if (index > halvedEntries) return 2 * index;
  return 2 * index + Number((way >> BigInt(idBits - 1 - index)) & 1n);
}

/** The index i of the range that a place belongs to. */
export function entryOf(place: Place): number {
  return place >> 1;
}

/** The way clockwise from `self` to the start of a place. */
export function placeStart(place: Place): bigint {
  const range = rangeLength(place);
  return (place & 1) === 0 ? range : range + (range >> 1n);
}

/** How many ids a place has. */
export function placeLength(place: Place): bigint {
  return entryOf(place) > halvedEntries ? rangeLength(place) : rangeLength(place) >> 1n;
}

/** Range i is as long as the way to it: 2^(128-i). */
function rangeLength(place: Place): bigint {
  return 1n << BigInt(idBits - entryOf(place));
}

/**
 * Sorts the routable peers into the places of `self`. `of` gives the place of a peer ({@link placeOf},
 * kept by the caller because it costs a subtraction of large numbers).
 */
export function fingerTable(
  self: NodeId,
  routable: readonly NodeId[],
  of: (id: NodeId) => Place,
  lastSuccessor: NodeId | undefined,
): FingerTable {
  const size =
    lastSuccessor === undefined
      ? leastEntries
      : Math.min(idBits, Math.max(leastEntries, entryOf(placeOf(self, lastSuccessor))));
  const held: (NodeId | undefined)[] = [];
  // Clockwise from self, so that within one place the first one met is the nearest to its start.
  const first = routable.findIndex((id) => id > self);
  for (let i = 0; i < routable.length; i++) {
    const id = routable[((first === -1 ? 0 : first) + i) % routable.length] as NodeId;
    const place = of(id);
    if (place > 0 && entryOf(place) <= size) held[place] ??= id;
  }
  return {
    size,
    entry: (index) => held[2 * index] ?? held[2 * index + 1],
    at: (place) => held[place],
    places: (index) => (index > halvedEntries ? [2 * index] : [2 * index, 2 * index + 1]),
    ids: () => held.filter((id) => id !== undefined).sort(),
  };
}

/**
 * True when the peer lies in the first quarter of the place. A peer further on is valid by the
 * letter of RFC 6940 §10.7.4.2, but leaves most of the place to be walked.
 */
export function isWellPlaced(self: NodeId, place: Place, id: NodeId): boolean {
  return distance(self, id) - placeStart(place) <= placeLength(place) >> 2n;
}
