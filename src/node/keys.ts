/** Private keys: made, kept in files that only the owner reads, read again. */
import { createPrivateKey, generateKeyPair } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { failure, success } from '../base/outcome.ts';
import type { Outcome } from '../base/outcome.ts';
import type { KeyType } from '../ports/certificates.ts';
import { keyTypeOf } from './certificate-parse.ts';
import { writeFileAtomically } from './files.ts';

const generate = promisify(generateKeyPair);

/** A new private key; RSA has 2048 bits and takes some hundred milliseconds in the thread pool. */
export async function generatePrivateKey(keyType: KeyType): Promise<KeyObject> {
  switch (keyType) {
    case 'rsa':
      return (await generate('rsa', { modulusLength: 2048 })).privateKey;
    case 'ecdsa-p256':
      return (await generate('ec', { namedCurve: 'P-256' })).privateKey;
    case 'ed25519':
      return (await generate('ed25519', {})).privateKey;
  }
}

/** PKCS#8 PEM, mode 0600, replaced as a whole. Throws the system's error. */
export function savePrivateKey(path: string, key: KeyObject): void {
  const pem = key.export({ type: 'pkcs8', format: 'pem' });
  writeFileAtomically(path, pem, 0o600);
}

/** Reads a PKCS#8 PEM file; the error names the file. */
export function loadPrivateKey(path: string): Outcome<KeyObject> {
  let pem: Buffer;
  try {
    pem = readFileSync(path);
  } catch (error) {
    return failure(`cannot read the private key ${path}: ${(error as Error).message}`);
  }
  try {
    const key = createPrivateKey(pem);
    if (keyTypeOf(key) !== undefined) return success(key);
  } catch {
    return failure(`${path} does not hold a private key in PEM form`);
  }
  return failure(`${path} holds an unsupported kind of key`);
}
