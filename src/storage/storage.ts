/** The stored data of one peer. RFC 6940 §7. */
import type { KindId, NodeId, ResourceId } from '../base/ids.ts';
import type { Outcome } from '../base/outcome.ts';
import type { Certificate, Verifier } from '../ports/certificates.ts';
import type { Clock } from '../ports/clock.ts';
import type { Store } from '../ports/store.ts';
import type { Trace } from '../ports/trace.ts';
import type { Signer, Trust } from '../trust/trust.ts';
import type { FindAns, FindReq } from '../wire/reload/find.ts';
import type { StatAns } from '../wire/reload/stat.ts';
import type {
  FetchAns,
  FetchReq,
  StoreAns,
  StoreKindData,
  StoreReq,
} from '../wire/reload/storage.ts';
import type { StorageError } from './errors.ts';
import type { KindRegistry } from './kinds.ts';

export interface StorageDependencies {
  readonly clock: Clock;
  readonly trace: Trace;
  /** Durable; keys below `storage/` are this module's. */
  readonly store: Store;
  readonly kinds: KindRegistry;
  readonly trust: Pick<Trust, 'verify'>;
  readonly verifier: Pick<Verifier, 'parseCertificate' | 'isIssuedBy'>;
  /** What this peer keeps for the overlay; by default `limits.storage`. */
  readonly quota?: StorageQuota;
}

export interface StorageQuota {
  /** Resource-IDs with values. */
  readonly resources: number;
  /** Bytes of all values with their signatures. */
  readonly bytes: number;
}

/** What is known about a Store request besides its body. */
export interface StoreContext {
  /** Who signed the message. */
  readonly signer: Signer;
  /** Certificates of the message's SecurityBlock. */
  readonly certificates: readonly Certificate[];
  /** Where this peer replicates to, for the answer; empty for replica Stores. */
  readonly replicas: readonly NodeId[];
}

export interface Stored {
  readonly answer: StoreAns;
  /** False: everything was there already; nothing needs to be replicated. */
  readonly changed: boolean;
}

export interface Fetched {
  readonly answer: FetchAns;
  /** Certificates that the returned values' signatures refer to, each once. */
  readonly certificates: readonly Certificate[];
}

/** A resource ready to be sent to another peer. */
export interface ExportedResource {
  readonly resource: ResourceId;
  /** Original signatures, lifetimes less the time held here (§7.4.1.1). Counters are at least 1. */
  readonly kindData: readonly StoreKindData[];
  readonly certificates: readonly Certificate[];
}

export interface StorageFigures {
  /** Resource-IDs with values. */
  readonly resources: number;
  readonly values: number;
  readonly bytes: number;
}

/**
 * Callbacks come later, never inside the call, exactly once. Whether this peer is responsible for a
 * resource, or plausible as a replica, is for the caller to check first.
 */
export interface Storage {
  /**
   * Reads what was stored before; comes before all Stores (else UsageError). The error names the key
   * that is damaged; nothing is changed then.
   */
  load(): Outcome<void>;
  /**
   * Checks and stores all values of the request or none (§7.4.1.1). Success comes after the values
   * are durable.
   */
  handleStore(
    request: StoreReq,
    context: StoreContext,
    done: (outcome: Outcome<Stored, StorageError>) => void,
  ): void;
  /**
   * Takes over what is newer, value by value, from a peer that refused ours as too old, or after a
   * partition (§7.4.1.1). What is not newer, synthetic or not rightly signed is passed over. Counters
   * never go down.
   */
  merge(
    request: StoreReq,
    certificates: readonly Certificate[],
    done: (outcome: Outcome<Stored, StorageError>) => void,
  ): void;
  fetch(request: FetchReq): Outcome<Fetched, StorageError>;
  stat(request: FetchReq): Outcome<StatAns, StorageError>;
  /** The nearest stored Resource-ID per Kind: smallest (id - resource) modulo the ring. */
  find(request: FindReq): Outcome<FindAns, StorageError>;
  /** Resource-IDs with values. Not to be changed while iterating. */
  resources(): Iterable<ResourceId>;
  exportResource(resource: ResourceId): ExportedResource | undefined;
  /** Deletes resources, in memory at once. */
  drop(resources: readonly ResourceId[], done?: (outcome: Outcome<void>) => void): void;
  /** Deletes all values of the Kinds for which `keep` says false, as {@link drop} does (§11.1). */
  dropKinds(keep: (kind: KindId) => boolean): void;
  figures(): StorageFigures;
  /** Stops the timer; nothing is stored or expires any more. */
  close(): void;
}
