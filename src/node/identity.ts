/** The Identity port: a private key in the host with its certificate. */
import { sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { UsageError } from '../base/assert.ts';
import { compareBytes } from '../base/bytes.ts';
import type { Certificate, Identity } from '../ports/certificates.ts';
import type { SignatureQueue } from './signature-queue.ts';
import { signatureSchemes } from './verifier.ts';
import { publicKeyDer } from './x509.ts';

/** Throws UsageError when the certificate is for another key. */
export function createIdentity(
  privateKey: KeyObject,
  certificate: Certificate,
  chain: readonly Certificate[],
  queue: SignatureQueue,
): Identity {
  if (compareBytes(publicKeyDer(privateKey), certificate.publicKey) !== 0) {
    throw new UsageError('the certificate is for another key');
  }
  const { keyType } = certificate;
  const digest = keyType === 'ed25519' ? null : 'sha256';

  /** RSA signing would hold up the event loop; the others cost less than a hop to the thread pool. */
  function signInPool(input: Uint8Array, done: (signature: Uint8Array) => void): void {
    sign(digest, input, privateKey, (error, signature) => {
      if (error !== null) throw error;
      done(signature);
    });
  }

  return {
    certificate,
    chain,
    scheme: signatureSchemes[keyType],
    sign(input, done) {
      if (keyType === 'rsa') {
        signInPool(input, done);
        return;
      }
      const accepted = queue.push(() => {
        done(sign(digest, input, privateKey));
      });
      if (!accepted) signInPool(input, done);
    },
  };
}

/** An identity whose key and certificate can be replaced while it is in use. */
export interface RenewableIdentity extends Identity {
  replace(next: Identity): void;
}

export function createRenewableIdentity(first: Identity): RenewableIdentity {
  let current = first;
  return {
    get certificate() {
      return current.certificate;
    },
    get chain() {
      return current.chain;
    },
    get scheme() {
      return current.scheme;
    },
    sign(input, done) {
      current.sign(input, done);
    },
    replace(next) {
      current = next;
    },
  };
}
