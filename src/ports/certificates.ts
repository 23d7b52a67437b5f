import type { NodeId } from '../base/ids.ts';
import type { Outcome } from '../base/outcome.ts';

/** A parsed X.509 certificate. Parsing proves nothing; see {@link Verifier}. */
export interface Certificate {
  readonly der: Uint8Array;
  /** Lower-case hexadecimal SHA-256 of `der`; the key under which certificates are cached and compared. */
  readonly fingerprint: string;
  /** From the `reload:` URIs of the subjectAltName, in order; RFC 6940 §11.3, §14.15. */
  readonly nodeIds: readonly NodeId[];
  /** Overlay names of those URIs (lower case), in the same order. */
  readonly overlayNames: readonly string[];
  /** The rfc822Name of the subjectAltName when there is exactly one, else `undefined`. */
  readonly userName: string | undefined;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly isCa: boolean;
  readonly keyType: KeyType;
  /** DER of SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  /** Serial number, lower-case hexadecimal. */
  readonly serialNumber: string;
}

export type KeyType = 'rsa' | 'ecdsa-p256' | 'ed25519';

/** A key pair with its certificate; the private key stays in the host. */
export interface Identity {
  readonly certificate: Certificate;
  /** Certificates between `certificate` and a root of the overlay, nearest first; usually empty. */
  readonly chain: readonly Certificate[];
  readonly scheme: SignatureScheme;
  /** Signs with {@link scheme}; `done` is called later, never inside this call. */
  sign(input: Uint8Array, done: (signature: Uint8Array) => void): void;
}

/** Code points of RFC 6940 §6.3.4 (TLS HashAlgorithm and SignatureAlgorithm). */
export interface SignatureScheme {
  /** 4 = SHA-256. */
  readonly hash: number;
  /** 1 = RSASSA-PKCS1-v1_5, 3 = ECDSA. */
  readonly signature: number;
}

/** Certificate and signature checks done by the host. */
export interface Verifier {
  /** Parses DER; failures are data. Results are cached by content, with a bound. */
  parseCertificate(der: Uint8Array): Outcome<Certificate>;
  /** True when `issuer`'s key signed `certificate` (signature only: no dates, no names). Cached. */
  isIssuedBy(certificate: Certificate, issuer: Certificate): boolean;
  /** Checks a signature made by the certificate's key; `done` is called later, never inside this call. */
  verify(
    certificate: Certificate,
    scheme: SignatureScheme,
    input: Uint8Array,
    signature: Uint8Array,
    done: (valid: boolean) => void,
  ): void;
}
