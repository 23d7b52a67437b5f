/** The SIP listeners a box serves, from its settings, and the certificate of its TLS listeners. */
import { X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createServerCertificate } from '../../node/authority-certificate.ts';
import { writeFileAtomically } from '../../node/files.ts';
import { generatePrivateKey, loadPrivateKey, savePrivateKey } from '../../node/keys.ts';
import type { Settings } from '../../node/settings.ts';
import type { ListenerSettings } from '../../node/settings-schema.ts';
import type { SipListener } from '../../node/sip-transports.ts';
import { createRoot } from '../../node/x509.ts';
import type { ListenerPolicy } from '../../sip/core/settings.ts';
import { CommandError } from '../command.ts';

export interface ConfiguredListener extends SipListener {
  readonly policy: ListenerPolicy;
}

/** Default listeners by address and ports, then those listed. */
export async function sipListeners(
  settings: Settings,
  dir: string,
  hosts: readonly string[],
): Promise<readonly ConfiguredListener[]> {
  const { address, port, tlsPort, wsPort, wssPort, listeners: listed, digest } = settings.sip;
  const defaults: ListenerSettings[] = [
    { name: 'udp', transport: 'udp', address, port },
    { name: 'tcp', transport: 'tcp', address, port },
    { name: 'tls', transport: 'tls', address, port: tlsPort },
    { name: 'ws', transport: 'ws', address, port: wsPort },
    { name: 'wss', transport: 'wss', address, port: wssPort },
  ];
  const all = [...defaults.filter((listener) => listener.port !== 0), ...listed];
  const isSecure = (listener: ListenerSettings): boolean =>
    listener.transport === 'tls' || listener.transport === 'wss';
  const tls = all.some(isSecure) ? await sipCertificate(settings, dir, hosts) : undefined;
  return all.map((listener) => ({
    name: listener.name,
    transport: listener.transport,
    address: listener.address,
    port: listener.port,
    ...(isSecure(listener) && tls !== undefined ? { tls } : {}),
    policy: {
      algorithms: listener.digest ?? digest,
      role: listener.role ?? 'proxy',
      acceptsOutsideCalls: settings.sip.outsideCalls,
    },
  }));
}

/** The setting that gives the port of a listener. */
export function portSetting(listener: string): string {
  const ofDefaults: Readonly<Record<string, string>> = {
    udp: 'sip.port',
    tcp: 'sip.port',
    tls: 'sip.tlsPort',
    ws: 'sip.wsPort',
    wss: 'sip.wssPort',
  };
  return ofDefaults[listener] ?? 'sip.listeners';
}

const yearMs = 365 * 86_400_000;
const renewBeforeMs = 30 * 86_400_000;

/** A certificate for the box's names, signed by an issuer of its own; made anew a month before it ends. */
async function sipCertificate(
  settings: Settings,
  dir: string,
  hosts: readonly string[],
): Promise<{ readonly key: string; readonly cert: string }> {
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
