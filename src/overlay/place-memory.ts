/**
 * What this node knows of the places it stored to or fetched from: how new their value was, and until
 * when it lives. With it a rollback is noticed (RFC 6940 §13.5.3), and a removal outlives what it
 * removes (§7.4.1.3).
 */
import { limits } from '../base/limits.ts';
import type { KindId, ResourceId } from '../base/ids.ts';
import type { Clock } from '../ports/clock.ts';
import { placeKey } from '../storage/records.ts';

export interface PlaceMemory {
  /** A value with a good signature was stored or fetched. Older ones than known change nothing. */
  saw(place: string, storageTimeMs: number, lifetimeS: number): void;
  /** True when a newer value was seen whose life is not over. */
  isRolledBack(place: string, storageTimeMs: number): boolean;
  /** Rest of the life of the newest value seen, in seconds, rounded up; 0 when nothing is known. */
  remainingS(place: string): number;
}

interface Seen {
  readonly storageTimeMs: number;
  readonly untilMs: number;
}

/** The name under which a place is remembered. */
export function placeName(
  resource: ResourceId,
  kind: KindId,
  place: { readonly index?: number | undefined; readonly key?: Uint8Array | undefined },
): string {
  const { index, key } = place;
  const where = placeKey({
    ...(index === undefined ? {} : { index }),
    ...(key === undefined ? {} : { key }),
  });
  return `${resource} ${kind} ${where}`;
}

export function createPlaceMemory(clock: Clock): PlaceMemory {
  /** Seen last comes last. */
  const memory = new Map<string, Seen>();

  function recall(place: string): Seen | undefined {
    const seen = memory.get(place);
    if (seen === undefined || seen.untilMs > clock.monotonicMs()) return seen;
    memory.delete(place);
    return undefined;
  }

  return {
    saw(place, storageTimeMs, lifetimeS) {
      const known = recall(place);
      if (known !== undefined && known.storageTimeMs > storageTimeMs) return;
      memory.delete(place);
      memory.set(place, { storageTimeMs, untilMs: clock.monotonicMs() + lifetimeS * 1000 });
      if (memory.size <= limits.overlay.rememberedPlaces) return;
      for (const oldest of memory.keys()) {
        memory.delete(oldest);
        break;
      }
    },
    isRolledBack(place, storageTimeMs) {
      const known = recall(place);
      return known !== undefined && known.storageTimeMs > storageTimeMs;
    },
    remainingS(place) {
      const known = recall(place);
      if (known === undefined) return 0;
      return Math.ceil((known.untilMs - clock.monotonicMs()) / 1000);
    },
  };
}
