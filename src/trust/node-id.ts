/** Rules for Node-IDs: reserved values and those derived from a key. RFC 6940 §3, §11.3.1. */
import { concatBytes } from '../base/bytes.ts';
import { sha1, sha256 } from '../base/hash.ts';
import { nodeIdFromBytes } from '../base/ids.ts';
import type { NodeId } from '../base/ids.ts';
import type { Certificate } from '../ports/certificates.ts';

export type SelfSignedDigest = 'sha1' | 'sha256';

/** False for the invalid Node-ID (all zero) and the wildcard (all ones). */
export function isAssignableNodeId(nodeId: NodeId): boolean {
  return !/^(?:0+|f+)$/.test(nodeId);
}

/**
 * The Node-IDs of a self-signed certificate, computed from the DER of its SubjectPublicKeyInfo.
 * One Node-ID: digest of the key; several: digest of a 4-byte index from 1, then the key.
 * `lengthBytes`: node-id-length, 16 to 20.
 */
export function selfSignedNodeIds(
  publicKey: Uint8Array,
  digest: SelfSignedDigest,
  count: number,
  lengthBytes: number,
): readonly NodeId[] {
  const hash = digest === 'sha1' ? sha1 : sha256;
  if (count === 1) return [nodeIdFromBytes(hash(publicKey).subarray(0, lengthBytes))];
  const nodeIds: NodeId[] = [];
  for (let index = 1; index <= count; index++) {
    const prefix = new Uint8Array(4);
    new DataView(prefix.buffer).setUint32(0, index);
    nodeIds.push(nodeIdFromBytes(hash(concatBytes([prefix, publicKey])).subarray(0, lengthBytes)));
  }
  return nodeIds;
}

/** True when every Node-ID of the certificate follows from its key. */
export function nodeIdsMatchKey(certificate: Certificate, digest: SelfSignedDigest): boolean {
  const { nodeIds, publicKey } = certificate;
  const [first] = nodeIds;
  if (first === undefined) return false;
  const expected = selfSignedNodeIds(publicKey, digest, nodeIds.length, first.length / 2);
  return nodeIds.every((nodeId, i) => nodeId === expected[i]);
}
