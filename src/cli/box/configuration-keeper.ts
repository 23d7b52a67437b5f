/** The configuration of this box: kept in its directory, refused where the box cannot meet it, fetched again in time. */
import { readFileSync } from 'node:fs';
import { failure, success, type Outcome } from '../../base/outcome.ts';
import { base64Decode, base64Encode } from '../../base/text.ts';
import { createServiceResolver, discoverConfiguration } from '../../node/discovery.ts';
import { fetchConfig } from '../../node/enrollment-client.ts';
import { connectAuthority } from '../../node/enrollment-request.ts';
import { createXml } from '../../node/xml.ts';
import {
  createConfigurationKeeper,
  type ConfigurationKeeper,
} from '../../overlay-config/keeper.ts';
import {
  unsupportedRequirement,
  type ParsedConfiguration,
  type SupportedFeatures,
} from '../../overlay-config/parse.ts';
import {
  createConfigurationRefresh,
  type ConfigurationRefresh,
} from '../../overlay-config/refresh.ts';
import { CommandError } from '../command.ts';
import {
  kindBlocksFile,
  parseDocument,
  saveDocument,
  saveKindBlocks,
  type AuthorityAccount,
  type Membership,
} from './membership.ts';
import type { Platform } from './platform.ts';

/** What the box can do, whatever the overlay. */
export const supportedFeatures: SupportedFeatures = {
  plugins: ['CHORD-RELOAD'],
  linkProtocols: ['TLS', 'TLS-TCP-FH-NO-ICE', 'DTLS-UDP-SR', 'DTLS-UDP-SR-NO-ICE'],
  ice: true,
};

/** Throws CommandError when the box cannot meet the configuration. RFC 6940 §11.1. */
export function keepConfiguration(
  platform: Platform,
  dir: string,
  initial: ParsedConfiguration,
): ConfigurationKeeper {
  const missing = unsupportedRequirement(initial.config, supportedFeatures);
  if (missing !== undefined) {
    throw new CommandError(`this program cannot take part in the overlay: it lacks ${missing}`);
  }
  for (const warning of initial.warnings) {
    platform.trace.log('warn', 'configuration-warning', { warning });
  }
  return createConfigurationKeeper({
    ...platform,
    initial,
    kindBlocks: readKindBlocks(kindBlocksFile(dir)),
    xml: createXml(),
    supported: supportedFeatures,
    save({ document, kindBlocks }) {
      saveKindBlocks(dir, kindBlocks.map(base64Encode));
      saveDocument(dir, document);
    },
  });
}

/** Asks the configuration server of the membership before the document expires (RFC 6940 §11.1, §11.2). */
export function refreshConfiguration(
  platform: Platform,
  keeper: ConfigurationKeeper,
  { nodeCertificate, nodeKey }: Membership,
  { url }: AuthorityAccount,
): ConfigurationRefresh {
  const credentials = {
    certificateDer: nodeCertificate.der,
    privateKeyPem: nodeKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };

  async function fetchAndOffer(): Promise<Outcome<void>> {
    const { rootCertificates, overlayName } = keeper.current();
    const roots = rootCertificates.map((root) => root.der);
    const connection = connectAuthority({ rootCertificates: roots, overlayName }, credentials);
    const known = await fetchConfig(url, connection);
    connection.close();
    // The authority may have moved: then the DNS knows where it is.
    const document = known.ok ? known : await discover(overlayName, roots);
    if (!document.ok) return known.ok ? document : failure(`${known.error}; ${document.error}`);
    return await new Promise((resolve) => {
      const answer = (outcome: Outcome<void, { readonly text: string }>): void =>
        resolve(outcome.ok ? success(undefined) : failure(outcome.error.text));
      keeper.offer(document.value, answer, { fromServer: true });
    });
  }
  function discover(overlayName: string, roots: readonly Uint8Array[]) {
    return discoverConfiguration({
      overlayName,
      resolver: createServiceResolver(),
      random: platform.random,
      rootCertificates: roots,
      credentials,
      judge(document) {
        const parsed = parseDocument(document, platform.verifier, overlayName);
        return typeof parsed === 'string' ? failure(parsed) : success(undefined);
      },
    });
  }

  return createConfigurationRefresh({
    ...platform,
    current: () => keeper.current(),
    fetch(done) {
      fetchAndOffer().then(done, (error: unknown) => done(failure(String(error))));
    },
  });
}

/** What cannot be read is learned again from other peers. */
function readKindBlocks(file: string): readonly Uint8Array[] {
  let kept: unknown;
  try {
    kept = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return [];
  }
  if (!Array.isArray(kept)) return [];
  const blocks = kept.map((block) => (typeof block === 'string' ? base64Decode(block) : undefined));
  return blocks.filter((block) => block !== undefined);
}
