/**
 * Every STUN, TURN and ICE attribute this implementation understands, declared once.
 * RFC 8489 §14, RFC 8656 §18, RFC 8445 §16.1.
 */
import { fixed, u32, u64 } from '../primitives.ts';
import { plainAddress, xorAddress } from './address.ts';
import {
  data,
  errorCode,
  flag,
  padded,
  text,
  typeList,
  type AttributeCodec,
} from './attribute-codec.ts';

const longText = text(763);

/** At most once per message: further ones are ignored. */
export const stunAttributes = {
  mappedAddress: { type: 0x0001, codec: plainAddress },
  username: { type: 0x0006, codec: longText },
  errorCode: { type: 0x0009, codec: errorCode },
  unknownAttributes: { type: 0x000a, codec: typeList },
  channelNumber: { type: 0x000c, codec: padded(2) },
  /** Seconds. */
  lifetime: { type: 0x000d, codec: u32 },
  xorPeerAddress: { type: 0x0012, codec: xorAddress },
  data: { type: 0x0013, codec: data },
  realm: { type: 0x0014, codec: longText },
  nonce: { type: 0x0015, codec: longText },
  xorRelayedAddress: { type: 0x0016, codec: xorAddress },
  /** 1: IPv4, 2: IPv6. */
  requestedAddressFamily: { type: 0x0017, codec: padded(1) },
  /** Protocol number: 17 is UDP. */
  requestedTransport: { type: 0x0019, codec: padded(1) },
  dontFragment: { type: 0x001a, codec: flag },
  xorMappedAddress: { type: 0x0020, codec: xorAddress },
  reservationToken: { type: 0x0022, codec: fixed(8) },
  priority: { type: 0x0024, codec: u32 },
  useCandidate: { type: 0x0025, codec: flag },
  software: { type: 0x8022, codec: longText },
  alternateServer: { type: 0x8023, codec: plainAddress },
  iceControlled: { type: 0x8029, codec: u64 },
  iceControlling: { type: 0x802a, codec: u64 },
} as const;

/** These two are made and checked with the message as a whole. */
export const messageIntegrityType = 0x0008;
export const fingerprintType = 0x8028;

export type StunAttributeName = keyof typeof stunAttributes;

type ValueOf<C> = C extends { readonly codec: AttributeCodec<infer T> } ? T : never;

/** The attributes of a message by name. */
export type StunAttributes = {
  readonly [K in StunAttributeName]?: ValueOf<(typeof stunAttributes)[K]>;
};

interface KnownAttribute {
  readonly name: StunAttributeName;
  readonly codec: AttributeCodec<unknown>;
}

/** By type. */
export const knownAttributes: ReadonlyMap<number, KnownAttribute> = new Map(
  Object.entries(stunAttributes).map(([name, { type, codec }]) => [
    type,
    { name: name as StunAttributeName, codec },
  ]),
);

/** A message with an attribute of such a type that is not understood cannot be processed. */
export function isComprehensionRequired(type: number): boolean {
  return type < 0x8000;
}
