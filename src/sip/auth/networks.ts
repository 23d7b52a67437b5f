import { failure, success } from '../../base/outcome.ts';
import type { Outcome } from '../../base/outcome.ts';
import { isIpv4, parseIpv6 } from '../message/ip.ts';

/** A set of addresses given as networks. */
export interface Networks {
  contains(address: string): boolean;
}

/**
 * Reads addresses and CIDR networks of both families (`192.0.2.0/24`, `2001:db8::/32`, `192.0.2.7`).
 * The error names the text that is none. An IPv4 address mapped into IPv6 counts as the IPv4 address.
 */
export function parseNetworks(texts: readonly string[]): Outcome<Networks> {
  const networks: { readonly groups: readonly number[]; readonly bits: number }[] = [];
  for (const text of texts) {
    const [address = '', length, ...more] = text.split('/');
    const groups = groupsOf(address);
    const width = isIpv4(address) ? 32 : 128;
    const bits = length === undefined ? width : Number(length);
    const isLength = length === undefined || /^\d{1,3}$/.test(length);
    if (groups === undefined || !isLength || bits > width || more.length > 0) return failure(text);
    networks.push({ groups, bits: bits + 128 - width });
  }
  return success({
    contains(address) {
      if (networks.length === 0) return false;
      const groups = groupsOf(address);
      return groups !== undefined && networks.some((n) => sharesPrefix(n.groups, groups, n.bits));
    },
  });
}

/** IPv4 as it is mapped into IPv6 (RFC 4291 §2.5.5.2). */
function groupsOf(address: string): readonly number[] | undefined {
  return parseIpv6(isIpv4(address) ? `::ffff:${address}` : address);
}

function sharesPrefix(a: readonly number[], b: readonly number[], bits: number): boolean {
  for (let i = 0; i * 16 < bits; i++) {
    const mask = (0xffff << Math.max(0, 16 - (bits - i * 16))) & 0xffff;
    if (((a[i] ?? 0) & mask) !== ((b[i] ?? 0) & mask)) return false;
  }
  return true;
}
