/** The routing rule (RFC 6940 §10.3), responsibility (§10.1) and closeness. */
import type { NodeId, ResourceId } from '../../base/ids.ts';
import type { NextHop } from '../plugin.ts';
import type { PeerTable } from './peers.ts';
import { idDigits, inRange, lowerBound, strictlyBetween } from './ring.ts';

const here: NextHop = { kind: 'self' };
const nowhere: NextHop = { kind: 'none' };

/**
 * Where a message for `target` goes. `inRing`: this peer answers for a range. Silent peers and
 * those in `exclude` are passed over, and their ranges with them.
 */
export function nextHop(
  peers: PeerTable,
  inRing: boolean,
  target: NodeId | ResourceId,
  exclude: ReadonlySet<NodeId> | undefined,
): NextHop {
  const { self } = peers;
  if (target === self) return here;
  const exact = peers.get(target as NodeId);
  if (exact !== undefined && !exact.suspect && exclude?.has(exact.id) !== true) {
    return toNode(exact.id);
  }
  if (target.length !== idDigits) return nowhere;
  const rangeFrom = peers.rangeFrom(exclude);
  if (inRing && inRange(rangeFrom, target, self)) return here;

  const routable = peers.routable();
  const preceding = largestBetween(routable, self, target, exclude);
  if (preceding !== undefined) {
    return toNode(ownerUnknownTo(peers, preceding, exclude) ?? preceding);
  }
  const following = smallestFrom(routable, target, exclude);
  return following === undefined ? nowhere : toNode(following);
}

/** The routable peer with the largest Node-ID in the interval (self, target). */
function largestBetween(
  routable: readonly NodeId[],
  self: NodeId,
  target: NodeId | ResourceId,
  exclude: ReadonlySet<NodeId> | undefined,
): NodeId | undefined {
  const count = routable.length;
  const at = lowerBound(routable, target);
  for (let i = 1; i <= count; i++) {
    const id = routable[(at - i + count) % count] as NodeId;
    if (!strictlyBetween(self, id, target)) return undefined;
    if (exclude?.has(id) !== true) return id;
  }
  return undefined;
}

/** The routable peer with the smallest Node-ID greater than the target, around the ring. */
function smallestFrom(
  routable: readonly NodeId[],
  target: NodeId | ResourceId,
  exclude: ReadonlySet<NodeId> | undefined,
): NodeId | undefined {
  const count = routable.length;
  const at = lowerBound(routable, target);
  for (let i = 0; i < count; i++) {
    const id = routable[(at + i) % count] as NodeId;
    if (exclude?.has(id) !== true) return id;
  }
  return undefined;
}

/**
 * The predecessor of ours that follows `preceding` and so owns the target, if `preceding` has told us
 * that it does not know it (one of the two has just joined or failed): it would only send the message
 * back to us. The rule of §10.3 holds again as soon as its Update names that peer.
 */
function ownerUnknownTo(
  peers: PeerTable,
  preceding: NodeId,
  exclude: ReadonlySet<NodeId> | undefined,
): NodeId | undefined {
  const told = peers.get(preceding)?.successors;
  if (told === undefined || told.length === 0) return undefined;
  const { predecessors } = peers.neighbors();
  for (let i = predecessors.indexOf(preceding) - 1; i >= 0; i--) {
    const owner = predecessors[i] as NodeId;
    if (peers.get(owner)?.suspect !== false || exclude?.has(owner) === true) continue;
    return told.includes(owner) ? undefined : owner;
  }
  return undefined;
}

/**
 * True when no Neighbor Table member is closer to the resource than `signer`, where the distance of
 * X is (X - R) mod 2^128 (RFC 6940 §6.3.4 rule 2, A-49). Silent and doubted members do not count:
 * another peer answers in their place.
 */
export function isCloseEnough(peers: PeerTable, signer: NodeId, resource: ResourceId): boolean {
  if (isSame(signer, resource)) return true;
  const { predecessors, successors } = peers.neighbors();
  const closer = (id: NodeId): boolean => {
    if (id === signer) return false;
    if (!isSame(id, resource) && !strictlyBetween(resource, id, signer)) return false;
    const peer = peers.get(id);
    return peer !== undefined && !peer.suspect && !peer.doubted;
  };
  return !predecessors.some(closer) && !successors.some(closer);
}

function isSame(node: NodeId, resource: ResourceId): boolean {
  return (node as string) === resource;
}

function toNode(nodeId: NodeId): NextHop {
  return { kind: 'node', nodeId };
}
