/**
 * Signatures over parts of a configuration document: a SecurityBlock (RFC 6940 §6.3.4) over exactly
 * the bytes of the element, nothing else, written in base64 (§11.1).
 */
import type { NodeId } from '../base/ids.ts';
import { failure, success } from '../base/outcome.ts';
import type { Outcome } from '../base/outcome.ts';
import { base64Encode, utf8Encode } from '../base/text.ts';
import type { Certificate, Identity, Verifier } from '../ports/certificates.ts';
import type { KindParameters, OverlayConfig } from '../ports/overlay-config.ts';
import { encodeToBytes, tryDecode } from '../wire/codec.ts';
import { securityBlock } from '../wire/reload/security.ts';
import type { SecurityBlock } from '../wire/reload/security.ts';
import { checkCertificate } from '../trust/path.ts';
import { certHashIdentity, resolveSigner } from '../trust/signer-identity.ts';
import { configurationElement, kindElement, overlayDocument } from './build.ts';
import type { OverlayDocumentValues } from './build.ts';
import type { ParsedConfiguration } from './parse.ts';

/** Signs the bytes of one element; `done` gets the base64 text of the SecurityBlock, later. */
function signElement(
  identity: Identity,
  element: Uint8Array,
  done: (base64: string) => void,
): void {
  identity.sign(element, (signatureValue) => {
    const block: SecurityBlock = {
      certificates: [identity.certificate, ...identity.chain].map((certificate) => ({
        type: 'x509',
        certificate: certificate.der,
      })),
      signature: {
        hash: identity.scheme.hash,
        signature: identity.scheme.signature,
        identity: certHashIdentity(identity.certificate),
        signatureValue,
      },
    };
    done(base64Encode(encodeToBytes(securityBlock, block)));
  });
}

/** Builds a document whose Kinds and configuration are signed by `signer`; `done` is called later. */
export function buildSignedDocument(
  values: OverlayDocumentValues,
  kinds: readonly KindParameters[],
  signer: Identity,
  done: (document: Uint8Array) => void,
): void {
  const signed: { element: string; signature: string }[] = [];
  const next = (): void => {
    const kind = kinds[signed.length];
    if (kind === undefined) {
      const configuration = configurationElement(values, signed);
      signElement(signer, utf8Encode(configuration), (signature) => {
        done(overlayDocument(configuration, [signature]));
      });
      return;
    }
    const element = kindElement(kind);
    signElement(signer, utf8Encode(element), (signature) => {
      signed.push({ element, signature });
      next();
    });
  };
  next();
}

export interface SignatureContext {
  readonly verifier: Verifier;
  /** The configuration in force, whose lists and roots decide who may sign; for a first document the document's own. */
  readonly authority: OverlayConfig;
  readonly nowMs: number;
}

/**
 * Checks all signatures of a document: each Kind by a kind-signer, and the configuration by at least
 * one configuration-signer (RFC 6940 §11.1). `done` gets the first fault; it is called later, except
 * that a fault found without a signature check is returned at once and `done` is not called.
 */
export function verifyConfiguration(
  parsed: ParsedConfiguration,
  context: SignatureContext,
  done: (outcome: Outcome<void>) => void,
): Outcome<void> {
  const { configurationSigners, kindSigners } = context.authority;
  const checks: SignatureCheck[] = [];
  for (const { kind, signedBytes, signature } of parsed.kindSignatures) {
    const check = prepareCheck(signature, signedBytes, kindSigners, context);
    if (!check.ok) return failure(`kind-signature of Kind ${kind}: ${check.error}`);
    checks.push(check.value);
  }
  let refusal = 'the configuration is not signed';
  const before = checks.length;
  for (const signature of parsed.signatures) {
    const check = prepareCheck(signature, parsed.signedBytes, configurationSigners, context);
    if (check.ok) checks.push(check.value);
    else refusal = `signature: ${check.error}`;
  }
  if (checks.length === before) return failure(refusal);
  runChecks(checks, context.verifier, done);
  return success(undefined);
}

interface SignatureCheck {
  readonly certificate: Certificate;
  readonly block: SecurityBlock;
  readonly signedBytes: Uint8Array;
}

function runChecks(
  checks: readonly SignatureCheck[],
  verifier: Verifier,
  done: (outcome: Outcome<void>) => void,
): void {
  let waiting = checks.length;
  let valid = true;
  for (const { certificate, block, signedBytes } of checks) {
    const { hash, signature, signatureValue } = block.signature;
    verifier.verify(certificate, { hash, signature }, signedBytes, signatureValue, (matches) => {
      valid &&= matches;
      waiting--;
      if (waiting === 0) done(valid ? success(undefined) : failure('a signature does not match'));
    });
  }
}

/** Everything about a signature that can be checked without its key. */
function prepareCheck(
  bytes: Uint8Array,
  signedBytes: Uint8Array,
  signers: readonly NodeId[],
  context: SignatureContext,
): Outcome<SignatureCheck> {
  const decoded = tryDecode(securityBlock, bytes);
  if (!decoded.ok) return failure('is not a SecurityBlock');
  const block = decoded.value;
  const certificates: Certificate[] = [];
  for (const { certificate } of block.certificates) {
    const parsed = context.verifier.parseCertificate(certificate);
    if (parsed.ok) certificates.push(parsed.value);
  }
  const signer = resolveSigner(block.signature.identity, certificates);
  if (signer?.nodeId === undefined) return failure('does not name one of its certificates');
  const { certificate, nodeId } = signer;
  if (!signers.includes(nodeId)) return failure(`the node ${nodeId} may not sign`);
  const { authority, verifier, nowMs } = context;
  const path = checkCertificate(certificate, certificates, {
    roots: authority.rootCertificates,
    verifier,
    overlayName: authority.overlayName.toLowerCase(),
    nowMs,
    badNodes: new Set(authority.badNodes),
    selfSignedDigest: authority.selfSignedPermitted?.digest,
  });
  if (!path.ok) return path;
  return success({ certificate, block, signedBytes });
}
