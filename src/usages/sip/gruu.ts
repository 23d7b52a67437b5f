/** GRUUs of RFC 7904 §6: a destination list as base64 in the `gr` parameter, `~` for `=`. */
import type { NodeId } from '../../base/ids.ts';
import { base64Decode, base64Encode } from '../../base/text.ts';
import { limits } from '../../base/limits.ts';
import { bareDestinations, destinationKey } from '../../wire/reload/destination.ts';
import type { Destination } from '../../wire/reload/destination.ts';
import { encodeToBytes, tryDecode } from '../../wire/codec.ts';

/** Value of the `gr` parameter for a destination list. */
export function encodeGr(destinations: readonly Destination[]): string {
  return base64Encode(encodeToBytes(bareDestinations, destinations)).replaceAll('=', '~');
}

/** The destination list in a `gr` value; `undefined` when it is none or names no node. */
export function decodeGr(value: string): readonly Destination[] | undefined {
  if (value.length > limits.usagesSip.aorChars * 2) return undefined;
  const bytes = base64Decode(value.replaceAll('~', '='));
  if (bytes === undefined || bytes.length === 0) return undefined;
  const decoded = tryDecode(bareDestinations, bytes);
  return decoded.ok && terminalNode(decoded.value) !== undefined ? decoded.value : undefined;
}

/** The last entry of type node: whose certificate the other end must show (RFC 7904 §5.1, A-56). */
export function terminalNode(destinations: readonly Destination[]): NodeId | undefined {
  for (let i = destinations.length - 1; i >= 0; i--) {
    const entry = destinations[i];
    if (entry?.type === 'node') return entry.nodeId;
    // Only opaque ids may follow the node that understands them.
    if (entry?.type === 'resource') return undefined;
  }
  return undefined;
}

/** Text that is equal exactly for equal lists. */
export function destinationsKey(destinations: readonly Destination[]): string {
  return destinations.map(destinationKey).join(',');
}
