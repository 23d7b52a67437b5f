/** Who a certificate says a SIP server is. RFC 5922 §7. */
import type { PeerCertificate } from 'node:tls';
import tls from 'node:tls';
import net from 'node:net';
import { X509Certificate } from 'node:crypto';
import { utf8Decode } from '../base/text.ts';
import { derChildren, derTag, derUnwrap, oidText } from './der.ts';

const subjectAltName = '2.5.29.17';
const commonName = '2.5.4.3';
const dnsTag = 0x82;
const uriTag = 0x86;

/**
 * Domains a certificate speaks for, lower-case: the hosts of its `sip:` URIs without user part; its DNS
 * names when it has no such URI; its common name when it has no subjectAltName at all. RFC 5922 §7.1.
 * Empty when the certificate cannot be read.
 */
export function sipIdentities(der: Uint8Array): readonly string[] {
  const tbs = derUnwrap(der, derTag.sequence)?.[0];
  const fields = tbs === undefined ? undefined : derChildren(tbs.contents);
  if (fields === undefined) return [];
  const names = alternativeNames(fields.find(({ tag }) => tag === 0xa3)?.contents);
  if (names === undefined) return commonNames(fields[fields[0]?.tag === 0xa0 ? 5 : 4]?.contents);
  const hosts = names.flatMap(({ tag, text }) => (tag === uriTag ? sipHost(text) : []));
  if (hosts.length > 0 || names.some(({ tag, text }) => tag === uriTag && isSipUri(text)))
    return hosts;
  return names.flatMap(({ tag, text }) => (tag === dnsTag ? [text.toLowerCase()] : []));
}

/** Whole names, no wildcards, no suffixes. RFC 5922 §7.2. */
export function speaksFor(identities: readonly string[], domain: string): boolean {
  return identities.includes(domain.toLowerCase());
}

/** For `tls.connect`: the server must speak for the domain set out for. RFC 5922 §7.3. */
export function checkSipServer(host: string, certificate: PeerCertificate): Error | undefined {
  if (net.isIP(host) !== 0) return tls.checkServerIdentity(host, certificate);
  const identities = sipIdentities(certificate.raw);
  if (speaksFor(identities, host)) return undefined;
  return new Error(`the certificate is for ${identities.join(', ') || 'nobody'}, not for ${host}`);
}

/** For the choice among own certificates: also the wildcards that browsers accept. */
export function isCertificateFor(pem: string, name: string): boolean {
  const certificate = new X509Certificate(pem);
  return (
    certificate.checkHost(name) !== undefined || speaksFor(sipIdentities(certificate.raw), name)
  );
}

interface AlternativeName {
  readonly tag: number;
  readonly text: string;
}

/** `undefined` when the certificate has no subjectAltName; unreadable names are left out. */
function alternativeNames(wrapped: Uint8Array | undefined): readonly AlternativeName[] | undefined {
  const extensions = wrapped === undefined ? [] : (derUnwrap(wrapped, derTag.sequence) ?? []);
  for (const extension of extensions) {
    const parts = derChildren(extension.contents, 3);
    const oid = parts?.[0];
    if (oid?.tag !== derTag.oid || oidText(oid.contents) !== subjectAltName) continue;
    const names = derUnwrap(parts?.at(-1)?.contents ?? new Uint8Array(), derTag.sequence) ?? [];
    return names.flatMap(({ tag, contents }) => {
      const text = utf8Decode(contents);
      return text === undefined || text.includes('\0') ? [] : [{ tag, text }];
    });
  }
  return undefined;
}

function commonNames(subject: Uint8Array | undefined): readonly string[] {
  const sets = subject === undefined ? [] : (derChildren(subject) ?? []);
  return sets.flatMap((set) =>
    (derChildren(set.contents) ?? []).flatMap((attribute) => {
      const [oid, value] = derChildren(attribute.contents, 2) ?? [];
      if (oid?.tag !== derTag.oid || oidText(oid.contents) !== commonName) return [];
      const text = utf8Decode(value?.contents ?? new Uint8Array());
      return text === undefined || text.includes('\0') ? [] : [text.toLowerCase()];
    }),
  );
}

function isSipUri(text: string): boolean {
  return /^sip:/i.test(text);
}

/** The host of a `sip:` URI without user part; empty for any other name. */
function sipHost(text: string): readonly string[] {
  if (!isSipUri(text) || text.includes('@')) return [];
  const host = /^sip:([^;?:]+)/i.exec(text)?.[1];
  return host === undefined ? [] : [host.toLowerCase()];
}
