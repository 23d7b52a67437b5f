/** How many frames may be under way: slow start, then growth by one in a round trip. RFC 5405 §3.1, RFC 5681 §3.1. */
import { limits } from '../base/limits.ts';

export interface CongestionWindow {
  /** Whether another frame may leave while so many are under way. */
  admits(underWay: number): boolean;
  acknowledged(): void;
  /** Frames were lost while later ones came through: once for all that had left by then (`next`). */
  lost(sequence: number, next: number): void;
  /** Nothing came through for a whole RTO. */
  timedOut(): void;
}

const initialFrames = 4;

export function createCongestionWindow(): CongestionWindow {
  let frames = initialFrames;
  let threshold: number = limits.link.streamFrames;
  /** Losses of frames before this sequence number have been answered already. */
  let recoverUntil: number | undefined;

  return {
    admits: (underWay) => underWay < Math.floor(frames),
    acknowledged() {
      frames += frames < threshold ? 1 : 1 / frames;
      frames = Math.min(frames, limits.link.streamFrames);
    },
    lost(sequence, next) {
      if (recoverUntil !== undefined && ((sequence - recoverUntil) | 0) < 0) return;
      recoverUntil = next;
      threshold = Math.max(2, frames / 2);
      frames = threshold;
    },
    timedOut() {
      threshold = Math.max(2, frames / 2);
      frames = 1;
    },
  };
}
