/** STUN requests over UDP: retransmission, and answers that are believed only when authentic. RFC 8489 §6. */
import { limits } from '../../base/limits.ts';
import { failure, success, type Outcome } from '../../base/outcome.ts';
import { hexEncode } from '../../base/text.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { Random } from '../../ports/random.ts';
import type { StunAttributes } from '../../wire/stun/attributes.ts';
import {
  encodeStun,
  isAuthentic,
  type ReceivedStun,
  type StunMethod,
} from '../../wire/stun/message.ts';

export interface OutgoingRequest {
  readonly method: StunMethod;
  readonly attributes: StunAttributes;
  /** Signs the request; then an answer must be signed with it too, or it is as if it had not come. */
  readonly key?: Uint8Array;
  /** Error answers are taken unsigned: long-term credentials begin with one (RFC 8489 §9.2.5). */
  readonly unsignedErrors?: boolean;
  /** Transmissions, at most limits.ice.requestAttempts. */
  readonly attempts?: number;
  /** Where the time between transmissions stops doubling (ms). */
  readonly maximumRtoMs?: number;
  readonly transmit: (bytes: Uint8Array) => void;
}

export interface Answer<Source> {
  readonly message: ReceivedStun;
  readonly source: Source;
  /** From the last transmission before the answer. */
  readonly rttMs: number;
}

export interface Transaction {
  /** Sends no more; an answer is still taken until the time is over. */
  quiet(): void;
  /** `done` is not called any more. */
  cancel(): void;
}

/** `Source` says where an answer came from. */
export interface StunRequests<Source> {
  /** `done` is called once, later; not after `cancel` or `close`. */
  send(request: OutgoingRequest, done: (outcome: Outcome<Answer<Source>>) => void): Transaction;
  /** An answer; false when nothing waits for it or it is not authentic. */
  receive(message: ReceivedStun, source: Source): boolean;
  /** Forgets all. */
  close(): void;
}

interface Pending<Source> {
  readonly request: OutgoingRequest;
  readonly bytes: Uint8Array;
  readonly done: (outcome: Outcome<Answer<Source>>) => void;
  attempts: number;
  sentAtMs: number;
  silent: boolean;
  timer: Timer | undefined;
}

export function createStunRequests<Source>(clock: Clock, random: Random): StunRequests<Source> {
  const pending = new Map<string, Pending<Source>>();

  function transmit(id: string, entry: Pending<Source>): void {
    const { request } = entry;
    const last = (request.attempts ?? limits.ice.requestAttempts) - 1;
    const factor =
      entry.attempts < last ? 2 ** entry.attempts : Math.min(limits.ice.lastWaitFactor, last + 1);
    const { maximumRtoMs = Number.POSITIVE_INFINITY } = request;
    const waitMs = Math.min(limits.ice.rtoMs * factor, maximumRtoMs);
    entry.attempts += 1;
    entry.timer = clock.after('stun-request', waitMs, () => {
      if (entry.attempts > last) {
        pending.delete(id);
        entry.done(failure('no answer'));
      } else transmit(id, entry);
    });
    if (entry.silent) return;
    entry.sentAtMs = clock.monotonicMs();
    request.transmit(entry.bytes);
  }

  function drop(id: string): void {
    pending.get(id)?.timer?.cancel();
    pending.delete(id);
  }

  return {
    send(request, done) {
      const id = hexEncode(random.bytes(12));
      const { method, attributes, key } = request;
      const message = { class: 'request', method, transactionId: id, attributes } as const;
      const entry: Pending<Source> = {
        request,
        bytes: encodeStun(message, key),
        done,
        attempts: 0,
        sentAtMs: 0,
        silent: false,
        timer: undefined,
      };
      pending.set(id, entry);
      transmit(id, entry);
      return {
        quiet() {
          entry.silent = true;
        },
        cancel() {
          drop(id);
        },
      };
    },
    receive(message, source) {
      const entry = pending.get(message.transactionId);
      if (entry === undefined || message.method !== entry.request.method) return false;
      const { key, unsignedErrors = false } = entry.request;
      const unsigned = message.class === 'error' && unsignedErrors;
      if (key !== undefined && !unsigned && !isAuthentic(message, key)) return false;
      drop(message.transactionId);
      const rttMs = clock.monotonicMs() - entry.sentAtMs;
      entry.done(
        message.unknownRequired.length > 0 && message.class === 'success'
          ? failure('an answer with unknown attributes')
          : success({ message, source, rttMs }),
      );
      return true;
    },
    close() {
      for (const id of [...pending.keys()]) drop(id);
    },
  };
}
