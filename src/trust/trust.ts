/**
 * Signatures of messages and stored values, and the certificates behind them. RFC 6940 §6.3.4, §7.1.
 * Both kinds of signature cover a payload followed by the SignerIdentity.
 */
import { concatBytes } from '../base/bytes.ts';
import { createBoundedCache } from '../base/bounded-cache.ts';
import { sha256Of } from '../base/hash.ts';
import type { NodeId } from '../base/ids.ts';
import { limits } from '../base/limits.ts';
import { failure, success } from '../base/outcome.ts';
import type { Outcome } from '../base/outcome.ts';
import { hexEncode } from '../base/text.ts';
import type { Certificate, Identity, Verifier } from '../ports/certificates.ts';
import type { Clock } from '../ports/clock.ts';
import type { OverlayConfig } from '../ports/overlay-config.ts';
import type { Trace } from '../ports/trace.ts';
import { encodeToBytes } from '../wire/codec.ts';
import { securityBlock, signerIdentity } from '../wire/reload/security.ts';
import type { SecurityBlock, Signature, SignerIdentity } from '../wire/reload/security.ts';
import { checkValidity, findPath } from './path.ts';
import type { Validity } from './path.ts';
import { certHashIdentity, identityKey, identityKeysOf, resolveSigner } from './signer-identity.ts';
import type { ResolvedSigner } from './signer-identity.ts';

/** What a message signature covers besides the SignerIdentity. */
export interface SignedMessage {
  /** The `overlay` field of the forwarding header. */
  readonly overlayHash: number;
  readonly transactionId: bigint;
  /** MessageContents as it stands on the wire. */
  readonly contents: Uint8Array;
}

export interface Signer {
  /** A member certificate of the overlay, checked. */
  readonly signer: Certificate;
  /** `undefined` when the certificate has several Node-IDs and the signature does not say which. */
  readonly signerNodeId: NodeId | undefined;
}

export interface VerifiedMessage extends Signer {
  /** The certificates of the message that parsed; not checked but for the signer's. */
  readonly certificates: readonly Certificate[];
}

export interface SignMessageOptions {
  /** Which of several Node-IDs of the identity signs; by default the first. */
  readonly nodeId?: NodeId;
  /** Certificates that signatures inside the contents refer to, in addition to the identity's own. */
  readonly certificates?: readonly Certificate[];
}

export interface Trust {
  /** Signs a message; `done` gets the encoded SecurityBlock, later, once. */
  signMessage(
    message: SignedMessage,
    identity: Identity,
    done: (securityBlock: Uint8Array) => void,
    options?: SignMessageOptions,
  ): void;
  /** Checks the signature of a whole message and its signer's certificate; `done` comes later, once. */
  verifyMessage(
    message: SignedMessage,
    security: SecurityBlock,
    done: (outcome: Outcome<VerifiedMessage>) => void,
  ): void;
  /** Signs payload + SignerIdentity, as stored values need it; `done` comes later, once. */
  sign(
    payload: Uint8Array,
    identity: Identity,
    done: (signature: Signature) => void,
    nodeId?: NodeId,
  ): void;
  /**
   * Checks a signature over payload + SignerIdentity and its signer's certificate. `certificates`:
   * where to look first; certificates seen before are known. Good answers are remembered. `done`
   * comes later, once.
   */
  verify(
    payload: Uint8Array,
    signature: Signature,
    certificates: readonly Certificate[],
    done: (outcome: Outcome<Signer>) => void,
  ): void;
  /** The certificates of a SecurityBlock that parse. */
  parseCertificates(security: SecurityBlock): readonly Certificate[];
  /** Checks a member certificate against the current configuration and time; see `checkCertificate`. */
  checkMember(certificate: Certificate, chain: readonly Certificate[]): Outcome<void>;
  /** The certificate that a SignerIdentity names, among these and those seen before. */
  findSigner(
    identity: SignerIdentity,
    certificates: readonly Certificate[],
  ): ResolvedSigner | undefined;
}

export interface TrustDependencies {
  readonly verifier: Verifier;
  readonly clock: Clock;
  readonly trace: Trace;
  /** The current configuration; a new object means a changed one. */
  readonly config: () => OverlayConfig;
}

export function createTrust(dependencies: TrustDependencies): Trust {
  const { verifier, clock, trace } = dependencies;
  const refused = trace.counter('trust_refused_total', { what: 'signature' });
  const unparsed = trace.counter('trust_refused_total', { what: 'certificate' });
  const untrusted = trace.counter('trust_refused_total', { what: 'signer' });
  const known = createBoundedCache<string, ResolvedSigner>(limits.trust.knownCertificates);
  const verified = createBoundedCache<string, true>(limits.trust.verifiedValues);
  const paths = createBoundedCache<string, Validity>(limits.trust.checkedPaths);
  let config = dependencies.config();
  let badNodes: ReadonlySet<NodeId> = new Set(config.badNodes);

  /** A new configuration may name other roots and bad nodes: what was concluded from the old one goes. */
  function followConfig(): void {
    const current = dependencies.config();
    if (current === config) return;
    config = current;
    badNodes = new Set(config.badNodes);
    paths.clear();
  }

  function checkMember(certificate: Certificate, chain: readonly Certificate[]): Outcome<void> {
    followConfig();
    let validity = paths.get(certificate.fingerprint);
    if (validity === undefined) {
      const path = findPath(certificate, chain, {
        roots: config.rootCertificates,
        verifier,
        overlayName: config.overlayName.toLowerCase(),
        badNodes,
        nodeIdLength: config.nodeIdLength,
        selfSignedDigest: config.selfSignedPermitted?.digest,
      });
      // Only success is remembered: a message without the intermediate must not spoil the next one.
      if (!path.ok) return path;
      validity = path.value;
      paths.set(certificate.fingerprint, validity);
    }
    return checkValidity(validity, clock.wallMs());
  }

  function findSigner(
    identity: SignerIdentity,
    certificates: readonly Certificate[],
  ): ResolvedSigner | undefined {
    const found = resolveSigner(identity, certificates);
    if (found !== undefined) return found;
    const key = identityKey(identity);
    const remembered = key === undefined ? undefined : known.get(key);
    if (remembered === undefined) return undefined;
    return resolveSigner(identity, [remembered.certificate]);
  }

  function remember(signer: ResolvedSigner): void {
    if (known.get(signer.certificate.fingerprint) !== undefined) return;
    for (const key of identityKeysOf(signer.certificate)) known.set(key, signer);
  }

  function parseCertificates(security: SecurityBlock): readonly Certificate[] {
    const parsed: Certificate[] = [];
    for (const { certificate } of security.certificates) {
      const outcome = verifier.parseCertificate(certificate);
      if (outcome.ok) parsed.push(outcome.value);
      else unparsed.add();
    }
    return parsed;
  }

  function later<T>(done: (value: T) => void, value: T): void {
    clock.after('trust-answer', 0, () => {
      done(value);
    });
  }

  function check(
    payload: Uint8Array,
    signature: Signature,
    certificates: readonly Certificate[],
    remembers: boolean,
    done: (outcome: Outcome<Signer>) => void,
  ): void {
    const found = findSigner(signature.identity, certificates);
    if (found === undefined) {
      untrusted.add();
      later(done, failure('unknown signer'));
      return;
    }
    const member = checkMember(found.certificate, certificates);
    if (!member.ok) {
      untrusted.add();
      later(done, member);
      return;
    }
    const signer = { signer: found.certificate, signerNodeId: found.nodeId };
    const input = concatBytes([payload, encodeToBytes(signerIdentity, signature.identity)]);
    const memory = remembers ? verifiedKey(found.certificate, signature, input) : undefined;
    if (memory !== undefined && verified.get(memory) === true) {
      later(done, success(signer));
      return;
    }
    const scheme = { hash: signature.hash, signature: signature.signature };
    verifier.verify(found.certificate, scheme, input, signature.signatureValue, (valid) => {
      if (!valid) {
        refused.add();
        done(failure('wrong signature'));
        return;
      }
      remember(found);
      if (memory !== undefined) verified.set(memory, true);
      done(success(signer));
    });
  }

  function sign(
    payload: Uint8Array,
    identity: Identity,
    done: (signature: Signature) => void,
    nodeId?: NodeId,
  ): void {
    const named = certHashIdentity(identity.certificate, nodeId);
    const input = concatBytes([payload, encodeToBytes(signerIdentity, named)]);
    identity.sign(input, (signatureValue) => {
      done({ ...identity.scheme, identity: named, signatureValue });
    });
  }

  return {
    signMessage(message, identity, done, options = {}) {
      const bucket = bucketOf(identity, options.certificates ?? []);
      const finish = (signature: Signature): void => {
        done(encodeToBytes(securityBlock, { certificates: bucket, signature }));
      };
      sign(messagePayload(message), identity, finish, options.nodeId);
    },
    verifyMessage(message, security, done) {
      const certificates = parseCertificates(security);
      check(messagePayload(message), security.signature, certificates, false, (outcome) => {
        done(outcome.ok ? success({ ...outcome.value, certificates }) : outcome);
      });
    },
    sign,
    verify(payload, signature, certificates, done) {
      check(payload, signature, certificates, true, done);
    },
    parseCertificates,
    checkMember,
    findSigner,
  };
}

/** overlay, transaction_id and MessageContents: the payload of a message signature. */
export function messagePayload(message: SignedMessage): Uint8Array {
  const payload = new Uint8Array(12 + message.contents.length);
  const view = new DataView(payload.buffer);
  view.setUint32(0, message.overlayHash);
  view.setBigUint64(4, message.transactionId);
  payload.set(message.contents, 12);
  return payload;
}

function verifiedKey(certificate: Certificate, signature: Signature, input: Uint8Array): string {
  const { hash, signature: algorithm, signatureValue } = signature;
  const both = hexEncode(sha256Of(input, signatureValue));
  // The length tells where the input ends, so that no byte can move from one to the other.
  return `${certificate.fingerprint}${both} ${signatureValue.length} ${hash} ${algorithm}`;
}

function bucketOf(
  identity: Identity,
  others: readonly Certificate[],
): SecurityBlock['certificates'] {
  const bucket = new Map<string, Certificate>();
  for (const certificate of [identity.certificate, ...identity.chain, ...others]) {
    bucket.set(certificate.fingerprint, certificate);
  }
  return [...bucket.values()].map(({ der }) => ({ type: 'x509', certificate: der }));
}
