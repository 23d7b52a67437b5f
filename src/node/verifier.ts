/** The Verifier port on OpenSSL. */
import { verify, X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { createBoundedCache } from '../base/bounded-cache.ts';
import { sha256 } from '../base/hash.ts';
import { limits } from '../base/limits.ts';
import { hexEncode } from '../base/text.ts';
import { success } from '../base/outcome.ts';
import type { Certificate, KeyType, SignatureScheme, Verifier } from '../ports/certificates.ts';
import { parseCertificateDer } from './certificate-parse.ts';
import { importPublicKey } from './csr.ts';
import type { SignatureQueue } from './signature-queue.ts';

/** Code points per kind of key: RFC 5246 §7.4.1.4.1 and, for Ed25519, RFC 8422 §5.1.3. */
export const signatureSchemes: Readonly<Record<KeyType, SignatureScheme>> = {
  rsa: { hash: 4, signature: 1 },
  'ecdsa-p256': { hash: 4, signature: 3 },
  ed25519: { hash: 8, signature: 7 },
};

export function createVerifier(queue: SignatureQueue): Verifier {
  const parsed = createBoundedCache<string, Certificate>(limits.node.parsedCertificates);
  const issued = createBoundedCache<string, boolean>(limits.node.issuedByAnswers);
  const keys = new WeakMap<Certificate, KeyObject>();

  function keyOf(certificate: Certificate): KeyObject | undefined {
    const known = keys.get(certificate);
    if (known !== undefined) return known;
    const key = importPublicKey(certificate.publicKey);
    if (key !== undefined) keys.set(certificate, key);
    return key;
  }

  function checkSignature(
    certificate: Certificate,
    scheme: SignatureScheme,
    input: Uint8Array,
    signature: Uint8Array,
  ): boolean {
    const expected = signatureSchemes[certificate.keyType];
    if (scheme.hash !== expected.hash || scheme.signature !== expected.signature) return false;
    const key = keyOf(certificate);
    const digest = certificate.keyType === 'ed25519' ? null : 'sha256';
    return key !== undefined && verify(digest, input, key, signature);
  }

  return {
    parseCertificate(der) {
      if (der.length <= limits.node.certificateBytes) {
        const known = parsed.get(hexEncode(sha256(der)));
        if (known !== undefined) return success(known);
      }
      const outcome = parseCertificateDer(der);
      if (!outcome.ok) return outcome;
      const { certificate, key } = outcome.value;
      keys.set(certificate, key);
      parsed.set(certificate.fingerprint, certificate);
      return success(certificate);
    },
    isIssuedBy(certificate, issuer) {
      const pair = certificate.fingerprint + issuer.fingerprint;
      const known = issued.get(pair);
      if (known !== undefined) return known;
      const key = keyOf(issuer);
      const answer = key !== undefined && new X509Certificate(certificate.der).verify(key);
      issued.set(pair, answer);
      return answer;
    },
    verify(certificate, scheme, input, signature, done) {
      const accepted = queue.push(() => {
        done(checkSignature(certificate, scheme, input, signature));
      });
      if (!accepted) setImmediate(done, false);
    },
  };
}
