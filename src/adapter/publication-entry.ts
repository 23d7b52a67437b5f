/** One user's publication: what is known of it, what should be stored, and when it is stored again. */
import type { Overlay } from '../overlay/api.ts';
import type { Identity } from '../ports/certificates.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import { randomUnit } from '../ports/random.ts';
import type { Binding } from '../sip/location/binding.ts';
import type { PublicAddress } from '../usages/sip/public-address.ts';
import { routeTo } from '../usages/sip/registration.ts';
import type { Registration } from '../usages/sip/registration.ts';
import type { AdapterForwarding } from './forwarding.ts';
import { registrationFor } from './publication.ts';
import type { PublicationSnapshot, PublicationState, PublishedRecord } from './publication.ts';

export interface Entry {
  readonly aor: string;
  state: PublicationState;
  published: PublishedRecord | undefined;
  /** Bindings of a REGISTER that waits for its admission. */
  proposed: readonly Binding[] | undefined;
  busy: boolean;
  /** Something changed while a Store was under way. */
  again: boolean;
  /** Store even if nothing changed. */
  force: boolean;
  attempts: number;
  /** Counts Stores, so that late confirmations of an earlier one are ignored. */
  round: number;
  /** Fingerprint of the certificate that the overlay was told to host. */
  hosted: string | undefined;
  lastError: string | undefined;
  waiters: ((result: StoreOutcome) => void)[];
}

export type StoreOutcome = 'stored' | 'refused' | 'failed';

export function newEntry(aor: string): Entry {
  return {
    aor,
    state: 'unconfirmed',
    published: undefined,
    proposed: undefined,
    busy: false,
    again: false,
    force: false,
    attempts: 0,
    round: 0,
    hosted: undefined,
    lastError: undefined,
    waiters: [],
  };
}

/** Tells those who wait for the Store how it ended. */
export function settle(entry: Entry, result: StoreOutcome): void {
  const { waiters } = entry;
  if (waiters.length === 0) return;
  entry.waiters = [];
  for (const waiter of waiters) waiter(result);
}

export interface DesiredDeps {
  readonly overlay: Pick<Overlay, 'address'>;
  /** Absent: nobody forwards. */
  readonly forwarding?: Pick<AdapterForwarding, 'alwaysOf' | 'hasRules'>;
  /** Where this adapter takes calls beside the overlay; its records tell them. */
  readonly publicAddresses?: readonly PublicAddress[];
}

/** What a record says while no phone is there to speak for itself. */
const anyPhone = { sip: true, sips: true, q: 1000, instance: undefined, parameters: '' };

/**
 * The record that should be in the overlay. A user who forwards always is found at the other place; while
 * there are other rules this adapter, which had the phones last, stays the place that applies them
 * (DESIGN §4.7).
 */
export function desiredRegistration(
  { forwarding, overlay, publicAddresses = [] }: DesiredDeps,
  { aor, published }: Entry,
  bindings: readonly Binding[],
  retiring: boolean,
): Registration | undefined {
  const stays = !retiring && published !== undefined;
  const address = overlay.address();
  const own = registrationFor(aor, bindings, address, publicAddresses);
  if (forwarding?.hasRules(aor) !== true || (bindings.length === 0 && !stays)) return own;
  const always = forwarding.alwaysOf(aor);
  if (always !== undefined && !always.startsWith('tel:')) return { type: 'uri', uri: always };
  return own ?? routeTo(address, [anyPhone], publicAddresses);
}

/** Milliseconds until half of the record's life is over (a little later, by chance); 0 = store now. */
export function untilRefreshMs(
  { clock, random }: { readonly clock: Clock; readonly random: Random },
  { force, published }: Entry,
  hash: string,
  identity: Identity,
): number {
  if (published === undefined || force || published.hash !== hash) return 0;
  if (published.certificate !== identity.certificate.fingerprint) return 0;
  const lifeMs = published.lifetimeS * 1000;
  const leftMs = published.storageTimeMs + lifeMs - clock.wallMs();
  // More than its whole life left: the clock went back, nothing can be said.
  if (leftMs > lifeMs || leftMs <= lifeMs / 2) return 0;
  return leftMs - lifeMs / 2 + lifeMs * 0.1 * randomUnit(random);
}

/** At most `limit` publications, those in trouble first. */
export function snapshotOf(entries: Iterable<Entry>, limit: number): PublicationSnapshot[] {
  const rank = (entry: Entry): number => (entry.state === 'confirmed' ? 1 : 0);
  return [...entries]
    .sort((a, b) => rank(a) - rank(b))
    .slice(0, limit)
    .map(({ aor, state, published, lastError }) => ({
      aor,
      state,
      storedAtMs: published?.storageTimeMs ?? 0,
      expiresAtMs:
        published === undefined ? 0 : published.storageTimeMs + published.lifetimeS * 1000,
      lastError,
    }));
}
