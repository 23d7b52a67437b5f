/** What follows the forwarding header: contents and security block. RFC 6940 §6.3.3, §6.3.4. */
import { limits } from '../../base/limits.ts';
import { bool, encodeToBytes, opaque, Reader, struct, u16, vector, type Infer } from '../codec.ts';
import { securityBlock, type SecurityBlock } from './security.ts';

export const messageExtension = struct({
  type: u16,
  critical: bool,
  extensionContents: opaque(4),
});
export type MessageExtension = Infer<typeof messageExtension>;

export const extensionTypes = { diagnosticPing: 0x2, selfTuningData: 0x3 } as const;

export const messageContents = struct({
  messageCode: u16,
  messageBody: opaque(4),
  extensions: vector(messageExtension, 4, { maxItems: limits.wire.messageExtensions }),
});
export type MessageContents = Infer<typeof messageContents>;

/** A whole, reassembled message without its header. */
export interface Payload {
  readonly contents: MessageContents;
  /** The bytes of `contents` as received: what the signature covers. */
  readonly contentsBytes: Uint8Array;
  readonly security: SecurityBlock;
}

/** Decodes what follows the header of a complete message. Throws WireError. */
export function decodePayload(bytes: Uint8Array): Payload {
  const reader = new Reader(bytes);
  const contents = messageContents.decode(reader);
  const contentsBytes = bytes.subarray(0, reader.offset);
  const security = securityBlock.decode(reader);
  if (reader.remaining !== 0) reader.fail('trailing-bytes');
  return { contents, contentsBytes, security };
}

/** The bytes of MessageContents. */
export function encodeContents(
  messageCode: number,
  messageBody: Uint8Array,
  extensions: readonly MessageExtension[] = [],
): Uint8Array {
  return encodeToBytes(messageContents, { messageCode, messageBody, extensions });
}
