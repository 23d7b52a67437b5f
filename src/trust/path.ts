/** Whether a certificate makes its holder a member of the overlay. RFC 6940 §11.3, §13.3. */
import type { NodeId } from '../base/ids.ts';
import { failure, success } from '../base/outcome.ts';
import type { Outcome } from '../base/outcome.ts';
import type { Certificate, Verifier } from '../ports/certificates.ts';
import { isAssignableNodeId, nodeIdsMatchKey } from './node-id.ts';
import type { SelfSignedDigest } from './node-id.ts';

export interface PathContext {
  readonly roots: readonly Certificate[];
  readonly verifier: Verifier;
  /** Lower case. */
  readonly overlayName: string;
  readonly nowMs: number;
  readonly badNodes: ReadonlySet<NodeId>;
  /** node-id-length of the configuration, 16 to 20 bytes. */
  readonly nodeIdLength: number;
  /** Set where the configuration permits self-signed certificates (§11.3.1). */
  readonly selfSignedDigest?: SelfSignedDigest | undefined;
}

/** The part of the time line in which every certificate of a path is valid. */
export interface Validity {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/**
 * Checks one certificate: signed by a root, or by one CA of `chain` that a root signed, or by itself
 * where that is permitted; valid now; no CA; reload URIs of this overlay only, with Node-IDs of its
 * length; exactly one user name; no bad node. The error is a short text for logs.
 */
export function checkCertificate(
  certificate: Certificate,
  chain: readonly Certificate[],
  context: PathContext,
): Outcome<void> {
  const path = findPath(certificate, chain, context);
  if (!path.ok) return path;
  return checkValidity(path.value, context.nowMs);
}

/** All checks of {@link checkCertificate} but the time; returns when the path holds. */
export function findPath(
  certificate: Certificate,
  chain: readonly Certificate[],
  context: Omit<PathContext, 'nowMs'>,
): Outcome<Validity> {
  const names = checkNames(certificate, context);
  if (!names.ok) return names;
  const { verifier, roots, selfSignedDigest } = context;
  for (const root of roots) {
    if (issues(verifier, root, certificate)) return success(overlap([certificate, root]));
  }
  for (const middle of chain) {
    if (!issues(verifier, middle, certificate)) continue;
    for (const root of roots) {
      if (issues(verifier, root, middle)) return success(overlap([certificate, middle, root]));
    }
  }
  if (selfSignedDigest !== undefined && verifier.isIssuedBy(certificate, certificate)) {
    if (nodeIdsMatchKey(certificate, selfSignedDigest)) return success(overlap([certificate]));
    return failure('Node-ID does not belong to the key of the self-signed certificate');
  }
  return failure('certificate not issued by a root of the overlay');
}

export function checkValidity(validity: Validity, nowMs: number): Outcome<void> {
  if (nowMs < validity.notBeforeMs) return failure('certificate not yet valid');
  if (nowMs > validity.notAfterMs) return failure('certificate expired');
  return success(undefined);
}

function checkNames(certificate: Certificate, context: Omit<PathContext, 'nowMs'>): Outcome<void> {
  if (certificate.isCa) return failure('a CA certificate is no member certificate');
  if (certificate.nodeIds.length === 0) return failure('certificate without Node-ID');
  if (certificate.userName === undefined) return failure('certificate without a single user name');
  if (certificate.overlayNames.some((name) => name !== context.overlayName)) {
    return failure('certificate of another overlay');
  }
  for (const nodeId of certificate.nodeIds) {
    if (nodeId.length !== 2 * context.nodeIdLength) {
      return failure('certificate with a Node-ID of another length');
    }
    if (!isAssignableNodeId(nodeId)) return failure('certificate with a reserved Node-ID');
    if (context.badNodes.has(nodeId)) return failure('bad node');
  }
  return success(undefined);
}

function issues(verifier: Verifier, issuer: Certificate, subject: Certificate): boolean {
  return issuer.isCa && verifier.isIssuedBy(subject, issuer);
}

function overlap(path: readonly Certificate[]): Validity {
  return {
    notBeforeMs: Math.max(...path.map((certificate) => certificate.notBeforeMs)),
    notAfterMs: Math.min(...path.map((certificate) => certificate.notAfterMs)),
  };
}
