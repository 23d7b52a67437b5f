/**
 * Certificates and signatures of a simulation: keyed hashes instead of public-key cryptography.
 * Verifying needs the signer's secret, which only this registry has, so peers cannot forge either.
 */
import { bytesEqual } from '../base/bytes.ts';
import { sha256, sha256Of } from '../base/hash.ts';
import type { NodeId } from '../base/ids.ts';
import { failure, success, type Outcome } from '../base/outcome.ts';
import { hexDecode, hexEncode, utf8Decode, utf8Encode } from '../base/text.ts';
import type { Certificate, Identity, SignatureScheme, Verifier } from '../ports/certificates.ts';

export interface SimulatedAuthority {
  readonly root: Certificate;
  /** `later` runs a function after the signing time of the node that holds the identity. */
  issue(nodeId: NodeId, userName: string, later: Later): Identity;
  verifier(later: Later): Verifier;
}

export type Later = (run: () => void) => void;

const scheme: SignatureScheme = { hash: 4, signature: 3 };
const validMs = 10 * 365 * 86_400_000;

export function createSimulatedAuthority(overlayName: string, nowMs: number): SimulatedAuthority {
  /** By public key, in hexadecimal, and by certificate. */
  const secrets = new Map<string, Uint8Array>();
  const secretOfCertificate = new WeakMap<Certificate, Uint8Array>();
  const parsed = new Map<string, Certificate>();
  let serial = 0;

  function make(fields: { nodeId: NodeId | ''; userName: string; isCa: boolean }): Certificate {
    const secret = sha256(utf8Encode(`secret ${serial} ${fields.userName}`));
    const publicKey = sha256(secret);
    secrets.set(hexEncode(publicKey), secret);
    const signed = [
      fields.nodeId,
      fields.userName,
      fields.isCa ? 'ca' : 'leaf',
      hexEncode(publicKey),
      serial++,
    ].join(' ');
    const issuer = fields.isCa ? secret : secretOf(root);
    const der = utf8Encode(`${signed} ${hexEncode(keyedHash(issuer, utf8Encode(signed)))}`);
    const certificate = read(der);
    if (!certificate.ok) throw new Error(certificate.error);
    return certificate.value;
  }

  function read(der: Uint8Array): Outcome<Certificate> {
    const fingerprint = hexEncode(sha256(der));
    const known = parsed.get(fingerprint);
    if (known !== undefined) return success(known);
    const [nodeId, userName, role, key, serialNumber] = (utf8Decode(der) ?? '').split(' ');
    const publicKey = hexDecode(key ?? '');
    if (nodeId === undefined || publicKey === undefined || serialNumber === undefined) {
      return failure('not a simulated certificate');
    }
    const certificate: Certificate = {
      der,
      fingerprint,
      nodeIds: nodeId === '' ? [] : [nodeId as NodeId],
      overlayNames: nodeId === '' ? [] : [overlayName],
      userName,
      notBeforeMs: nowMs - 3_600_000,
      notAfterMs: nowMs + validMs,
      isCa: role === 'ca',
      keyType: 'ecdsa-p256',
      publicKey,
      serialNumber,
    };
    parsed.set(fingerprint, certificate);
    return success(certificate);
  }

  function secretOf(certificate: Certificate): Uint8Array {
    let secret = secretOfCertificate.get(certificate);
    if (secret === undefined) {
      secret = secrets.get(hexEncode(certificate.publicKey)) ?? new Uint8Array(32);
      secretOfCertificate.set(certificate, secret);
    }
    return secret;
  }

  function isIssuedBy(certificate: Certificate, issuer: Certificate): boolean {
    const text = utf8Decode(certificate.der) ?? '';
    const at = text.lastIndexOf(' ');
    const expected = keyedHash(secretOf(issuer), utf8Encode(text.slice(0, at)));
    return hexEncode(expected) === text.slice(at + 1);
  }

  const root: Certificate = make({ nodeId: '', userName: 'root', isCa: true });

  return {
    root,
    issue(nodeId, userName, later) {
      const certificate = make({ nodeId, userName, isCa: false });
      return {
        certificate,
        chain: [],
        scheme,
        sign(input, done) {
          const signature = keyedHash(secretOf(certificate), input);
          later(() => done(signature));
        },
      };
    },
    verifier: (later) => ({
      parseCertificate: read,
      isIssuedBy,
      verify(certificate, used, input, signature, done) {
        const valid =
          used.hash === scheme.hash &&
          used.signature === scheme.signature &&
          bytesEqual(signature, keyedHash(secretOf(certificate), input));
        later(() => done(valid));
      },
    }),
  };
}

/** Enough where nobody computes collisions, and ten times cheaper than an HMAC. */
function keyedHash(secret: Uint8Array, input: Uint8Array): Uint8Array {
  return sha256Of(secret, input);
}
