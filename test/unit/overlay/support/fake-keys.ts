/** Identities without real cryptography: a signature is a hash of a secret and the input. */
import { concatBytes, bytesEqual } from '../../../../src/base/bytes.ts';
import { sha256 } from '../../../../src/base/hash.ts';
import type { NodeId } from '../../../../src/base/ids.ts';
import { failure, success } from '../../../../src/base/outcome.ts';
import { hexEncode, utf8Decode, utf8Encode } from '../../../../src/base/text.ts';
import type { Certificate, Identity, Verifier } from '../../../../src/ports/certificates.ts';
import type { Clock } from '../../../../src/ports/clock.ts';

export const overlayName = 'test.example';

interface Facts {
  readonly nodeIds: readonly NodeId[];
  readonly userName: string;
  readonly issuer: string;
  readonly isCa: boolean;
  readonly notAfterMs: number;
}

export const rootCertificate = certificateOf({
  nodeIds: [],
  userName: 'root',
  issuer: 'root',
  isCa: true,
  notAfterMs: 4e12,
});

function certificateOf(facts: Facts): Certificate {
  return parse(utf8Encode(JSON.stringify(facts)));
}

function parse(der: Uint8Array): Certificate {
  const facts = JSON.parse(utf8Decode(der) ?? '') as Facts;
  return {
    der,
    fingerprint: hexEncode(sha256(der)),
    nodeIds: facts.nodeIds,
    overlayNames: facts.nodeIds.map(() => overlayName),
    userName: facts.userName,
    notBeforeMs: 0,
    notAfterMs: facts.notAfterMs,
    isCa: facts.isCa,
    keyType: 'ecdsa-p256',
    publicKey: sha256(der),
    serialNumber: '01',
  };
}

const scheme = { hash: 4, signature: 3 } as const;

/** `issuer` other than root: nobody trusts it. */
export function createIdentity(
  clock: Clock,
  nodeIds: readonly NodeId[],
  userName: string,
  options: { readonly issuer?: string; readonly notAfterMs?: number } = {},
): Identity {
  const certificate = certificateOf({
    nodeIds,
    userName,
    issuer: options.issuer ?? 'root',
    isCa: false,
    notAfterMs: options.notAfterMs ?? 4e12,
  });
  return {
    certificate,
    chain: [],
    scheme,
    sign(input, done) {
      clock.after('sign', 0, () => done(signatureOf(certificate, input)));
    },
  };
}

function signatureOf(certificate: Certificate, input: Uint8Array): Uint8Array {
  return sha256(concatBytes([certificate.publicKey, input]));
}

export function createVerifier(clock: Clock): Verifier {
  return {
    parseCertificate(der) {
      try {
        return success(parse(der));
      } catch {
        return failure('not a certificate');
      }
    },
    isIssuedBy(certificate, issuer) {
      const { issuer: name } = JSON.parse(utf8Decode(certificate.der) ?? '') as Facts;
      return name === issuer.userName;
    },
    verify(certificate, _scheme, input, signature, done) {
      const valid = bytesEqual(signature, signatureOf(certificate, input));
      clock.after('verify', 0, () => done(valid));
    },
  };
}
