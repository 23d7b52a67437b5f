/** X.509 certificates as values: parsed by OpenSSL, the RELOAD names read from the DER. RFC 6940 §11.3. */
import { X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { limits } from '../base/limits.ts';
import type { NodeId } from '../base/ids.ts';
import { failure, success } from '../base/outcome.ts';
import type { Outcome } from '../base/outcome.ts';
import { hexEncode, utf8Decode } from '../base/text.ts';
import { sha256 } from '../base/hash.ts';
import type { Certificate, KeyType } from '../ports/certificates.ts';
import { derChildren, derTag, derUnwrap, oidText } from './der.ts';
import type { DerElement } from './der.ts';
import { parseReloadUri } from './reload-uri.ts';

/** A certificate with OpenSSL's view of it. */
export interface ParsedCertificate {
  readonly certificate: Certificate;
  readonly x509: X509Certificate;
  readonly key: KeyObject;
}

/** Names of a subjectAltName as RELOAD uses them. */
export interface SubjectNames {
  readonly nodeIds: readonly NodeId[];
  readonly overlayNames: readonly string[];
  readonly rfc822Names: readonly string[];
}

/** Parses one DER certificate; proves nothing. The bytes are copied. */
export function parseCertificateDer(der: Uint8Array): Outcome<ParsedCertificate> {
  if (der.length > limits.node.certificateBytes) return failure('certificate too large');
  let x509: X509Certificate;
  let key: KeyObject;
  try {
    x509 = new X509Certificate(der);
    key = x509.publicKey;
  } catch {
    return failure('not an X.509 certificate');
  }
  const raw = new Uint8Array(x509.raw);
  if (raw.length !== der.length) return failure('bytes after the certificate');
  const keyType = keyTypeOf(key);
  if (keyType === undefined) return failure('unsupported public key');
  const fields = tbsFields(raw);
  if (fields === undefined) return failure('malformed certificate');
  const names = subjectNames(fields.extensions);
  if (!names.ok) return names;
  const { nodeIds, overlayNames, rfc822Names } = names.value;
  const certificate: Certificate = {
    der: raw,
    fingerprint: hexEncode(sha256(raw)),
    nodeIds,
    overlayNames,
    userName: rfc822Names.length === 1 ? rfc822Names[0] : undefined,
    notBeforeMs: x509.validFromDate.getTime(),
    notAfterMs: x509.validToDate.getTime(),
    isCa: x509.ca,
    keyType,
    publicKey: fields.publicKey,
    serialNumber: x509.serialNumber.toLowerCase(),
  };
  return success({ certificate, x509, key });
}

/** The supported kind of a key (public or private), else `undefined`. RSA: 2048 to 8192 bits. */
export function keyTypeOf(key: KeyObject): KeyType | undefined {
  const details = key.asymmetricKeyDetails;
  switch (key.asymmetricKeyType) {
    case 'rsa': {
      const bits = details?.modulusLength ?? 0;
      return bits >= 2048 && bits <= 8192 ? 'rsa' : undefined;
    }
    case 'ec':
      return details?.namedCurve === 'prime256v1' ? 'ecdsa-p256' : undefined;
    case 'ed25519':
      return 'ed25519';
    default:
      return undefined;
  }
}

interface TbsFields {
  readonly publicKey: Uint8Array;
  readonly extensions: readonly DerElement[];
}

/** SubjectPublicKeyInfo and the extensions of a version 3 certificate (RFC 5280 §4.1). */
function tbsFields(der: Uint8Array): TbsFields | undefined {
  const tbs = derUnwrap(der, derTag.sequence)?.[0];
  if (tbs?.tag !== derTag.sequence) return undefined;
  const fields = derChildren(tbs.contents);
  if (fields === undefined) return undefined;
  const version = fields[0]?.tag === 0xa0 ? 1 : 0;
  const key = fields[version + 5];
  if (key?.tag !== derTag.sequence) return undefined;
  const wrapped = fields.find((field) => field.tag === 0xa3);
  const extensions = wrapped === undefined ? [] : derUnwrap(wrapped.contents, derTag.sequence);
  if (extensions === undefined) return undefined;
  return { publicKey: tbs.contents.subarray(key.start, key.end), extensions };
}

const extensionOids = {
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  extendedKeyUsage: '2.5.29.37',
} as const;
const understood = new Set<string>(Object.values(extensionOids));

/** Reads the subjectAltName among extensions; refuses critical ones that are not understood. */
export function subjectNames(extensions: readonly DerElement[]): Outcome<SubjectNames> {
  let found: SubjectNames = { nodeIds: [], overlayNames: [], rfc822Names: [] };
  const seen = new Set<string>();
  for (const extension of extensions) {
    const parts = derChildren(extension.contents, 3);
    const oid = parts?.[0];
    const value = parts?.at(-1);
    if (parts === undefined || oid?.tag !== derTag.oid || value?.tag !== derTag.octetString) {
      return failure('malformed extension');
    }
    const name = oidText(oid.contents);
    if (seen.has(name)) return failure(`extension ${name} appears twice`);
    seen.add(name);
    const critical = parts.length === 3 && parts[1]?.contents[0] !== 0;
    if (critical && !understood.has(name)) return failure(`unknown critical extension ${name}`);
    if (name === extensionOids.subjectAltName) {
      const names = readGeneralNames(value.contents);
      if (!names.ok) return names;
      found = names.value;
    }
  }
  return success(found);
}

const rfc822NameTag = 0x81;
const uriTag = 0x86;

function readGeneralNames(der: Uint8Array): Outcome<SubjectNames> {
  const names = derUnwrap(der, derTag.sequence);
  if (names === undefined) return failure('malformed subjectAltName');
  const nodeIds: NodeId[] = [];
  const overlayNames: string[] = [];
  const rfc822Names: string[] = [];
  for (const { tag, contents } of names) {
    if (tag !== rfc822NameTag && tag !== uriTag) continue;
    const text = utf8Decode(contents);
    if (text === undefined || contents.some((byte) => byte < 0x20 || byte === 0x7f)) {
      return failure('subjectAltName with illegal characters');
    }
    if (tag === rfc822NameTag) {
      rfc822Names.push(text);
    } else if (/^reload:/i.test(text)) {
      const uri = parseReloadUri(text);
      if (!uri.ok) return uri;
      nodeIds.push(uri.value.nodeId);
      overlayNames.push(uri.value.overlayName);
    }
    if (nodeIds.length > limits.node.nodeIdsPerCertificate) return failure('too many Node-IDs');
  }
  return success({ nodeIds, overlayNames, rfc822Names });
}
