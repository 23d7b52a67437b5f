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
  const parts = readReloadUri(text);
  if (!parts.ok) return parts;
  const { destinationList: bytes, overlayName, specifier } = parts.value;
  const length = bytes[1] ?? 0;
  const isNodeId = bytes[0] === nodeDestination && length >= 16 && length <= 20;
  if (!isNodeId || bytes.length !== 2 + length || specifier !== undefined) {
    return failure('the destination of the reload URI is not one Node-ID');
  }
  return success({ nodeId: nodeIdFromBytes(bytes.subarray(2)), overlayName });
}

/** What any reload URI says, its parts undecoded. */
export interface ReloadUriParts {
  /** Destinations on end, without a length before them. */
  readonly destinationList: Uint8Array;
  /** Lower case. */
  readonly overlayName: string;
  /** A StoredDataSpecifier: the URI names a stored value. Without it, it names a peer. */
  readonly specifier: Uint8Array | undefined;
}

/** RFC 6940 §14.15, up to 255 bytes of either part. */
export function readReloadUri(text: string): Outcome<ReloadUriParts> {
  const match =
    /^reload:\/\/([0-9a-f]{2,510})@([a-z0-9._~%!$&'()*+,;=-]{1,253})\/([0-9a-f]{2,510})?$/i.exec(
      text,
    );
  const destinationList = hexDecode(match?.[1] ?? '');
  const specifier = match?.[3] === undefined ? undefined : hexDecode(match[3]);
  const isWhole = match?.[3] === undefined || specifier !== undefined;
  if (match === null || destinationList === undefined || !isWhole) {
    return failure('malformed reload URI');
  }
  return success({ destinationList, overlayName: (match[2] ?? '').toLowerCase(), specifier });
}
