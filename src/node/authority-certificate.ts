/** The certificate of the authority's HTTPS server: issued by the overlay's root, for names of hosts only. */
import { randomBytes } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { isIP } from 'node:net';
import { UsageError } from '../base/assert.ts';
import { latin1Decode } from '../base/text.ts';
import { certificateSubjectDer } from './der.ts';
import {
  bitString,
  contextConstructed,
  contextString,
  embedded,
  integer,
  oid,
  sequence,
  time,
} from './der-write.ts';
import type { DerNode } from './der-write.ts';
import { keyTypeOf } from './certificate-parse.ts';
import { certificateSignatures, extension, publicKeyDer, signedStructure } from './x509.ts';
import type { Issuer } from './x509.ts';

export interface ServerCertificateOptions {
  readonly privateKey: KeyObject;
  /** DNS names and IP addresses for the subjectAltName; at least one. */
  readonly hosts: readonly string[];
  readonly issuer: Issuer;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
}

/** A TLS server certificate (RFC 5280, RFC 6125): empty subject, critical subjectAltName. Returns DER. */
export function createServerCertificate(options: ServerCertificateOptions): Uint8Array {
  const issuerName = certificateSubjectDer(options.issuer.certificateDer);
  const keyType = keyTypeOf(options.issuer.privateKey);
  if (issuerName === undefined || keyType === undefined || options.hosts.length === 0) {
    throw new UsageError('a server certificate needs an issuer and a host');
  }
  const { oid: algorithm, hasNull } = certificateSignatures[keyType];
  const body = sequence([
    contextConstructed(0, [integer(Uint8Array.of(2))]),
    integer(positiveSerial()),
    sequence(hasNull ? [oid(algorithm), embedded(Uint8Array.of(5, 0))] : [oid(algorithm)]),
    embedded(issuerName),
    sequence([time(options.notBeforeMs), time(options.notAfterMs)]),
    sequence([]),
    embedded(publicKeyDer(options.privateKey)),
    contextConstructed(3, [
      sequence([
        extension('2.5.29.19', true, sequence([])),
        extension('2.5.29.15', true, bitString(Uint8Array.of(0x80), 7)),
        extension('2.5.29.37', false, sequence([oid('1.3.6.1.5.5.7.3.1')])),
        extension('2.5.29.17', true, sequence(options.hosts.map(generalName))),
      ]),
    ]),
  ]);
  return signedStructure(body, options.issuer.privateKey);
}

/** dNSName or iPAddress (RFC 5280 §4.2.1.6). */
function generalName(host: string): DerNode {
  switch (isIP(host)) {
    case 4:
      return contextString(7, latin1Decode(Uint8Array.from(host.split('.').map(Number))));
    case 6:
      return contextString(7, latin1Decode(ipv6Bytes(host)));
    default:
      return contextString(2, host);
  }
}

function ipv6Bytes(text: string): Uint8Array {
  const [address = ''] = text.split('%');
  const dotted = /^(.*:)([0-9]+)\.([0-9]+)\.([0-9]+)\.([0-9]+)$/.exec(address);
  const plain =
    dotted === null
      ? address
      : `${dotted[1] ?? ''}${hexPair(dotted[2], dotted[3])}:${hexPair(dotted[4], dotted[5])}`;
  const [head = '', tail] = plain.split('::');
  const first = head === '' ? [] : head.split(':');
  const last = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = new Array<string>(8 - first.length - last.length).fill('0');
  const groups = tail === undefined ? first : [...first, ...zeros, ...last];
  return Uint8Array.from(
    groups.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff]),
  );
}

function hexPair(high: string | undefined, low: string | undefined): string {
  return ((Number(high) << 8) | Number(low)).toString(16);
}

function positiveSerial(): Uint8Array {
  const serial = new Uint8Array(randomBytes(16));
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return serial;
}
