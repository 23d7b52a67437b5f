/** What users have stored in a simulated ring: stores, updates, confirmations and lookups. */
import { bytesEqual } from '../base/bytes.ts';
import {
  idBytes,
  nodeIdFromBytes,
  resourceIdOfName,
  type NodeId,
  type ResourceId,
} from '../base/ids.ts';
import type { Outcome } from '../base/outcome.ts';
import { utf8Encode } from '../base/text.ts';
import type { FetchRequest, OverlayError, StoreResult } from '../overlay/api.ts';
import type { Identity } from '../ports/certificates.ts';
import { overlayName, simulatedKind } from './configuration.ts';
import type { SimulatedAuthority } from './identities.ts';
import type { SimulatedPeer } from './peer.ts';
import { createServedValues, type ServedValues } from './served-values.ts';
import type { World } from './world.ts';

/** A value that some user has stored, in all its versions. */
export interface StoredRecord {
  readonly user: string;
  readonly resource: ResourceId;
  readonly key: NodeId;
  /** What the user has stored or tried to store, the newest last. */
  readonly versions: readonly Uint8Array[];
  /** Newest version that the responsible peer and both replicas have confirmed; -1: none yet. */
  readonly confirmed: number;
  /** Simulated time at which that version was confirmed. */
  readonly confirmedMs: number;
  /** Of the confirmed version, as written (ms). */
  readonly storageTimeMs: number;
  readonly acknowledged: boolean;
  /** A store of its user has not ended yet. */
  readonly pending: boolean;
  /** Simulated time until which the confirmed version lives. */
  readonly lastsMs: number;
  /** Simulated time from which nobody may serve any version of it. */
  readonly expiresMs: number;
}

export interface LookupResult {
  readonly found: boolean;
  readonly elapsedMs: number;
}

export type LookupHow = Pick<FetchRequest, 'at' | 'via' | 'holders'>;

type Stored = (outcome: Outcome<StoreResult, OverlayError>) => void;

export interface Records {
  readonly all: readonly StoredRecord[];
  readonly served: ServedValues;
  /** Stores one value of a new user at a living peer. */
  store(
    done: (record: StoredRecord, outcome: Outcome<StoreResult, OverlayError>) => void,
    lifetimeS?: number,
  ): void;
  /** Stores another value in place of the last one, at some living peer. */
  update(record: StoredRecord, done: Stored): void;
  /** Asks both replicas of a stored version whether they have it; marks it when all do. */
  confirm(record: StoredRecord, result: StoreResult, done: () => void): void;
  lookup(
    from: SimulatedPeer,
    record: StoredRecord,
    done: (result: LookupResult) => void,
    how?: LookupHow,
  ): void;
}

export interface RecordDependencies {
  readonly world: World;
  readonly authority: SimulatedAuthority;
  readonly anyLiving: () => SimulatedPeer;
}

interface Entry extends StoredRecord {
  readonly identity: Identity;
  /** Where its user is registered, as long as that peer runs: it signs, by its clock. */
  home: SimulatedPeer;
  versions: Uint8Array[];
  /** When each version ends. */
  ends: number[];
  confirmed: number;
  storageTimeMs: number;
  confirmedMs: number;
  lastsMs: number;
  expiresMs: number;
  /** The run of its home that stores for it. */
  storingRun: number | undefined;
}

const recordLifetimeS = 86_400;
/** A peer that sees no others, as one that has been cut off, stores without any: that promises nothing. */
const replicaCount = 2;
const confirmTries = 5;
const confirmPauseMs = 1000;
const cryptoMs = 0.05;

export function createRecords({ world, authority, anyLiving }: RecordDependencies): Records {
  const all: Entry[] = [];
  const served = createServedValues(world);

  function newEntry(lifetimeS: number): Entry {
    const user = `user-${all.length}@${overlayName}`;
    const key = nodeIdFromBytes(world.prng.bytes(16));
    const entry: Entry = {
      user,
      resource: resourceIdOfName(user),
      key,
      home: anyLiving(),
      identity: authority.issue(key, user, (run) => entry.home.host.later(cryptoMs, run)),
      versions: [],
      ends: [],
      confirmed: -1,
      storageTimeMs: 0,
      confirmedMs: 0,
      lastsMs: 0,
      storingRun: undefined,
      expiresMs: world.nowMs + lifetimeS * 1000,
      get acknowledged() {
        return entry.confirmed >= 0;
      },
      get pending() {
        return entry.home.alive && entry.storingRun === entry.home.host.run;
      },
    };
    return entry;
  }

  function write(entry: Entry, lifetimeS: number, done: Stored): void {
    if (entry.home.host.state !== 'running') entry.home = anyLiving();
    const endMs = world.nowMs + lifetimeS * 1000;
    entry.ends.push(endMs);
    entry.expiresMs = Math.max(entry.expiresMs, endMs);
    const value = utf8Encode(`contact ${entry.versions.length} of ${entry.user}`);
    entry.versions.push(value);
    entry.storingRun = entry.home.host.run;
    entry.home.overlay.store(
      {
        resource: entry.resource,
        kind: simulatedKind,
        identity: entry.identity,
        values: [{ key: idBytes(entry.key), exists: true, value, lifetimeS }],
      },
      (outcome) => {
        entry.storingRun = undefined;
        done(outcome);
      },
    );
  }

  function entryOf(record: StoredRecord): Entry {
    const entry = all.find((one) => one === record);
    if (entry === undefined) throw new Error('a record of another ring');
    return entry;
  }

  return {
    all,
    served,
    store(done, lifetimeS = recordLifetimeS) {
      const entry = newEntry(lifetimeS);
      all.push(entry);
      write(entry, lifetimeS, (outcome) => done(entry, outcome));
    },
    update: (record, done) => write(entryOf(record), recordLifetimeS, done),
    confirm(record, result, done) {
      if (result.replicas.length < replicaCount) {
        done();
        return;
      }
      const entry = entryOf(record);
      const version = entry.versions.length - 1;
      const missing = new Set(result.replicas);
      const peer = anyLiving();
      let tries = 0;
      const ask = (): void => {
        let open = missing.size;
        if (open === 0) {
          if (version > entry.confirmed) {
            entry.confirmed = version;
            entry.confirmedMs = world.nowMs;
            entry.storageTimeMs = result.storageTimeMs;
            entry.lastsMs = entry.ends[version] ?? 0;
          }
          done();
          return;
        }
        for (const at of [...missing]) {
          const request = { resource: record.resource, kind: simulatedKind, at };
          peer.overlay.stat(request, (outcome) => {
            if (outcome.ok && holds(outcome.value.values, record.key, result.storageTimeMs)) {
              missing.delete(at);
            }
            if (--open > 0) return;
            if (missing.size > 0 && ++tries >= confirmTries) done();
            else peer.host.later(missing.size === 0 ? 0 : confirmPauseMs, ask);
          });
        }
      };
      ask();
    },
    lookup(from, record, done, how = {}) {
      const startedMs = world.nowMs;
      const least = record.confirmed;
      const request = { resource: record.resource, kind: simulatedKind, ...how };
      from.overlay.fetch(request, (outcome) => {
        let found = false;
        for (const value of outcome.ok ? outcome.value.values : []) {
          if (served.judge(record, least, value)) found = true;
        }
        done({ found, elapsedMs: world.nowMs - startedMs });
      });
    },
  };
}

/** Whether the figures of a Stat tell of that key, written then or later. */
export function holds(
  values: readonly {
    readonly key: Uint8Array | undefined;
    readonly exists: boolean;
    readonly storageTimeMs: number;
  }[],
  key: NodeId,
  storageTimeMs: number,
): boolean {
  const wanted = idBytes(key);
  return values.some(
    (value) =>
      value.exists &&
      value.storageTimeMs >= storageTimeMs &&
      value.key !== undefined &&
      bytesEqual(value.key, wanted),
  );
}
