/**
 * Building certificates and certificate requests: node-forge writes the DER, OpenSSL signs.
 * Shapes follow RFC 5280 and RFC 6940 §11.3: empty subject, critical subjectAltName with reload
 * URIs and exactly one rfc822Name.
 */
import { createPublicKey, randomBytes, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { UsageError } from '../base/assert.ts';
import type { NodeId } from '../base/ids.ts';
import type { KeyType } from '../ports/certificates.ts';
import { keyTypeOf } from './certificate-parse.ts';
import { certificateSubjectDer } from './der.ts';
import {
  bitString,
  boolean,
  contextConstructed,
  contextString,
  embedded,
  integer,
  nullValue,
  octetString,
  oid,
  sequence,
  setOf,
  time,
  toDer,
  utf8String,
} from './der-write.ts';
import type { DerNode } from './der-write.ts';
import { formatReloadUri } from './reload-uri.ts';

/** A certificate's DER with the key that it is for. */
export interface Issuer {
  readonly certificateDer: Uint8Array;
  readonly privateKey: KeyObject;
}

export interface RootOptions {
  /** CommonName of subject and issuer. */
  readonly name: string;
  readonly privateKey: KeyObject;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

export interface IssueOptions {
  /** DER of SubjectPublicKeyInfo, from a checked request or a key of our own. */
  readonly publicKey: Uint8Array;
  /** At least one. */
  readonly nodeIds: readonly NodeId[];
  readonly overlayName: string;
  /** Becomes the rfc822Name. */
  readonly userName: string;
  readonly issuer: Issuer;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** A self-signed root with basicConstraints CA and keyCertSign. Returns DER. */
export function createRoot(options: RootOptions): Uint8Array {
  const name = distinguishedName(options.name);
  return signedCertificate({
    issuerName: name,
    subjectName: name,
    publicKey: publicKeyDer(options.privateKey),
    signer: options.privateKey,
    notBeforeMs: options.notBeforeMs,
    notAfterMs: options.notAfterMs,
    extensions: [
      extension('2.5.29.19', true, sequence([boolean(true)])),
      extension('2.5.29.15', true, bitString(Uint8Array.of(keyCertSign | crlSign), 1)),
    ],
  });
}

/** The certificate of a node or user. Returns DER. Throws UsageError for a name that cannot be encoded. */
export function issueCertificate(options: IssueOptions): Uint8Array {
  const issuerName = certificateSubjectDer(options.issuer.certificateDer);
  if (issuerName === undefined) throw new UsageError('the issuer certificate is malformed');
  return signedCertificate({
    issuerName: embedded(issuerName),
    subjectName: sequence([]),
    publicKey: options.publicKey,
    signer: options.issuer.privateKey,
    notBeforeMs: options.notBeforeMs,
    notAfterMs: options.notAfterMs,
    extensions: nodeExtensions(options),
  });
}

/** A certificate signed by its own key (RFC 6940 §11.3.1). The caller derives the Node-IDs from the key. */
export function createSelfSigned(
  options: Omit<IssueOptions, 'issuer' | 'publicKey'> & { readonly privateKey: KeyObject },
): Uint8Array {
  return signedCertificate({
    issuerName: sequence([]),
    subjectName: sequence([]),
    publicKey: publicKeyDer(options.privateKey),
    signer: options.privateKey,
    notBeforeMs: options.notBeforeMs,
    notAfterMs: options.notAfterMs,
    extensions: nodeExtensions(options),
  });
}

/** DER of SubjectPublicKeyInfo of a private or public key. */
export function publicKeyDer(key: KeyObject): Uint8Array {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }));
}

/** The algorithm that a kind of key signs certificates with (RFC 4055, RFC 5758, RFC 8410). */
export const certificateSignatures: Readonly<
  Record<KeyType, { readonly oid: string; readonly hash: string | null; readonly hasNull: boolean }>
> = {
  rsa: { oid: '1.2.840.113549.1.1.11', hash: 'sha256', hasNull: true },
  'ecdsa-p256': { oid: '1.2.840.10045.4.3.2', hash: 'sha256', hasNull: false },
  ed25519: { oid: '1.3.101.112', hash: null, hasNull: false },
};

/** `SEQUENCE { body, algorithm, signature }` signed by the key. Returns DER. */
export function signedStructure(body: DerNode, privateKey: KeyObject): Uint8Array {
  const { hash } = certificateSignatures[signingKeyType(privateKey)];
  const signature = new Uint8Array(sign(hash, toDer(body), privateKey));
  return toDer(sequence([body, signatureAlgorithm(privateKey), bitString(signature, 0)]));
}

/** One Extension of a certificate or request (RFC 5280 §4.1). */
export function extension(id: string, critical: boolean, value: DerNode): DerNode {
  return sequence([oid(id), ...(critical ? [boolean(true)] : []), octetString(toDer(value))]);
}

const digitalSignature = 0x80;
const keyEncipherment = 0x20;
const keyCertSign = 0x04;
const crlSign = 0x02;
const serialBytes = 16;

interface Unsigned {
  readonly issuerName: DerNode;
  readonly subjectName: DerNode;
  readonly publicKey: Uint8Array;
  readonly signer: KeyObject;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly extensions: readonly DerNode[];
}

function signedCertificate(unsigned: Unsigned): Uint8Array {
  const body = sequence([
    contextConstructed(0, [integer(Uint8Array.of(2))]),
    integer(randomSerial()),
    signatureAlgorithm(unsigned.signer),
    unsigned.issuerName,
    sequence([time(unsigned.notBeforeMs), time(unsigned.notAfterMs)]),
    unsigned.subjectName,
    embedded(unsigned.publicKey),
    contextConstructed(3, [sequence(unsigned.extensions)]),
  ]);
  return signedStructure(body, unsigned.signer);
}

/** Positive and never starting with a zero byte, as DER wants it. */
function randomSerial(): Uint8Array {
  const serial = new Uint8Array(randomBytes(serialBytes));
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return serial;
}

function signatureAlgorithm(privateKey: KeyObject): DerNode {
  const { oid: id, hasNull } = certificateSignatures[signingKeyType(privateKey)];
  return sequence(hasNull ? [oid(id), nullValue()] : [oid(id)]);
}

function signingKeyType(privateKey: KeyObject): KeyType {
  const keyType = keyTypeOf(privateKey);
  if (keyType === undefined) throw new UsageError('this kind of key cannot sign certificates');
  return keyType;
}

function nodeExtensions(
  names: Pick<IssueOptions, 'nodeIds' | 'overlayName' | 'userName'>,
): readonly DerNode[] {
  if (names.nodeIds.length === 0) throw new UsageError('a certificate needs a Node-ID');
  if (!/^[\x21-\x7e]+$/.test(names.userName)) {
    throw new UsageError('a user name is printable ASCII without spaces');
  }
  const uris = names.nodeIds.map((id) => contextString(6, formatReloadUri(id, names.overlayName)));
  return [
    extension('2.5.29.19', true, sequence([])),
    extension('2.5.29.15', true, bitString(Uint8Array.of(digitalSignature | keyEncipherment), 5)),
    extension('2.5.29.17', true, sequence([...uris, contextString(1, names.userName)])),
  ];
}

function distinguishedName(commonName: string): DerNode {
  return sequence([setOf([sequence([oid('2.5.4.3'), utf8String(commonName)])])]);
}
