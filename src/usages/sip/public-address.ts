/**
 * Where callers reach an adapter by ordinary SIP, beside the overlay: what its records tell those who are
 * redirected. Written `transport/host:port`, as in `udp/192.0.2.1:5060` or `tls/[2001:db8::1]:5061`.
 */
import { limits } from '../../base/limits.ts';
import { parseUri } from '../../sip/message/uri.ts';

export interface PublicAddress {
  readonly transport: 'udp' | 'tcp' | 'tls';
  /** A host name or an address; IPv6 in brackets. */
  readonly host: string;
  readonly port: number;
}

/** `undefined` for anything else; nothing but host and port gets from here into a URI. */
export function parsePublicAddress(text: string): PublicAddress | undefined {
  if (text.length > limits.usagesSip.publicAddressChars) return undefined;
  const [, transport, place] = /^(udp|tcp|tls)\/([A-Za-z0-9.:[\]-]+)$/.exec(text) ?? [];
  const uri = place === undefined ? undefined : parseUri(`sip:${place}`);
  if (uri?.ok !== true || uri.value.port === undefined || uri.value.port === 0) return undefined;
  const { host, port } = uri.value;
  return { transport: transport as PublicAddress['transport'], host: host.toLowerCase(), port };
}

export function formatPublicAddress({ transport, host, port }: PublicAddress): string {
  return `${transport}/${host}:${String(port)}`;
}

/**
 * The URI of a user there, without `gr`: by TLS for a sips call, else by the transport that the caller
 * uses, else by the one named first. `undefined` when no address serves.
 */
export function uriAt(
  addresses: readonly PublicAddress[],
  user: string,
  wanted: { readonly sips: boolean; readonly transport: string },
): string | undefined {
  const { sips, transport } = wanted;
  const usable = sips ? addresses.filter((address) => address.transport === 'tls') : addresses;
  const chosen = usable.find((address) => address.transport === transport) ?? usable[0];
  if (chosen === undefined) return undefined;
  const place = `${user}@${chosen.host}:${String(chosen.port)}`;
  if (sips) return `sips:${place}`;
  return chosen.transport === 'udp' ? `sip:${place}` : `sip:${place};transport=${chosen.transport}`;
}
