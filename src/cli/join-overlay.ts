/** `chordial join`: turns a token into a membership of this box. */
import { bytesEqual } from '../base/bytes.ts';
import { joinWithToken } from '../node/enrollment-client.ts';
import { enrollNode } from '../node/enrollment-node.ts';
import type { Settings } from '../node/settings.ts';
import { createSignatureQueue } from '../node/signature-queue.ts';
import { createVerifier } from '../node/verifier.ts';
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
  const { rootCertificates, enrollmentServers } = configuration.config;
  // The password goes only to a server proven by the root that the token names.
  const proven = rootCertificates.filter((root) => bytesEqual(root.der, rootCertificate));
  if (proven.length === 0) {
    throw new CommandError('cannot join: the configuration names other roots than the token');
  }
  const enrolled = await enrollNode({
    enrollmentUrl: enrollmentServers[0] ?? `${url}/enroll`,
    overlayName,
    account,
    password,
    keyType: settings.identity.keyType === 'rsa' ? 'rsa' : 'ecdsa-p256',
    verifier,
    rootCertificates: proven,
  });
  if (!enrolled.ok) throw new CommandError(`cannot enroll: ${enrolled.error.text}`);
  const { privateKey: nodeKey, certificate } = enrolled.value;
  const [nodeId] = certificate.nodeIds;
  if (nodeId === undefined) throw new CommandError('cannot enroll: the certificate has no Node-ID');
  const certificateDer = certificate.der;
  const authority = { url, account, password };
  saveMembership(dir, { overlayName, authority, document, nodeKey, certificateDer });
  saveSettings(dir, options.remember ?? {}, { domain: overlayName });
  return { domain: overlayName, nodeId };
}
