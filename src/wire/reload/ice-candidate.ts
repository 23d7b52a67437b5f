/** ICE candidates. RFC 6940 §6.5.1.1. */
import { limits } from '../../base/limits.ts';
import {
  checked,
  joined,
  latin1,
  opaque,
  openEnum,
  select,
  struct,
  u32,
  u8,
  vector,
  type Infer,
} from '../codec.ts';
import { ipAddressPort } from './ip-address-port.ts';

/** OverlayLinkType, §14.10. */
export const overlayLinkTypes = {
  'DTLS-UDP-SR': 1,
  'DTLS-UDP-SR-NO-ICE': 3,
  'TLS-TCP-FH-NO-ICE': 4,
} as const;

export const iceExtension = struct({ name: opaque(2), value: opaque(2) });
export type IceExtension = Infer<typeof iceExtension>;

const extensions = vector(iceExtension, 2);

/** The address learned from or relayed for; prflx (3) is reserved and refused. */
const candidateKind = select(u8, {
  host: { tag: 1, fields: { extensions } },
  srflx: { tag: 2, fields: { relAddrPort: ipAddressPort, extensions } },
  relay: { tag: 4, fields: { relAddrPort: ipAddressPort, extensions } },
});

export const iceCandidate = joined(
  struct({
    addrPort: ipAddressPort,
    overlayLink: openEnum(u8, overlayLinkTypes),
    foundation: latin1(1),
    priority: u32,
  }),
  candidateKind,
);
/** `type`: host, srflx or relay. */
export type IceCandidate = Infer<typeof iceCandidate>;

/** True for link types that do without ICE. */
export function isNoIce(overlayLink: IceCandidate['overlayLink']): boolean {
  return overlayLink === 'DTLS-UDP-SR-NO-ICE' || overlayLink === 'TLS-TCP-FH-NO-ICE';
}

/** At least one candidate; ICE and No-ICE ones never together. */
export const iceCandidates = checked(
  vector(iceCandidate, 2, { min: 1, maxItems: limits.wire.iceCandidates }),
  (list) =>
    !list.some((candidate) => isNoIce(candidate.overlayLink)) ||
    !list.some((candidate) => candidate.overlayLink === 'DTLS-UDP-SR'),
  'ICE and No-ICE candidates do not go together',
);
