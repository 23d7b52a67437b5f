/** Frames of an overlay link. RFC 6940 §6.6.2. */
import { UsageError } from '../../base/assert.ts';
import { emptyBytes } from '../../base/bytes.ts';
import { attempt, Reader, type WireError } from '../codec.ts';
import type { Outcome } from '../../base/outcome.ts';

export const frameTypes = { data: 128, ack: 129 } as const;
/** Bytes before the message of a data frame. */
export const dataFrameHeaderLength = 8;
export const ackFrameLength = 9;
/** Largest message one frame can hold. */
export const maxFramedMessageBytes = 0xff_ffff;

export type Frame =
  | { readonly type: 'data'; readonly sequence: number; readonly message: Uint8Array }
  | {
      readonly type: 'ack';
      readonly ackSequence: number;
      /** Bit k set: sequence `ackSequence - 1 - k` was received. */
      readonly received: number;
    };

/**
 * A whole data frame around the message, which may come in two parts so that it is copied only once.
 * Throws UsageError above {@link maxFramedMessageBytes}.
 */
export function encodeDataFrame(
  sequence: number,
  message: Uint8Array,
  rest: Uint8Array = emptyBytes,
): Uint8Array {
  const length = message.length + rest.length;
  if (length > maxFramedMessageBytes) {
    throw new UsageError(`a frame holds at most ${maxFramedMessageBytes} bytes`);
  }
  const frame = new Uint8Array(dataFrameHeaderLength + length);
  frame[0] = frameTypes.data;
  writeU32(frame, 1, sequence);
  frame[5] = length >>> 16;
  frame[6] = length >>> 8;
  frame[7] = length;
  frame.set(message, dataFrameHeaderLength);
  frame.set(rest, dataFrameHeaderLength + message.length);
  return frame;
}

/** Writes {@link ackFrameLength} bytes at `offset`. */
export function writeAckFrame(
  target: Uint8Array,
  offset: number,
  ackSequence: number,
  received: number,
): void {
  target[offset] = frameTypes.ack;
  writeU32(target, offset + 1, ackSequence);
  writeU32(target, offset + 5, received);
}

export function encodeAckFrame(ackSequence: number, received: number): Uint8Array {
  const frame = new Uint8Array(ackFrameLength);
  writeAckFrame(frame, 0, ackSequence, received);
  return frame;
}

function writeU32(target: Uint8Array, offset: number, value: number): void {
  target[offset] = value >>> 24;
  target[offset + 1] = value >>> 16;
  target[offset + 2] = value >>> 8;
  target[offset + 3] = value;
}

/**
 * Whole length of the frame that begins the bytes, as far as it can be told: `undefined` while
 * fewer than its first 8 bytes (data) are there. A stream that begins with another type fails.
 */
export function frameLength(bytes: Uint8Array, offset = 0): Outcome<number | undefined, WireError> {
  return attempt(() => {
    const reader = new Reader(bytes, offset);
    if (reader.remaining === 0) return undefined;
    const type = reader.u8();
    if (type === frameTypes.ack) return ackFrameLength;
    if (type !== frameTypes.data) reader.fail('unknown-type');
    if (reader.remaining < dataFrameHeaderLength - 1) return undefined;
    reader.skip(4);
    return dataFrameHeaderLength + reader.u24();
  });
}

/** Decodes exactly one frame. Throws WireError. */
export function decodeFrame(bytes: Uint8Array): Frame {
  const reader = new Reader(bytes);
  const frame = readFrame(reader);
  if (reader.remaining !== 0) reader.fail('trailing-bytes');
  return frame;
}

function readFrame(reader: Reader): Frame {
  switch (reader.u8()) {
    case frameTypes.data: {
      const sequence = reader.u32();
      return { type: 'data', sequence, message: reader.take(reader.u24()) };
    }
    case frameTypes.ack: {
      const ackSequence = reader.u32();
      return { type: 'ack', ackSequence, received: reader.u32() };
    }
    default:
      return reader.fail('unknown-type');
  }
}
