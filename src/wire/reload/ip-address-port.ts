/** An IP address and port. RFC 6940 §6.3.1.1. */
import { UsageError } from '../../base/assert.ts';
import { extensibleSelect, fixed, u16, u8, type Codec } from '../codec.ts';
import { ipv4Text, ipv6Text, parseIpv4, parseIpv6 } from './ip-text.ts';

export type IpAddressPort =
  | { readonly type: 'ipv4' | 'ipv6'; readonly address: string; readonly port: number }
  /** A type this implementation does not know: to be ignored. */
  | { readonly type: 'unknown'; readonly tag: number; readonly raw: Uint8Array };

const raw = extensibleSelect(u8, 1, {
  ipv4: { tag: 1, fields: { address: fixed(4), port: u16 } },
  ipv6: { tag: 2, fields: { address: fixed(16), port: u16 } },
});

export const ipAddressPort: Codec<IpAddressPort> = {
  encode(value, writer) {
    if (value.type === 'unknown') {
      raw.encode(value, writer);
      return;
    }
    const address = value.type === 'ipv4' ? parseIpv4(value.address) : parseIpv6(value.address);
    if (address === undefined) throw new UsageError(`not an IP address: ${value.address}`);
    raw.encode({ type: value.type, address, port: value.port }, writer);
  },
  decode(reader) {
    const value = raw.decode(reader);
    if (value.type === 'unknown') return value;
    const address = value.type === 'ipv4' ? ipv4Text(value.address) : ipv6Text(value.address);
    return { type: value.type, address, port: value.port };
  },
};

/** From text of either family. Throws UsageError when the address is neither. */
export function ipAddressPortOf(address: string, port: number): IpAddressPort {
  if (parseIpv4(address) !== undefined) return { type: 'ipv4', address, port };
  const ipv6 = parseIpv6(address);
  if (ipv6 === undefined) throw new UsageError(`not an IP address: ${address}`);
  return { type: 'ipv6', address: ipv6Text(ipv6), port };
}
