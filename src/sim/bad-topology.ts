/**
 * Peers that take part by the letter and cheat: the honest algorithm, with its decisions and its
 * messages spoilt from a given moment on; `bad-links.ts` does the same to what passes them. Their keys are their own; they cannot forge others'.
 */
import type { NodeId } from '../base/ids.ts';
import { success } from '../base/outcome.ts';
import { encodeToBytes, tryDecode } from '../wire/codec.ts';
import { chordRouteQueryAns, chordUpdate } from '../wire/reload/chord.ts';
import { messageCodes } from '../wire/reload/message-codes.ts';
import type { TopologyFactory } from '../topology/plugin.ts';

export type Misbehaviour =
  /** Forwards nothing. */
  | 'drop'
  /** Forwards to a random linked node. */
  | 'misroute'
  /** Takes itself for responsible for whatever passes and answers from its own empty hands. */
  | 'hijack'
  /** Names accomplices in Updates and answers to RouteQuery. */
  | 'lie'
  /** Answers without what it holds, and cuts off the end of others' answers. */
  | 'truncate'
  /** Sends messages again, and old answers in place of new ones. */
  | 'replay';

export const misbehaviours: readonly Misbehaviour[] = [
  'drop',
  'misroute',
  'hijack',
  'lie',
  'truncate',
  'replay',
];

export function spoil(
  honest: TopologyFactory,
  how: Misbehaviour,
  isActive: () => boolean,
  accomplices: () => readonly NodeId[],
): TopologyFactory {
  return (host) => {
    const anyOf = (ids: readonly NodeId[]): NodeId =>
      ids[host.random.u32() % Math.max(1, ids.length)] ?? host.self;
    const own = honest({
      ...host,
      linkedNodes: () => host.linkedNodes(),
      request(nodeId, messageCode, body, done) {
        const lies = how === 'lie' && isActive() && messageCode === messageCodes.updateReq;
        host.request(nodeId, messageCode, lies ? spoiltUpdate(body) : body, done);
      },
    });

    function spoiltUpdate(body: Uint8Array): Uint8Array {
      const update = tryDecode(chordUpdate, body);
      if (!update.ok || update.value.type === 'peerReady') return body;
      const names = accomplices().filter((id) => id !== host.self);
      return encodeToBytes(chordUpdate, {
        ...update.value,
        predecessors: names.slice(0, 5),
        successors: names.slice(-5),
      });
    }

    return {
      ...own,
      get state() {
        return own.state;
      },
      nextHop(target, exclude) {
        const next = own.nextHop(target, exclude);
        if (!isActive() || next.kind !== 'node' || next.nodeId === target) return next;
        if (how === 'drop') return { kind: 'none' };
        if (how === 'misroute') return { kind: 'node', nodeId: anyOf([...host.linkedNodes()]) };
        return how === 'hijack' ? { kind: 'self' } : next;
      },
      isResponsible: (resource) => (how === 'hijack' && isActive()) || own.isResponsible(resource),
      handleRouteQuery(from, body) {
        const answer = own.handleRouteQuery(from, body);
        if (how !== 'lie' || !isActive() || !answer.ok) return answer;
        return success(encodeToBytes(chordRouteQueryAns, { nextPeer: anyOf(accomplices()) }));
      },
    };
  };
}
