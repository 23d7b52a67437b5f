/** Naming the certificate and Node-ID behind a signature. RFC 6940 §6.3.4; reading A-11. */
import { sha256Of } from '../base/hash.ts';
import { idBytes } from '../base/ids.ts';
import type { NodeId } from '../base/ids.ts';
import { hexDecode, hexEncode } from '../base/text.ts';
import { assert, UsageError } from '../base/assert.ts';
import type { Certificate } from '../ports/certificates.ts';
import { hashAlgorithms } from '../wire/reload/security.ts';
import type { SignerIdentity } from '../wire/reload/security.ts';

export interface ResolvedSigner {
  readonly certificate: Certificate;
  /** `undefined` when the identity does not say which of several Node-IDs signed. */
  readonly nodeId: NodeId | undefined;
}

/**
 * The certificate that the identity names, and the Node-ID that signed. Only SHA-256 hashes are
 * known; `undefined` when no certificate fits or the identity is of type none.
 */
export function resolveSigner(
  identity: SignerIdentity,
  certificates: readonly Certificate[],
): ResolvedSigner | undefined {
  const key = identityKey(identity);
  if (key === undefined) return undefined;
  for (const certificate of certificates) {
    if (identity.type === 'certHash') {
      if (certificate.fingerprint === key) return { certificate, nodeId: onlyNodeId(certificate) };
      continue;
    }
    for (const nodeId of certificate.nodeIds) {
      if (nodeIdKey(certificate, nodeId) === key) return { certificate, nodeId };
    }
  }
  return undefined;
}

/**
 * The identity for signatures by this certificate: cert_hash for one Node-ID, cert_hash_node_id
 * for several. `nodeId`: the one that signs; by default the first.
 */
export function certHashIdentity(certificate: Certificate, nodeId?: NodeId): SignerIdentity {
  if (nodeId !== undefined && !certificate.nodeIds.includes(nodeId)) {
    throw new UsageError('the certificate does not carry this Node-ID');
  }
  const hashAlg = hashAlgorithms.sha256;
  const signer = nodeId ?? certificate.nodeIds[0];
  if (certificate.nodeIds.length <= 1 || signer === undefined) {
    return { type: 'certHash', hashAlg, certificateHash: hashBytes(certificate.fingerprint) };
  }
  const certificateHash = hashBytes(nodeIdKey(certificate, signer));
  return { type: 'certHashNodeId', hashAlg, certificateHash };
}

/** The hash that an identity carries as a map key; `undefined` for type none and unknown hashes. */
export function identityKey(identity: SignerIdentity): string | undefined {
  if (identity.type === 'none' || identity.hashAlg !== hashAlgorithms.sha256) return undefined;
  return hexEncode(identity.certificateHash);
}

/** Every identity key under which signatures of this certificate may name it. */
export function identityKeysOf(certificate: Certificate): readonly string[] {
  const { fingerprint, nodeIds } = certificate;
  return [fingerprint, ...nodeIds.map((nodeId) => nodeIdKey(certificate, nodeId))];
}

function nodeIdKey(certificate: Certificate, nodeId: NodeId): string {
  return hexEncode(sha256Of(idBytes(nodeId), certificate.der));
}

function onlyNodeId(certificate: Certificate): NodeId | undefined {
  return certificate.nodeIds.length === 1 ? certificate.nodeIds[0] : undefined;
}

function hashBytes(hex: string): Uint8Array {
  const bytes = hexDecode(hex);
  assert(bytes !== undefined, 'a hash is hexadecimal');
  return bytes;
}
