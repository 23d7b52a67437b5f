/** What a drachtio server tells its application about a request that came from the network. */
import { plainAddress } from '../sip-addresses.ts';
import { type PhonePlace, isNumericAddress, isSipTransport } from './edge-seal.ts';
import { type SipHead, readHead } from './sip-text.ts';

export interface NetworkRequest {
  /** Where it came from; `undefined` when the server said something else than a place. */
  readonly source: PhonePlace | undefined;
  /** The server's name for it, for the answer. */
  readonly transactionId: string;
  readonly head: SipHead;
}

/**
 * Reads `id|sip|network|length|protocol|address|port|time|transaction|dialog|…` and the message after it.
 * `undefined` for everything else: answers to what we asked, messages of the application's own.
 */
export function readNetworkRequest(frame: string): NetworkRequest | undefined {
  const end = frame.indexOf('\r\n');
  if (end < 0) return undefined;
  const tokens = frame.slice(0, end).split('|', 13);
  const [, kind, origin, , protocol = '', address = '', port = '', , transactionId = ''] = tokens;
  if (kind !== 'sip' || origin !== 'network' || transactionId === '') return undefined;
  const head = readHead(Buffer.from(frame.slice(end + 2), 'utf8'));
  if (head === undefined || head.start.startsWith('SIP/2.0')) return undefined;
  return { source: placeOf(protocol, address, port), transactionId, head };
}

function placeOf(protocol: string, host: string, portText: string): PhonePlace | undefined {
  const transport = protocol.toLowerCase();
  const address = plainAddress(host.replaceAll(/[[\]]/g, ''));
  const port = Number(portText);
  if (!isSipTransport(transport) || !isNumericAddress(address)) return undefined;
  if (!Number.isInteger(port) || port < 1 || port > 65_535) return undefined;
  return { transport, address, port };
}

/** `udp/192.0.2.1:5060,tcp/[2001:db8::1]:5060`, as a server lists its addresses; what is none is left out. */
export function readEndpoints(list: string): PhonePlace[] {
  const places: PhonePlace[] = [];
  for (const entry of list.split(',').slice(0, 64)) {
    const match = /^\s*(\w+)\/\[?([^\]]+?)\]?:(\d+)\s*$/.exec(entry);
    const place = placeOf(match?.[1] ?? '', match?.[2] ?? '', match?.[3] ?? '');
    if (place !== undefined) places.push(place);
  }
  return places;
}
