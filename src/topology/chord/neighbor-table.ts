/**
 * The Neighbor Table (RFC 6940 §10.1, §10.7): the nearest members on both sides of this peer. It is
 * a function of the set of members, so a lost entry is replaced by the best match at once (§10.7.1).
 */
import type { NodeId } from '../../base/ids.ts';
import { lowerBound } from './ring.ts';

export interface Neighbors {
  /** Nearest first; never this peer itself (RFC 6940 §10.7.3). */
  readonly predecessors: readonly NodeId[];
  readonly successors: readonly NodeId[];
}

export const noNeighbors: Neighbors = { predecessors: [], successors: [] };

/** The nearest `perSide` ids on each side out of an ascending list; a small ring shows up on both sides. */
export function nearest(self: NodeId, ascending: readonly NodeId[], perSide: number): Neighbors {
  const count = ascending.length;
  const at = lowerBound(ascending, self);
  const predecessors: NodeId[] = [];
  const successors: NodeId[] = [];
  for (let i = 0; i < count && successors.length < perSide; i++) {
    const id = ascending[(at + i) % count] as NodeId;
    if (id !== self) successors.push(id);
  }
  for (let i = 1; i <= count && predecessors.length < perSide; i++) {
    const id = ascending[(at - i + count) % count] as NodeId;
    if (id !== self) predecessors.push(id);
  }
  return { predecessors, successors };
}

/** True when the two sides meet: then the table shows the whole ring. */
export function showsWholeRing(neighbors: Neighbors, perSide: number): boolean {
  const { predecessors, successors } = neighbors;
  return (
    successors.length < perSide ||
    predecessors.length < perSide ||
    successors.some((id) => predecessors.includes(id))
  );
}

export function sameIds(a: readonly NodeId[], b: readonly NodeId[]): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
