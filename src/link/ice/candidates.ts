/** Candidates: their priorities, foundations and wire form. RFC 8445 §5.1, RFC 6940 §6.5.1.1. */
import { limits } from '../../base/limits.ts';
import type { TransportAddress } from '../../ports/connection.ts';
import type { IceCandidate } from '../../wire/reload/ice-candidate.ts';
import { ipAddressPortOf } from '../../wire/reload/ip-address-port.ts';
import { addressKey, familyOf, isUnicast } from './address.ts';

/** Peer-reflexive candidates are learned from checks and never told. */
export type CandidateType = 'host' | 'srflx' | 'prflx' | 'relay';

const overlayLink = 'DTLS-UDP-SR';

/** RFC 8445 §5.1.2.2. */
const typePreferences: Readonly<Record<CandidateType, number>> = {
  host: 126,
  prflx: 110,
  srflx: 100,
  relay: 0,
};

/**
 * Where packets leave from and arrive: a socket, or a relay at a TURN server. RFC 8445 §4 calls it
 * the base of a candidate.
 */
export interface Base {
  readonly address: TransportAddress;
  readonly relayed: boolean;
  /** 0 is the best of an agent. */
  readonly place: number;
  send(bytes: Uint8Array, to: TransportAddress): void;
  /** The one far end from now on: a relay makes it cheap. */
  settle(to: TransportAddress): void;
  close(): void;
}

export interface LocalCandidate {
  readonly type: CandidateType;
  readonly address: TransportAddress;
  readonly base: Base;
  /** Own address behind the candidate: of the socket, for a relay as the TURN server sees it. */
  readonly related: TransportAddress;
  readonly foundation: string;
  readonly priority: number;
}

export interface RemoteCandidate {
  readonly type: CandidateType;
  readonly address: TransportAddress;
  readonly foundation: string;
  readonly priority: number;
}

/**
 * RFC 8445 §5.1.2.1 for the only component. `place`: 0 is the best of its type. The upper half of
 * the local preferences stays free for link types with congestion control (RFC 6940 §6.5.1.6).
 */
export function candidatePriority(type: CandidateType, place: number): number {
  const localPreference = 0x7fff - Math.min(place, 0x7fff);
  return typePreferences[type] * 2 ** 24 + localPreference * 2 ** 8 + 255;
}

/**
 * Equal for candidates of one type, from one own address, learned from one server. RFC 8445 §5.1.1.3.
 */
export function createFoundations(): (
  type: CandidateType,
  baseAddress: string,
  server?: string,
) => string {
  const known = new Map<string, string>();
  return (type, baseAddress, server = '') => {
    const key = `${type} ${baseAddress} ${server}`;
    const foundation = known.get(key) ?? String(known.size + 1);
    known.set(key, foundation);
    return foundation;
  };
}

/** `undefined` for a candidate that is not told. */
export function toWire(candidate: LocalCandidate): IceCandidate | undefined {
  const { type, address, related, foundation, priority } = candidate;
  if (type === 'prflx') return undefined;
  const common = {
    addrPort: ipAddressPortOf(address.address, address.port),
    overlayLink,
    foundation,
    priority,
    extensions: [],
  } as const;
  if (type === 'host') return { type, ...common };
  return { type, ...common, relAddrPort: ipAddressPortOf(related.address, related.port) };
}

/**
 * The candidates of the far end that can be tried, each address once, best first: DTLS over UDP with
 * ICE, at the address of one host.
 */
export function fromWire(candidates: readonly IceCandidate[]): readonly RemoteCandidate[] {
  const usable = new Map<string, RemoteCandidate>();
  for (const { type, addrPort, overlayLink: link, foundation, priority } of candidates) {
    if (link !== overlayLink || addrPort.type === 'unknown') continue;
    if (addrPort.port === 0 || !isUnicast(addrPort.address)) continue;
    const address = { address: addrPort.address, port: addrPort.port };
    const key = addressKey(address);
    if ((usable.get(key)?.priority ?? -1) >= priority) continue;
    usable.set(key, { type, address, foundation, priority });
  }
  return [...usable.values()]
    .sort((a, b) => b.priority - a.priority)
    .slice(0, limits.ice.remoteCandidates);
}

/** True when packets can go from one to the other at all. */
export function sameFamily(base: Base, remote: RemoteCandidate): boolean {
  return familyOf(base.address.address) === familyOf(remote.address.address);
}
