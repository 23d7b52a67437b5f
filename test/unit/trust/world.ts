/** Certificates for the tests of trust: a root, members of several kinds, and what checks them. */
import { generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { NodeId } from '../../../src/base/ids.ts';
import type { Certificate, Identity, Verifier } from '../../../src/ports/certificates.ts';
import type { OverlayConfig } from '../../../src/ports/overlay-config.ts';
import { createIdentity } from '../../../src/node/identity.ts';
import { createSignatureQueue } from '../../../src/node/signature-queue.ts';
import { createVerifier } from '../../../src/node/verifier.ts';
import {
  createRoot,
  createSelfSigned,
  issueCertificate,
  publicKeyDer,
} from '../../../src/node/x509.ts';
import type { Issuer } from '../../../src/node/x509.ts';
import { overlayConfig } from '../../support/overlay-config.ts';

export const overlayName = 'lab.example';
export const nowMs = 1_800_000_000_000;
const dayMs = 86_400_000;

export const queue = createSignatureQueue();
export const verifier: Verifier = createVerifier(queue);
export const nodeId = (byte: number): NodeId =>
  byte.toString(16).padStart(2, '0').repeat(16) as NodeId;

export function parse(der: Uint8Array): Certificate {
  const outcome = verifier.parseCertificate(der);
  if (!outcome.ok) throw new Error(outcome.error);
  return outcome.value;
}

export function key(kind: 'ec' | 'rsa' = 'ec'): KeyObject {
  return kind === 'ec'
    ? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    : generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
}

export function root(
  privateKey: KeyObject = key(),
): Issuer & { readonly certificate: Certificate } {
  const certificateDer = createRoot({
    name: 'test root',
    privateKey,
    notBeforeMs: nowMs - dayMs,
    notAfterMs: nowMs + 1000 * dayMs,
  });
  return { certificateDer, privateKey, certificate: parse(certificateDer) };
}

export interface MemberOptions {
  readonly nodeIds?: readonly NodeId[];
  readonly userName?: string;
  readonly overlay?: string;
  readonly privateKey?: KeyObject;
  readonly notBeforeMs?: number;
  readonly notAfterMs?: number;
}

function names(options: MemberOptions) {
  return {
    nodeIds: options.nodeIds ?? [nodeId(0x11)],
    overlayName: options.overlay ?? overlayName,
    userName: options.userName ?? 'alice@lab.example',
    notBeforeMs: options.notBeforeMs ?? nowMs - 1000,
    notAfterMs: options.notAfterMs ?? nowMs + dayMs,
  };
}

export function member(issuer: Issuer, options: MemberOptions = {}): Identity {
  const privateKey = options.privateKey ?? key();
  const publicKey = publicKeyDer(privateKey);
  const der = issueCertificate({ ...names(options), publicKey, issuer });
  return createIdentity(privateKey, parse(der), [], queue);
}

export function selfSigned(privateKey: KeyObject, options: MemberOptions = {}): Certificate {
  return parse(createSelfSigned({ ...names(options), privateKey }));
}

export function config(
  roots: readonly Certificate[],
  more: Partial<OverlayConfig> = {},
): OverlayConfig {
  return overlayConfig({ overlayName, rootCertificates: roots, ...more });
}
