/** The two frames of the link layer. RFC 6940 §6.6.2; the layout stands in `wire/reload/framing.ts`. */
export const dataFrameType = 128;
export const ackFrameType = 129;
/** Bytes before the message in a data frame. */
export const dataFrameHeaderBytes = 8;
export const ackFrameBytes = 9;

/** A whole data frame around a message of at most 2^24-1 bytes. */
export function dataFrame(sequence: number, message: Uint8Array): Uint8Array {
  const frame = new Uint8Array(dataFrameHeaderBytes + message.length);
  frame[0] = dataFrameType;
  writeU32(frame, 1, sequence);
  frame[5] = message.length >>> 16;
  frame[6] = message.length >>> 8;
  frame[7] = message.length;
  frame.set(message, dataFrameHeaderBytes);
  return frame;
}

/** Writes {@link ackFrameBytes} bytes at `offset`. */
export function writeAckFrame(
  target: Uint8Array,
  offset: number,
  sequence: number,
  received: number,
): void {
  target[offset] = ackFrameType;
  writeU32(target, offset + 1, sequence);
  writeU32(target, offset + 5, received);
}

function writeU32(target: Uint8Array, offset: number, value: number): void {
  target[offset] = value >>> 24;
  target[offset + 1] = value >>> 16;
  target[offset + 2] = value >>> 8;
  target[offset + 3] = value;
}
