/**
 * Has a stored record reached the replicas? Asked by Stat in the background (RFC 6940 §7.4.1.2,
 * DESIGN §4.4); no phone waits for it.
 */
import type { NodeId } from '../base/ids.ts';
import { idBytes } from '../base/ids.ts';
import { bytesEqual } from '../base/bytes.ts';
import { limits } from '../base/limits.ts';
import type { Overlay } from '../overlay/api.ts';
import type { Clock } from '../ports/clock.ts';
import type { Trace } from '../ports/trace.ts';
import { resourceOfAor, sipRegistrationKindId } from '../usages/sip/registration.ts';

export interface ConfirmedRecord {
  readonly aor: string;
  readonly key: NodeId;
  readonly storageTimeMs: number;
}

export interface Confirmer {
  /** `done(true)` once every replica shows the record; `done(false)` when some do not in time. Later, once. */
  confirm(
    record: ConfirmedRecord,
    replicas: readonly NodeId[],
    done: (seen: boolean) => void,
  ): void;
  stop(): void;
}

export interface ConfirmerDeps {
  readonly overlay: Pick<Overlay, 'stat' | 'nodeId'>;
  readonly clock: Clock;
  readonly trace: Trace;
}

/** Replication takes a moment; then the questions become rarer. */
const firstDelayMs = 1000;
const rounds = 5;

export function createConfirmer(deps: ConfirmerDeps): Confirmer {
  const { overlay, clock, trace } = deps;
  const confirmed = trace.counter('sip_registration_confirmations_total', { result: 'confirmed' });
  const unseen = trace.counter('sip_registration_confirmations_total', { result: 'unseen' });
  let asking = 0;
  let stopped = false;

  function ask(
    record: ConfirmedRecord,
    missing: readonly NodeId[],
    round: number,
    done: (seen: boolean) => void,
  ): void {
    if (stopped) return;
    if (asking >= limits.adapter.confirmationsAtOnce) {
      clock.after('sip-confirm', firstDelayMs, () => ask(record, missing, round, done));
      return;
    }
    asking++;
    const left = new Set(missing);
    let answers = 0;
    for (const at of missing) {
      seenAt(record, at, (seen) => {
        if (seen) left.delete(at);
        if (++answers < missing.length) return;
        asking--;
        if (left.size === 0) {
          confirmed.add();
          done(true);
        } else if (round >= rounds) {
          unseen.add();
          done(false);
        } else {
          const delayMs = firstDelayMs * 2 ** round;
          clock.after('sip-confirm', delayMs, () => ask(record, [...left], round + 1, done));
        }
      });
    }
  }

  function seenAt(record: ConfirmedRecord, at: NodeId, done: (seen: boolean) => void): void {
    const key = idBytes(record.key);
    const request = {
      resource: resourceOfAor(record.aor),
      kind: sipRegistrationKindId,
      keys: [key],
      at,
    };
    overlay.stat(request, (outcome) => {
      const isThis = (value: { key: Uint8Array | undefined }): boolean =>
        value.key !== undefined && bytesEqual(value.key, key);
      done(
        outcome.ok &&
          outcome.value.values.some(
            (value) => isThis(value) && value.exists && value.storageTimeMs >= record.storageTimeMs,
          ),
      );
    });
  }

  return {
    confirm(record, replicas, done) {
      const others = replicas.filter((nodeId) => nodeId !== overlay.nodeId);
      clock.after('sip-confirm', others.length === 0 ? 0 : firstDelayMs, () => {
        if (others.length === 0) done(true);
        else ask(record, others, 1, done);
      });
    },
    stop() {
      stopped = true;
    },
  };
}
