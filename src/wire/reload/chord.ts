/** Messages of CHORD-RELOAD. RFC 6940 §10.7.1, §10.8, §10.9. */
import { joined, select, struct, u32, u8, vector, type Infer } from '../codec.ts';
import { defaultNodeIdLength, nodeIdOf, perNodeIdLength } from './ids.ts';

export const chordUpdateOf = perNodeIdLength((length) => {
  const nodeIds = vector(nodeIdOf(length), 2);
  const neighbors = { predecessors: nodeIds, successors: nodeIds } as const;
  return joined(
    /** Seconds. */
    struct({ uptime: u32 }),
    select(u8, {
      peerReady: { tag: 1, fields: {} },
      /** Nearest first. */
      neighbors: { tag: 2, fields: neighbors },
      /** Fingers numerically ascending. */
      full: { tag: 3, fields: { ...neighbors, fingers: nodeIds } },
    }),
  );
});
export const chordUpdate = chordUpdateOf(defaultNodeIdLength);
export type ChordUpdate = Infer<typeof chordUpdate>;

export const chordRouteQueryAnsOf = perNodeIdLength((length) =>
  struct({ nextPeer: nodeIdOf(length) }),
);
export const chordRouteQueryAns = chordRouteQueryAnsOf(defaultNodeIdLength);
export type ChordRouteQueryAns = Infer<typeof chordRouteQueryAns>;

export const chordLeaveDataOf = perNodeIdLength((length) => {
  const nodeIds = vector(nodeIdOf(length), 2);
  return select(u8, {
    /** From a successor: to its predecessors. */
    fromSucc: { tag: 1, fields: { successors: nodeIds } },
    /** From a predecessor: to its successors. */
    fromPred: { tag: 2, fields: { predecessors: nodeIds } },
  });
});
export const chordLeaveData = chordLeaveDataOf(defaultNodeIdLength);
export type ChordLeaveData = Infer<typeof chordLeaveData>;
