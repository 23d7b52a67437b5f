/**
 * Offers of addresses in overlays without ICE: the requester listens, the answerer connects.
 * RFC 6940 §6.5.1.1, §6.5.1.11, A-34.
 */
import { hexEncode } from '../base/text.ts';
import { limits } from '../base/limits.ts';
import { failure, success, type Outcome } from '../base/outcome.ts';
import type { IceParameters } from '../link/ice/types.ts';
import type {
  Dialer,
  DialTarget,
  SecureConnection,
  TransportAddress,
} from '../ports/connection.ts';
import type { Random } from '../ports/random.ts';
import type { IceCandidate } from '../wire/reload/ice-candidate.ts';
import { ipAddressPortOf } from '../wire/reload/ip-address-port.ts';
import { parseIpv4, parseIpv6 } from '../wire/reload/ip-text.ts';
import type { NoIceLinkType } from './link-types.ts';

const streamsOnly: readonly NoIceLinkType[] = ['TLS-TCP-FH-NO-ICE'];
const hostPreference = 126;

/**
 * Links with congestion control go before those that send one message at a time, whatever the order
 * of the addresses (§6.5.1.6). A link type that is not known goes last.
 */
const linkRanks: Readonly<Record<string, number>> = {
  'TLS-TCP-FH-NO-ICE': 2,
  'DTLS-UDP-SR': 1,
  'DTLS-UDP-SR-NO-ICE': 1,
};

/** RFC 5245 §4.1.2.1 for a host candidate; `place`: 0 is the best address of its link type. */
export function candidatePriority(overlayLink: IceCandidate['overlayLink'], place: number): number {
  const localPreference = (linkRanks[overlayLink] ?? 0) * 0x4000 + 0x3fff - Math.min(place, 0x3fff);
  return hostPreference * 2 ** 24 + localPreference * 2 ** 8 + 255;
}

/** The fields that Attach and AppAttach share. */
export interface Offer {
  readonly ufrag: string;
  readonly password: string;
  readonly role: 'passive' | 'active';
  readonly candidates: readonly IceCandidate[];
}

/**
 * An offer of our addresses, best first, for each of the link types; those that are not IP addresses
 * are left out. Both types listen on the same port number.
 */
export function makeOffer(
  addresses: readonly TransportAddress[],
  role: Offer['role'],
  random: Random,
  linkTypes: readonly NoIceLinkType[] = streamsOnly,
): Offer {
  const usable = addresses
    .filter(({ address }) => parseIpv4(address) !== undefined || parseIpv6(address) !== undefined)
    .slice(0, limits.overlay.candidatesTried);
  return {
    ufrag: hexEncode(random.bytes(4)),
    password: hexEncode(random.bytes(16)),
    role,
    candidates: linkTypes.flatMap((linkType, type) =>
      usable.map(({ address, port }, i) => ({
        type: 'host' as const,
        addrPort: ipAddressPortOf(address, port),
        overlayLink: linkType,
        foundation: String(type * usable.length + i + 1),
        priority: candidatePriority(linkType, i),
        extensions: [],
      })),
    ),
  };
}

/** What ICE has gathered, as an offer. */
export function iceOffer(parameters: IceParameters, role: Offer['role']): Offer {
  return { ...parameters, role };
}

/** True when the address is the node's own: one of its sockets, seen without a NAT between. */
export function isHostCandidate(
  { address, port }: TransportAddress,
  candidates: readonly IceCandidate[],
): boolean {
  return candidates.some(
    ({ type, addrPort }) =>
      type === 'host' &&
      addrPort.type !== 'unknown' &&
      addrPort.port === port &&
      addrPort.address === address,
  );
}

/** True when an offer can be met by ICE. */
export function offersIce(candidates: readonly IceCandidate[]): boolean {
  return candidates.some(({ overlayLink }) => overlayLink === 'DTLS-UDP-SR');
}

/** Where an offer says to connect to, by priority; empty when it holds nothing for these link types. */
export function dialTargets(
  candidates: readonly IceCandidate[],
  linkTypes: readonly NoIceLinkType[] = streamsOnly,
): readonly DialTarget[] {
  const targets: DialTarget[] = [];
  for (const { overlayLink, addrPort } of byPriority(candidates)) {
    const linkType = linkTypes.find((known) => known === overlayLink);
    if (linkType === undefined || addrPort.type === 'unknown' || addrPort.port === 0) continue;
    targets.push({ address: addrPort.address, port: addrPort.port, linkType });
  }
  return targets.slice(0, limits.overlay.candidatesTried);
}

function byPriority(candidates: readonly IceCandidate[]): readonly IceCandidate[] {
  return candidates.toSorted((a, b) => b.priority - a.priority);
}

/** Tries one address after the other. The returned function abandons the attempt silently. */
export function dialInOrder(
  dialer: Dialer,
  targets: readonly DialTarget[],
  done: (outcome: Outcome<SecureConnection>) => void,
): () => void {
  let abandoned = false;
  let abandon: () => void = () => undefined;
  const next = (index: number, reason: string): void => {
    const target = targets[index];
    if (target === undefined) {
      done(failure(reason));
      return;
    }
    abandon = dialer.dial(target, limits.overlay.dialTimeoutMs, (outcome) => {
      if (abandoned) {
        if (outcome.ok) discard(outcome.value, 'no longer needed');
      } else if (outcome.ok) done(success(outcome.value));
      else next(index + 1, outcome.error);
    });
  };
  next(0, 'no address');
  return () => {
    abandoned = true;
    abandon();
  };
}

/** Closes a connection that nobody has taken over. */
export function discard(connection: SecureConnection, reason: string): void {
  connection.setHandler({ data: () => undefined, closed: () => undefined });
  connection.close(reason);
}
