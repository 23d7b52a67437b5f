/**
 * The overlay peer as its host sees it: what it needs, how it is started and fed with connections,
 * and what it tells status pages. Usages see only {@link Overlay}.
 */
import type { KindId, NodeId, ResourceId } from '../base/ids.ts';
import type { Outcome } from '../base/outcome.ts';
import type { Identity, Verifier } from '../ports/certificates.ts';
import type { Clock } from '../ports/clock.ts';
import type { Dialer, SecureConnection, TransportAddress } from '../ports/connection.ts';
import type { OverlayConfig } from '../ports/overlay-config.ts';
import type { Random } from '../ports/random.ts';
import type { Store } from '../ports/store.ts';
import type { Trace } from '../ports/trace.ts';
import type { KindRegistry } from '../storage/kinds.ts';
import type { TopologyFactory, TopologySnapshot } from '../topology/plugin.ts';
import type { IceConnector } from '../link/ice-connector.ts';
import type { Destination } from '../wire/reload/destination.ts';
import type { NoIceLinkType } from './link-types.ts';
import type { FetchRequest, Overlay, OverlayError } from './api.ts';
import type { ClientRouting } from './client.ts';
import type { ViaListMode } from './via-lists.ts';

export interface OverlayDependencies {
  /** Of this node: its first Node-ID is the ring position, its certificate is shown on every link. */
  readonly identity: Identity;
  readonly config: OverlayConfig;
  readonly clock: Clock;
  readonly random: Random;
  readonly trace: Trace;
  readonly dialer: Dialer;
  /** How Attach finds a way in overlays with ICE. Absent: the host cannot, and joins none of them. */
  readonly ice?: IceConnector;
  /** Link types without ICE that the host can listen on and dial. Absent: TLS-TCP-FH-NO-ICE. */
  readonly linkTypes?: readonly NoIceLinkType[];
  /**
   * For connections of AppAttach where links go by a shared secret: those show certificates all the
   * same (RFC 7904 §5.1). Absent: {@link dialer}.
   */
  readonly applicationDialer?: Dialer | undefined;
  readonly verifier: Verifier;
  /** The Kinds of the usages; those of the configuration are added to it. */
  readonly kinds: KindRegistry;
  /** Holds stored resources and the bootstrap cache. */
  readonly store: Store;
  readonly topology: TopologyFactory;
  /** Public addresses of our link listener, best first; offered in Attach (RFC 6940 §6.5.1.1). */
  readonly candidates: () => readonly TransportAddress[];
  /** Public addresses of the listener of an application, best first; offered in AppAttach (§6.5.2). */
  readonly appCandidates: (application: number) => readonly TransportAddress[];
  /** True when a destination list may end at this opaque id at our node (GRUU tokens, A-56). Absent: never. */
  readonly acceptsOpaque?: (id: Uint8Array) => boolean;
  /** How requests in transit remember their way back (§6.1.2). Absent: by full Via Lists. */
  readonly viaListMode?: ViaListMode;
  /** Messages above this many bytes leave in fragments (§6.7). Absent: only where a link needs it. */
  readonly fragmentBytes?: number;
  /** Whom a Fetch asks that does not say (see {@link FetchRequest.holders}). Absent: the responsible peer. */
  readonly fetchHolders?: NonNullable<FetchRequest['holders']>;
  /** Messages per second and at once that one neighbor may send; `limits` when absent. */
  readonly neighborRate?: { readonly perSecond: number; readonly burst: number };
  /** Whether headers of another overlay or version are answered with an error (§6.1). Absent: they are dropped. */
  readonly answersBadHeaders?: boolean;
  /**
   * Judges a ConfigUpdate (§6.5.4): verifies, stores and, when acceptable, calls
   * {@link OverlayPeer.updateConfig}. The error is sent to the node that offered the document.
   * Absent: every update is refused with Error_Forbidden.
   */
  readonly onConfigUpdate?: (
    update: ConfigUpdateOffer,
    done: (outcome: Outcome<void, { readonly code: number; readonly text: string }>) => void,
  ) => void;
}

export type ConfigUpdateOffer =
  | { readonly type: 'config'; readonly document: Uint8Array }
  | { readonly type: 'kind'; readonly kindBlocks: readonly Uint8Array[] };

export interface OverlayPeer extends Overlay {
  /**
   * Loads what was stored, then joins through any of the addresses (and remembered peers), again and
   * again until it works; or forms a ring of one. Call once. The error names what is damaged in the
   * store; nothing has been started then. `client`: stays outside the ring (§4.2), refused where the
   * configuration does not permit it.
   */
  start(options: {
    readonly bootstrap: readonly TransportAddress[] | 'first';
    readonly client?: ClientRouting;
  }): Outcome<void>;
  /** A client begins to join the ring; nothing for a peer. */
  promote(): void;
  /** True when it may store and fetch: a member of the ring, or a client with a peer to go through. */
  isReady(): boolean;
  /** Leave, hand-over and close, in bounded time; `done` is called later, once. */
  stop(done: () => void): void;
  /** An inbound connection on the link listener. */
  acceptLink(connection: SecureConnection): void;
  /** An inbound connection on the listener of the application; closed unless an AppAttach of ours awaits it. */
  acceptApplication(application: number, connection: SecureConnection): void;

  /** Linked peers to ask where this node is seen, one for each place that it is seen at (§6.5.1.4). */
  stunServers(): readonly TransportAddress[];
  /** RFC 6940 §6.5.3. */
  ping(
    destination: readonly Destination[],
    done: (outcome: Outcome<PingResult, OverlayError>) => void,
  ): void;
  /** RFC 6940 §6.4.2.5: the three standard items of one peer. */
  probe(nodeId: NodeId, done: (outcome: Outcome<ProbeResult, OverlayError>) => void): void;
  /** RFC 6940 §7.4.4: per Kind the closest Resource-ID that holds data. */
  find(
    resource: ResourceId,
    kinds: readonly KindId[],
    done: (outcome: Outcome<FindResult, OverlayError>) => void,
  ): void;

  /**
   * RFC 6940 §6.4.2.4: where that node would send a message for the destination. With `sendUpdate`
   * (default false) it also sends an Update to this node.
   */
  routeQuery(
    nodeId: NodeId,
    destination: Destination,
    done: (outcome: Outcome<RouteQueryResult, OverlayError>) => void,
    options?: { readonly sendUpdate?: boolean },
  ): void;

  /** Takes over a newer configuration at once; links of nodes that became bad-nodes are closed. */
  updateConfig(config: OverlayConfig): void;
  /** Called after every change of state, range, replicas or tables, and of links. */
  onChange(listener: (what: OverlayChange) => void): void;
  snapshot(): OverlaySnapshot;
}

export type OverlayChange = 'state' | 'range' | 'replicas' | 'tables' | 'links';

export interface PingResult {
  readonly answeredBy: NodeId;
  readonly roundTripMs: number;
  /** The answerer's wall clock. */
  readonly timeMs: number;
}

export interface ProbeResult {
  readonly answeredBy: NodeId;
  readonly responsiblePpb: number | undefined;
  readonly resources: number | undefined;
  readonly uptimeS: number | undefined;
}

export interface RouteQueryResult {
  readonly answeredBy: NodeId;
  /** As the topology algorithm writes it; CHORD-RELOAD: ChordRouteQueryAns (§10.8). */
  readonly answer: Uint8Array;
}

export interface FindResult {
  readonly answeredBy: NodeId;
  readonly closest: readonly { readonly kind: KindId; readonly resource: ResourceId }[];
}

export interface OverlaySnapshot {
  readonly nodeId: NodeId;
  readonly overlayName: string;
  readonly configSequence: number;
  readonly state: TopologySnapshot['state'];
  readonly uptimeS: number;
  readonly topology: TopologySnapshot;
  readonly links: readonly LinkSnapshot[];
  readonly storage: { readonly resources: number; readonly values: number; readonly bytes: number };
  readonly pending: {
    readonly requests: number;
    readonly attaches: number;
    readonly applicationAttaches: number;
    readonly replications: number;
  };
  readonly hostedIdentities: number;
}

export interface LinkSnapshot {
  readonly nodeId: NodeId;
  readonly remote: TransportAddress;
  readonly role: 'client' | 'server';
  readonly suspect: boolean;
  /** Smoothed; `undefined` before the first acknowledgement. */
  readonly rttMs: number | undefined;
  readonly unacknowledged: number;
  readonly ageS: number;
  readonly messagesIn: number;
  readonly messagesOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}
