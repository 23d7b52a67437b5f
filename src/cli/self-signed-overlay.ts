/**
 * Overlays without an authority: every node signs its own certificate, its Node-ID follows from its
 * key, and the configuration document is handed on as a file. RFC 6940 §11.3.1.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { hexEncode } from '../base/text.ts';
import { createIdentity } from '../node/identity.ts';
import { createRandom } from '../node/random.ts';
import { createSelfSignedNode, type SelfSignedNode } from '../node/self-signed.ts';
import type { Settings } from '../node/settings.ts';
import { createSignatureQueue } from '../node/signature-queue.ts';
import { createVerifier } from '../node/verifier.ts';
import {
  initialKinds,
  initialOverlayValues,
  initialValidityMs,
  restrictionToDomains,
} from '../overlay-config/build.ts';
import { buildSignedDocument } from '../overlay-config/sign.ts';
import type { TransportAddress } from '../ports/connection.ts';
import type { OverlayConfig } from '../ports/overlay-config.ts';
import { selfSignedNodeIds } from '../trust/node-id.ts';
import { adapterName } from '../authority/core/names.ts';
import { CommandError } from './command.ts';
import { keyTypeOf } from './box/home.ts';
import { selfSignedLifetimeMs } from './box/local-users.ts';
import { documentFile, isMember, parseDocument, saveMembership } from './box/membership.ts';
import { prepareDirectory, saveSettings } from './data-dir.ts';
import { linkValues } from './link-protocol.ts';

export interface SelfSignedMember {
  readonly domain: string;
  readonly nodeId: string;
  /** What other boxes join with. */
  readonly document: string;
}

interface MemberOptions {
  readonly dir: string;
  readonly settings: Settings;
  /** Settings to remember in the directory. */
  readonly remember?: object;
}

/** A new overlay whose document this node signs. Rejects with CommandError for a member's directory. */
export async function initSelfSigned(
  options: MemberOptions & {
    readonly digest: 'sha1' | 'sha256';
    readonly bootstrap: readonly TransportAddress[];
    readonly sharedSecret?: string | undefined;
  },
): Promise<SelfSignedMember> {
  const { settings, digest, sharedSecret } = options;
  refuseMember(options.dir);
  const overlayName = settings.domain.toLowerCase();
  const node = await makeNode(settings, {
    overlayName,
    selfSignedPermitted: { digest },
    nodeIdLength: 16,
  });
  const identity = createIdentity(node.privateKey, node.certificate, [], createSignatureQueue());
  const signers = node.certificate.nodeIds;
  const document = await new Promise<Uint8Array>((resolve) => {
    const values = {
      ...initialOverlayValues,
      ...linkValues(settings, sharedSecret),
      overlayName,
      sequence: 1,
      expirationMs: Date.now() + initialValidityMs,
      rootCertificates: [],
      enrollmentServers: [],
      selfSignedPermitted: { digest },
      bootstrapNodes: options.bootstrap,
      domainRestriction: restrictionToDomains([overlayName]),
      configurationSigners: signers,
      kindSigners: signers,
      ...(sharedSecret === undefined ? {} : { sharedSecret }),
    };
    buildSignedDocument(values, initialKinds, identity, resolve);
  });
  return save(options, overlayName, document, node);
}

/** Joins with the document of another member. Rejects with CommandError when it permits no such node. */
export async function joinSelfSigned(
  options: MemberOptions & { readonly documentFile: string },
): Promise<SelfSignedMember> {
  refuseMember(options.dir);
  let document: Uint8Array;
  try {
    document = new Uint8Array(readFileSync(options.documentFile));
  } catch (error) {
    throw new CommandError(`cannot read the document: ${(error as Error).message}`, 2);
  }
  const verifier = createVerifier(createSignatureQueue());
  const parsed = parseDocument(document, verifier, undefined);
  if (typeof parsed === 'string') throw new CommandError(`cannot join: ${parsed}`);
  const { config } = parsed;
  if (config.selfSignedPermitted === undefined) {
    throw new CommandError(
      `cannot join: ${config.overlayName} permits no self-signed certificates; ask its operator for a token`,
    );
  }
  return save(options, config.overlayName, document, await makeNode(options.settings, config));
}

function refuseMember(dir: string): void {
  if (!isMember(dir)) return;
  throw new CommandError(
    `${dir} is already a member of an overlay; "chordial start --dir ${dir}" runs it`,
  );
}

async function makeNode(
  settings: Settings,
  config: Pick<OverlayConfig, 'overlayName' | 'selfSignedPermitted' | 'nodeIdLength'>,
): Promise<SelfSignedNode> {
  const name = hexEncode(createRandom().bytes(8));
  const made = await createSelfSignedNode({
    config,
    userName: adapterName(name, { overlayName: config.overlayName.toLowerCase(), domains: [] }),
    keyType: keyTypeOf(settings),
    nodeIdsOf: selfSignedNodeIds,
    verifier: createVerifier(createSignatureQueue()),
    nowMs: Date.now(),
    lifetimeMs: selfSignedLifetimeMs.node,
  });
  if (!made.ok) throw new CommandError(made.error);
  return made.value;
}

function save(
  options: MemberOptions,
  overlayName: string,
  document: Uint8Array,
  { privateKey, certificate }: SelfSignedNode,
): SelfSignedMember {
  const { dir } = options;
  const certificateDer = certificate.der;
  prepareDirectory(dir);
  saveMembership(dir, {
    overlayName,
    authority: undefined,
    document,
    nodeKey: privateKey,
    certificateDer,
  });
  saveSettings(dir, options.remember ?? {}, { domain: overlayName });
  const [nodeId = ''] = certificate.nodeIds;
  return { domain: overlayName, nodeId, document: join(dir, documentFile) };
}
