/** Addresses that only a part of the Internet can reach. RFC 1918, RFC 6890, RFC 4193. */
import { parseIpv4, parseIpv6 } from '../../wire/reload/ip-text.ts';

interface Block {
  readonly bytes: readonly number[];
  readonly bits: number;
}

const ipv4Blocks: readonly Block[] = [
  { bytes: [10], bits: 8 },
  { bytes: [172, 16], bits: 12 },
  { bytes: [192, 168], bits: 16 },
  { bytes: [0], bits: 8 },
  { bytes: [100, 64], bits: 10 },
  { bytes: [127], bits: 8 },
  { bytes: [169, 254], bits: 16 },
];

const ipv6Blocks: readonly Block[] = [
  { bytes: new Array<number>(16).fill(0), bits: 127 },
  { bytes: [0xfc], bits: 7 },
  { bytes: [0xfe, 0x80], bits: 10 },
];

/** True for private, shared, loopback, link-local and unspecified addresses, and for no address at all. */
export function isPrivateAddress(address: string): boolean {
  const ipv4 = parseIpv4(address);
  if (ipv4 !== undefined) return ipv4Blocks.some((block) => contains(block, ipv4));
  const ipv6 = parseIpv6(address);
  return ipv6 === undefined || ipv6Blocks.some((block) => contains(block, ipv6));
}

function contains({ bytes, bits }: Block, address: Uint8Array): boolean {
  for (let bit = 0; bit < bits; bit += 8) {
    const mask = (0xff00 >> Math.min(8, bits - bit)) & 0xff;
    const i = bit / 8;
    if (((address[i] ?? 0) & mask) !== ((bytes[i] ?? 0) & mask)) return false;
  }
  return true;
}
