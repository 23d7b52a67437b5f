/** Transport addresses in STUN attributes. RFC 8489 §14.1, §14.2. */
import { UsageError } from '../../base/assert.ts';
import { hexDecode } from '../../base/text.ts';
import type { Reader } from '../reader.ts';
import { ipv4Text, ipv6Text, parseIpv4, parseIpv6 } from '../reload/ip-text.ts';
import type { Writer } from '../writer.ts';
import type { AttributeCodec } from './attribute-codec.ts';

/** An IP address in text form and a port. */
export interface StunAddress {
  readonly address: string;
  readonly port: number;
}

const families = { ipv4: 1, ipv6: 2 } as const;
const magicCookieBytes = [0x21, 0x12, 0xa4, 0x42] as const;

/** MAPPED-ADDRESS and ALTERNATE-SERVER: as it is. */
export const plainAddress: AttributeCodec<StunAddress> = {
  encode: (value, writer) => {
    encodeAddress(value, writer, undefined);
  },
  decode: (reader) => decodeAddress(reader, undefined),
};

/** XOR-MAPPED-ADDRESS and its kin: hidden from NATs that rewrite addresses in payloads. */
export const xorAddress: AttributeCodec<StunAddress> = {
  encode: (value, writer, transactionId) => {
    encodeAddress(value, writer, mask(transactionId));
  },
  decode: (reader, transactionId) => decodeAddress(reader, mask(transactionId)),
};

/** The magic cookie and the transaction id: what addresses are combined with. */
function mask(transactionId: string): Uint8Array {
  const bytes = new Uint8Array(16);
  bytes.set(magicCookieBytes);
  bytes.set(hexDecode(transactionId) ?? [], 4);
  return bytes;
}

function encodeAddress(value: StunAddress, writer: Writer, combined: Uint8Array | undefined): void {
  const ipv4 = parseIpv4(value.address);
  const address = ipv4 ?? parseIpv6(value.address);
  if (address === undefined) throw new UsageError(`not an IP address: ${value.address}`);
  writer.u8(0);
  writer.u8(ipv4 === undefined ? families.ipv6 : families.ipv4);
  writer.u16(value.port ^ portMask(combined));
  writer.raw(xor(address, combined));
}

function decodeAddress(reader: Reader, combined: Uint8Array | undefined): StunAddress {
  reader.skip(1);
  const family = reader.u8();
  const port = reader.u16() ^ portMask(combined);
  if (family === families.ipv4) return { address: ipv4Text(xor(reader.take(4), combined)), port };
  if (family !== families.ipv6) reader.fail('bad-value');
  return { address: ipv6Text(xor(reader.take(16), combined)), port };
}

function portMask(combined: Uint8Array | undefined): number {
  return combined === undefined ? 0 : (magicCookieBytes[0] << 8) | magicCookieBytes[1];
}

function xor(bytes: Uint8Array, combined: Uint8Array | undefined): Uint8Array {
  return combined === undefined ? bytes : bytes.map((byte, i) => byte ^ (combined[i] ?? 0));
}
