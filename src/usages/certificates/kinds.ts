/** The Kinds of the Certificate Store Usage as storing peers check them. RFC 6940 §8, reading A-20. */
import { idBytes, resourceIdOfName, type NodeId, type ResourceId } from '../../base/ids.ts';
import { failure, success, type Outcome } from '../../base/outcome.ts';
import type { Certificate, Verifier } from '../../ports/certificates.ts';
import { kindIds, type KindDefinition } from '../../storage/kinds.ts';

/** Bounds that hold where the configuration document names none. */
const defaultMaxCount = 16;
const defaultMaxSizeBytes = 4096;

/** Where a certificate is found by Node-ID: at the hash of it, not at the Node-ID itself. §8. */
export function resourceOfNodeId(nodeId: NodeId): ResourceId {
  return resourceIdOfName(idBytes(nodeId));
}

/** Where certificates are found by the user name in them. §8. */
export function resourceOfUserName(userName: string): ResourceId {
  return resourceIdOfName(userName);
}

/** CERTIFICATE_BY_NODE: an array of DER certificates that carry the Node-ID; NODE-MATCH. */
export function certificateByNodeKind(
  verifier: Pick<Verifier, 'parseCertificate'>,
): KindDefinition {
  return {
    kind: kindIds.certificateByNode,
    name: 'CERTIFICATE_BY_NODE',
    dataModel: 'ARRAY',
    accessControl: 'NODE-MATCH',
    maxCount: defaultMaxCount,
    maxSizeBytes: defaultMaxSizeBytes,
    validate: ({ resource, value }) =>
      checkContent(verifier, value, ({ nodeIds }) =>
        nodeIds.some((nodeId) => resourceOfNodeId(nodeId) === resource),
      ),
  };
}

/** CERTIFICATE_BY_USER: an array of DER certificates that carry the user name; USER-MATCH. */
export function certificateByUserKind(
  verifier: Pick<Verifier, 'parseCertificate'>,
): KindDefinition {
  return {
    kind: kindIds.certificateByUser,
    name: 'CERTIFICATE_BY_USER',
    dataModel: 'ARRAY',
    accessControl: 'USER-MATCH',
    maxCount: defaultMaxCount,
    maxSizeBytes: defaultMaxSizeBytes,
    validate: ({ resource, value }) =>
      checkContent(
        verifier,
        value,
        ({ userName }) => userName !== undefined && resourceOfUserName(userName) === resource,
      ),
  };
}

/** What says that a value was removed, or fills a gap, holds nothing to check. */
function checkContent(
  verifier: Pick<Verifier, 'parseCertificate'>,
  content: { readonly exists: boolean; readonly value: Uint8Array },
  belongs: (certificate: Certificate) => boolean,
): Outcome<void> {
  if (!content.exists) return success(undefined);
  const certificate = verifier.parseCertificate(content.value);
  if (!certificate.ok) return failure('no certificate');
  return belongs(certificate.value)
    ? success(undefined)
    : failure('certificate of another name than the Resource-ID');
}
