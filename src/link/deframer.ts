/** Cuts the byte stream of a link into frames. RFC 6940 §6.6.2; cost is linear in the bytes. */
import { limits } from '../base/limits.ts';
import { ackFrameLength, dataFrameHeaderLength, frameTypes } from '../wire/reload/framing.ts';

export interface Deframer {
  /** The next bytes of the stream, of any length; calls the sink for each whole frame in them. */
  push(bytes: Uint8Array): void;
}

/** After `oversized` or `invalid` no further call is made. */
export interface DeframerSink {
  data(sequence: number, message: Uint8Array): void;
  ack(sequence: number, received: number): void;
  /** A message above the limit; `prefix` is `undefined` when its forwarding header alone is above it. */
  oversized(prefix: Uint8Array | undefined): void;
  invalid(type: number): void;
}

/** Fixed part of the forwarding header and the place of its three list lengths. RFC 6940 §6.3.2. */
const fixedHeaderBytes = 38;
const listLengthsOffset = 32;

/**
 * `maxMessageBytes`: asked for each frame, at most `limits.reloadMessageBytes` counts.
 * Holds at most one incomplete frame: up to the limit for a message within it, up to the limit and
 * the end of the forwarding header for one above it.
 */
export function createDeframer(maxMessageBytes: () => number, sink: DeframerSink): Deframer {
  return new StreamDeframer(maxMessageBytes, sink);
}

/** A class, because every link of every peer has one: functions are shared, and memory is the fields. */
class StreamDeframer implements Deframer {
  readonly #maxMessageBytes: () => number;
  readonly #sink: DeframerSink;
  /** The incomplete frame: `held.length` bytes are wanted before it is looked at again. */
  #held: Uint8Array | undefined;
  #have = 0;
  #stopped = false;

  constructor(maxMessageBytes: () => number, sink: DeframerSink) {
    this.#maxMessageBytes = maxMessageBytes;
    this.#sink = sink;
  }

  push(bytes: Uint8Array): void {
    let offset = 0;
    while (offset < bytes.length && !this.#stopped) {
      if (this.#held === undefined) {
        const used = this.#frameAt(bytes, offset);
        if (used > 0) {
          offset += used;
        } else {
          this.#held = new Uint8Array(-used);
          this.#have = 0;
        }
        continue;
      }
      offset += this.#fill(this.#held, bytes, offset);
      if (this.#have < this.#held.length) return;
      const used = this.#frameAt(this.#held, 0);
      if (used > 0) {
        this.#held = undefined;
      } else {
        const longer = new Uint8Array(-used);
        longer.set(this.#held);
        this.#held = longer;
      }
    }
  }

  /** Handles the frame at `offset`: its length when it was whole, else minus the bytes wanted. */
  #frameAt(bytes: Uint8Array, offset: number): number {
    const available = bytes.length - offset;
    const type = bytes[offset];
    if (type === frameTypes.data) {
      if (available < dataFrameHeaderLength) return -dataFrameHeaderLength;
      const length =
        ((bytes[offset + 5] ?? 0) << 16) |
        ((bytes[offset + 6] ?? 0) << 8) |
        (bytes[offset + 7] ?? 0);
      const limit = Math.min(this.#maxMessageBytes(), limits.reloadMessageBytes);
      if (length > limit) return this.#oversizedAt(bytes, offset, length, limit);
      const end = dataFrameHeaderLength + length;
      if (available < end) return -end;
      this.#sink.data(
        readU32(bytes, offset + 1),
        bytes.subarray(offset + dataFrameHeaderLength, offset + end),
      );
      return end;
    }
    if (type === frameTypes.ack) {
      if (available < ackFrameLength) return -ackFrameLength;
      this.#sink.ack(readU32(bytes, offset + 1), readU32(bytes, offset + 5));
      return ackFrameLength;
    }
    this.#stopped = true;
    this.#sink.invalid(type ?? 0);
    return available;
  }

  #oversizedAt(bytes: Uint8Array, offset: number, length: number, limit: number): number {
    const start = offset + dataFrameHeaderLength;
    const available = bytes.length - offset;
    const fixedEnd = dataFrameHeaderLength + Math.min(fixedHeaderBytes, length);
    if (available < fixedEnd) return -fixedEnd;
    let headerBytes = fixedHeaderBytes;
    for (let i = start + listLengthsOffset; i < start + fixedHeaderBytes; i += 2) {
      headerBytes += ((bytes[i] ?? 0) << 8) | (bytes[i + 1] ?? 0);
    }
    if (length >= fixedHeaderBytes && headerBytes <= Math.min(limit, length)) {
      if (available < dataFrameHeaderLength + headerBytes)
        return -(dataFrameHeaderLength + headerBytes);
      this.#stopped = true;
      this.#sink.oversized(bytes.subarray(start, Math.min(bytes.length, start + length)));
    } else {
      this.#stopped = true;
      this.#sink.oversized(undefined);
    }
    return available;
  }

  /** Adds bytes to the held frame; returns how many it took. */
  #fill(wanted: Uint8Array, bytes: Uint8Array, offset: number): number {
    const taken = Math.min(wanted.length - this.#have, bytes.length - offset);
    wanted.set(bytes.subarray(offset, offset + taken), this.#have);
    this.#have += taken;
    return taken;
  }
}

function readU32(bytes: Uint8Array, offset: number): number {
  return (
    (((bytes[offset] ?? 0) << 24) |
      ((bytes[offset + 1] ?? 0) << 16) |
      ((bytes[offset + 2] ?? 0) << 8) |
      (bytes[offset + 3] ?? 0)) >>>
    0
  );
}
