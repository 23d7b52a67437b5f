/**
 * The admitting peer's side of a Join (RFC 6940 §6.4.2.1, §10.5 steps 5 to 8): copy the range, name
 * the new peer as predecessor, tell the neighbors. One after the other, the farthest first, so that
 * nodes that join at once do not push each other out of our range.
 */
import { emptyBytes } from '../../base/bytes.ts';
import type { NodeId } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import { failure, success, type Outcome } from '../../base/outcome.ts';
import { encodeToBytes, tryDecode } from '../../wire/codec.ts';
import { errorCodes } from '../../wire/reload/errors.ts';
import { joinAns, joinReq } from '../../wire/reload/join-leave-update.ts';
import type { TopologyError, TopologyHost } from '../plugin.ts';
import type { PeerTable } from './peers.ts';
import { inRange, strictlyBetween } from './ring.ts';

export interface Admission {
  handleJoin(from: NodeId, body: Uint8Array): Outcome<Uint8Array, TopologyError>;
  /** The link is gone, or another one took its place: what was asked on it may be forgotten there. */
  linkDown(id: NodeId): void;
}

export interface AdmissionDependencies {
  readonly host: TopologyHost;
  readonly peers: PeerTable;
  readonly inRing: () => boolean;
  /** The node holds its range now: it is our predecessor; it gets our tables first, then everybody. */
  readonly admit: (id: NodeId) => void;
  /** The node cannot be admitted here any more: our tables tell it who admits it. */
  readonly redirect: (id: NodeId) => void;
}

/** The copying of a range to the node that is being admitted. */
interface Transfer {
  readonly id: NodeId;
}

const answer = encodeToBytes(joinAns, { overlaySpecificData: emptyBytes });

export function createAdmission(dependencies: AdmissionDependencies): Admission {
  const { host, peers } = dependencies;
  const waiting = new Set<NodeId>();
  let current: Transfer | undefined;
  const admitted = host.trace.counter('chord_joins_admitted_total');

  function handleJoin(from: NodeId, body: Uint8Array): Outcome<Uint8Array, TopologyError> {
    const request = tryDecode(joinReq, body);
    if (!request.ok) return refuse(errorCodes.invalidMessage, 'malformed Join');
    if (request.value.joiningPeerId !== from) {
      return refuse(errorCodes.forbidden, 'joining_peer_id is not the signer');
    }
    if (!host.isLinked(from)) return refuse(errorCodes.forbidden, 'Join needs a direct link');
    if (!dependencies.inRing()) return refuse(errorCodes.notFound, 'not joined myself');
    if (!isOurs(from)) return refuse(errorCodes.notFound, 'not responsible for that position');
    if (current?.id !== from && !waiting.has(from)) {
      if (waiting.size >= limits.topology.admissionsWaiting) {
        return refuse(errorCodes.inProgress, 'too many nodes are joining here');
      }
      waiting.add(from);
      host.clock.after('chord-admit', 0, next);
    }
    return success(answer);
  }

  /** True when the position lies in our range; a link it still had as a member does not count. */
  function isOurs(id: NodeId): boolean {
    return inRange(rangeWithout(id), id, host.self);
  }

  function rangeWithout(id: NodeId): NodeId {
    return peers.rangeFrom(new Set([id]));
  }

  function next(): void {
    if (current !== undefined || waiting.size === 0) return;
    const id = farthest();
    waiting.delete(id);
    if (!host.isLinked(id) || !dependencies.inRing()) {
      next();
    } else if (!isOurs(id)) {
      dependencies.redirect(id);
      next();
    } else {
      current = { id };
      transfer(current, true);
    }
  }

  function farthest(): NodeId {
    let found: NodeId | undefined;
    for (const id of waiting) {
      if (found === undefined || strictlyBetween(host.self, id, found)) found = id;
    }
    return found as NodeId;
  }

  function transfer(own: Transfer, mayRetry: boolean): void {
    const { id } = own;
    const interval = { from: rangeWithout(id), to: id };
    host.copyRange(interval, id, 0, (outcome) => {
      if (current !== own) return;
      if (!outcome.ok && mayRetry && host.isLinked(id)) {
        transfer(own, false);
        return;
      }
      current = undefined;
      if (host.isLinked(id) && dependencies.inRing()) {
        if (!outcome.ok)
          host.trace.log('warn', 'chord-join-copy-failed', { reason: outcome.error });
        admitted.add();
        dependencies.admit(id);
        // What was stored here during the transfer; the rest is there already and costs little.
        host.copyRange(interval, id, 0, () => undefined);
      }
      next();
    });
  }

  return {
    handleJoin,
    linkDown(id) {
      waiting.delete(id);
      if (current?.id === id) {
        current = undefined;
        host.clock.after('chord-admit', 0, next);
      }
    },
  };
}

export function refuse(
  code: number,
  text: string,
): { readonly ok: false; readonly error: TopologyError } {
  return failure({ code, text });
}
