/** Reads configuration documents: XML to values, defaults applied, every rule of RFC 6940 §11.1 checked. */
import { limits } from '../base/limits.ts';
import { failure, success } from '../base/outcome.ts';
import type { Outcome } from '../base/outcome.ts';
import { utf8Encode } from '../base/text.ts';
import type { Certificate, Verifier } from '../ports/certificates.ts';
import type { OverlayConfig } from '../ports/overlay-config.ts';
import type { Xml, XmlElement } from '../ports/xml.ts';
import { attribute, childrenNamed, optionalChild, requiredAttribute, tag } from './elements.ts';
import { checkConfigurationShape, checkOverlayShape } from './grammar.ts';
import { kindWarning, readKindBlocks } from './kinds.ts';
import { experimentalNames, namespaces, supportedExtensions } from './names.ts';
import { isNewerSequence, sequenceModulus } from './sequence.ts';
import {
  base64Value,
  booleanValue,
  ConfigRefusal,
  dateTimeValue,
  integerValue,
  nodeIdValue,
  refuse,
} from './values.ts';

/** One `<configuration>` with what is needed to check its signatures. */
export interface ParsedConfiguration {
  readonly config: OverlayConfig;
  /** The bytes from `<` of the start tag to `>` of the end tag; what signatures cover. */
  readonly signedBytes: Uint8Array;
  /** Wire forms of the SecurityBlocks in the `<signature>` elements that follow. */
  readonly signatures: readonly Uint8Array[];
  readonly kindSignatures: readonly KindSignature[];
  /** Things that were passed over; for the log. */
  readonly warnings: readonly string[];
}

/** The signature of one Kind: what it covers, and the wire form of its SecurityBlock. */
export interface KindSignature {
  readonly kind: number;
  readonly signedBytes: Uint8Array;
  readonly signature: Uint8Array;
}

/**
 * Reads an `<overlay>` document.
 *
 * With `overlayName` the `<configuration>` of that name is taken, without it all must have one name;
 * of several the newest sequence wins (RFC 6940 §11.1). Elements and attributes of other namespaces
 * are passed over. Signatures are returned, not checked. The error names the element and the rule.
 */
export function parseOverlayDocument(
  document: Uint8Array,
  xml: Xml,
  verifier: Pick<Verifier, 'parseCertificate'>,
  overlayName?: string,
): Outcome<ParsedConfiguration> {
  const parsed = xml.parse(document);
  if (!parsed.ok) return failure(`configuration document: ${parsed.error}`);
  try {
    return success(readOverlay(document, parsed.value, verifier, overlayName));
  } catch (error) {
    if (error instanceof ConfigRefusal) return failure(`configuration document: ${error.message}`);
    throw error;
  }
}

/** What this program can do; the rest of a configuration it can always meet. */
export interface SupportedFeatures {
  readonly plugins: readonly string[];
  readonly linkProtocols: readonly string[];
  /** Default 16 only: CHORD-RELOAD is defined for that length. */
  readonly nodeIdLengths?: readonly number[];
  /** Default false: only overlays with `no-ice` are joined. */
  readonly ice?: boolean;
}

/** The first requirement of the configuration that this program does not meet, for a person; else `undefined`. */
export function unsupportedRequirement(
  config: OverlayConfig,
  supported: SupportedFeatures,
): string | undefined {
  const extension = config.mandatoryExtensions.find((name) => !supportedExtensions.includes(name));
  if (extension !== undefined) return `mandatory-extension ${extension}`;
  if (!supported.plugins.includes(config.topologyPlugin)) {
    return `topology-plugin ${config.topologyPlugin}`;
  }
  if (!(supported.nodeIdLengths ?? [16]).includes(config.nodeIdLength)) {
    return `node-id-length ${config.nodeIdLength}`;
  }
  if (!config.overlayLinkProtocols.some((name) => supported.linkProtocols.includes(name))) {
    return `overlay-link-protocol ${config.overlayLinkProtocols.join(', ')}`;
  }
  if (!config.noIce && supported.ice !== true) return 'ICE (no-ice is false)';
  const fitting = config.noIce ? ['TLS-TCP-FH-NO-ICE', 'DTLS-UDP-SR-NO-ICE'] : ['DTLS-UDP-SR'];
  // "TLS", the default, stands for TLS and DTLS. An overlay is all ICE or all No-ICE (§6.5.1.5).
  if (!['TLS', ...fitting].some((name) => config.overlayLinkProtocols.includes(name))) {
    const named = config.overlayLinkProtocols.join(', ');
    return `an overlay-link-protocol for no-ice ${config.noIce} (it names ${named})`;
  }
  if (!config.noIce && config.sharedSecret !== undefined) return 'shared-secret together with ICE';
  return undefined;
}

function readOverlay(
  document: Uint8Array,
  root: XmlElement,
  verifier: Pick<Verifier, 'parseCertificate'>,
  overlayName: string | undefined,
): ParsedConfiguration {
  if (root.name !== 'overlay' || root.namespace !== namespaces.base) {
    refuse(tag(root.name), `must be <overlay> of the namespace ${namespaces.base}`);
  }
  checkOverlayShape(root);
  const chosen = chooseConfiguration(root, overlayName);
  const element = root.children[chosen] as XmlElement;
  checkConfigurationShape(element);
  const warnings: string[] = [];
  const kindBlocks = readKindBlocks(element);
  for (const { parameters } of kindBlocks) {
    const warning = kindWarning(parameters);
    if (warning !== undefined) warnings.push(warning);
  }
  const bytesOf = (part: XmlElement): Uint8Array => document.subarray(part.start, part.end);
  return {
    config: {
      ...readConfiguration(element, verifier, warnings),
      document,
      requiredKinds: kindBlocks.map(({ parameters, whole }) => ({
        ...parameters,
        block: bytesOf(whole),
      })),
    },
    signedBytes: bytesOf(element),
    signatures: readSignatures(root, chosen),
    kindSignatures: kindBlocks.map((block) => ({
      kind: block.parameters.kind,
      signedBytes: bytesOf(block.element),
      signature: block.signature,
    })),
    warnings,
  };
}

/** Index among the children of `<overlay>`. */
function chooseConfiguration(root: XmlElement, overlayName: string | undefined): number {
  const wanted = overlayName?.toLowerCase();
  let best: { index: number; name: string; sequence: number } | undefined;
  for (const [index, element] of root.children.entries()) {
    if (!isBase(element, 'configuration')) continue;
    const name = readOverlayName(element).toLowerCase();
    if (wanted !== undefined && name !== wanted) continue;
    if (best !== undefined && best.name !== name) {
      refuse('<overlay>', 'holds several overlays; say which one is meant');
    }
    const sequence = readSequence(element);
    if (best === undefined || isNewerSequence(sequence, best.sequence)) {
      best = { index, name, sequence };
    }
  }
  if (best !== undefined) return best.index;
  return refuse(
    '<overlay>',
    overlayName === undefined
      ? 'must contain <configuration>'
      : `holds no <configuration> with the instance-name ${overlayName}`,
  );
}

function readSignatures(root: XmlElement, chosen: number): readonly Uint8Array[] {
  const signatures: Uint8Array[] = [];
  for (const element of root.children.slice(chosen + 1)) {
    if (isBase(element, 'configuration')) break;
    if (!isBase(element, 'signature')) continue;
    if (signatures.length >= limits.overlayConfig.signatures) {
      refuse('<signature>', `must not appear more than ${limits.overlayConfig.signatures} times`);
    }
    signatures.push(base64Value('<signature>', element.text));
  }
  return signatures;
}

/** RFC 1035 §2.3.1, a digit in front allowed by RFC 1123 §2.1. */
const hostLabel = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;

function readOverlayName(configuration: XmlElement): string {
  const name = requiredAttribute(configuration, 'instance-name').trim();
  if (name.length > 253 || !name.split('.').every((label) => hostLabel.test(label))) {
    refuse('<configuration> attribute instance-name', 'must be a domain name');
  }
  return name;
}

function readSequence(configuration: XmlElement): number {
  const sequence = attribute(configuration, 'sequence');
  if (sequence === undefined) return 0;
  return integerValue('<configuration> attribute sequence', sequence, 0, sequenceModulus - 1);
}

function readConfiguration(
  element: XmlElement,
  verifier: Pick<Verifier, 'parseCertificate'>,
  warnings: string[],
): Omit<OverlayConfig, 'document' | 'requiredKinds'> {
  const texts = (name: string, most: number): readonly string[] => {
    const found = childrenNamed(element, namespaces.base, name);
    if (found.length > most) refuse(tag(name), `must not appear more than ${most} times`);
    return found.map((child) => child.text.trim());
  };
  const one = (name: string, namespace: string = namespaces.base): string | undefined =>
    optionalChild(element, namespace, name)?.text.trim();
  const flag = (name: string, otherwise: boolean, namespace?: string): boolean => {
    const text = one(name, namespace);
    return text === undefined ? otherwise : booleanValue(tag(name), text);
  };
  const integer = (
    name: string,
    otherwise: number,
    [least, most]: readonly [number, number],
    namespace?: string,
  ): number => {
    const text = one(name, namespace);
    return text === undefined ? otherwise : integerValue(tag(name), text, least, most);
  };
  const selfSignedPermitted = readSelfSigned(element);
  if (selfSignedPermitted !== undefined) {
    warnings.push(
      '<self-signed-permitted>: anybody may take any user name; only enrollment protects names',
    );
  }
  const expiration = attribute(element, 'expiration');
  const nodeIdLength = integer('node-id-length', 16, [16, 20]);
  const nodeIds = (name: string) =>
    texts(name, limits.overlayConfig.nodeIds).map((t) => nodeIdValue(tag(name), t, nodeIdLength));
  const linkProtocols = texts('overlay-link-protocol', limits.overlayConfig.listEntries);
  const rootCertificates = readRoots(
    texts('root-cert', limits.overlayConfig.rootCertificates),
    verifier,
    warnings,
  );
  if (selfSignedPermitted === undefined && rootCertificates.length === 0) {
    refuse('<configuration>', 'needs a usable <root-cert> or <self-signed-permitted> true');
  }

  return {
    overlayName: readOverlayName(element),
    sequence: readSequence(element),
    expirationMs:
      expiration === undefined
        ? undefined
        : dateTimeValue('<configuration> attribute expiration', expiration),
    topologyPlugin: operational('<topology-plugin>', one('topology-plugin') ?? 'CHORD-RELOAD'),
    nodeIdLength,
    rootCertificates,
    enrollmentServers: texts('enrollment-server', limits.overlayConfig.listEntries).map(httpsUrl),
    selfSignedPermitted,
    bootstrapNodes: readBootstrapNodes(element),
    turnDensity: integer('turn-density', 1, [0, 255]),
    clientsPermitted: flag('clients-permitted', true),
    noIce: flag('no-ice', false),
    sharedSecret: sharedSecret(one('shared-secret')),
    maxMessageSize: integer('max-message-size', 5000, [1, 0xffff_ffff]),
    initialTtl: integer('initial-ttl', 100, [1, 255]),
    reliabilityTimerMs: integer('overlay-reliability-timer', 3000, [200, 0x7fff_ffff]),
    overlayLinkProtocols:
      linkProtocols.length === 0
        ? ['TLS']
        : linkProtocols.map((name) => operational('<overlay-link-protocol>', name)),
    configurationSigners: nodeIds('configuration-signer'),
    kindSigners: nodeIds('kind-signer'),
    badNodes: nodeIds('bad-node'),
    mandatoryExtensions: texts('mandatory-extension', limits.overlayConfig.listEntries),
    chordUpdateIntervalS: integer('chord-update-interval', 600, [1, 0x7fff_ffff], namespaces.chord),
    chordPingIntervalS: integer('chord-ping-interval', 3600, [1, 0x7fff_ffff], namespaces.chord),
    chordReactive: flag('chord-reactive', true, namespaces.chord),
    domainRestriction: readDomainRestriction(element),
  };
}

function readRoots(
  texts: readonly string[],
  verifier: Pick<Verifier, 'parseCertificate'>,
  warnings: string[],
): readonly Certificate[] {
  const roots: Certificate[] = [];
  for (const text of texts) {
    const certificate = verifier.parseCertificate(base64Value('<root-cert>', text));
    // A root of a kind unknown here must not hide the others: roots roll over with two in the document.
    if (certificate.ok) roots.push(certificate.value);
    else warnings.push(`<root-cert> passed over: ${certificate.error}`);
  }
  return roots;
}

/** TLS stacks take pre-shared keys up to this length (RFC 4279 §5.3 asks for 64 bytes at least). */
const longestSecretBytes = 256;

function sharedSecret(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const { length } = utf8Encode(text);
  if (length === 0 || length > longestSecretBytes) {
    refuse('<shared-secret>', `must have 1 to ${longestSecretBytes} bytes`);
  }
  return text;
}

/** Names that RFC 6940 §14 keeps for experiments must not be used in operation. */
function operational(where: string, name: string): string {
  if (experimentalNames.includes(name)) refuse(where, `${name} is for experiments only`);
  return name;
}

function httpsUrl(text: string): string {
  if (!/^https:\/\/[^\s/?#]+/i.test(text)) refuse('<enrollment-server>', 'must be an https: URL');
  return text;
}

function readSelfSigned(configuration: XmlElement): OverlayConfig['selfSignedPermitted'] {
  const element = optionalChild(configuration, namespaces.base, 'self-signed-permitted');
  if (element === undefined) return undefined;
  const digest = requiredAttribute(element, 'digest').trim();
  if (digest !== 'sha1' && digest !== 'sha256') {
    refuse('<self-signed-permitted> attribute digest', 'must be sha1 or sha256');
  }
  return booleanValue('<self-signed-permitted>', element.text) ? { digest } : undefined;
}

function readBootstrapNodes(configuration: XmlElement): OverlayConfig['bootstrapNodes'] {
  const found = childrenNamed(configuration, namespaces.base, 'bootstrap-node');
  if (found.length > limits.overlayConfig.bootstrapNodes) {
    refuse(
      '<bootstrap-node>',
      `must not appear more than ${limits.overlayConfig.bootstrapNodes} times`,
    );
  }
  return found.map((element) => {
    const address = requiredAttribute(element, 'address').trim();
    if (!isIpAddress(address))
      refuse('<bootstrap-node> attribute address', 'must be an IP address');
    const port = attribute(element, 'port') ?? '6084';
    return { address, port: integerValue('<bootstrap-node> attribute port', port, 1, 65535) };
  });
}

/** A rough check: enough to tell an address from a name; sockets judge the rest. */
function isIpAddress(text: string): boolean {
  const v4 = /^(?:[0-9]{1,3}\.){3}[0-9]{1,3}$/;
  if (v4.test(text)) return text.split('.').every((part) => Number(part) <= 255);
  return text.length <= 45 && text.includes(':') && /^[0-9A-Fa-f:]+(?:[0-9.]+)?$/.test(text);
}

/** RFC 7904 §3.4: both names of the element, in the configuration or in the SIP-REGISTRATION Kind. */
function readDomainRestriction(configuration: XmlElement): OverlayConfig['domainRestriction'] {
  const requiredKinds = childrenNamed(configuration, namespaces.base, 'required-kinds');
  const kinds = requiredKinds
    .flatMap((required) => childrenNamed(required, namespaces.base, 'kind-block'))
    .flatMap((block) => childrenNamed(block, namespaces.base, 'kind'));
  const found = [configuration, ...kinds].flatMap((parent) => [
    ...childrenNamed(parent, namespaces.sip, 'domain-restrictions'),
    ...childrenNamed(parent, namespaces.sip, 'domain-restriction'),
  ]);
  if (found.length > 1) refuse('<domain-restrictions>', 'must not appear more than once');
  const element = found[0];
  if (element === undefined) return undefined;
  const enable = attribute(element, 'enable');
  const patterns = childrenNamed(element, namespaces.sip, 'pattern').map((p) => p.text.trim());
  if (patterns.length > limits.overlayConfig.listEntries) {
    refuse('<pattern>', `must not appear more than ${limits.overlayConfig.listEntries} times`);
  }
  return {
    enable: enable !== undefined && booleanValue('<domain-restrictions> attribute enable', enable),
    patterns,
  };
}

function isBase(element: XmlElement, name: string): boolean {
  return element.name === name && element.namespace === namespaces.base;
}
