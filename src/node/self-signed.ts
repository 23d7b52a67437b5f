/** Certificates that a node makes for itself where the configuration permits it. RFC 6940 §11.3.1. */
import type { KeyObject } from 'node:crypto';
import type { NodeId } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import { failure, success } from '../base/outcome.ts';
import type { Outcome } from '../base/outcome.ts';
import type { Certificate, KeyType, Verifier } from '../ports/certificates.ts';
import type { OverlayConfig } from '../ports/overlay-config.ts';
import { generatePrivateKey } from './keys.ts';
import { createSelfSigned, publicKeyDer } from './x509.ts';

export interface SelfSignedNode {
  readonly privateKey: KeyObject;
  readonly certificate: Certificate;
}

export interface SelfSignedOptions {
  readonly config: Pick<OverlayConfig, 'overlayName' | 'selfSignedPermitted' | 'nodeIdLength'>;
  /** The user name of one's choice; nothing protects it (§11.3.1). Printable ASCII without spaces. */
  readonly userName: string;
  readonly keyType: KeyType;
  /** `selfSignedNodeIds` of trust/. */
  readonly nodeIdsOf: (
    publicKey: Uint8Array,
    digest: 'sha1' | 'sha256',
    count: number,
    lengthBytes: number,
  ) => readonly NodeId[];
  readonly verifier: Verifier;
  readonly nowMs: number;
  readonly lifetimeMs: number;
  /** Node-IDs of the certificate; default 1. */
  readonly nodeIds?: number;
  /** To keep key, and with it Node-IDs, when a certificate is renewed. */
  readonly privateKey?: KeyObject;
}

/** Clocks of other nodes may be behind. */
const backdatedMs = 3_600_000;

/** A key and a certificate whose Node-IDs follow from it. Throws UsageError for a bad user name. */
export async function createSelfSignedNode(
  options: SelfSignedOptions,
): Promise<Outcome<SelfSignedNode>> {
  const { config, nodeIds: count = 1, nowMs } = options;
  const digest = config.selfSignedPermitted?.digest;
  if (digest === undefined) return failure('the overlay does not permit self-signed certificates');
  if (!(count >= 1 && count <= limits.node.nodeIdsPerCertificate)) {
    return failure(`a certificate has 1 to ${String(limits.node.nodeIdsPerCertificate)} Node-IDs`);
  }
  const privateKey = options.privateKey ?? (await generatePrivateKey(options.keyType));
  const spki = publicKeyDer(privateKey);
  const der = createSelfSigned({
    privateKey,
    nodeIds: options.nodeIdsOf(spki, digest, count, config.nodeIdLength),
    overlayName: config.overlayName.toLowerCase(),
    userName: options.userName,
    notBeforeMs: nowMs - backdatedMs,
    notAfterMs: nowMs + options.lifetimeMs,
  });
  const certificate = options.verifier.parseCertificate(der);
  return certificate.ok ? success({ privateKey, certificate: certificate.value }) : certificate;
}
