/** Leaving (RFC 6940 §10.9): Leave to every linked node, then what we hold to the successor. */
import type { NodeId } from '../../base/ids.ts';

import { success, type Outcome } from '../../base/outcome.ts';
import { encodeToBytes, tryDecode } from '../../wire/codec.ts';
import { chordLeaveData, type ChordLeaveData } from '../../wire/reload/chord.ts';
import { errorCodes } from '../../wire/reload/errors.ts';
import { leaveReq } from '../../wire/reload/join-leave-update.ts';
import { messageCodes } from '../../wire/reload/message-codes.ts';
import { refuse } from './admission.ts';
import type { TopologyError, TopologyHost } from '../plugin.ts';
import type { PeerTable } from './peers.ts';
import { distance } from './ring.ts';
import { timing } from './timing.ts';
import { awakeNeighbors } from './updates.ts';

/** Says goodbye and hands over; `done` comes later, once, in bounded time. */
export function sayLeave(host: TopologyHost, peers: PeerTable, done: () => void): void {
  const { clock, self } = host;
  const { predecessors, successors } = awakeNeighbors(peers);
  const range = { from: peers.rangeFrom(), to: self };
  let open = 0;
  let copying = false;

  function send(id: NodeId): void {
    const data: ChordLeaveData = isAhead(self, id)
      ? { type: 'fromPred', predecessors }
      : { type: 'fromSucc', successors };
    open++;
    const body = encodeToBytes(leaveReq, {
      leavingPeerId: self,
      overlaySpecificData: encodeToBytes(chordLeaveData, data),
    });
    host.request(id, messageCodes.leaveReq, body, () => {
      if (--open === 0) handOver();
    });
  }

  /** Neighbors have taken our range over by now; the successor owns it. */
  function handOver(): void {
    if (copying) return;
    copying = true;
    timer.cancel();
    const successor = successors[0];
    if (successor === undefined || !host.isLinked(successor)) {
      clock.after('chord-left', 0, done);
      return;
    }
    let ended = false;
    const end = (): void => {
      if (ended) return;
      ended = true;
      limit.cancel();
      done();
    };
    const limit = clock.after('chord-leave-copy', timing.leaveCopyMs, end);
    host.copyRange(range, successor, 0, end);
  }

  const timer = clock.after('chord-leave', timing.leaveAnswersMs, handOver);
  for (const id of new Set([...successors, ...predecessors, ...host.linkedNodes()])) send(id);
  if (open === 0) handOver();

  /** True when we are the recipient's predecessor rather than its successor: it is nearer clockwise. */
  function isAhead(from: NodeId, id: NodeId): boolean {
    return successors[0] !== predecessors[0] || id !== successors[0]
      ? distance(from, id) < distance(id, from)
      : false;
  }
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
