/** Writes configuration documents. RFC 6940 §11.1. */
import { UsageError } from '../base/assert.ts';
import type { NodeId } from '../base/ids.ts';
import { base64Encode, utf8Encode } from '../base/text.ts';
import type { KindParameters, OverlayConfig } from '../ports/overlay-config.ts';
import { namespaces, registeredKinds } from './names.ts';
import { formatDateTime } from './values.ts';

/** What a document says; what is absent is left to the defaults of RFC 6940 §11.1. */
export interface OverlayDocumentValues {
  readonly overlayName: string;
  readonly sequence: number;
  readonly expirationMs?: number;
  readonly topologyPlugin?: string;
  readonly nodeIdLength?: number;
  /** DER. */
  readonly rootCertificates: readonly Uint8Array[];
  readonly enrollmentServers: readonly string[];
  readonly selfSignedPermitted?: { readonly digest: 'sha1' | 'sha256' };
  readonly bootstrapNodes: readonly { readonly address: string; readonly port: number }[];
  readonly turnDensity?: number;
  readonly clientsPermitted?: boolean;
  readonly noIce?: boolean;
  readonly sharedSecret?: string;
  readonly maxMessageSize?: number;
  readonly initialTtl?: number;
  readonly reliabilityTimerMs?: number;
  readonly overlayLinkProtocols?: readonly string[];
  readonly configurationSigners?: readonly NodeId[];
  readonly kindSigners?: readonly NodeId[];
  readonly badNodes?: readonly NodeId[];
  readonly mandatoryExtensions?: readonly string[];
  readonly chordUpdateIntervalS?: number;
  readonly chordPingIntervalS?: number;
  readonly chordReactive?: boolean;
  readonly domainRestriction?: NonNullable<OverlayConfig['domainRestriction']>;
}

/** The values that distinguish a new overlay of ours from the defaults of RFC 6940. */
export const initialOverlayValues = {
  turnDensity: 0,
  noIce: true,
  overlayLinkProtocols: ['TLS-TCP-FH-NO-ICE'],
  /** The registration of one user at a dozen adapters with RSA certificates must fit. */
  maxMessageSize: 65_536,
} as const satisfies Partial<OverlayDocumentValues>;

/** An initial-ttl slightly above the longest path in a Chord ring of so many peers. RFC 6940 §13.6.5. */
export function initialTtlFor(peers: number): number {
  return Math.min(255, Math.ceil(Math.log2(Math.max(1, peers))) + 5);
}

/** How long the document of a new overlay is valid: members keep working while its authority is away. */
export const initialValidityMs = 10 * 365 * 86_400_000;

/** The Kinds of a new overlay. */
export const initialKinds: readonly KindParameters[] = (
  [
    ['SIP-REGISTRATION', 64, 2000],
    ['CERTIFICATE_BY_NODE', 8, 2000],
    ['CERTIFICATE_BY_USER', 64, 2000],
  ] as const
).map(([name, maxCount, maxSizeBytes]) => {
  const registered = registeredKinds.find((kind) => kind.name === name);
  if (registered === undefined) throw new UsageError(`the Kind ${name} is not registered`);
  return { ...registered, maxCount, maxSizeBytes, maxNodeMultiple: undefined };
});

/** Admits the users of exactly these domains (RFC 7904 §3.4). */
export function restrictionToDomains(
  domains: readonly string[],
): NonNullable<OverlayConfig['domainRestriction']> {
  return { enable: true, patterns: domains.map((d) => d.replace(/[.[\]\\()*+?{|^$]/g, '\\$&')) };
}

/** The `<kind>` element: the text that a kind-signature covers. */
export function kindElement(kind: KindParameters): string {
  const identity = kind.name === undefined ? `id="${kind.kind}"` : `name="${escaped(kind.name)}"`;
  return [
    `<kind ${identity}>`,
    simple('data-model', kind.dataModel),
    simple('access-control', kind.accessControl),
    simple('max-count', kind.maxCount),
    simple('max-size', kind.maxSizeBytes),
    simple('max-node-multiple', kind.maxNodeMultiple),
    '</kind>',
  ].join('');
}

/** The `<configuration>` element: the text that a configuration signature covers. */
export function configurationElement(
  values: OverlayDocumentValues,
  kinds: readonly { readonly element: string; readonly signature: string }[],
): string {
  const attributes = [
    `instance-name="${escaped(values.overlayName)}"`,
    `sequence="${values.sequence}"`,
    ...(values.expirationMs === undefined
      ? []
      : [`expiration="${formatDateTime(values.expirationMs)}"`]),
  ];
  const lines = [
    simple('topology-plugin', values.topologyPlugin ?? 'CHORD-RELOAD'),
    simple('node-id-length', values.nodeIdLength ?? 16),
    ...values.rootCertificates.map((der) => simple('root-cert', base64Encode(der))),
    ...values.enrollmentServers.map((url) => simple('enrollment-server', url)),
    values.selfSignedPermitted &&
      `<self-signed-permitted digest="${values.selfSignedPermitted.digest}">true</self-signed-permitted>`,
    ...values.bootstrapNodes.map(
      ({ address, port }) => `<bootstrap-node address="${escaped(address)}" port="${port}"/>`,
    ),
    simple('turn-density', values.turnDensity),
    simple('clients-permitted', values.clientsPermitted),
    simple('no-ice', values.noIce),
    simple('chord:chord-update-interval', values.chordUpdateIntervalS),
    simple('chord:chord-ping-interval', values.chordPingIntervalS),
    simple('chord:chord-reactive', values.chordReactive),
    simple('shared-secret', values.sharedSecret),
    simple('max-message-size', values.maxMessageSize),
    simple('initial-ttl', values.initialTtl),
    simple('overlay-reliability-timer', values.reliabilityTimerMs),
    ...repeated('overlay-link-protocol', values.overlayLinkProtocols),
    ...repeated('configuration-signer', values.configurationSigners),
    ...repeated('kind-signer', values.kindSigners),
    ...repeated('bad-node', values.badNodes),
    ...repeated('mandatory-extension', values.mandatoryExtensions),
    domainRestriction(values.domainRestriction),
    kindBlocks(kinds),
  ];
  const body = lines.filter((line) => line !== undefined).map((line) => `    ${line}\n`);
  return `<configuration ${attributes.join(' ')}>\n${body.join('')}  </configuration>`;
}

/** The whole document; `signatures` are base64 SecurityBlocks over the configuration element. */
export function overlayDocument(configuration: string, signatures: readonly string[]): Uint8Array {
  const overlay = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<overlay xmlns="${namespaces.base}" xmlns:chord="${namespaces.chord}" xmlns:sip="${namespaces.sip}">`,
    `  ${configuration}`,
    ...signatures.map((signature) => `  ${simple('signature', signature) ?? ''}`),
    '</overlay>',
    '',
  ];
  return utf8Encode(overlay.join('\n'));
}

function kindBlocks(
  kinds: readonly { readonly element: string; readonly signature: string }[],
): string | undefined {
  if (kinds.length === 0) return undefined;
  const blocks = kinds.map(
    ({ element, signature }) =>
      `      <kind-block>${element}<kind-signature>${signature}</kind-signature></kind-block>\n`,
  );
  return `<required-kinds>\n${blocks.join('')}    </required-kinds>`;
}

/** Written under the name that the grammar of RFC 7904 §3.4 gives it. */
function domainRestriction(
  restriction: OverlayDocumentValues['domainRestriction'],
): string | undefined {
  if (restriction === undefined) return undefined;
  const patterns = restriction.patterns.map((p) => simple('sip:pattern', p) ?? '').join('');
  return `<sip:domain-restriction enable="${restriction.enable}">${patterns}</sip:domain-restriction>`;
}

function repeated(name: string, values: readonly string[] | undefined): readonly string[] {
  return (values ?? []).map((value) => `<${name}>${escaped(value)}</${name}>`);
}

function simple(name: string, value: string | number | boolean | undefined): string | undefined {
  return value === undefined ? undefined : `<${name}>${escaped(String(value))}</${name}>`;
}

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
};

function escaped(text: string): string {
  if (!isXmlText(text)) throw new UsageError('the text holds a character that XML cannot carry');
  return text.replace(/[&<>"]/g, (character) => escapes[character] ?? character);
}

/** XML 1.0 §2.2. Iterates by code point, so only the half of a broken surrogate pair shows as one. */
function isXmlText(text: string): boolean {
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (code < 0x20 && code !== 0x9 && code !== 0xa && code !== 0xd) return false;
    if ((code >= 0xd800 && code <= 0xdfff) || code === 0xfffe || code === 0xffff) return false;
  }
  return true;
}
