/**
 * The interface between the overlay and a topology algorithm (RFC 6940 §6.4.2, §10).
 * The overlay owns links, messages and signatures; the algorithm owns tables, routing choice,
 * responsibility and when to join, update, replicate and hand over.
 */
import type { NodeId, ResourceId } from '../base/ids.ts';
import type { Outcome } from '../base/outcome.ts';
import type { OverlayConfig } from '../ports/overlay-config.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { Trace } from '../ports/trace.ts';

/** Where a message goes next. */
export type NextHop =
  | { readonly kind: 'self' }
  | { readonly kind: 'node'; readonly nodeId: NodeId }
  /** No usable link. */
  | { readonly kind: 'none' };

/** Creates one instance for one peer. */
export type TopologyFactory = (host: TopologyHost) => Topology;

/** What the algorithm does for the overlay. All calls are synchronous. */
export interface Topology {
  /** Begins the join (§10.5) through `host`'s bootstrap link; or, with `first` true, forms a ring of one; `join(true)` also ends a join that waits in vain. */
  join(first: boolean): void;
  /** Sends Leave to the neighbors (§10.9), hands data over, then calls `done` (bounded time). */
  leave(done: () => void): void;
  /** `joined`: this peer is responsible for a range and has announced itself. */
  readonly state: 'idle' | 'joining' | 'joined' | 'leaving' | 'left';

  /** Routing choice for a Node-ID or Resource-ID (§10.3). `exclude`: neighbors found silent for this message. */
  nextHop(target: NodeId | ResourceId, exclude?: ReadonlySet<NodeId>): NextHop;
  /** True when this peer is responsible for the Resource-ID (§10.1). */
  isResponsible(resource: ResourceId): boolean;
  /** The replica set behind the responsible peer, self excluded: successor 1 and 2 (§10.4). */
  replicas(): readonly NodeId[];
  /** True when this peer should hold a replica with that number; `undefined` number: any. */
  isPlausibleReplica(resource: ResourceId, replicaNumber: number): boolean;
  /**
   * True when `sender` may have stored the resource or held a replica of it: it is one of the known
   * replica set, or closer to the resource than one of them (§7.4.1.1).
   */
  isPlausibleHolder(resource: ResourceId, sender: NodeId): boolean;
  /** True when `signer` is at least as close to the resource as all known neighbors (§6.3.4 rule 2, A-49). */
  isCloseEnough(signer: NodeId, resource: ResourceId): boolean;
  /** Fraction of the id space in parts per 10^9 (Probe responsible_set, §6.4.2.5). */
  responsiblePpb(): number;

  /** A link to the node came up (any cause) or went down (§10.7.1). */
  linkUp(nodeId: NodeId): void;
  linkDown(nodeId: NodeId): void;
  /** The node has not acknowledged in time; route around it until heard from. */
  linkSuspect(nodeId: NodeId, suspect: boolean): void;

  /** Algorithm messages; bodies are the raw message bodies, the return value is the answer body. */
  handleJoin(from: NodeId, body: Uint8Array): Outcome<Uint8Array, TopologyError>;
  handleLeave(from: NodeId, body: Uint8Array): Outcome<Uint8Array, TopologyError>;
  handleUpdate(from: NodeId, body: Uint8Array): Outcome<Uint8Array, TopologyError>;
  handleRouteQuery(from: NodeId, body: Uint8Array): Outcome<Uint8Array, TopologyError>;
  /** An Attach with send_update arrived, or a RouteQuery with it: send an Update of type full. */
  sendUpdateTo(nodeId: NodeId): void;

  /** For status pages, tests and the ring picture. */
  snapshot(): TopologySnapshot;
}

/** error_code of RFC 6940 §6.3.3.1 and its text. */
export interface TopologyError {
  readonly code: number;
  readonly text: string;
}

export interface TopologySnapshot {
  readonly self: NodeId;
  readonly state: Topology['state'];
  /** Nearest first. */
  readonly predecessors: readonly NodeId[];
  readonly successors: readonly NodeId[];
  readonly fingers: readonly NodeId[];
  /** Peers allowed for transit: linked and heard an Update from. */
  readonly routable: readonly NodeId[];
}

/** What the overlay does for the algorithm. Callbacks come later, never inside the call. */
export interface TopologyHost {
  readonly self: NodeId;
  config(): OverlayConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly trace: Trace;

  /** Node-IDs with a live link. */
  linkedNodes(): Iterable<NodeId>;
  isLinked(nodeId: NodeId): boolean;
  closeLink(nodeId: NodeId, reason: string): void;

  /**
   * Attaches to whoever is responsible for, or is, the last entry. `via`: source-route through that
   * linked peer (its reporter, or the bootstrap / admitting peer). Yields the node reached.
   */
  attach(
    target: AttachTarget,
    options: { readonly via?: NodeId; readonly sendUpdate: boolean },
    done: (outcome: Outcome<NodeId>) => void,
  ): void;

  /** Sends a request straight over the link to that node (or routed when none) and yields the answer body. */
  request(
    nodeId: NodeId,
    messageCode: number,
    body: Uint8Array,
    done: (outcome: Outcome<Uint8Array>) => void,
  ): void;
  /** Ping routed to a Resource-ID (optionally through `via`); yields the answering Node-ID (§10.7.4). */
  pingResource(
    resource: ResourceId,
    via: NodeId | undefined,
    done: (outcome: Outcome<NodeId>) => void,
  ): void;

  /** The node through which the first Attach goes: a linked bootstrap peer; `undefined` when none. */
  bootstrapPeer(): NodeId | undefined;
  /**
   * Repeats the bootstrap discovery (§10.7.4.4): links with a bootstrap node again when there is no
   * such link, and yields it. Absent: {@link bootstrapPeer} has to do.
   */
  discoverBootstrap?(done: (outcome: Outcome<NodeId>) => void): void;

  /**
   * Copies every stored resource in the half-open ring interval (from, to] to `target` as replica
   * `replicaNumber` (0 = it becomes responsible). `done` after all were acknowledged or gave up.
   */
  copyRange(
    interval: { readonly from: NodeId; readonly to: NodeId },
    target: NodeId,
    replicaNumber: number,
    done: (outcome: Outcome<void>) => void,
  ): void;
  /** Deletes stored resources for which `keep` says false (no longer in the replica set, §10.7.3). */
  dropResources(keep: (resource: ResourceId) => boolean): void;
  /** The range or the replica set changed, or the state did: the overlay re-reads what it derived. */
  changed(what: 'state' | 'range' | 'replicas' | 'tables'): void;
}

export type AttachTarget =
  | { readonly kind: 'node'; readonly nodeId: NodeId }
  | { readonly kind: 'resource'; readonly resource: ResourceId };
