/** Leaving (RFC 6940 §10.9): Leave to every linked node, then what we hold to the successor. */
import type { NodeId } from '../../base/ids.ts';

import { success, type Outcome } from '../../base/outcome.ts';
import { encodeToBytes, tryDecode } from '../../wire/codec.ts';
import { chordLeaveData, type ChordLeaveData } from '../../wire/reload/chord.ts';
import { errorCodes } from '../../wire/reload/errors.ts';
import { leaveReq } from '../../wire/reload/join-leave-update.ts';
import { messageCodes } from '../../wire/reload/message-codes.ts';
import { refuse } from './admission.ts';
import type { Timer } from '../../ports/clock.ts';
import type { TopologyError, TopologyHost } from '../plugin.ts';
import type { PeerTable } from './peers.ts';
import { distance } from './ring.ts';
import { timing } from './timing.ts';
import { awakeNeighbors } from './updates.ts';

/** A leave under way. */
export interface Leaving {
  /** A node that is gone, perhaps because it leaves as well, is not waited for. */
  linkDown(id: NodeId): void;
}

/** Says goodbye and hands over; `done` comes later, once, in bounded time. */
export function sayLeave(host: TopologyHost, peers: PeerTable, done: () => void): Leaving {
  const { clock, self } = host;
  const { predecessors, successors } = awakeNeighbors(peers);
  const range = { from: peers.rangeFrom(), to: self };
  const unanswered = new Set<NodeId>();
  const gone = new Set<NodeId>();
  let heir: NodeId | undefined;
  let limit: Timer | undefined;
  let ended = false;

  function send(id: NodeId): void {
    const data: ChordLeaveData = isAhead(id)
      ? { type: 'fromPred', predecessors }
      : { type: 'fromSucc', successors };
    unanswered.add(id);
    const body = encodeToBytes(leaveReq, {
      leavingPeerId: self,
      overlaySpecificData: encodeToBytes(chordLeaveData, data),
    });
    host.request(id, messageCodes.leaveReq, body, () => answered(id));
  }

  function answered(id: NodeId): void {
    if (unanswered.delete(id) && unanswered.size === 0) handOver();
  }

  /** Neighbors have taken our range over by now; the nearest successor that is still there owns it. */
  function handOver(): void {
    if (limit !== undefined) return;
    answers.cancel();
    limit = clock.after('chord-leave-copy', timing.leaveCopyMs, end);
    copyToHeir();
  }

  function copyToHeir(): void {
    const next = successors.find((id) => !gone.has(id) && host.isLinked(id));
    heir = next;
    if (next === undefined) {
      clock.after('chord-left', 0, end);
      return;
    }
    host.copyRange(range, next, 0, () => {
      if (heir === next) end();
    });
  }

  function end(): void {
    if (ended) return;
    ended = true;
    heir = undefined;
    limit?.cancel();
    done();
  }

  /** True when we are the recipient's predecessor rather than its successor: it is nearer clockwise. */
  function isAhead(id: NodeId): boolean {
    return distance(self, id) < distance(id, self);
  }

  const answers = clock.after('chord-leave', timing.leaveAnswersMs, handOver);
  for (const id of new Set([...successors, ...predecessors, ...host.linkedNodes()])) send(id);
  if (unanswered.size === 0) handOver();

  return {
    linkDown(id) {
      gone.add(id);
      answered(id);
      if (id === heir && !ended) copyToHeir();
    },
  };
}

/** Checks a Leave (RFC 6940 §6.4.2.2) and yields the nodes it names; empty for foreign data. */
export function readLeave(
  from: NodeId,
  isLinked: boolean,
  body: Uint8Array,
): Outcome<readonly NodeId[], TopologyError> {
  const request = tryDecode(leaveReq, body);
  if (!request.ok) return refuse(errorCodes.invalidMessage, 'malformed Leave');
  if (request.value.leavingPeerId !== from) {
    return refuse(errorCodes.forbidden, 'leaving_peer_id is not the signer');
  }
  if (!isLinked) return refuse(errorCodes.forbidden, 'Leave needs a direct link');
  const data = tryDecode(chordLeaveData, request.value.overlaySpecificData);
  if (!data.ok) return success([]);
  return success(data.value.type === 'fromSucc' ? data.value.successors : data.value.predecessors);
}
