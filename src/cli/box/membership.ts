/** What makes this box a member of an overlay: its account, node key, certificate and the configuration. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import type { KeyObject } from 'node:crypto';
import { join } from 'node:path';
import { parseOverlayDocument, type ParsedConfiguration } from '../../overlay-config/parse.ts';
import type { Certificate, Verifier } from '../../ports/certificates.ts';
import { writeFileAtomically } from '../../node/files.ts';
import { loadPrivateKey, savePrivateKey } from '../../node/keys.ts';
import { createXml } from '../../node/xml.ts';
import { CommandError } from '../command.ts';

export interface Membership {
  /** Base URL of the authority. */
  readonly url: string;
  readonly overlayName: string;
  /** Of this box at the authority; the password is a secret. */
  readonly account: string;
  readonly password: string;
  readonly nodeKey: KeyObject;
  readonly nodeCertificate: Certificate;
  readonly configuration: ParsedConfiguration;
}

const files = {
  account: 'account.json',
  key: 'node.key',
  certificate: 'node.der',
  document: 'overlay.relo',
};

function directory(dir: string): string {
  return join(dir, 'member');
}

export function isMember(dir: string): boolean {
  return existsSync(join(directory(dir), files.certificate));
}

export interface NewMembership {
  readonly url: string;
  readonly overlayName: string;
  readonly account: string;
  readonly password: string;
  readonly document: Uint8Array;
  readonly nodeKey: KeyObject;
  readonly certificateDer: Uint8Array;
}

/** Writes all files with mode 0600; the certificate last, because it marks the membership as complete. */
export function saveMembership(dir: string, membership: NewMembership): void {
  const folder = directory(dir);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { url, overlayName, account, password } = membership;
  const accountJson = JSON.stringify({ url, overlayName, account, password });
  writeFileAtomically(join(folder, files.account), `${accountJson}\n`, 0o600);
  savePrivateKey(join(folder, files.key), membership.nodeKey);
  saveDocument(dir, membership.document);
  saveNodeCertificate(dir, membership.certificateDer);
}

export function saveNodeCertificate(dir: string, der: Uint8Array): void {
  writeFileAtomically(join(directory(dir), files.certificate), der, 0o600);
}

/** Keeps the configuration document byte for byte. */
export function saveDocument(dir: string, document: Uint8Array): void {
  writeFileAtomically(join(directory(dir), files.document), document, 0o600);
}

/** Rejects with CommandError that names the damaged file and what to do. */
export function loadMembership(dir: string, verifier: Verifier): Membership {
  if (!isMember(dir)) {
    throw new CommandError(
      `${dir} is not a member of an overlay yet; run "chordial init" or "chordial join TOKEN" first`,
      2,
    );
  }
  const folder = directory(dir);
  const damaged = (file: string, why: string): CommandError =>
    new CommandError(
      `${join(folder, file)} is damaged (${why}); move ${folder} away and join again with a new token`,
    );
  const account = readAccount(join(folder, files.account));
  if (account === undefined) throw damaged(files.account, 'not the account of a box');
  const nodeKey = loadPrivateKey(join(folder, files.key));
  if (!nodeKey.ok) throw damaged(files.key, nodeKey.error);
  const certificate = verifier.parseCertificate(readFileSync(join(folder, files.certificate)));
  if (!certificate.ok) throw damaged(files.certificate, certificate.error);
  const configuration = parseDocument(
    readFileSync(join(folder, files.document)),
    verifier,
    account.overlayName,
  );
  if (typeof configuration === 'string') throw damaged(files.document, configuration);
  return { ...account, nodeKey: nodeKey.value, nodeCertificate: certificate.value, configuration };
}

/** The configuration, or what is wrong with the document. */
export function parseDocument(
  document: Uint8Array,
  verifier: Verifier,
  overlayName: string,
): ParsedConfiguration | string {
  const parsed = parseOverlayDocument(document, createXml(), verifier, overlayName);
  return parsed.ok ? parsed.value : parsed.error;
}

interface AccountFile {
  readonly url: string;
  readonly overlayName: string;
  readonly account: string;
  readonly password: string;
}

function readAccount(file: string): AccountFile | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  const { url, overlayName, account, password } = parsed as Record<string, unknown>;
  return typeof url === 'string' &&
    typeof overlayName === 'string' &&
    typeof account === 'string' &&
    typeof password === 'string'
    ? { url, overlayName, account, password }
    : undefined;
}
