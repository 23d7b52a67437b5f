/**
 * Durable secrets for nonces, flow tokens and Record-Route values. A new key is made from time to time;
 * the former ones go on verifying, so nothing in flight breaks, and a restart keeps them all.
 */
import { concatBytes } from '../base/bytes.ts';
import { limits } from '../base/limits.ts';
import type { Clock, Timer } from '../ports/clock.ts';
import type { Random } from '../ports/random.ts';
import type { Store } from '../ports/store.ts';

export interface Keyring {
  /** The key that signs. */
  readonly current: Uint8Array;
  /** All that verify, newest first: the same array for the life of the ring, changed in place. */
  readonly all: readonly Uint8Array[];
  stop(): void;
}

export interface KeyringDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  /** Names the purpose; part of the key in the store. */
  readonly name: string;
  /** Age at which a key stops signing; default 30 days. */
  readonly rotateAfterMs?: number;
  /** Called after a new key was made. */
  onRotate?(): void;
}

const keyBytes = 32;
const entryBytes = 8 + keyBytes;
const checkEveryMs = 3_600_000;

export function createKeyring(deps: KeyringDeps): Keyring {
  const { clock, store, random } = deps;
  const rotateAfterMs = deps.rotateAfterMs ?? 30 * 24 * 3_600_000;
  const storeKey = `adapter/keys/${deps.name}`;
  const entries = decodeEntries(store.get(storeKey));
  const all: Uint8Array[] = entries.map((entry) => entry.key);
  let timer: Timer | undefined;

  function rotateIfDue(): void {
    const nowMs = clock.wallMs();
    const newest = entries[0];
    // A clock that went back must not freeze rotation, nor make a key live for ever.
    if (newest === undefined || Math.abs(nowMs - newest.createdMs) >= rotateAfterMs) {
      const made = { createdMs: nowMs, key: random.bytes(keyBytes) };
      entries.unshift(made);
      all.unshift(made.key);
      entries.length = Math.min(entries.length, limits.adapter.keysKept);
      all.length = entries.length;
      store.write([{ put: storeKey, value: encodeEntries(entries) }]);
      if (newest !== undefined) deps.onRotate?.();
    }
    timer = clock.after('adapter-keys', checkEveryMs, rotateIfDue);
  }
  rotateIfDue();

  return {
    get current() {
      return all[0] as Uint8Array;
    },
    all,
    stop: () => timer?.cancel(),
  };
}

interface KeyEntry {
  readonly createdMs: number;
  readonly key: Uint8Array;
}

function encodeEntries(entries: readonly KeyEntry[]): Uint8Array {
  return concatBytes(
    entries.map((entry) => {
      const bytes = new Uint8Array(entryBytes);
      new DataView(bytes.buffer).setBigUint64(0, BigInt(Math.trunc(entry.createdMs)));
      bytes.set(entry.key, 8);
      return bytes;
    }),
  );
}

function decodeEntries(bytes: Uint8Array | undefined): KeyEntry[] {
  const entries: KeyEntry[] = [];
  if (bytes === undefined) return entries;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + entryBytes <= bytes.length; at += entryBytes) {
    entries.push({
      createdMs: Number(view.getBigUint64(at)),
      key: bytes.slice(at + 8, at + entryBytes),
    });
  }
  return entries;
}
