/** What makes this box a member of an overlay: its account, node key, certificate and the configuration. */
import { existsSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import type { KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { bytesEqual } from '../../base/bytes.ts';
import { overlayDocumentExtension } from '../../overlay-config/names.ts';
import { parseOverlayDocument, type ParsedConfiguration } from '../../overlay-config/parse.ts';
import type { Certificate, Verifier } from '../../ports/certificates.ts';
import { writeFileAtomically } from '../../node/files.ts';
import { loadPrivateKey, savePrivateKey } from '../../node/keys.ts';
import { publicKeyDer } from '../../node/x509.ts';
import { createXml } from '../../node/xml.ts';
import { CommandError } from '../command.ts';

/** Of this box at the authority; the password is a secret. */
export interface AuthorityAccount {
  /** Base URL of the authority. */
  readonly url: string;
  readonly account: string;
  readonly password: string;
}

export interface Membership {
  readonly overlayName: string;
  /** `undefined` in an overlay of self-signed nodes without one. */
  readonly authority: AuthorityAccount | undefined;
  readonly nodeKey: KeyObject;
  readonly nodeCertificate: Certificate;
  readonly configuration: ParsedConfiguration;
}

const files = {
  account: 'account.json',
  key: 'node.key',
  newKey: 'node.key.next',
  certificate: 'node.der',
  document: `overlay.${overlayDocumentExtension}`,
  kindBlocks: 'kinds.json',
};

/** The configuration document, relative to the data directory. */
export const documentFile = join('member', files.document);

export function membershipDirectory(dir: string): string {
  return join(dir, 'member');
}

export function isMember(dir: string): boolean {
  return existsSync(join(membershipDirectory(dir), files.certificate));
}

export interface NewMembership {
  readonly overlayName: string;
  readonly authority: AuthorityAccount | undefined;
  readonly document: Uint8Array;
  readonly nodeKey: KeyObject;
  readonly certificateDer: Uint8Array;
}

/** Writes all files with mode 0600; the certificate last, because it marks the membership as complete. */
export function saveMembership(dir: string, membership: NewMembership): void {
  const folder = membershipDirectory(dir);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { overlayName, authority } = membership;
  const accountJson = JSON.stringify({ overlayName, ...authority });
  writeFileAtomically(join(folder, files.account), `${accountJson}\n`, 0o600);
  saveDocument(dir, membership.document);
  saveNodeIdentity(dir, membership.nodeKey, membership.certificateDer);
}

/**
 * Replaces key and certificate. The new key waits beside the old one until the certificate is in
 * place: whatever moment the power fails at, there is a key for the certificate.
 */
export function saveNodeIdentity(dir: string, key: KeyObject, certificateDer: Uint8Array): void {
  const folder = membershipDirectory(dir);
  savePrivateKey(join(folder, files.newKey), key);
  writeFileAtomically(join(folder, files.certificate), certificateDer, 0o600);
  renameSync(join(folder, files.newKey), join(folder, files.key));
}

/** Keeps the configuration document byte for byte. */
export function saveDocument(dir: string, document: Uint8Array): void {
  writeFileAtomically(join(membershipDirectory(dir), files.document), document, 0o600);
}

/** Kinds that other peers taught this box, in base64. */
export function saveKindBlocks(dir: string, blocks: readonly string[]): void {
  writeFileAtomically(kindBlocksFile(dir), `${JSON.stringify(blocks)}\n`, 0o600);
}

export function kindBlocksFile(dir: string): string {
  return join(membershipDirectory(dir), files.kindBlocks);
}

/** Rejects with CommandError that names the damaged file and what to do. */
export function loadMembership(dir: string, verifier: Verifier): Membership {
  if (!isMember(dir)) {
    throw new CommandError(
      `${dir} is not a member of an overlay yet; run "chordial init" or "chordial join TOKEN" first`,
      2,
    );
  }
  const folder = membershipDirectory(dir);
  const damaged = (file: string, why: string): CommandError =>
    new CommandError(
      `${join(folder, file)} is damaged (${why}); move ${folder} away and join again with a new token`,
    );
  const account = readAccount(join(folder, files.account));
  if (account === undefined) throw damaged(files.account, 'not the account of a box');
  const read = (file: string): Uint8Array => {
    try {
      return readFileSync(join(folder, file));
    } catch (error) {
      throw damaged(file, (error as Error).message);
    }
  };
  const certificate = verifier.parseCertificate(read(files.certificate));
  if (!certificate.ok) throw damaged(files.certificate, certificate.error);
  const { publicKey } = certificate.value;
  const candidates = [files.key, files.newKey].map((file) => loadPrivateKey(join(folder, file)));
  const nodeKey = candidates.find(
    (key) => key.ok && bytesEqual(publicKeyDer(key.value), publicKey),
  );
  if (nodeKey?.ok !== true) {
    const [first] = candidates;
    throw damaged(
      files.key,
      first?.ok === false ? first.error : 'it is not the key of the certificate',
    );
  }
  const configuration = parseDocument(read(files.document), verifier, account.overlayName);
  if (typeof configuration === 'string') throw damaged(files.document, configuration);
  return { ...account, nodeKey: nodeKey.value, nodeCertificate: certificate.value, configuration };
}

/** The configuration, or what is wrong with the document. */
export function parseDocument(
  document: Uint8Array,
  verifier: Verifier,
  overlayName: string | undefined,
): ParsedConfiguration | string {
  const parsed = parseOverlayDocument(document, createXml(), verifier, overlayName);
  return parsed.ok ? parsed.value : parsed.error;
}

function readAccount(file: string): Pick<Membership, 'overlayName' | 'authority'> | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  const { url, overlayName, account, password } = parsed as Record<string, unknown>;
  if (typeof overlayName !== 'string') return undefined;
  if (url === undefined && account === undefined && password === undefined) {
    return { overlayName, authority: undefined };
  }
  return typeof url === 'string' && typeof account === 'string' && typeof password === 'string'
    ? { overlayName, authority: { url, account, password } }
    : undefined;
}
