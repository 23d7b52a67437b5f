/** Plain RELOAD frames in a pcap file, as if the links had no TLS. */
import { decodeFrame, frameLength, type Frame } from '../../../src/wire/reload/framing.ts';
import type { Endpoint, PlainStream } from './tshark.ts';

/** A frame with its place: the packet of the same index in {@link pcapOf} holds it. */
export interface PlainFrame {
  readonly stream: PlainStream;
  readonly from: 'client' | 'server';
  readonly bytes: Uint8Array;
  readonly frame: Frame;
}

/** Cuts the streams into frames with our own codec; throws when bytes are left over. */
export function framesOf(streams: readonly PlainStream[]): PlainFrame[] {
  return streams.flatMap((stream) => {
    const frames: PlainFrame[] = [];
    const pending = { client: Buffer.alloc(0), server: Buffer.alloc(0) };
    for (const { from, bytes } of stream.chunks) {
      let rest = Buffer.concat([pending[from], bytes]);
      for (;;) {
        const length = frameLength(rest);
        if (!length.ok) throw length.error;
        if (length.value === undefined || length.value > rest.length) break;
        const whole = rest.subarray(0, length.value);
        frames.push({ stream, from, bytes: whole, frame: decodeFrame(whole) });
        rest = rest.subarray(length.value);
      }
      pending[from] = rest;
    }
    if (pending.client.length + pending.server.length > 0) throw new Error('half a frame is left');
    return frames;
  });
}

const rawIp = 101;
const headersLength = 40;

/** One TCP segment per frame: see `secondFrame` of the dissector's mistakes. */
export function pcapOf(frames: readonly PlainFrame[]): Uint8Array {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(0xffff, 16);
  header.writeUInt32LE(rawIp, 20);
  const parts: Uint8Array[] = [header];
  const sent = new Map<PlainStream, { client: number; server: number }>();
  for (const [index, { stream, from, bytes }] of frames.entries()) {
    const to = from === 'client' ? 'server' : 'client';
    const sequence = sent.get(stream) ?? { client: 1, server: 1 };
    sent.set(stream, sequence);
    const record = Buffer.alloc(16);
    record.writeUInt32LE(index + 1, 0);
    record.writeUInt32LE(headersLength + bytes.length, 8);
    record.writeUInt32LE(headersLength + bytes.length, 12);
    const ipTcp = segmentHeaders(stream[from], stream[to], bytes.length);
    ipTcp.writeUInt32BE(sequence[from], 24);
    ipTcp.writeUInt32BE(sequence[to], 28);
    sequence[from] += bytes.length;
    parts.push(record, ipTcp, bytes);
  }
  return Buffer.concat(parts);
}

/** IPv4 and TCP, sequence numbers left open. */
function segmentHeaders(source: Endpoint, destination: Endpoint, length: number): Buffer {
  const headers = Buffer.alloc(headersLength);
  headers.writeUInt8(0x45, 0);
  headers.writeUInt16BE(headersLength + length, 2);
  headers.writeUInt8(64, 8);
  headers.writeUInt8(6, 9);
  headers.set(source.address.split('.').map(Number), 12);
  headers.set(destination.address.split('.').map(Number), 16);
  headers.writeUInt16BE(source.port, 20);
  headers.writeUInt16BE(destination.port, 22);
  headers.writeUInt8(0x50, 32);
  headers.writeUInt8(0x18, 33);
  headers.writeUInt16BE(0xffff, 34);
  return headers;
}
