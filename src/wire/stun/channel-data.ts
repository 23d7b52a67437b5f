/** ChannelData: application data to or from a TURN server with four bytes in front. RFC 8656 §12.4. */
import { UsageError } from '../../base/assert.ts';

/** Channel numbers, both inclusive. */
export const firstChannel = 0x4000;
export const lastChannel = 0x4fff;

const headerBytes = 4;

export interface ChannelData {
  readonly channel: number;
  /** A view of the input. */
  readonly data: Uint8Array;
}

/** `undefined` for what is no ChannelData or shorter than it says; padding behind it is ignored. */
export function decodeChannelData(bytes: Uint8Array): ChannelData | undefined {
  if (bytes.length < headerBytes) return undefined;
  const channel = ((bytes[0] as number) << 8) | (bytes[1] as number);
  const length = ((bytes[2] as number) << 8) | (bytes[3] as number);
  if (channel < firstChannel || channel > lastChannel) return undefined;
  if (bytes.length < headerBytes + length) return undefined;
  return { channel, data: bytes.subarray(headerBytes, headerBytes + length) };
}

/** Without padding, as over UDP. Throws UsageError. */
export function encodeChannelData(channel: number, data: Uint8Array): Uint8Array {
  if (channel < firstChannel || channel > lastChannel) throw new UsageError('no channel number');
  if (data.length > 0xffff) throw new UsageError('more than a datagram');
  const bytes = new Uint8Array(headerBytes + data.length);
  bytes[0] = channel >> 8;
  bytes[1] = channel & 0xff;
  bytes[2] = data.length >> 8;
  bytes[3] = data.length & 0xff;
  bytes.set(data, headerBytes);
  return bytes;
}
