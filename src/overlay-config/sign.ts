/**
 * Signatures over parts of a configuration document: a SecurityBlock (RFC 6940 §6.3.4) over exactly
 * the bytes of the element, nothing else, written in base64 (§11.1).
 */
import type { KindId, NodeId } from '../base/ids.ts';
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
import type { KindSignature, ParsedConfiguration } from './parse.ts';

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
  /** The configuration in force, whose list and roots decide who may sign; for a first document the document's own. */
  readonly authority: OverlayConfig;
  readonly nowMs: number;
}

export interface VerifiedConfiguration {
  /** Without the Kinds whose signer the document itself does not list. */
  readonly config: OverlayConfig;
  /** Who signed each Kind of it. */
  readonly kindSigners: ReadonlyMap<KindId, NodeId>;
  readonly discardedKinds: readonly KindId[];
}

/**
 * Checks all signatures of a document (RFC 6940 §11.1): the configuration by at least one
 * configuration-signer of the configuration before it, each Kind by a kind-signer of the document.
 * A Kind of a node that may not sign Kinds is left out. `done` gets the result or the first fault;
 * it is called later, except that a fault found without a signature check is returned at once and
 * `done` is not called.
 */
export function verifyConfiguration(
  parsed: ParsedConfiguration,
  context: SignatureContext,
  done: (outcome: Outcome<VerifiedConfiguration>) => void,
): Outcome<void> {
  const checks: SignatureCheck[] = [];
  const kindSigners = new Map<KindId, NodeId>();
  const discardedKinds: KindId[] = [];
  const own = { ...context, authority: parsed.config };
  for (const signature of parsed.kindSignatures) {
    const signer = kindSigner(signature, context.verifier);
    if (signer !== undefined && !parsed.config.kindSigners.includes(signer)) {
      discardedKinds.push(signature.kind);
      continue;
    }
    const check = prepareKindCheck(signature, own);
    if (!check.ok) return check;
    checks.push(check.value);
    kindSigners.set(signature.kind, check.value.signer);
  }
  let refusal = 'the configuration is not signed';
  const before = checks.length;
  for (const signature of parsed.signatures) {
    const { configurationSigners } = context.authority;
    const check = prepareCheck(signature, parsed.signedBytes, configurationSigners, context);
    if (check.ok) checks.push(check.value);
    else refusal = `signature: ${check.error}`;
  }
  if (checks.length === before) return failure(refusal);
  runChecks(checks, context.verifier, (valid) => {
    const requiredKinds = parsed.config.requiredKinds.filter(({ kind }) => kindSigners.has(kind));
    const config =
      discardedKinds.length === 0 ? parsed.config : { ...parsed.config, requiredKinds };
    done(valid ? success({ config, kindSigners, discardedKinds }) : mismatch());
  });
  return success(undefined);
}

/**
 * Checks kind-blocks that came alone: each by a kind-signer of `context.authority` (RFC 6940
 * §6.5.4.2). Answers like {@link verifyConfiguration}.
 */
export function verifyKinds(
  signatures: readonly KindSignature[],
  context: SignatureContext,
  done: (outcome: Outcome<ReadonlyMap<KindId, NodeId>>) => void,
): Outcome<void> {
  const signers = new Map<KindId, NodeId>();
  const checks: SignatureCheck[] = [];
  for (const signature of signatures) {
    const check = prepareKindCheck(signature, context);
    if (!check.ok) return check;
    checks.push(check.value);
    signers.set(signature.kind, check.value.signer);
  }
  if (checks.length === 0) return failure('no kind-block');
  runChecks(checks, context.verifier, (valid) => {
    done(valid ? success(signers) : mismatch());
  });
  return success(undefined);
}

/** The node that a kind-signature names as its signer; nothing is checked. */
export function kindSigner(
  { signature }: KindSignature,
  verifier: Pick<Verifier, 'parseCertificate'>,
): NodeId | undefined {
  const decoded = tryDecode(securityBlock, signature);
  if (!decoded.ok) return undefined;
  const certificates = parsedCertificates(decoded.value, verifier);
  return resolveSigner(decoded.value.signature.identity, certificates)?.nodeId;
}

function mismatch(): Outcome<never> {
  return failure('a signature does not match');
}

function prepareKindCheck(
  { kind, signedBytes, signature }: KindSignature,
  context: SignatureContext,
): Outcome<SignatureCheck> {
  const check = prepareCheck(signature, signedBytes, context.authority.kindSigners, context);
  return check.ok ? check : failure(`kind-signature of Kind ${kind}: ${check.error}`);
}

interface SignatureCheck {
  readonly signer: NodeId;
  readonly certificate: Certificate;
  readonly block: SecurityBlock;
  readonly signedBytes: Uint8Array;
}

function runChecks(
  checks: readonly SignatureCheck[],
  verifier: Verifier,
  done: (valid: boolean) => void,
): void {
  let waiting = checks.length;
  let valid = true;
  for (const { certificate, block, signedBytes } of checks) {
    const { hash, signature, signatureValue } = block.signature;
    verifier.verify(certificate, { hash, signature }, signedBytes, signatureValue, (matches) => {
      valid &&= matches;
      waiting--;
      if (waiting === 0) done(valid);
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
  const certificates = parsedCertificates(block, context.verifier);
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
    nodeIdLength: authority.nodeIdLength,
    selfSignedDigest: authority.selfSignedPermitted?.digest,
  });
  if (!path.ok) return path;
  return success({ signer: nodeId, certificate, block, signedBytes });
}

function parsedCertificates(
  block: SecurityBlock,
  verifier: Pick<Verifier, 'parseCertificate'>,
): readonly Certificate[] {
  const certificates: Certificate[] = [];
  for (const { certificate } of block.certificates) {
    const parsed = verifier.parseCertificate(certificate);
    if (parsed.ok) certificates.push(parsed.value);
  }
  return certificates;
}
