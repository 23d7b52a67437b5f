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

  /** AppAttach (RFC 6940 §6.5.2): a secured stream with the node that the destination list ends at. */
  appAttach(
    destination: readonly Destination[],
    application: number,
    done: (outcome: Outcome<AppConnection, OverlayError>) => void,
  ): void;
  /** Accepts AppAttach for that application; without a listener the answer is Error_Not_Found. */
  onApplication(application: number, accepted: (connection: AppConnection) => void): void;

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
}

export interface StoreValue {
  /** Dictionary key bytes, array index (0xffffffff appends), or neither for SINGLE. */
  readonly key?: Uint8Array;
  readonly index?: number;
  readonly exists: boolean;
  readonly value: Uint8Array;
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
}

export interface FetchResult {
  readonly generation: bigint;
  readonly values: readonly FetchedValue[];
  /** Values that were left out because they were unsigned, forged, expired or malformed. */
  readonly refused: number;
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

export interface StatRequest extends FetchRequest {
  /** Ask this node ([at] then the resource) instead of the responsible peer. */
  readonly at?: NodeId;
}

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
}
