/** The SIP-REGISTRATION record: what is stored under an AOR, and how long. RFC 7904 §3, §7. */
import type { KindId, NodeId, ResourceId } from '../../base/ids.ts';
import { idBytes, resourceIdOfName } from '../../base/ids.ts';
import { latin1Decode, latin1Encode, utf8Decode, utf8Encode } from '../../base/text.ts';
import { emptyBytes } from '../../base/bytes.ts';
import type { StoreValue } from '../../overlay/api.ts';
import { encodeToBytes, tryDecode } from '../../wire/codec.ts';
import type { Destination } from '../../wire/reload/destination.ts';
import { sipRegistration } from '../../wire/reload/sip-registration.ts';
import { encodeContactPrefs } from './contact-prefs.ts';
import type { PhoneFeatures } from './contact-prefs.ts';
import type { PublicAddress } from './public-address.ts';

/** RFC 7904 §9.1. */
export const sipRegistrationKindId: KindId = 1;

/** Records of short-lived bindings live this long. */
export const minimumRecordLifetimeS = 600;

/** What an AOR is mapped to. */
export type Registration =
  /** Another AOR, without scheme. */
  | { readonly type: 'uri'; readonly uri: string }
  | {
      readonly type: 'route';
      readonly contactPrefs: string;
      readonly destinations: readonly Destination[];
    };

/** Where the record of an AOR lives. The AOR is written as {@link aorOf} writes it. */
export function resourceOfAor(aor: string): ResourceId {
  return resourceIdOfName(aor);
}

/**
 * Calls to the AOR go to the node that the list ends at; a Node-ID A stands for [A]. The addresses are
 * those at which that node takes calls beside the overlay.
 */
export function routeTo(
  to: NodeId | readonly Destination[],
  phones: readonly PhoneFeatures[],
  addresses: readonly PublicAddress[] = [],
): Registration {
  return {
    type: 'route',
    contactPrefs: encodeContactPrefs(phones, addresses),
    destinations: typeof to === 'string' ? [{ type: 'node', nodeId: to }] : to,
  };
}

export function encodeRegistration(registration: Registration): Uint8Array {
  if (registration.type === 'uri') {
    return encodeToBytes(sipRegistration, { type: 'uri', uri: utf8Encode(registration.uri) });
  }
  return encodeToBytes(sipRegistration, {
    type: 'route',
    contactPrefs: latin1Encode(registration.contactPrefs),
    destinationList: registration.destinations,
  });
}

/** `undefined` for a type we do not know (RFC 7904 §3.2: it can be extended) and for malformed bytes. */
export function decodeRegistration(value: Uint8Array): Registration | undefined {
  const decoded = tryDecode(sipRegistration, value);
  if (!decoded.ok) return undefined;
  const record = decoded.value;
  switch (record.type) {
    case 'uri': {
      const uri = utf8Decode(record.uri);
      return uri === undefined ? undefined : { type: 'uri', uri };
    }
    case 'route':
      return {
        type: 'route',
        contactPrefs: latin1Decode(record.contactPrefs),
        destinations: record.destinationList,
      };
    case 'unknown':
      return undefined;
  }
}

/** Seconds the record lives: as long as the longest binding, ten minutes at least. */
export function recordLifetimeS(longestBindingS: number): number {
  return Math.max(Math.ceil(longestBindingS), minimumRecordLifetimeS);
}

/** The dictionary entry of the user identity with Node-ID `key`; no registration = exists false. */
export function registrationEntry(
  key: NodeId,
  registration: Registration | undefined,
  lifetimeS: number,
): StoreValue {
  return {
    key: idBytes(key),
    exists: registration !== undefined,
    value: registration === undefined ? emptyBytes : encodeRegistration(registration),
    lifetimeS,
  };
}
