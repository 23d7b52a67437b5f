/**
 * Which acknowledged values nobody can have any more: all three holders were lost within one
 * hold-down, before new replicas were due. RFC 6940 §10.4, §10.7.1.
 */
import type { NodeId } from '../base/ids.ts';
import { inRange } from '../topology/chord/ring.ts';
import { timing } from '../topology/chord/timing.ts';
import type { SimulatedPeer } from './peer.ts';
import type { StoredRecord } from './records.ts';
import type { World } from './world.ts';

export interface Losses {
  /** The peer has just stopped for good, or lost its disk. */
  lost(peer: SimulatedPeer): void;
  readonly excused: ReadonlySet<StoredRecord>;
}

const copies = 3;
/** The hold-down, and the time in which the copies are made after it. */
const windowMs = timing.successorHoldDownMs + timing.copyRetryMs;

export function createLosses(
  world: World,
  records: readonly StoredRecord[],
  living: () => readonly SimulatedPeer[],
): Losses {
  const excused = new Set<StoredRecord>();
  let recent: { readonly id: NodeId; readonly atMs: number }[] = [];

  return {
    excused,
    lost(peer) {
      recent = recent.filter(({ atMs }) => world.nowMs - atMs <= windowMs);
      recent.push({ id: peer.nodeId, atMs: world.nowMs });
      if (recent.length < copies) return;
      const gone = new Set(recent.map(({ id }) => id));
      const ids = [...new Set([...gone, ...living().map((one) => one.nodeId)])].sort();
      ids.forEach((owner, at) => {
        for (let step = 0; step < copies; step++) {
          if (!gone.has(ids[(at + step) % ids.length] as NodeId)) return;
        }
        const before = ids.at(at - 1) as NodeId;
        for (const record of records) {
          if (inRange(before, record.resource, owner)) excused.add(record);
        }
      });
    },
  };
}
