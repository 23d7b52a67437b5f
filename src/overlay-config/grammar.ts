/**
 * The shape of a configuration document: which names may stand where. RFC 6940 §11.1.1, with
 * overlay-reliability-timer, which its grammar forgot. Names of foreign namespaces are
 * passed over; an unknown name of ours, or one without a namespace, makes the document invalid.
 */
import type { XmlElement } from '../ports/xml.ts';
import { tag } from './elements.ts';
import { namespaces } from './names.ts';
import { refuse } from './values.ts';

interface Shape {
  /** Attributes without a namespace. */
  readonly attributes?: readonly string[];
  /** Elements of the base namespace. An element without any holds text only. */
  readonly elements?: Readonly<Record<string, Shape>>;
  /** Elements of the chord namespace; they hold text only. */
  readonly chord?: readonly string[];
}

const textOnly: Shape = {};

const kind: Shape = {
  attributes: ['name', 'id'],
  elements: {
    'max-count': textOnly,
    'max-size': textOnly,
    'max-node-multiple': textOnly,
    'data-model': textOnly,
    'access-control': textOnly,
  },
};

const kindBlock: Shape = {
  elements: { kind, 'kind-signature': { attributes: ['algorithm'] } },
};

const configuration: Shape = {
  attributes: ['instance-name', 'expiration', 'sequence'],
  elements: {
    'topology-plugin': textOnly,
    'max-message-size': textOnly,
    'initial-ttl': textOnly,
    'root-cert': textOnly,
    'required-kinds': { elements: { 'kind-block': kindBlock } },
    'enrollment-server': textOnly,
    'kind-signer': textOnly,
    'configuration-signer': textOnly,
    'bad-node': textOnly,
    'no-ice': textOnly,
    'shared-secret': textOnly,
    'overlay-link-protocol': textOnly,
    'overlay-reliability-timer': textOnly,
    'clients-permitted': textOnly,
    'turn-density': textOnly,
    'node-id-length': textOnly,
    'mandatory-extension': textOnly,
    'self-signed-permitted': { attributes: ['digest'] },
    'bootstrap-node': { attributes: ['address', 'port'] },
  },
  chord: ['chord-ping-interval', 'chord-update-interval', 'chord-reactive'],
};

/** Checks one `<configuration>`. @throws ConfigRefusal that names the element and its place */
export function checkConfigurationShape(element: XmlElement): void {
  checkShape(element, configuration);
}

/** Checks one `<kind-block>`. @throws ConfigRefusal */
export function checkKindBlockShape(element: XmlElement): void {
  checkShape(element, kindBlock);
}

/** Checks what stands directly in `<overlay>`. @throws ConfigRefusal */
export function checkOverlayShape(root: XmlElement): void {
  const children = { configuration: textOnly, signature: { attributes: ['algorithm'] } };
  checkOwnNames(root, { elements: children });
  for (const child of root.children) {
    if (isOf(child, namespaces.base, 'signature')) checkShape(child, children.signature);
  }
}

function checkShape(element: XmlElement, shape: Shape): void {
  checkOwnNames(element, shape);
  for (const child of element.children) {
    if (child.namespace === namespaces.chord) checkShape(child, textOnly);
    const expected = child.namespace === namespaces.base ? shape.elements?.[child.name] : undefined;
    if (expected !== undefined) checkShape(child, expected);
  }
}

function checkOwnNames(element: XmlElement, shape: Shape): void {
  const where = tag(element.name);
  for (const { name, namespace } of element.attributes) {
    if (isForeign(namespace)) continue;
    if (namespace === '' && (shape.attributes ?? []).includes(name)) continue;
    refuse(where, `has the unknown attribute ${shown(name)}`);
  }
  const { elements = {}, chord = [] } = shape;
  for (const { name, namespace } of element.children) {
    if (isForeign(namespace)) continue;
    const known = namespace === namespaces.base && Object.hasOwn(elements, name);
    if (known || (namespace === namespaces.chord && chord.includes(name))) continue;
    refuse(where, `must not contain ${tag(shown(name))}`);
  }
  if (shape.elements !== undefined && element.text.trim() !== '') {
    refuse(where, 'must not contain text of its own');
  }
}

function isForeign(namespace: string): boolean {
  return namespace !== '' && namespace !== namespaces.base && namespace !== namespaces.chord;
}

function isOf(element: XmlElement, namespace: string, name: string): boolean {
  return element.name === name && element.namespace === namespace;
}

function shown(name: string): string {
  return name.length > 40 ? `${name.slice(0, 40)}…` : name;
}
