/** `chordial join`: turns a token into a membership of this box. */
import { createCsr } from '../node/csr.ts';
import { enroll, joinWithToken } from '../node/enrollment-client.ts';
import { connectAuthority } from '../node/enrollment-request.ts';
import { generatePrivateKey } from '../node/keys.ts';
import type { Settings } from '../node/settings.ts';
import { createSignatureQueue } from '../node/signature-queue.ts';
import { createVerifier } from '../node/verifier.ts';
import { publicKeyDer } from '../node/x509.ts';
import { CommandError } from './command.ts';
import { isMember, parseDocument, saveMembership } from './box/membership.ts';
import { prepareDirectory, saveSettings } from './data-dir.ts';

export interface JoinOptions {
  readonly dir: string;
  readonly settings: Settings;
  readonly token: string;
  /** Settings to remember in the directory. */
  readonly remember?: object;
}

export interface JoinedOverlay {
  readonly domain: string;
  readonly nodeId: string;
}

/** Rejects with CommandError: bad or used-up token, authority out of reach, already a member. */
export async function joinOverlay(options: JoinOptions): Promise<JoinedOverlay> {
  const { dir, settings, token } = options;
  if (isMember(dir)) {
    throw new CommandError(
      `${dir} is already a member of an overlay; "chordial start --dir ${dir}" runs it`,
    );
  }
  prepareDirectory(dir);
  const joined = await joinWithToken(token.trim());
  if (!joined.ok) throw new CommandError(`cannot join: ${joined.error}`);
  const { url, overlayName, account, password, document, rootCertificate } = joined.value;

  const verifier = createVerifier(createSignatureQueue());
  const configuration = parseDocument(document, verifier, overlayName);
  if (typeof configuration === 'string') throw new CommandError(`cannot join: ${configuration}`);
  const nodeKey = await generatePrivateKey(
    settings.identity.keyType === 'rsa' ? 'rsa' : 'ecdsa-p256',
  );
  const connection = connectAuthority({ rootCertificates: [rootCertificate], overlayName });
  try {
    const certificate = await enroll(
      {
        url: configuration.config.enrollmentServers[0] ?? `${url}/enroll`,
        username: account,
        password,
        csr: createCsr(nodeKey, account),
        publicKey: publicKeyDer(nodeKey),
      },
      { connection, verifier, roots: configuration.config.rootCertificates },
    );
    if (!certificate.ok) throw new CommandError(`cannot enroll: ${certificate.error.text}`);
    const [nodeId] = certificate.value.nodeIds;
    if (nodeId === undefined)
      throw new CommandError('cannot enroll: the certificate has no Node-ID');
    const certificateDer = certificate.value.der;
    saveMembership(dir, { url, overlayName, account, password, document, nodeKey, certificateDer });
    saveSettings(dir, { domain: overlayName, ...options.remember });
    return { domain: overlayName, nodeId };
  } finally {
    connection.close();
  }
}
