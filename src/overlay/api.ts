/**
 * The overlay as usages see it: identities, storage by Kind, application connections.
 * Callbacks come later, never inside the call, exactly once.
 */
import type { KindId, NodeId, ResourceId } from '../base/ids.ts';
import type { Outcome } from '../base/outcome.ts';
import type { Certificate, Identity } from '../ports/certificates.ts';
import type { SecureConnection } from '../ports/connection.ts';
import type { OverlayConfig } from '../ports/overlay-config.ts';
import type { Destination } from '../wire/reload/destination.ts';

export interface Overlay {
  readonly nodeId: NodeId;
  config(): OverlayConfig;
  state(): 'idle' | 'joining' | 'joined' | 'leaving' | 'left';

  /** Stores values of one Kind at one resource, signed by `identity` (values and message). */
  store(request: StoreRequest, done: (outcome: Outcome<StoreResult, OverlayError>) => void): void;
  /** Fetches one Kind; each value is verified alone, what fails is left out and counted. */
  fetch(request: FetchRequest, done: (outcome: Outcome<FetchResult, OverlayError>) => void): void;
  /** Metadata of one Kind from the responsible peer, or from one replica holder (`at`). */
  stat(request: StatRequest, done: (outcome: Outcome<StatResult, OverlayError>) => void): void;

  /**
   * AppAttach (RFC 6940 §6.5.2): a secured stream with the node that the destination list ends at.
   * `answered`: the node agreed, and its connection is being made; never after `done`.
   */
  appAttach(
    destination: readonly Destination[],
    application: number,
    done: (outcome: Outcome<AppConnection, OverlayError>) => void,
    answered?: () => void,
  ): void;
  /** Accepts AppAttach for that application; without a listener the answer is Error_Not_Found. */
  onApplication(application: number, accepted: (connection: AppConnection) => void): void;

  /**
   * The Destination List by which others reach this node: a client in front of some peer is reached
   * through that peer (RFC 6940 §4.2.1).
   */
  address(): readonly Destination[];

  /** From now on this peer accepts and answers messages addressed to the identity's Node-IDs ([…, A, U]). */
  hostIdentity(identity: Identity): void;
  unhostIdentity(nodeId: NodeId): void;
}

export interface AppConnection {
  readonly connection: SecureConnection;
  /** The Node-ID proved by the peer's certificate. */
  readonly peer: NodeId;
  readonly application: number;
}

export interface StoreRequest {
  readonly resource: ResourceId;
  readonly kind: KindId;
  readonly values: readonly StoreValue[];
  readonly identity: Identity;
  /**
   * Store only when this is still the Kind's generation counter (§7.4.1.1). When it is not, the data
   * are fetched: what is newer there comes back as `newer` of the error, else the Store is repeated.
   */
  readonly generation?: bigint;
}

export interface StoreValue {
  /** Dictionary key bytes, array index (0xffffffff appends), or neither for SINGLE. */
  readonly key?: Uint8Array;
  readonly index?: number;
  readonly exists: boolean;
  readonly value: Uint8Array;
  /** A removal is given at least what is left of the life of the value it removes (§7.4.1.3). */
  readonly lifetimeS: number;
}

export interface StoreResult {
  readonly generation: bigint;
  /** Where the responsible peer says it replicates to. */
  readonly replicas: readonly NodeId[];
  readonly storedBy: NodeId;
  /** The storage_time that was written. */
  readonly storageTimeMs: number;
}

export interface FetchRequest {
  readonly resource: ResourceId;
  readonly kind: KindId;
  /** Dictionary: these keys, or all when absent. */
  readonly keys?: readonly Uint8Array[];
  /** Array: these ranges, or all when absent. */
  readonly ranges?: readonly { readonly first: number; readonly last: number }[];
  /** Ask this node ([at] instead of the resource), not the responsible peer. */
  readonly at?: NodeId;
  /** Take this first hop, a linked node: another way when the usual one does not lead there. */
  readonly via?: NodeId;
  /**
   * `all`: ask the responsible peer and those that hold its replicas, and take the newest valid value
   * of each place, so that one lying or forgetful storer does no harm. Takes some more round trips.
   */
  readonly holders?: 'responsible' | 'all';
}

export interface FetchResult {
  readonly generation: bigint;
  readonly values: readonly FetchedValue[];
  /** Values that were left out because they were unsigned, forged, expired or malformed; 0: complete. */
  readonly refused: number;
  /**
   * Values older than what this node stored or fetched there before: a rollback (§13.5.3). They are
   * among `values` only where no holder of a replica knew better. Absent: none.
   */
  readonly rolledBack?: number;
  readonly answeredBy: NodeId;
}

export interface FetchedValue {
  readonly key: Uint8Array | undefined;
  readonly index: number | undefined;
  readonly exists: boolean;
  readonly value: Uint8Array;
  readonly storageTimeMs: number;
  readonly lifetimeS: number;
  /** `undefined` only for synthetic values (exists = false). */
  readonly signer: Certificate | undefined;
  readonly signerNodeId: NodeId | undefined;
}

export type StatRequest = Omit<FetchRequest, 'holders'>;

export interface StatResult {
  readonly generation: bigint;
  readonly values: readonly {
    readonly key: Uint8Array | undefined;
    readonly index: number | undefined;
    readonly exists: boolean;
    readonly storageTimeMs: number;
    readonly lifetimeS: number;
    readonly valueHash: Uint8Array;
  }[];
  readonly answeredBy: NodeId;
}

/** `code`: error_code of RFC 6940 §6.3.3.1, or 0 when no answer came (`timeout`), the link was refused, or this peer cannot. */
export interface OverlayError {
  readonly code: number;
  readonly reason:
    'timeout' | 'error-response' | 'unreachable' | 'wrong-peer' | 'not-joined' | 'invalid';
  readonly text: string;
  /** Why a Store with a generation was given up: what stands there is newer and replaces ours (§7.4.1.2). */
  readonly newer?: FetchResult;
}
