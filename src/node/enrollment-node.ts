/** The certificate of a box itself: a new key pair enrolled under the name of its own account. */
import type { KeyObject } from 'node:crypto';
import type { Outcome } from '../base/outcome.ts';
import { success } from '../base/outcome.ts';
import type { Certificate, KeyType, Verifier } from '../ports/certificates.ts';
import { createCsr } from './csr.ts';
import { enroll } from './enrollment-client.ts';
import type { EnrollError } from './enrollment-client.ts';
import { connectAuthority } from './enrollment-request.ts';
import { generatePrivateKey } from './keys.ts';
import { publicKeyDer } from './x509.ts';

export interface NodeEnrollment {
  readonly privateKey: KeyObject;
  readonly certificate: Certificate;
}

/** Also renews: the same account gets the same Node-ID again (RFC 6940 §11.3). */
export async function enrollNode(options: {
  /** An enrollment-server URL of the configuration. */
  readonly enrollmentUrl: string;
  readonly overlayName: string;
  readonly account: string;
  readonly password: string;
  readonly keyType: KeyType;
  readonly verifier: Verifier;
  readonly rootCertificates: readonly Certificate[];
}): Promise<Outcome<NodeEnrollment, EnrollError>> {
  const { rootCertificates: roots, verifier, account, overlayName } = options;
  const privateKey = await generatePrivateKey(options.keyType);
  const connection = connectAuthority({
    rootCertificates: roots.map((root) => root.der),
    overlayName,
  });
  const request = {
    url: options.enrollmentUrl,
    username: account,
    password: options.password,
    csr: createCsr(privateKey, account),
    publicKey: publicKeyDer(privateKey),
  };
  const issued = await enroll(request, { connection, verifier, roots });
  connection.close();
  return issued.ok ? success({ privateKey, certificate: issued.value }) : issued;
}
