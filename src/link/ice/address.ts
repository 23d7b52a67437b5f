/** Transport addresses as candidates use them. */
import type { TransportAddress } from '../../ports/connection.ts';
import { ipv4Text, ipv6Text, parseIpv4, parseIpv6 } from '../../wire/reload/ip-text.ts';

export type Family = 'ipv4' | 'ipv6';

export function familyOf(address: string): Family {
  return address.includes(':') ? 'ipv6' : 'ipv4';
}

export function sameAddress(a: TransportAddress, b: TransportAddress): boolean {
  return a.port === b.port && a.address === b.address;
}

/** For maps; equal for equal canonical addresses. */
export function addressKey({ address, port }: TransportAddress): string {
  return `${address} ${port}`;
}

/** The canonical text, which is what sockets report; `undefined` for what is no IP address. */
export function canonicalAddress(address: string): string | undefined {
  const ipv4 = parseIpv4(address);
  if (ipv4 !== undefined) return ipv4Text(ipv4);
  const ipv6 = parseIpv6(address);
  return ipv6 === undefined ? undefined : ipv6Text(ipv6);
}

/**
 * True for addresses of one host that checks may be sent to: neither unspecified, multicast nor
 * broadcast, and not link-local IPv6, which means nothing without its zone.
 */
export function isUnicast(address: string): boolean {
  const ipv4 = parseIpv4(address);
  if (ipv4 !== undefined) {
    const first = ipv4[0] ?? 0;
    return first !== 0 && first < 224;
  }
  const ipv6 = parseIpv6(address);
  if (ipv6 === undefined) return false;
  const first = ((ipv6[0] ?? 0) << 8) | (ipv6[1] ?? 0);
  return first < 0xff00 && (first & 0xffc0) !== 0xfe80 && ipv6.some((byte) => byte !== 0);
}
