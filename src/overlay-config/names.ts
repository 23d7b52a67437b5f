/** Names that configuration documents use: namespaces and registered Kinds. */
import type { KindId } from '../base/ids.ts';
import type { AccessControl, DataModel } from '../ports/overlay-config.ts';

/** RFC 6940 §11.1; RFC 7904 §3.4. */
export const namespaces = {
  base: 'urn:ietf:params:xml:ns:p2p:config-base',
  chord: 'urn:ietf:params:xml:ns:p2p:config-chord',
  sip: 'urn:ietf:params:xml:ns:p2p:config-base:sip',
} as const;

/** Values that `mandatory-extension` may name here; compared exactly, case included. RFC 6940 §11.1. */
export const supportedExtensions: readonly string[] = Object.values(namespaces);

/** Names of the registries that stand for experiments. RFC 6940 §14.3, §14.4, §14.7, §14.11. */
export const experimentalNames: readonly string[] = [
  'EXP-OVERLAY',
  'EXP-MATCH',
  'EXP-DATA',
  'EXP-PROTOCOL',
];

/** Extension of a file that holds a configuration document. RFC 6940 §14.16. */
export const overlayDocumentExtension = 'relo';

/** Media type of a configuration document. RFC 6940 §11.1. */
export const overlayDocumentMediaType = 'application/p2p-overlay+xml';

export interface RegisteredKind {
  readonly kind: KindId;
  readonly name: string;
  readonly dataModel: DataModel;
  readonly accessControl: AccessControl;
}

/** The registry "RELOAD Data Kind-ID" as far as this program knows it; RFC 6940 §14.6, RFC 7904 §9, RFC 7374 §8. */
export const registeredKinds: readonly RegisteredKind[] = [
  kind(0x1, 'SIP-REGISTRATION', 'DICTIONARY', 'USER-NODE-MATCH'),
  kind(0x2, 'TURN-SERVICE', 'SINGLE', 'NODE-MULTIPLE'),
  kind(0x3, 'CERTIFICATE_BY_NODE', 'ARRAY', 'NODE-MATCH'),
  kind(0x10, 'CERTIFICATE_BY_USER', 'ARRAY', 'USER-MATCH'),
  kind(0x104, 'REDIR', 'DICTIONARY', 'NODE-ID-MATCH'),
];

export function registeredKindByName(name: string): RegisteredKind | undefined {
  return registeredKinds.find((entry) => entry.name === name);
}

export function registeredKindById(id: KindId): RegisteredKind | undefined {
  return registeredKinds.find((entry) => entry.kind === id);
}

function kind(
  id: KindId,
  name: string,
  dataModel: DataModel,
  accessControl: AccessControl,
): RegisteredKind {
  return { kind: id, name, dataModel, accessControl };
}
