/** Certificates, signer identities and signatures. RFC 6940 §6.3.4. */
import { limits } from '../../base/limits.ts';
import { emptyBytes } from '../../base/bytes.ts';
import { enumOf, opaque, sizedSelect, struct, u8, vector, type Infer } from '../codec.ts';

/** TLS HashAlgorithm code points. */
export const hashAlgorithms = { none: 0, sha1: 2, sha256: 4 } as const;
/** TLS SignatureAlgorithm code points. */
export const signatureAlgorithms = { anonymous: 0, rsa: 1, ecdsa: 3 } as const;

export const genericCertificate = struct({
  type: enumOf(u8, { x509: 0 }),
  /** DER. */
  certificate: opaque(2),
});
export type GenericCertificate = Infer<typeof genericCertificate>;

const certificateHash = { hashAlg: u8, certificateHash: opaque(1) } as const;

/** Names the certificate (and Node-ID) that signed. */
export const signerIdentity = sizedSelect(u8, 2, {
  /** H(DER): a certificate with one Node-ID. */
  certHash: { tag: 1, fields: certificateHash },
  /** H(Node-ID + DER): a certificate with several Node-IDs. */
  certHashNodeId: { tag: 2, fields: certificateHash },
  none: { tag: 3, fields: {} },
});
export type SignerIdentity = Infer<typeof signerIdentity>;

export const signature = struct({
  hash: u8,
  signature: u8,
  identity: signerIdentity,
  signatureValue: opaque(2),
});
export type Signature = Infer<typeof signature>;

export const securityBlock = struct({
  certificates: vector(genericCertificate, 2, { maxItems: limits.securityBlockCertificates }),
  signature,
});
export type SecurityBlock = Infer<typeof securityBlock>;

/** The signature of values that nobody signed: synthetic nonexistent ones. RFC 6940 §7.4.2.2. */
export const emptySignature: Signature = {
  hash: hashAlgorithms.none,
  signature: signatureAlgorithms.anonymous,
  identity: { type: 'none' },
  signatureValue: emptyBytes,
};
