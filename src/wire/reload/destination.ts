/** Destinations and lists of them. RFC 6940 §6.3.2.2. */
import { unreachable, UsageError } from '../../base/assert.ts';
import { hexEncode } from '../../base/text.ts';
import type { NodeId, ResourceId } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import type { Codec, PrefixBytes, Reader, Writer } from '../codec.ts';
import { located } from '../error.ts';
import { maxNodeIdLength, minNodeIdLength, nodeIdOf, resourceId } from './ids.ts';

export type Destination =
  | { readonly type: 'node'; readonly nodeId: NodeId }
  | { readonly type: 'resource'; readonly resource: ResourceId }
  /** Meaningful only to the node that made it; at most 254 bytes. */
  | { readonly type: 'opaque'; readonly id: Uint8Array }
  /** The 16-bit form; `id` is the number as sent, 0x8000..0xffff. */
  | { readonly type: 'compressed'; readonly id: number };

const tags = { node: 1, resource: 2, opaque: 3 } as const;
const compressedBit = 0x80;

export function encodeDestination(value: Destination, writer: Writer): void {
  switch (value.type) {
    case 'node':
      writer.u8(tags.node);
      writer.u8(value.nodeId.length / 2);
      nodeIdOf(value.nodeId.length / 2).encode(value.nodeId, writer);
      return;
    case 'resource': {
      writer.u8(tags.resource);
      const opened = writer.open(1);
      resourceId.encode(value.resource, writer);
      writer.close(opened, 1);
      return;
    }
    case 'opaque': {
      writer.u8(tags.opaque);
      const opened = writer.open(1);
      writer.u8(value.id.length);
      writer.raw(value.id);
      writer.close(opened, 1);
      return;
    }
    case 'compressed':
      if (value.id < 0x8000) throw new UsageError('a compressed Destination has its first bit set');
      writer.u16(value.id);
      return;
    default:
      unreachable(value);
  }
}

/** One Destination, or `undefined` when its type is unknown (it has been skipped). */
export function decodeDestination(reader: Reader): Destination | undefined {
  const tag = reader.u8();
  if ((tag & compressedBit) !== 0) return { type: 'compressed', id: (tag << 8) | reader.u8() };
  if (tag === 0) return reader.fail('unknown-type');
  const length = reader.u8();
  switch (tag) {
    case tags.node:
      if (length < minNodeIdLength || length > maxNodeIdLength) reader.fail('bad-length');
      return { type: 'node', nodeId: nodeIdOf(length).decode(reader) };
    case tags.resource: {
      const outer = reader.enter(length);
      const resource = resourceId.decode(reader);
      reader.leave(outer);
      return { type: 'resource', resource };
    }
    case tags.opaque: {
      const outer = reader.enter(length);
      const id = reader.take(reader.u8());
      reader.leave(outer);
      return { type: 'opaque', id };
    }
    default:
      reader.skip(length);
      return undefined;
  }
}

/** A single Destination that must be of a known type (RouteQuery, PathTrack). */
export const destination: Codec<Destination> = {
  encode: encodeDestination,
  decode(reader) {
    const value = decodeDestination(reader);
    return value ?? reader.fail('unknown-type');
  },
};

/** Which entries a list may have. A Resource-ID is never in a Via List and last in any other. */
export type DestinationListUse = 'via' | 'destinations';

export function encodeDestinations(
  list: readonly Destination[],
  use: DestinationListUse,
  writer: Writer,
): void {
  if (list.length > limits.destinationListEntries)
    throw new UsageError('Destination List too long');
  for (let i = 0; i < list.length; i++) {
    const value = list[i] as Destination;
    if (value.type === 'resource' && (use === 'via' || i !== list.length - 1)) {
      throw new UsageError('a Resource-ID stands only at the end of a Destination List');
    }
    encodeDestination(value, writer);
  }
}

/** Reads Destinations up to the reader's end, leaving out those of unknown type. */
export function decodeDestinations(
  reader: Reader,
  use: DestinationListUse,
): readonly Destination[] {
  const list: Destination[] = [];
  let entries = 0;
  try {
    while (reader.offset < reader.end) {
      if (++entries > limits.destinationListEntries) reader.fail('too-many');
      const value = decodeDestination(reader);
      if (value === undefined) continue;
      if (value.type === 'resource' && (use === 'via' || reader.offset < reader.end)) {
        reader.fail('bad-value');
      }
      list.push(value);
    }
  } catch (error) {
    throw located(error, `[${entries - 1}]`);
  }
  return list;
}

/** A Destination List behind a length prefix, `minBytes` long at least. */
export function destinationList(
  prefixBytes: PrefixBytes,
  minBytes = 0,
): Codec<readonly Destination[]> {
  return {
    encode(value, writer) {
      const opened = writer.open(prefixBytes);
      encodeDestinations(value, 'destinations', writer);
      if (writer.close(opened, prefixBytes) < minBytes) {
        throw new UsageError(`a Destination List of at least ${minBytes} bytes is needed`);
      }
    },
    decode(reader) {
      const length = reader.uint(prefixBytes);
      if (length < minBytes) reader.fail('bad-length');
      const outer = reader.enter(length);
      const value = decodeDestinations(reader, 'destinations');
      reader.leave(outer);
      return value;
    },
  };
}

/** Destinations without any prefix, for text forms (reload URI, GRUU). */
export const bareDestinations: Codec<readonly Destination[]> = {
  encode: (value, writer) => encodeDestinations(value, 'destinations', writer),
  decode: (reader) => decodeDestinations(reader, 'destinations'),
};

/** True when both name the same thing; a compressed id equals the opaque id of its two bytes. */
export function sameDestination(a: Destination, b: Destination): boolean {
  return destinationKey(a) === destinationKey(b);
}

/** Text that is equal exactly for equal Destinations. */
export function destinationKey(value: Destination): string {
  switch (value.type) {
    case 'node':
      return `n${value.nodeId}`;
    case 'resource':
      return `r${value.resource}`;
    case 'opaque':
      return `o${hexEncode(value.id)}`;
    case 'compressed':
      return `o${value.id.toString(16)}`;
    default:
      return unreachable(value);
  }
}
