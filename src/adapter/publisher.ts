/**
 * Bindings of this adapter → records in the overlay (DESIGN §4). A record is stored when its content
 * changes or half of its life is over, never for a mere refresh; removed when the last binding is gone;
 * and retried until the overlay has it.
 */
import type { NodeId } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import type { Overlay, OverlayError, StoreResult } from '../overlay/api.ts';
import type { Identity } from '../ports/certificates.ts';
import type { Clock } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import { randomUnit } from '../ports/random.ts';
import type { Store } from '../ports/store.ts';
import type { Trace } from '../ports/trace.ts';
import type { Outcome } from '../base/outcome.ts';
import type { Binding, LocationEvent } from '../sip/location/binding.ts';
import type { LocationTable } from '../sip/location/location-table.ts';
import {
  recordLifetimeS,
  registrationEntry,
  resourceOfAor,
  sipRegistrationKindId,
} from '../usages/sip/registration.ts';
import type { Registration } from '../usages/sip/registration.ts';
import { errorCodes } from '../wire/reload/errors.ts';
import { createConfirmer } from './confirmer.ts';
import { createDueQueue } from './due-queue.ts';
import { createPublicationAdmission } from './publication-admission.ts';
import {
  desiredRegistration,
  newEntry,
  settle,
  snapshotOf,
  untilRefreshMs,
} from './publication-entry.ts';
import type { DesiredDeps, Entry } from './publication-entry.ts';
import type { Publisher } from './publication.ts';
import { decodePublished, encodePublished, recordHash } from './publication.ts';

export interface PublisherDeps extends DesiredDeps {
  readonly overlay: Pick<Overlay, 'nodeId' | 'address' | 'store' | 'stat' | 'hostIdentity'>;
  readonly location: LocationTable;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly trace: Trace;
  /** The user identity at this adapter, `undefined` while it is not enrolled. */
  identityFor(aor: string): Identity | undefined;
  /** RFC 7904 §3.3: checked before a Store is issued. */
  acceptsAor(aor: string): boolean;
}

const storePrefix = 'adapter/published/';
const longestBackoffMs = 60_000;
const unannouncedMs = 600_000;
const retireMs = 8000;
/** After a Store that a REGISTER waited for: should the REGISTER fail after all, the record goes again. */
const admittedMs = 5000;

export function createPublisher(deps: PublisherDeps): Publisher {
  const { overlay, location, store, clock, random, trace } = deps;
  const entries = new Map<string, Entry>();
  const queue = createDueQueue(
    clock,
    'sip-publish',
    limits.adapter.publishingAtOnce,
    (entry: Entry) => reconcile(entry, () => queue.release()),
  );
  const confirmer = createConfirmer({ overlay, clock, trace });
  const stores = trace.counter('sip_registration_stores_total');
  const failures = trace.counter('sip_registration_store_failures_total');
  const refusals = trace.counter('sip_registration_store_refusals_total');
  let retiring = false;
  let stopped = false;

  function entryOf(aor: string): Entry | undefined {
    let entry = entries.get(aor);
    if (entry === undefined) {
      if (entries.size >= limits.adapter.publications) return undefined;
      entry = newEntry(aor);
      entries.set(aor, entry);
    }
    return entry;
  }

  /** Compares what is with what should be; true when a Store was begun (then `release` follows). */
  function reconcile(entry: Entry, release: () => void): boolean {
    if (stopped || entries.get(entry.aor) !== entry) return false;
    if (entry.busy) {
      entry.again = true;
      return false;
    }
    const bindings = retiring ? [] : (entry.proposed ?? location.bindings(entry.aor));
    const identity = deps.identityFor(entry.aor);
    if (identity !== undefined) host(entry, identity);
    const key = identity?.certificate.nodeIds[0];
    if (bindings.length > 0 && (identity === undefined || key === undefined)) {
      entry.state = 'no-identity';
      settle(entry, 'failed');
      // Its coming is announced; this is for the case that the announcement was missed.
      queue.plan(entry, unannouncedMs * (0.5 + randomUnit(random) / 2));
      return false;
    }
    const desired = desiredRegistration(deps, entry, bindings, retiring);
    if (identity === undefined || key === undefined || desired === undefined) {
      return withdraw(entry, identity, release);
    }
    const hash = recordHash(desired);
    const waitMs = untilRefreshMs(deps, entry, hash, identity);
    if (waitMs > 0) {
      settle(entry, 'stored');
      queue.plan(entry, waitMs);
      return false;
    }
    publish(entry, desired, hash, identity, key, bindings, release);
    return true;
  }

  function publish(
    entry: Entry,
    desired: Registration,
    hash: string,
    identity: Identity,
    key: NodeId,
    bindings: readonly Binding[],
    release: () => void,
  ): void {
    let latestMs = 0;
    for (const binding of bindings) latestMs = Math.max(latestMs, binding.expiresAtMs);
    const lifetimeS = recordLifetimeS((latestMs - clock.wallMs()) / 1000);
    put(entry, identity, registrationEntry(key, desired, lifetimeS), release, (result) => {
      const certificate = identity.certificate.fingerprint;
      const { storageTimeMs } = result;
      entry.published = { hash, key, certificate, storageTimeMs, lifetimeS };
      entry.force = false;
      entry.state = 'unconfirmed';
      store.write([{ put: storePrefix + entry.aor, value: encodePublished(entry.published) }]);
      const { round } = entry;
      confirmer.confirm({ aor: entry.aor, key, storageTimeMs }, result.replicas, (seen) => {
        if (entry.round !== round || entries.get(entry.aor) !== entry) return;
        if (seen) {
          entry.state = 'confirmed';
          return;
        }
        entry.force = true;
        entry.lastError = 'not seen at all replicas';
        retryLater(entry);
      });
    });
  }

  /** Last binding gone: exists = false until the stored record would have ended. */
  function withdraw(entry: Entry, identity: Identity | undefined, release: () => void): boolean {
    const { published } = entry;
    const leftS =
      published === undefined
        ? 0
        : (published.storageTimeMs - clock.wallMs()) / 1000 + published.lifetimeS;
    if (published === undefined || leftS <= 0) {
      drop(entry);
      return false;
    }
    entry.state = 'withdrawing';
    if (identity?.certificate.nodeIds[0] !== published.key) {
      retryLater(entry);
      return false;
    }
    const lifetimeS = Math.ceil(leftS) + 60;
    put(entry, identity, registrationEntry(published.key, undefined, lifetimeS), release, () => {
      entry.published = undefined;
      store.write([{ delete: storePrefix + entry.aor }]);
      const wanted = entry.proposed ?? location.bindings(entry.aor);
      if (retiring || wanted.length === 0) drop(entry);
      else entry.again = true;
    });
    return true;
  }

  function put(
    entry: Entry,
    identity: Identity,
    value: ReturnType<typeof registrationEntry>,
    release: () => void,
    stored: (result: StoreResult) => void,
  ): void {
    entry.busy = true;
    entry.again = false;
    entry.round++;
    stores.add();
    const request = {
      resource: resourceOfAor(entry.aor),
      kind: sipRegistrationKindId,
      values: [value],
      identity,
    };
    overlay.store(request, (outcome: Outcome<StoreResult, OverlayError>) => {
      entry.busy = false;
      release();
      if (stopped) return;
      if (outcome.ok) {
        entry.attempts = 0;
        entry.lastError = undefined;
        stored(outcome.value);
        const awaited = entry.waiters.length > 0;
        if (entry.published !== undefined) settle(entry, 'stored');
        // Plans the half-life; a REGISTER that waited needs time to take effect first.
        queue.plan(entry, awaited && !entry.again ? admittedMs : 0);
      } else {
        failed(entry, outcome.error);
        if (entry.again) queue.plan(entry, 0);
      }
      if (entries.get(entry.aor) !== entry) queue.forget(entry);
    });
  }

  function failed(entry: Entry, error: OverlayError): void {
    entry.lastError = `${error.reason} ${error.text}`.trim();
    const forbidden = error.reason === 'error-response' && error.code === errorCodes.forbidden;
    (forbidden ? refusals : failures).add();
    trace.log('warn', forbidden ? 'registration-refused' : 'registration-not-stored', {
      aor: entry.aor,
      reason: error.reason,
      code: error.code,
      text: error.text,
    });
    if (entry.state !== 'withdrawing') entry.state = forbidden ? 'refused' : 'unconfirmed';
    const first = entry.published === undefined;
    settle(entry, forbidden ? 'refused' : 'failed');
    if (forbidden && first) {
      drop(entry);
      clock.after('sip-refused', 1, () => dropRefused(entry.aor));
      return;
    }
    retryLater(entry);
  }

  /** A REGISTER that had its 200 before the overlay refused: what is forbidden is not kept here either. */
  function dropRefused(aor: string): void {
    if (entries.get(aor)?.published === undefined && location.bindings(aor).length > 0) {
      location.removeAll(aor);
    }
  }

  function retryLater(entry: Entry): void {
    const growing = 1000 * 2 ** Math.min(entry.attempts++, 10);
    const delayMs = Math.min(growing, longestBackoffMs) * (0.5 + randomUnit(random) / 2);
    queue.plan(entry, delayMs);
  }

  function host(entry: Entry, identity: Identity): void {
    const certificate = identity.certificate.fingerprint;
    if (entry.hosted === certificate) return;
    overlay.hostIdentity(identity);
    entry.hosted = certificate;
  }

  function drop(entry: Entry): void {
    if (entries.get(entry.aor) !== entry) return;
    entries.delete(entry.aor);
    queue.forget(entry);
    settle(entry, 'failed');
    if (entry.published !== undefined) store.write([{ delete: storePrefix + entry.aor }]);
  }

  function changed(event: LocationEvent): void {
    const known = entries.get(event.aor);
    // A refresh of a phone that is published: nothing to do, and this is the common case.
    if (known !== undefined && !event.content && !event.first && !event.last) return;
    if (known === undefined && location.bindings(event.aor).length === 0) return;
    const entry = known ?? entryOf(event.aor);
    if (entry === undefined) return;
    entry.proposed = undefined;
    if (entry.busy) entry.again = true;
    else queue.plan(entry, 0);
  }

  return {
    admission: createPublicationAdmission({
      clock,
      acceptsAor: (aor) => deps.acceptsAor(aor),
      entryOf,
      begin: (entry) => void reconcile(entry, () => undefined),
    }),
    start() {
      for (const [key, value] of store.entries(storePrefix)) {
        const published = decodePublished(value);
        const entry = published === undefined ? undefined : entryOf(key.slice(storePrefix.length));
        if (entry === undefined) {
          store.write([{ delete: key }]);
          continue;
        }
        entry.published = published;
        entry.state = 'confirmed';
      }
      for (const aor of location.aors()) entryOf(aor);
      for (const entry of entries.values()) queue.plan(entry, 2000 * randomUnit(random));
      location.onChange(changed);
    },
    identityChanged(aor) {
      const entry = entries.get(aor);
      if (entry === undefined) return;
      entry.attempts = 0;
      queue.plan(entry, 0);
    },
    overlayReady() {
      for (const entry of entries.values()) {
        if (entry.state === 'confirmed' || entry.busy) continue;
        entry.attempts = 0;
        queue.plan(entry, 2000 * randomUnit(random));
      }
    },
    noticeMissing(aor) {
      const entry = entries.get(aor);
      const storedMs = entry?.published?.storageTimeMs;
      if (entry === undefined || storedMs === undefined || entry.busy || entry.force) return;
      // A record that is on its way to its storers is not missing.
      if (entry.state !== 'confirmed' || clock.wallMs() - storedMs < 30_000) return;
      entry.force = true;
      entry.state = 'unconfirmed';
      queue.plan(entry, 0);
    },
    retire(done) {
      retiring = true;
      let finished = false;
      const finish = (): void => {
        if (finished) return;
        finished = true;
        timer.cancel();
        poll.cancel();
        done();
      };
      const timer = clock.after('sip-retire', retireMs, finish);
      let poll = clock.after('sip-retire-poll', 20, check);
      function check(): void {
        if (entries.size === 0) finish();
        else poll = clock.after('sip-retire-poll', 20, check);
      }
      for (const entry of entries.values()) queue.plan(entry, 0);
    },
    stop() {
      stopped = true;
      queue.stop();
      confirmer.stop();
    },
    state: (aor) => entries.get(aor)?.state,
    snapshot: (limit) => snapshotOf(entries.values(), limit),
    counts() {
      const counts = { confirmed: 0, unconfirmed: 0, 'no-identity': 0, refused: 0, withdrawing: 0 };
      for (const entry of entries.values()) counts[entry.state]++;
      return counts;
    },
  };
}
