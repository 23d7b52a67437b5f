/** Certificate requests, PKCS#10 (RFC 2986). RFC 6940 §11.3. */
import { createPublicKey, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { emptyBytes } from '../base/bytes.ts';
import { limits } from '../base/limits.ts';
import { failure, success } from '../base/outcome.ts';
import type { Outcome } from '../base/outcome.ts';
import { utf8Decode } from '../base/text.ts';
import type { KeyType } from '../ports/certificates.ts';
import { keyTypeOf, subjectNames } from './certificate-parse.ts';
import { derChildren, derElement, derTag, derUnwrap, oidText } from './der.ts';
import type { DerElement } from './der.ts';
import {
  contextConstructed,
  contextString,
  embedded,
  integer,
  oid,
  sequence,
  setOf,
} from './der-write.ts';
import { certificateSignatures, extension, publicKeyDer, signedStructure } from './x509.ts';

export interface CertificateRequest {
  /** DER of SubjectPublicKeyInfo; the requester proved possession of its private key. */
  readonly publicKey: Uint8Array;
  readonly keyType: KeyType;
  /** rfc822Name of the requested subjectAltName, else the CommonName, else `undefined`. */
  readonly userName: string | undefined;
}

/** A PKCS#10 request (RFC 2986) that asks for one user name. Returns DER. */
export function createCsr(privateKey: KeyObject, userName: string): Uint8Array {
  const names = sequence([contextString(1, userName)]);
  const extensions = sequence([extension('2.5.29.17', false, names)]);
  const info = sequence([
    integer(Uint8Array.of(0)),
    sequence([]),
    embedded(publicKeyDer(privateKey)),
    contextConstructed(0, [sequence([oid(extensionRequest), setOf([extensions])])]),
  ]);
  return signedStructure(info, privateKey);
}

/** Reads a PKCS#10 request and checks that it is signed by the key it carries. */
export function parseCsr(der: Uint8Array): Outcome<CertificateRequest> {
  if (der.length > limits.node.certificateBytes) return failure('request too large');
  const outer = derElement(der);
  const [info, algorithm, signature] = derUnwrap(der, derTag.sequence) ?? [];
  if (outer === undefined || info === undefined || signature?.tag !== derTag.bitString) {
    return failure('not a PKCS#10 request');
  }
  const fields = derChildren(info.contents);
  const [, subject, spki] = fields ?? [];
  if (fields === undefined || subject === undefined || spki === undefined) {
    return failure('malformed PKCS#10 request');
  }
  const publicKey = new Uint8Array(info.contents.subarray(spki.start, spki.end));
  const key = importPublicKey(publicKey);
  const keyType = key === undefined ? undefined : keyTypeOf(key);
  if (key === undefined || keyType === undefined) return failure('unsupported public key');
  const scheme = certificateSignatures[keyType];
  const named = derChildren(algorithm?.contents ?? emptyBytes)?.[0];
  if (named === undefined || oidText(named.contents) !== scheme.oid) {
    return failure('unsupported signature algorithm');
  }
  const signed = outer.contents.subarray(info.start, info.end);
  if (!verify(scheme.hash, signed, key, signature.contents.subarray(1))) {
    return failure('the signature of the request is wrong');
  }
  const userName = requestedName(fields, subject);
  return userName.ok ? success({ publicKey, keyType, userName: userName.value }) : userName;
}

/** The key in a SubjectPublicKeyInfo; `undefined` when OpenSSL refuses it. */
export function importPublicKey(spki: Uint8Array): KeyObject | undefined {
  try {
    return createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  } catch {
    return undefined;
  }
}

const extensionRequest = '1.2.840.113549.1.9.14';

function requestedName(
  fields: readonly DerElement[],
  subject: DerElement,
): Outcome<string | undefined> {
  const attributes = fields.find((field) => field.tag === 0xa0);
  for (const attribute of derChildren(attributes?.contents ?? emptyBytes) ?? []) {
    const [type, values] = derChildren(attribute.contents) ?? [];
    if (type === undefined || oidText(type.contents) !== extensionRequest) continue;
    const extensions = derUnwrap(values?.contents ?? emptyBytes, derTag.sequence);
    if (extensions === undefined) return failure('malformed extension request');
    const names = subjectNames(extensions);
    if (!names.ok) return names;
    const { rfc822Names } = names.value;
    if (rfc822Names.length > 1) return failure('more than one user name');
    if (rfc822Names[0] !== undefined) return success(rfc822Names[0]);
  }
  return success(commonName(subject));
}

function commonName(subject: DerElement): string | undefined {
  for (const set of derChildren(subject.contents) ?? []) {
    for (const pair of derChildren(set.contents) ?? []) {
      const [type, value] = derChildren(pair.contents) ?? [];
      if (type === undefined || value === undefined) continue;
      if (oidText(type.contents) === '2.5.4.3') return utf8Decode(value.contents);
    }
  }
  return undefined;
}
