import type { Flow } from '../../ports/flow.ts';
import type { DirectContact } from '../location/binding.ts';
import { canonicalAddress } from '../message/ip.ts';
import type { SipRequest } from '../message/message.ts';
import type { SipUri } from '../message/uri.ts';

/**
 * True when nothing between phone and server translated addresses: the top Via names the very source
 * of the request. On a stream the port says nothing, it is the one of the listening socket or of the
 * connection, as the phone likes.
 */
export function isUntranslated(request: SipRequest, flow: Flow): boolean {
  const { host, port } = request.via;
  if (!isAddress(host, flow.remote.address)) return false;
  return flow.reliable || (port ?? 5060) === flow.remote.port;
}

/**
 * Where a phone that is not behind a NAT listens, when that is another place than the flow it
 * registered on leads to. RFC 3261 §10.3 binds the Contact address; the flow stands in for it only where
 * the address may not be reachable. A stream flow goes first while it lives, so its phones are given a
 * place to connect to whenever their Contact names one for the same transport.
 */
export function directContact(contact: SipUri, flow: Flow): DirectContact | undefined {
  if (!isAddress(contact.host, flow.remote.address) || contact.params.has('maddr'))
    return undefined;
  const transport = transportOf(contact);
  const port = contact.port ?? (transport === 'tls' ? 5061 : 5060);
  if (port === 0) return undefined;
  if (flow.transport === 'udp') {
    if (transport === 'udp') return port === flow.remote.port ? undefined : { transport, port };
    return transport === 'tcp' ? { transport, port } : undefined;
  }
  // Never a transport that protects less than the one the phone chose.
  const same = flow.transport === 'tcp' || flow.transport === 'tls';
  return same && transport === flow.transport ? { transport: flow.transport, port } : undefined;
}

function transportOf(contact: SipUri): string {
  const named = contact.params.get('transport')?.toLowerCase() ?? 'udp';
  if (contact.scheme === 'sips') return named === 'udp' || named === 'tcp' ? 'tls' : named;
  return contact.scheme === 'sip' ? named : '';
}

function isAddress(host: string, address: string): boolean {
  return host === address || canonicalAddress(host) === address;
}
