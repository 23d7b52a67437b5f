/** Signed configuration documents, made by signers under one root. */
import assert from 'node:assert/strict';
import { nodeIdFromBytes } from '../../../src/base/ids.ts';
import type { NodeId } from '../../../src/base/ids.ts';
import { createIdentity } from '../../../src/node/identity.ts';
import { generatePrivateKey } from '../../../src/node/keys.ts';
import { createRoot, issueCertificate, publicKeyDer } from '../../../src/node/x509.ts';
import { initialKinds } from '../../../src/overlay-config/build.ts';
import type { OverlayDocumentValues } from '../../../src/overlay-config/build.ts';
import { buildSignedDocument } from '../../../src/overlay-config/sign.ts';
import type { Identity } from '../../../src/ports/certificates.ts';
import type { KindParameters } from '../../../src/ports/overlay-config.ts';
import { signatures, verifier } from './support.ts';

const overlayName = 'lab.example';
export const nowMs = Date.UTC(2030, 0, 1);
export const validity = { notBeforeMs: nowMs - 86_400_000, notAfterMs: nowMs + 86_400_000 };
export const rootKey = await generatePrivateKey('ecdsa-p256');
export const rootDer = createRoot({ name: 'root', privateKey: rootKey, ...validity });
export const nodeId = nodeIdFromBytes(new Uint8Array(16).fill(7));
export const secondId = nodeIdFromBytes(new Uint8Array(16).fill(9));

export async function signer(
  nodeIds: readonly NodeId[],
  keyType: 'ecdsa-p256' | 'rsa' = 'ecdsa-p256',
): Promise<Identity> {
  const key = await generatePrivateKey(keyType);
  const der = issueCertificate({
    publicKey: publicKeyDer(key),
    nodeIds,
    overlayName,
    userName: 'authority@nodes.lab.example',
    issuer: { certificateDer: rootDer, privateKey: rootKey },
    ...validity,
  });
  const certificate = verifier.parseCertificate(der);
  assert.ok(certificate.ok);
  return createIdentity(key, certificate.value, [], signatures);
}

export async function signedDocument(
  identity: Identity,
  further: Partial<OverlayDocumentValues> = {},
  kinds: readonly KindParameters[] = initialKinds,
): Promise<string> {
  const values: OverlayDocumentValues = {
    overlayName,
    sequence: 2,
    rootCertificates: [rootDer],
    enrollmentServers: [],
    bootstrapNodes: [],
    configurationSigners: [nodeId],
    kindSigners: [nodeId],
    sharedSecret: 'ü😀',
    ...further,
  };
  const document = await new Promise<Uint8Array>((resolve) => {
    buildSignedDocument(values, kinds, identity, resolve);
  });
  return new TextDecoder().decode(document);
}
