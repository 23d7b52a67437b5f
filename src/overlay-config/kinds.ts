/** `<required-kinds>`: the Kinds that every member supports. RFC 6940 §11.1. */
import { limits } from '../base/limits.ts';
import type { AccessControl, DataModel, KindParameters } from '../ports/overlay-config.ts';
import type { XmlElement } from '../ports/xml.ts';
import { attribute, childrenNamed, optionalChild, requiredChild, tag } from './elements.ts';
import { namespaces, registeredKindById, registeredKindByName } from './names.ts';
import type { RegisteredKind } from './names.ts';
import { base64Value, integerValue, refuse } from './values.ts';

/** One `<kind-block>`: the Kind, the signed bytes and the signature over them. */
export interface KindBlock {
  readonly parameters: KindParameters;
  /** The `<kind-block>` element as received. */
  readonly whole: XmlElement;
  /** The `<kind>` element in it. */
  readonly element: XmlElement;
  /** Wire form of the SecurityBlock in `<kind-signature>`. */
  readonly signature: Uint8Array;
}

const largestInt = 0x7fff_ffff;
/** RFC 6940 §14.6. */
const firstPrivateKind = 0xf000_0001;
const dataModels: readonly string[] = ['SINGLE', 'ARRAY', 'DICTIONARY'] satisfies DataModel[];
const accessControls: readonly string[] = [
  'USER-MATCH',
  'NODE-MATCH',
  'USER-NODE-MATCH',
  'NODE-MULTIPLE',
  'NODE-ID-MATCH',
] satisfies AccessControl[];

/** All Kinds of the configuration, in order. @throws ConfigRefusal */
export function readKindBlocks(configuration: XmlElement): readonly KindBlock[] {
  const required = optionalChild(configuration, namespaces.base, 'required-kinds');
  if (required === undefined) return [];
  const blocks = childrenNamed(required, namespaces.base, 'kind-block');
  if (blocks.length > limits.overlayConfig.kinds) {
    refuse('<required-kinds>', `must not hold more than ${limits.overlayConfig.kinds} Kinds`);
  }
  const seen = new Set<number>();
  return blocks.map((block) => {
    const read = readKindBlock(block);
    if (seen.has(read.parameters.kind)) {
      refuse('<required-kinds>', `names Kind ${read.parameters.kind} twice`);
    }
    seen.add(read.parameters.kind);
    return read;
  });
}

/** @throws ConfigRefusal */
export function readKindBlock(block: XmlElement): KindBlock {
  const element = requiredChild(block, namespaces.base, 'kind');
  const signature = requiredChild(block, namespaces.base, 'kind-signature');
  return {
    parameters: readKind(element),
    whole: block,
    element,
    signature: base64Value('<kind-signature>', signature.text),
  };
}

/** What is odd about a Kind that is accepted nevertheless; for the log. */
export function kindWarning({ kind, name }: KindParameters): string | undefined {
  if (name !== undefined || kind >= firstPrivateKind) return undefined;
  return `Kind ${kind} is neither registered nor private (0xf0000001 to 0xfffffffe)`;
}

function readKind(element: XmlElement): KindParameters {
  const { kind, registered } = kindIdentity(element);
  const text = (name: string): string => requiredChild(element, namespaces.base, name).text.trim();
  const count = (name: string): number => integerValue(tag(name), text(name), 0, largestInt);
  const maxCount = count('max-count');
  const maxSizeBytes = count('max-size');
  const namedModel = text('data-model');
  const namedAccess = text('access-control');

  // The registered values win over those of the document (RFC 6940 §11.1).
  const dataModel = registered?.dataModel ?? known('<data-model>', namedModel, dataModels);
  const accessControl =
    registered?.accessControl ?? known('<access-control>', namedAccess, accessControls);

  const multiple = optionalChild(element, namespaces.base, 'max-node-multiple');
  if (multiple === undefined && accessControl === 'NODE-MULTIPLE') {
    refuse('<kind>', 'with NODE-MULTIPLE must contain <max-node-multiple>');
  }
  return {
    kind,
    name: registered?.name,
    dataModel: dataModel as DataModel,
    accessControl: accessControl as AccessControl,
    maxCount,
    maxSizeBytes,
    maxNodeMultiple: multiple && integerValue('<max-node-multiple>', multiple.text, 1, largestInt),
  };
}

function kindIdentity(element: XmlElement): { kind: number; registered?: RegisteredKind } {
  const name = attribute(element, 'name');
  const id = attribute(element, 'id');
  if ((name === undefined) === (id === undefined)) {
    refuse('<kind>', 'needs either the attribute name or the attribute id');
  }
  if (name !== undefined) {
    const registered = registeredKindByName(name.trim());
    if (registered === undefined) refuse('<kind>', `names the unknown Kind "${shown(name)}"`);
    return { kind: registered.kind, registered };
  }
  const kind = integerValue('<kind> attribute id', id ?? '', 1, 0xffff_fffd);
  const registered = registeredKindById(kind);
  return registered === undefined ? { kind } : { kind, registered };
}

function known(where: string, value: string, allowed: readonly string[]): string {
  if (!allowed.includes(value)) refuse(where, `"${shown(value)}" is not supported`);
  return value;
}

function shown(text: string): string {
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
