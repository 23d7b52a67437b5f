/** The certificates of a box's TLS and WSS listeners: files of the operator, else one of its own. */
import { X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, unwatchFile, watchFile } from 'node:fs';
import { join, resolve } from 'node:path';
import { createServerCertificate } from '../../node/authority-certificate.ts';
import { writeFileAtomically } from '../../node/files.ts';
import { generatePrivateKey, loadPrivateKey, savePrivateKey } from '../../node/keys.ts';
import type { Settings } from '../../node/settings.ts';
import { sipIdentities } from '../../node/sip-identities.ts';
import { createTlsContexts, type SipCertificate, type SipTls } from '../../node/sip-tls.ts';
import { createRoot } from '../../node/x509.ts';
import type { Trace } from '../../ports/trace.ts';
import { CommandError } from '../command.ts';

const yearMs = 365 * 86_400_000;
const renewBeforeMs = 30 * 86_400_000;
const lookEveryMs = 5000;

/**
 * What the secure listeners show. Certificates from files come first, the one of the box last. Throws a
 * {@link CommandError} that names the file that is missing or does not fit.
 */
export async function sipTls(
  settings: Settings,
  dir: string,
  hosts: readonly string[],
): Promise<SipTls> {
  const own = await ownCertificate(settings, dir, hosts);
  return withFiles(settings, dir, own);
}

/**
 * How secure listeners name the box in Record-Route and Via, for phones that check certificates
 * (RFC 5922 §7.5): the first name of the operator's first certificate. Without one the box's own
 * certificate holds its addresses, and no name is needed.
 */
export function certifiedName(settings: Settings, tls: SipTls | undefined): string | undefined {
  if (settings.sip.certificates.length === 0 || tls === undefined) return undefined;
  const { raw } = new X509Certificate(tls.cert);
  return sipIdentities(new Uint8Array(raw)).find((name) => !name.includes('*'));
}

/** Files that change what {@link sipTls} gives. */
export function sipTlsFiles(settings: Settings, dir: string): readonly string[] {
  const { certificates, clientCa } = settings.sip;
  const named = certificates.flatMap(({ cert, key }) => [cert, key]);
  return [...named, ...(clientCa === '' ? [] : [clientCa])].map((file) => resolve(dir, file));
}

/**
 * Shows new certificates as soon as their files have changed, without a restart; keeps the old ones when
 * the new do not fit. The returned function ends it.
 */
export function watchSipTls(options: {
  readonly files: readonly string[];
  readonly load: () => Promise<SipTls>;
  readonly use: (settings: SipTls) => void;
  readonly trace: Trace;
}): () => void {
  const { files, load, use, trace } = options;
  const changed = (): void => {
    load()
      .then(use)
      .then(
        () => {
          trace.log('info', 'sip-certificates-replaced', {});
        },
        (error: unknown) => {
          const reason = error instanceof Error ? error.message : String(error);
          trace.log('error', 'sip-certificates-refused', { reason });
        },
      );
  };
  for (const file of files) watchFile(file, { interval: lookEveryMs, persistent: false }, changed);
  return () => {
    for (const file of files) unwatchFile(file, changed);
  };
}

function withFiles(settings: Settings, dir: string, own: SipCertificate): SipTls {
  const { certificates, clientCa, requireClientCertificate } = settings.sip;
  const read = (file: string, setting = 'sip.certificates'): string => {
    const path = resolve(dir, file);
    if (!existsSync(path)) throw new CommandError(`${path} is missing (setting ${setting})`);
    return readFileSync(path, 'latin1');
  };
  const listed = certificates.map(({ cert, key }) => ({ cert: read(cert), key: read(key) }));
  const [first, ...further] = [...listed, own];
  const tls: SipTls = {
    ...first,
    further,
    ...(clientCa === '' ? {} : { ca: read(clientCa, 'sip.clientCa') }),
    requiresClientCertificate: requireClientCertificate,
  };
  try {
    createTlsContexts(tls);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CommandError(`sip.certificates or sip.clientCa: ${reason}`);
  }
  return tls;
}

/** A certificate for the box's names, signed by an issuer of its own; made anew a month before it ends. */
async function ownCertificate(
  settings: Settings,
  dir: string,
  hosts: readonly string[],
): Promise<SipCertificate> {
  const folder = join(dir, 'sip-tls');
  const files = { key: join(folder, 'key.pem'), cert: join(folder, 'cert.pem') };
  const names = [settings.domain, ...hosts];
  const nowMs = Date.now();
  if (existsSync(files.cert)) {
    const key = loadPrivateKey(files.key);
    if (!key.ok) throw new CommandError(`${key.error}; remove ${folder} and start again`);
    const cert = readFileSync(files.cert, 'latin1');
    const leaf = new X509Certificate(cert);
    const covers = names.every((name) => leaf.subjectAltName?.includes(name) === true);
    if (covers && Date.parse(leaf.validTo) - nowMs > renewBeforeMs) {
      return { key: readFileSync(files.key, 'latin1'), cert };
    }
  }
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const [issuerKey, privateKey] = await Promise.all([
    generatePrivateKey('ecdsa-p256'),
    generatePrivateKey('ecdsa-p256'),
  ]);
  const validity = { notBeforeMs: nowMs - 3_600_000, notAfterMs: nowMs + yearMs };
  const issuer = createRoot({
    name: `${settings.domain} SIP listeners`,
    privateKey: issuerKey,
    ...validity,
  });
  const leaf = createServerCertificate({
    privateKey,
    hosts: names,
    issuer: { privateKey: issuerKey, certificateDer: issuer },
    ...validity,
  });
  savePrivateKey(files.key, privateKey);
  writeFileAtomically(files.cert, pem(leaf) + pem(issuer), 0o600);
  return { key: readFileSync(files.key, 'latin1'), cert: pem(leaf) + pem(issuer) };
}

function pem(der: Uint8Array): string {
  return new X509Certificate(der).toString();
}
