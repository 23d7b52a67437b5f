/** Certificates with the names a test wants. */
import { generateKeyPairSync } from 'node:crypto';
import forge from 'node-forge';

export interface CertificateNames {
  readonly uris?: readonly string[];
  readonly dns?: readonly string[];
  readonly commonName?: string;
}

const { privateKey, publicKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
});
let serial = 1;

/** A self-signed certificate, good for an hour; all have the same RSA key. */
export function makeCertificate({
  uris = [],
  dns = [],
  commonName = 'someone',
}: CertificateNames): {
  readonly key: string;
  readonly cert: string;
} {
  const cert = forge.pki.createCertificate();
  cert.publicKey = forge.pki.publicKeyFromPem(publicKey);
  cert.serialNumber = `0${serial++}`;
  cert.validity.notBefore = new Date(Date.now() - 60_000);
  cert.validity.notAfter = new Date(Date.now() + 3_600_000);
  const name = [{ name: 'commonName', value: commonName }];
  cert.setSubject(name);
  cert.setIssuer(name);
  const altNames = [
    ...uris.map((value) => ({ type: 6, value })),
    ...dns.map((value) => ({ type: 2, value })),
  ];
  if (altNames.length > 0) cert.setExtensions([{ name: 'subjectAltName', altNames }]);
  cert.sign(forge.pki.privateKeyFromPem(privateKey), forge.md.sha256.create());
  return { key: privateKey, cert: forge.pki.certificateToPem(cert) };
}
