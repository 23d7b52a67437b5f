import { UsageError } from '../../base/assert.ts';
import {
  idBytes,
  nodeIdFromBytes,
  resourceIdFromBytes,
  type NodeId,
  type ResourceId,
} from '../../base/ids.ts';
import type { Codec } from '../codec.ts';

/** `node-id-length` when the configuration does not say otherwise. RFC 6940 §11.1. */
export const defaultNodeIdLength = 16;
export const minNodeIdLength = 16;
export const maxNodeIdLength = 20;

const maxResourceIdBytes = 254;

/** Builds the codecs that depend on the length of a Node-ID once per length. */
export function perNodeIdLength<C>(
  build: (nodeIdLength: number) => C,
): (nodeIdLength: number) => C {
  const built = new Map<number, C>();
  return (nodeIdLength) => {
    let codec = built.get(nodeIdLength);
    if (codec === undefined) {
      if (nodeIdLength < minNodeIdLength || nodeIdLength > maxNodeIdLength) {
        throw new UsageError(`a Node-ID has 16 to 20 bytes, not ${nodeIdLength}`);
      }
      codec = build(nodeIdLength);
      built.set(nodeIdLength, codec);
    }
    return codec;
  };
}

/** Raw bytes without a prefix; all bits 0 is not a Node-ID. RFC 6940 §3, §6.3.1.1. */
export const nodeIdOf = perNodeIdLength((length): Codec<NodeId> => {
  const zero = '00'.repeat(length);
  return {
    encode(value, writer) {
      const bytes = idBytes(value);
      if (bytes.length !== length) throw new UsageError(`a Node-ID has ${length} bytes here`);
      if (value === zero) throw new UsageError('the all-zero Node-ID is invalid');
      writer.raw(bytes);
    },
    decode(reader) {
      const id = nodeIdFromBytes(reader.take(length));
      if (id === zero) reader.fail('bad-value');
      return id;
    },
  };
});

/** Node-ID of the default length. */
export const nodeId: Codec<NodeId> = nodeIdOf(defaultNodeIdLength);

/** One length byte, then 0 to 254 bytes. RFC 6940 §6.3.1.1. */
export const resourceId: Codec<ResourceId> = {
  encode(value, writer) {
    const bytes = idBytes(value);
    if (bytes.length > maxResourceIdBytes)
      throw new UsageError('a Resource-ID has at most 254 bytes');
    writer.u8(bytes.length);
    writer.raw(bytes);
  },
  decode(reader) {
    const length = reader.u8();
    if (length > maxResourceIdBytes) reader.fail('bad-length');
    return resourceIdFromBytes(reader.take(length));
  },
};
