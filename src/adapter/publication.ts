/** What this adapter publishes: the states of it, and the durable memory that spares Stores after a restart. */
import { utf8Decode, utf8Encode, hexEncode } from '../base/text.ts';
import { sha256 } from '../base/hash.ts';
import { limits } from '../base/limits.ts';
import type { NodeId } from '../base/ids.ts';
import type { Binding } from '../sip/location/binding.ts';
import type { Destination } from '../wire/reload/destination.ts';
import type { RegistrationAdmission } from '../sip/registrar/admission.ts';
import type { PhoneFeatures } from '../usages/sip/contact-prefs.ts';
import { instanceHash } from '../usages/sip/contact-prefs.ts';
import type { PublicAddress } from '../usages/sip/public-address.ts';
import { encodeRegistration, routeTo } from '../usages/sip/registration.ts';
import type { Registration } from '../usages/sip/registration.ts';

/**
 * `confirmed`: acknowledged and seen at the replicas. `unconfirmed`: not (yet); it is retried.
 * `no-identity`: the user is not enrolled here yet. `refused`: the overlay forbids it.
 */
export type PublicationState = (typeof publicationStates)[number];

export const publicationStates = [
  'confirmed',
  'unconfirmed',
  'no-identity',
  'refused',
  'withdrawing',
] as const;

export interface PublicationSnapshot {
  readonly aor: string;
  readonly state: PublicationState;
  /** Wall clock; 0 when never stored. */
  readonly storedAtMs: number;
  readonly expiresAtMs: number;
  readonly lastError: string | undefined;
}

export interface Publisher {
  readonly admission: RegistrationAdmission;
  /** Publishes what the location table and the memory of the last run ask for, and follows changes. */
  start(): void;
  /** The identity of a user has arrived or was renewed. */
  identityChanged(aor: string): void;
  /** The overlay can be used (again): what is unconfirmed is tried soon. */
  overlayReady(): void;
  /** A lookup did not show the record that should be there. */
  noticeMissing(aor: string): void;
  /** Removes all records (the adapter goes for good); `done` later, once, in bounded time. */
  retire(done: () => void): void;
  /** Stops retries; records stay in the overlay. */
  stop(): void;
  state(aor: string): PublicationState | undefined;
  /** At most `limit` publications, those in trouble first. */
  snapshot(limit: number): readonly PublicationSnapshot[];
  counts(): Readonly<Record<PublicationState, number>>;
}

/** A record as the overlay acknowledged it. */
export interface PublishedRecord {
  /** {@link recordHash}. */
  readonly hash: string;
  /** Dictionary key: Node-ID of the user identity that signed. */
  readonly key: NodeId;
  /** Fingerprint of the certificate that signed: the value dies with it. */
  readonly certificate: string;
  readonly storageTimeMs: number;
  readonly lifetimeS: number;
}

/** The record that the bindings ask for; `undefined` when there are none. */
export function registrationFor(
  aor: string,
  bindings: readonly Binding[],
  adapter: readonly Destination[],
  addresses: readonly PublicAddress[],
): Registration | undefined {
  if (bindings.length === 0) return undefined;
  const phones = bindings
    .slice(0, limits.usagesSip.instancesPerRecord)
    .map((binding): PhoneFeatures => ({
      ...schemesOf(binding),
      q: binding.q,
      instance: binding.instance === undefined ? undefined : instanceHash(aor, binding.instance),
      parameters: binding.parameters,
    }));
  return routeTo(adapter, phones, addresses);
}

/**
 * A sips call reaches TLS and WSS bindings only (DESIGN §5.2); a phone that wants nothing else says
 * `schemes="sips"` in its Contact (RFC 3840 §9).
 */
function schemesOf(binding: Binding): { readonly sip: boolean; readonly sips: boolean } {
  const sips = binding.transport === 'tls' || binding.transport === 'wss';
  const only = sips && /;[ \t]*schemes[ \t]*=[ \t]*"?sips"?[ \t]*(?:;|$)/i.test(binding.parameters);
  return { sip: !only, sips };
}

/** Equal for equal records. */
export function recordHash(registration: Registration): string {
  return hexEncode(sha256(encodeRegistration(registration)).subarray(0, 16));
}

export function encodePublished(record: PublishedRecord): Uint8Array {
  const { hash, key, certificate, storageTimeMs, lifetimeS } = record;
  return utf8Encode([hash, key, certificate, storageTimeMs, lifetimeS].join(' '));
}

/** `undefined` for an entry of another format: the record is then stored anew. */
export function decodePublished(bytes: Uint8Array): PublishedRecord | undefined {
  const [hash, key, certificate, time, lifetime, ...rest] = (utf8Decode(bytes) ?? '').split(' ');
  if (hash === undefined || key === undefined || certificate === undefined) return undefined;
  const storageTimeMs = Number(time);
  const lifetimeS = Number(lifetime);
  if (rest.length > 0 || !Number.isFinite(storageTimeMs) || !Number.isFinite(lifetimeS)) {
    return undefined;
  }
  return { hash, key: key as NodeId, certificate, storageTimeMs, lifetimeS };
}
