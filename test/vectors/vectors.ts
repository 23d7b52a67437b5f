/** The published byte vectors and the public test identity that signed them. */
import { verify, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';

export interface Vector {
  readonly name: string;
  readonly length: number;
  readonly bytes: Uint8Array;
  readonly text: string | undefined;
  readonly sha256: string | undefined;
  readonly base64: string | undefined;
  readonly spki: string | undefined;
}

interface StoredVector {
  readonly name: string;
  readonly length: number;
  readonly hex: string;
  readonly text?: string;
  readonly sha256?: string;
  readonly base64?: string;
  readonly spki?: string;
}

const folder = new URL('./data/', import.meta.url);

export const vectors: ReadonlyMap<string, Vector> = new Map(
  (JSON.parse(readFileSync(new URL('vectors.json', folder), 'utf8')) as StoredVector[]).map(
    ({ name, length, hex, text, sha256, base64, spki }) => [
      name,
      { name, length, bytes: Buffer.from(hex, 'hex'), text, sha256, base64, spki },
    ],
  ),
);

/** The vector's bytes; a misspelt name fails the test. */
export function vectorBytes(name: string): Uint8Array {
  const vector = vectors.get(name);
  if (vector === undefined) throw new Error(`no vector ${name}`);
  return vector.bytes;
}

const certificate = new X509Certificate(readFileSync(new URL('test-only-cert.pem', folder)));

/** DER of the test certificate. */
export const testCertificate: Uint8Array = certificate.raw;

/** RSASSA-PKCS1-v1_5 with SHA-256 by the test key. */
export function isSignedByTestKey(input: Uint8Array, signature: Uint8Array): boolean {
  return verify('sha256', input, certificate.publicKey, signature);
}
