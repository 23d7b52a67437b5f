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

/**
 * The user name, or one like it that nobody has yet (§11.3.1): `ann@…`, `ann-2@…`, `ann-3@…`.
 * `isTaken` asks the overlay whether another node's certificate carries the name. This guards
 * against accidents only; names can still be stolen. Fails after ten names.
 */
export async function freeUserName(
  wanted: string,
  isTaken: (userName: string) => Promise<boolean>,
): Promise<Outcome<string>> {
  const at = wanted.lastIndexOf('@');
  const user = at < 0 ? wanted : wanted.slice(0, at);
  const domain = at < 0 ? '' : wanted.slice(at);
  for (let number = 1; number <= triedNames; number++) {
    const name = number === 1 ? wanted : `${user}-${String(number)}${domain}`;
    if (!(await isTaken(name))) return success(name);
  }
  return failure(`${wanted} and names like it are taken`);
}

const triedNames = 10;
