/** The reload URI of a certificate: one Node-ID and the overlay's name. RFC 6940 §11.3, §14.15. */
import { idBytes, nodeIdFromBytes } from '../base/ids.ts';
import type { NodeId } from '../base/ids.ts';
import { hexDecode, hexEncode } from '../base/text.ts';
import { failure, success } from '../base/outcome.ts';
import type { Outcome } from '../base/outcome.ts';

export interface ReloadUri {
  readonly nodeId: NodeId;
  /** Lower case. */
  readonly overlayName: string;
}

/** Type octet of a Destination that is a Node-ID (RFC 6940 §6.3.2.2). */
const nodeDestination = 0x01;

export function formatReloadUri(nodeId: NodeId, overlayName: string): string {
  const id = idBytes(nodeId);
  return `reload://${hexEncode(Uint8Array.of(nodeDestination, id.length))}${nodeId}@${overlayName}/`;
}

/** Reads a URI whose destination list is exactly one Node-ID of 16 to 20 bytes, without specifier. */
export function parseReloadUri(text: string): Outcome<ReloadUri> {
  const match = /^reload:\/\/([0-9a-f]{2,88})@([a-z0-9._~%!$&'()*+,;=-]{1,253})\/$/i.exec(text);
  const bytes = hexDecode(match?.[1] ?? '');
  if (match === null || bytes === undefined) return failure('malformed reload URI');
  const length = bytes[1] ?? 0;
  if (bytes[0] !== nodeDestination || length < 16 || length > 20 || bytes.length !== 2 + length) {
    return failure('the destination of the reload URI is not one Node-ID');
  }
  return success({
    nodeId: nodeIdFromBytes(bytes.subarray(2)),
    overlayName: (match[2] ?? '').toLowerCase(),
  });
}
