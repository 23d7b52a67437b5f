/** STUN messages. RFC 8489 §5, §6. */
import { UsageError } from '../../base/assert.ts';
import { limits } from '../../base/limits.ts';
import type { Outcome } from '../../base/outcome.ts';
import { hexDecode, hexEncode } from '../../base/text.ts';
import { attempt, written, type WireError } from '../codec.ts';
import { Reader } from '../reader.ts';
import type { Writer } from '../writer.ts';
import type { AttributeCodec } from './attribute-codec.ts';
import {
  fingerprintType,
  isComprehensionRequired,
  knownAttributes,
  messageIntegrityType,
  stunAttributes,
  type StunAttributeName,
  type StunAttributes,
} from './attributes.ts';
import {
  fingerprint,
  fingerprintAttributeBytes,
  hasIntegrity,
  integrityAttributeBytes,
  integrityBytes,
  messageIntegrity,
} from './integrity.ts';

export const magicCookie = 0x2112_a442;
const headerBytes = 20;

/** RFC 8489 §18.2, RFC 8656 §17. */
export const stunMethods = {
  binding: 0x001,
  allocate: 0x003,
  refresh: 0x004,
  send: 0x006,
  data: 0x007,
  createPermission: 0x008,
  channelBind: 0x009,
} as const;

export type StunMethod = keyof typeof stunMethods;

const classes = ['request', 'indication', 'success', 'error'] as const;
export type StunClass = (typeof classes)[number];

export interface StunMessage {
  readonly class: StunClass;
  readonly method: StunMethod;
  /** 24 hexadecimal digits. */
  readonly transactionId: string;
  readonly attributes: StunAttributes;
}

export interface ReceivedStun extends StunMessage {
  /** Types of attributes that must be understood and are not: answered with 420. */
  readonly unknownRequired: readonly number[];
  /** True when there is a MESSAGE-INTEGRITY (whether it is right, {@link isAuthentic} tells). */
  readonly hasIntegrity: boolean;
  /** Which attributes MESSAGE-INTEGRITY covers is known to the codec only: those after it are dropped. */
  readonly integrityAt: number;
  readonly hasFingerprint: boolean;
  readonly bytes: Uint8Array;
}

const methodNames: ReadonlyMap<number, StunMethod> = new Map(
  Object.entries(stunMethods).map(([name, number]) => [number, name as StunMethod]),
);

/**
 * Decodes one datagram. Refuses unknown methods, a wrong FINGERPRINT, malformed attributes and
 * anything behind the FINGERPRINT. The cost is linear in the length.
 */
export function decodeStun(bytes: Uint8Array): Outcome<ReceivedStun, WireError> {
  return attempt(() => decode(bytes));
}

/** True when the message carries a MESSAGE-INTEGRITY made with that key. */
export function isAuthentic(message: ReceivedStun, key: Uint8Array): boolean {
  return message.hasIntegrity && hasIntegrity(message.bytes, message.integrityAt, key);
}

/**
 * Encodes a message with FINGERPRINT, and with MESSAGE-INTEGRITY when there is a key. Throws
 * UsageError for a value that does not fit.
 */
export function encodeStun(message: StunMessage, key?: Uint8Array): Uint8Array {
  const bytes = written((writer) => {
    writer.u16(messageType(message));
    writer.u16(0);
    writer.u32(magicCookie);
    const id = hexDecode(message.transactionId);
    if (id?.length !== 12) throw new UsageError('a transaction id has 12 bytes');
    writer.raw(id);
    for (const [name, value] of Object.entries(message.attributes)) {
      const declared = stunAttributes[name as StunAttributeName];
      const codec = declared.codec as AttributeCodec<unknown>;
      writer.u16(declared.type);
      const opened = writer.open(2);
      codec.encode(value, writer, message.transactionId);
      const length = writer.close(opened, 2);
      for (let i = length; i % 4 !== 0; i++) writer.u8(0);
    }
    if (key !== undefined) reserve(writer, messageIntegrityType, integrityBytes);
    reserve(writer, fingerprintType, 4);
    writer.patch(2, 2, writer.length - headerBytes);
  });
  const fingerprintAt = bytes.length - fingerprintAttributeBytes;
  if (key !== undefined) {
    const at = fingerprintAt - integrityAttributeBytes;
    bytes.set(messageIntegrity(bytes, at, key), at + 4);
  }
  const sum = fingerprint(bytes, fingerprintAt);
  for (let i = 0; i < 4; i++) bytes[fingerprintAt + 4 + i] = (sum >>> (24 - 8 * i)) & 0xff;
  return bytes;
}

/** The class is spread over two bits inside the method. RFC 8489 §5. */
function messageType(message: StunMessage): number {
  const method = stunMethods[message.method];
  const number = classes.indexOf(message.class);
  return (
    ((method & 0xf80) << 2) |
    ((method & 0x070) << 1) |
    (method & 0x00f) |
    ((number & 2) << 7) |
    ((number & 1) << 4)
  );
}

function reserve(writer: Writer, type: number, length: number): void {
  writer.u16(type);
  writer.u16(length);
  writer.raw(new Uint8Array(length));
}

function decode(bytes: Uint8Array): ReceivedStun {
  const reader = new Reader(bytes);
  if (bytes.length > limits.ice.stunBytes) reader.fail('too-many');
  const type = reader.u16();
  if (type >= 0x4000) reader.fail('unknown-type');
  const length = reader.u16();
  if (reader.u32() !== magicCookie) reader.fail('bad-value');
  const transactionId = hexEncode(reader.take(12));
  if (length !== reader.remaining || length % 4 !== 0) reader.fail('bad-length');
  const method = methodNames.get(((type & 0x3e00) >> 2) | ((type & 0x00e0) >> 1) | (type & 0x000f));
  if (method === undefined) return reader.fail('unknown-type');
  const messageClass = classes[((type & 0x0100) >> 7) | ((type & 0x0010) >> 4)];
  if (messageClass === undefined) return reader.fail('unknown-type');
  return {
    class: messageClass,
    method,
    transactionId,
    bytes,
    ...decodeAttributes(reader, transactionId),
  };
}

type Decoded = Pick<
  ReceivedStun,
  'attributes' | 'unknownRequired' | 'hasIntegrity' | 'integrityAt' | 'hasFingerprint'
>;

function decodeAttributes(reader: Reader, transactionId: string): Decoded {
  const attributes: Record<string, unknown> = {};
  const unknownRequired: number[] = [];
  let integrityAt = 0;
  let hasFingerprint = false;
  for (let count = 0; reader.remaining > 0; count++) {
    if (count >= limits.ice.attributes) reader.fail('too-many');
    if (hasFingerprint) reader.fail('trailing-bytes');
    const at = reader.offset;
    const type = reader.u16();
    const length = reader.u16();
    const outer = reader.enter(length);
    if (type === fingerprintType) {
      if (length !== 4) reader.fail('bad-length');
      if (reader.u32() !== fingerprint(reader.bytes, at)) reader.fail('bad-value');
      hasFingerprint = true;
    } else if (integrityAt > 0) {
      // What follows MESSAGE-INTEGRITY is not covered by it (RFC 8489 §14.5).
      reader.skip(length);
    } else if (type === messageIntegrityType) {
      if (length !== integrityBytes) reader.fail('bad-length');
      reader.skip(length);
      integrityAt = at;
    } else {
      const known = knownAttributes.get(type);
      if (known === undefined) {
        if (isComprehensionRequired(type)) unknownRequired.push(type);
        reader.skip(length);
      } else if (Object.hasOwn(attributes, known.name)) reader.skip(length);
      else attributes[known.name] = known.codec.decode(reader, transactionId);
    }
    reader.leave(outer);
    reader.skip((4 - (length % 4)) % 4);
  }
  return {
    attributes,
    unknownRequired,
    hasIntegrity: integrityAt > 0,
    integrityAt,
    hasFingerprint,
  };
}
