/**
 * Where a message goes: its Destination List entry by entry, then links, then the topology.
 * RFC 6940 §6.1, §6.2.1.
 */
import { limits } from '../base/limits.ts';
import type { NodeId, ResourceId } from '../base/ids.ts';
import type { NextHop } from '../topology/plugin.ts';
import type { Destination } from '../wire/reload/destination.ts';
import type { LinkEntry } from './link-table.ts';
import { isResponse, timesPassed, type RoutedMessage } from './routed-message.ts';
import type { ViaLists } from './via-lists.ts';

export type Decision =
  | { readonly kind: 'deliver'; readonly at: NodeId }
  | {
      readonly kind: 'forward';
      readonly entry: LinkEntry;
      readonly destinations: readonly Destination[];
    }
  | { readonly kind: 'drop'; readonly reason: string };

export interface Routing {
  /** `tried`: neighbors that did not acknowledge this message. */
  decide(message: RoutedMessage, tried: ReadonlySet<NodeId> | undefined): Decision;
}

export interface RoutingDependencies {
  readonly self: NodeId;
  readonly link: (nodeId: NodeId) => LinkEntry | undefined;
  readonly nextHop: (target: NodeId | ResourceId, exclude?: ReadonlySet<NodeId>) => NextHop;
  /** A linked bootstrap or admitting peer, used while the topology has no tables yet. */
  readonly bootstrapPeer: () => NodeId | undefined;
  readonly isHosted: (nodeId: NodeId) => boolean;
  readonly acceptsOpaque: (id: Uint8Array) => boolean;
  readonly viaLists: Pick<ViaLists, 'expand' | 'previousHop'>;
}

export function createRouting(dependencies: RoutingDependencies): Routing {
  const { self, link } = dependencies;

  function decide(message: RoutedMessage, tried: ReadonlySet<NodeId> | undefined): Decision {
    let list = message.header.destinationList;
    let last: NodeId = self;
    let expanded = false;
    for (let i = 0; ; i++) {
      const head = list[i];
      if (head === undefined)
        return i === 0 ? drop('no-destination') : { kind: 'deliver', at: last };
      switch (head.type) {
        case 'node': {
          const { nodeId } = head;
          if (nodeId === self || dependencies.isHosted(nodeId)) {
            last = nodeId;
            const previous = expanded ? undefined : dependencies.viaLists.previousHop(message);
            if (previous !== undefined) {
              expanded = true;
              list = [head, { type: 'node', nodeId: previous }, ...list.slice(i + 1)];
              i = 0;
            }
            continue;
          }
          if (wildcard.test(nodeId)) return { kind: 'deliver', at: self };
          const rest = i === 0 ? list : list.slice(i);
          if (rest.length > 1 && skipsDeadHop(message, nodeId, tried)) continue;
          return towardsNode(message, nodeId, rest, tried);
        }
        case 'resource':
          return towardsResource(message, head.resource, i === 0 ? list : list.slice(i), tried);
        case 'opaque':
        case 'compressed': {
          // Once: what an id stands for holds ids of other peers only.
          const path = expanded ? undefined : dependencies.viaLists.expand(head);
          if (path !== undefined && path.length + list.length <= limits.destinationListEntries) {
            expanded = true;
            list = [...path, ...list.slice(i + 1)];
            i = -1;
            continue;
          }
          if (
            head.type === 'opaque' &&
            i === list.length - 1 &&
            dependencies.acceptsOpaque(head.id)
          ) {
            return { kind: 'deliver', at: last };
          }
          return drop('unknown-opaque-id');
        }
      }
    }
  }

  /** A response may leave out hops that have gone silent since the request passed them. */
  function skipsDeadHop(
    message: RoutedMessage,
    nodeId: NodeId,
    tried: ReadonlySet<NodeId> | undefined,
  ): boolean {
    const entry = link(nodeId);
    const dead = entry === undefined || entry.link.suspect || tried?.has(nodeId) === true;
    return dead && isResponse(message);
  }

  function towardsNode(
    message: RoutedMessage,
    nodeId: NodeId,
    destinations: readonly Destination[],
    tried: ReadonlySet<NodeId> | undefined,
  ): Decision {
    const direct = link(nodeId);
    const failed = tried?.has(nodeId) === true;
    if (direct !== undefined && !direct.link.suspect && !failed) {
      return { kind: 'forward', entry: direct, destinations };
    }
    const entry = viaTopology(
      message,
      nodeId,
      direct === undefined ? tried : including(tried, nodeId),
    );
    if (entry !== undefined && entry !== 'self') return { kind: 'forward', entry, destinations };
    if (direct !== undefined && !failed) return { kind: 'forward', entry: direct, destinations };
    return drop(entry === 'self' ? 'node-not-here' : 'no-next-hop');
  }

  function towardsResource(
    message: RoutedMessage,
    resource: ResourceId,
    destinations: readonly Destination[],
    tried: ReadonlySet<NodeId> | undefined,
  ): Decision {
    const entry = viaTopology(message, resource, tried);
    if (entry === 'self') return { kind: 'deliver', at: self };
    if (entry === undefined) return drop('no-next-hop');
    return { kind: 'forward', entry, destinations };
  }

  /**
   * Asks the topology for a next hop with a usable link. After a failure, and for a request that is
   * here again, the nodes that it has already visited are left out too: they would return it.
   */
  function viaTopology(
    message: RoutedMessage,
    target: NodeId | ResourceId,
    tried: ReadonlySet<NodeId> | undefined,
  ): LinkEntry | 'self' | undefined {
    const goesStraight = tried === undefined && timesPassed(self, message.header) === 0;
    let exclude = goesStraight ? undefined : visited(message, tried ?? noNodes);
    let fallback: LinkEntry | undefined;
    for (let i = 0; i < limits.overlay.routeAttempts; i++) {
      const next = dependencies.nextHop(target, exclude);
      if (next.kind === 'self') {
        // Nobody has failed, so the range of a visited node is still that node's.
        const isOurs = goesStraight || tried !== undefined || isHere(target);
        return isOurs ? 'self' : undefined;
      }
      if (next.kind === 'none') break;
      const entry = link(next.nodeId);
      if (entry !== undefined && !entry.link.suspect) return entry;
      fallback ??= entry;
      const more = exclude === undefined ? visited(message, noNodes) : new Set(exclude);
      if (more.has(next.nodeId)) break;
      exclude = more.add(next.nodeId);
    }
    if (fallback !== undefined && tried?.has(fallback.nodeId) !== true) return fallback;
    if (message.from !== undefined) return undefined;
    const bootstrap = dependencies.bootstrapPeer();
    return bootstrap === undefined || tried?.has(bootstrap) === true ? undefined : link(bootstrap);
  }

  function isHere(target: NodeId | ResourceId): boolean {
    return dependencies.nextHop(target).kind === 'self';
  }

  return { decide };
}

/** Whatever their length (§6.3.2.2). */
const wildcard = /^f+$/;
const noNodes: ReadonlySet<NodeId> = new Set();

function drop(reason: string): Decision {
  return { kind: 'drop', reason };
}

function including(set: ReadonlySet<NodeId> | undefined, nodeId: NodeId): ReadonlySet<NodeId> {
  return new Set(set ?? noNodes).add(nodeId);
}

function visited(message: RoutedMessage, tried: ReadonlySet<NodeId>): Set<NodeId> {
  const nodes = new Set(tried);
  if (message.from !== undefined) nodes.add(message.from);
  for (const via of message.header.viaList) if (via.type === 'node') nodes.add(via.nodeId);
  return nodes;
}
