/** The forwarding header. RFC 6940 §6.3.2; the layout is written out because every hop reads it. */
import { UsageError } from '../../base/assert.ts';
import { sha1 } from '../../base/hash.ts';
import { utf8Encode } from '../../base/text.ts';
import { limits } from '../../base/limits.ts';
import { Reader, written, type Writer } from '../codec.ts';
import { located } from '../error.ts';
import { decodeDestinations, encodeDestinations, type Destination } from './destination.ts';

/** `relo_token`: "RELO" with the first bit set. */
export const reloToken = 0xd2454c4f;
/** Version 1.0, times ten. */
export const protocolVersion = 0x0a;
/** The fixed part in bytes. */
export const fixedHeaderLength = 38;
/** Only in a ConfigUpdate: the message is meant for any configuration. §6.3.2.1. */
export const anyConfigurationSequence = 65_535;

const alwaysSetBit = 0x8000_0000;
const lastFragmentBit = 0x4000_0000;
const fragmentOffsetMask = 0x00ff_ffff;

export interface ForwardingHeader {
  /** See {@link overlayHash}. */
  readonly overlay: number;
  readonly configurationSequence: number;
  readonly ttl: number;
  readonly fragment: Fragment;
  readonly transactionId: bigint;
  /** Bytes, 0 = no limit; 0 in responses. */
  readonly maxResponseLength: number;
  /** Oldest hop first. */
  readonly viaList: readonly Destination[];
  /** Next hop first. */
  readonly destinationList: readonly Destination[];
  readonly options: readonly ForwardingOption[];
}

/** The fragment field. §6.7. */
export interface Fragment {
  readonly last: boolean;
  /** Bytes from the end of the header. */
  readonly offset: number;
}

/** Not fragmented: the only and last piece. */
export const unfragmented: Fragment = { last: true, offset: 0 };

/** §6.3.2.3. */
export interface ForwardingOption {
  readonly type: number;
  readonly flags: number;
  readonly value: Uint8Array;
}

export const forwardingOptionFlags = {
  forwardCritical: 0x01,
  destinationCritical: 0x02,
  responseCopy: 0x04,
} as const;

export interface DecodedHeader {
  readonly header: ForwardingHeader;
  /** Bytes of the header: where the rest of the message begins. */
  readonly headerLength: number;
  /** The `length` field, equal to the bytes given. */
  readonly messageLength: number;
}

/** `overlay` field: the last four bytes of SHA-1 over the overlay name. §6.3.2. */
export function overlayHash(overlayName: string): number {
  return new Reader(sha1(utf8Encode(overlayName)), 16).u32();
}

/**
 * Decodes the header of a whole message (or fragment) and checks its `length` against the bytes
 * given. The rest is not looked at. Throws WireError.
 */
export function decodeHeader(bytes: Uint8Array): DecodedHeader {
  const reader = new Reader(bytes);
  if (reader.u32() !== reloToken) reader.fail('bad-value');
  const overlay = reader.u32();
  const configurationSequence = reader.u16();
  if (reader.u8() !== protocolVersion) reader.fail('bad-value');
  const ttl = reader.u8();
  const fragment = decodeFragment(reader);
  const messageLength = reader.u32();
  const transactionId = reader.u64();
  const maxResponseLength = reader.u32();
  const viaLength = reader.u16();
  const destinationsLength = reader.u16();
  const optionsLength = reader.u16();
  const viaList = decodeList(reader, viaLength, 'via');
  const destinationList = decodeList(reader, destinationsLength, 'destinations');
  const options = decodeOptions(reader, optionsLength);
  const headerLength = reader.offset;
  if (messageLength !== bytes.length) {
    reader.fail(messageLength > bytes.length ? 'truncated' : 'trailing-bytes');
  }
  const header = {
    overlay,
    configurationSequence,
    ttl,
    fragment,
    transactionId,
    maxResponseLength,
    viaList,
    destinationList,
    options,
  };
  return { header, headerLength, messageLength };
}

/** The header's bytes, with `length` for a body of that size. Throws UsageError. */
export function encodeHeader(header: ForwardingHeader, bodyLength: number): Uint8Array {
  return written((writer) => {
    writer.u32(reloToken);
    writer.u32(header.overlay);
    writer.u16(header.configurationSequence);
    writer.u8(protocolVersion);
    writer.u8(header.ttl);
    writer.u32(encodeFragment(header.fragment));
    const lengthAt = writer.open(4);
    writer.u64(header.transactionId);
    writer.u32(header.maxResponseLength);
    const listLengthsAt = writer.open(6);
    encodeDestinations(header.viaList, 'via', writer);
    const viaEnd = writer.length;
    encodeDestinations(header.destinationList, 'destinations', writer);
    const destinationsEnd = writer.length;
    encodeOptions(header.options, writer);
    patchListLength(writer, listLengthsAt, viaEnd - fixedHeaderLength);
    patchListLength(writer, listLengthsAt + 2, destinationsEnd - viaEnd);
    patchListLength(writer, listLengthsAt + 4, writer.length - destinationsEnd);
    writer.patch(lengthAt, 4, writer.length + bodyLength);
  });
}

function patchListLength(writer: Writer, at: number, length: number): void {
  if (length > 0xffff) throw new UsageError('a list of the header exceeds 65535 bytes');
  writer.patch(at, 2, length);
}

/** The fragment field as a number. Throws UsageError for an offset above 24 bits. */
export function encodeFragment(fragment: Fragment): number {
  if (fragment.offset < 0 || fragment.offset > fragmentOffsetMask) {
    throw new UsageError(`fragment offset ${fragment.offset} does not fit into 24 bits`);
  }
  return (alwaysSetBit | (fragment.last ? lastFragmentBit : 0) | fragment.offset) >>> 0;
}

/** Reads the fragment field; its first bit must be set, reserved bits are ignored. */
export function decodeFragment(reader: Reader): Fragment {
  const field = reader.u32();
  if ((field & alwaysSetBit) === 0) reader.fail('bad-value');
  const last = (field & lastFragmentBit) !== 0;
  const offset = field & fragmentOffsetMask;
  return last && offset === 0 ? unfragmented : { last, offset };
}

function decodeList(
  reader: Reader,
  length: number,
  use: 'via' | 'destinations',
): readonly Destination[] {
  if (length === 0) return noDestinations;
  try {
    const outer = reader.enter(length);
    const list = decodeDestinations(reader, use);
    reader.leave(outer);
    return list;
  } catch (error) {
    throw located(error, use === 'via' ? 'viaList' : 'destinationList');
  }
}

const noDestinations: readonly Destination[] = [];
const noOptions: readonly ForwardingOption[] = [];

function decodeOptions(reader: Reader, length: number): readonly ForwardingOption[] {
  if (length === 0) return noOptions;
  const options: ForwardingOption[] = [];
  try {
    const outer = reader.enter(length);
    while (reader.offset < reader.end) {
      if (options.length >= limits.wire.forwardingOptions) reader.fail('too-many');
      const type = reader.u8();
      if (type === 0) reader.fail('bad-value');
      const flags = reader.u8();
      options.push({ type, flags, value: reader.take(reader.u16()) });
    }
    reader.leave(outer);
  } catch (error) {
    throw located(error, `options[${options.length}]`);
  }
  return options;
}

function encodeOptions(options: readonly ForwardingOption[], writer: Writer): void {
  if (options.length > limits.wire.forwardingOptions) throw new UsageError('too many options');
  for (const option of options) {
    if (option.type === 0) throw new UsageError('forwarding option 0 is invalid');
    writer.u8(option.type);
    writer.u8(option.flags);
    writer.u16(option.value.length);
    writer.raw(option.value);
  }
}
