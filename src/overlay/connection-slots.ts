/**
 * Two-byte names for linked nodes: 12 bits of slot, 3 bits of generation, so that a late response
 * never reaches the next user of a slot. RFC 6940 §6.3.2.2.
 */
import type { NodeId } from '../base/ids.ts';
import type { Random } from '../ports/random.ts';

export interface ConnectionSlots {
  /** Gives the node a slot, in rotation; one that has a slot keeps it. */
  linked(nodeId: NodeId): void;
  unlinked(nodeId: NodeId): void;
  /** The 16-bit form of a Destination (0x8000..0xffff); `undefined` without a slot. */
  idOf(nodeId: NodeId): number | undefined;
  /** `undefined` when the slot is free or of another generation. */
  nodeOf(id: number): NodeId | undefined;
}

const slotBits = 12;
const slots = 1 << slotBits;
const generations = 8;
const compressedBit = 0x8000;

/** Generations begin at random values. */
export function createConnectionSlots(random: Random): ConnectionSlots {
  const generation = random.bytes(slots).map((byte) => byte % generations);
  const users = new Map<number, NodeId>();
  const slotOf = new Map<NodeId, number>();
  let next = 0;

  function idAt(slot: number): number {
    return compressedBit | ((generation[slot] ?? 0) << slotBits) | slot;
  }

  return {
    linked(nodeId) {
      if (slotOf.has(nodeId) || users.size >= slots) return;
      while (users.has(next)) next = (next + 1) % slots;
      generation[next] = ((generation[next] ?? 0) + 1) % generations;
      users.set(next, nodeId);
      slotOf.set(nodeId, next);
      next = (next + 1) % slots;
    },
    unlinked(nodeId) {
      const slot = slotOf.get(nodeId);
      if (slot === undefined) return;
      slotOf.delete(nodeId);
      users.delete(slot);
    },
    idOf(nodeId) {
      const slot = slotOf.get(nodeId);
      return slot === undefined ? undefined : idAt(slot);
    },
    nodeOf(id) {
      const slot = id & (slots - 1);
      return id === idAt(slot) ? users.get(slot) : undefined;
    },
  };
}
