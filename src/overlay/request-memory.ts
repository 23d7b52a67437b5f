/**
 * Remembers answered requests, so that a retransmission gets the same answer and is not applied
 * twice. RFC 6940 §6.2.1.
 */
import { bytesEqual } from '../base/bytes.ts';
import { limits } from '../base/limits.ts';
import type { Clock } from '../ports/clock.ts';

/** A request seen within the maximum request lifetime. */
export interface RememberedRequest {
  /** The signed part of the answer (message contents and security block); absent while it is being made. */
  answer: Uint8Array | undefined;
}

export interface RequestMemory {
  /** The earlier arrival of exactly this request: same transaction, same signature. */
  find(transactionId: bigint, signature: Uint8Array): RememberedRequest | undefined;
  /** Remembers a request whose signature was found good. */
  note(transactionId: bigint, signature: Uint8Array): RememberedRequest;
  /** Keeps the answer for retransmissions, as far as memory allows. */
  answered(request: RememberedRequest, answer: Uint8Array): void;
  readonly size: number;
}

interface Slot extends RememberedRequest {
  readonly transactionId: bigint;
  readonly signature: Uint8Array;
  readonly expiresMs: number;
}

export function createRequestMemory(dependencies: {
  readonly clock: Clock;
  readonly lifetimeMs: () => number;
}): RequestMemory {
  const { clock } = dependencies;
  /** Oldest first, because all live equally long. */
  const slots = new Map<bigint, Slot>();
  let bytes = 0;

  function forget(transactionId: bigint, slot: Slot): void {
    slots.delete(transactionId);
    bytes -= slot.answer?.length ?? 0;
    slot.answer = undefined;
  }

  function expire(): void {
    const now = clock.monotonicMs();
    for (const [transactionId, slot] of slots) {
      const full =
        slots.size > limits.overlay.rememberedRequests || bytes > limits.overlay.rememberedBytes;
      if (!full && slot.expiresMs > now) return;
      forget(transactionId, slot);
    }
  }

  return {
    get size() {
      return slots.size;
    },
    find(transactionId, signature) {
      expire();
      const slot = slots.get(transactionId);
      return slot !== undefined && bytesEqual(slot.signature, signature) ? slot : undefined;
    },
    note(transactionId, signature) {
      const held = slots.get(transactionId);
      if (held !== undefined) forget(transactionId, held);
      const slot: Slot = {
        transactionId,
        signature: signature.slice(),
        expiresMs: clock.monotonicMs() + dependencies.lifetimeMs(),
        answer: undefined,
      };
      slots.set(transactionId, slot);
      expire();
      return slot;
    },
    answered(request, answer) {
      const slot = request as Slot;
      if (slot.answer !== undefined) return;
      if (slots.get(slot.transactionId) !== slot) return;
      slot.answer = answer;
      bytes += answer.length;
      expire();
    },
  };
}
