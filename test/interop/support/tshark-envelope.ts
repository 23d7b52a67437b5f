/** Frame, forwarding header, contents and security block: where tshark shows what we decode. */
import { written } from '../../../src/wire/codec.ts';
import type { Payload } from '../../../src/wire/reload/contents.ts';
import { encodeDestinations, type Destination } from '../../../src/wire/reload/destination.ts';
import type { Frame } from '../../../src/wire/reload/framing.ts';
import {
  encodeFragment,
  protocolVersion,
  reloToken,
  type DecodedHeader,
} from '../../../src/wire/reload/header.ts';
import type { Signature } from '../../../src/wire/reload/security.ts';
import { dissectorMistakes } from './tshark-mistakes.ts';
import { bytes, mistake, number, size, type Rule } from './tshark-rules.ts';

const destinationTypes = { node: 1, resource: 2, opaque: 3 } as const;

/** Destinations anywhere below the path. */
export function destinationRules<T>(
  path: string,
  list: (value: T) => readonly Destination[],
): readonly Rule<T>[] {
  return [
    number(`${path} .forwarding.destination.type`, (v) =>
      list(v).flatMap((d) => (d.type === 'compressed' ? [] : [destinationTypes[d.type]])),
    ),
    bytes(`${path} .destination.data.nodeid`, (v) =>
      list(v).flatMap((d) => (d.type === 'node' ? [d.nodeId] : [])),
    ),
    bytes(`${path} .destination.data.resourceid .opaque.data`, (v) =>
      list(v).flatMap((d) => (d.type === 'resource' ? [d.resource] : [])),
    ),
  ];
}

export const frameRules: readonly Rule<Frame>[] = [
  number('reload_framing.type', (f) => [f.type === 'data' ? 128 : 129]),
  number('reload_framing.sequence', (f) => (f.type === 'data' ? [f.sequence] : [])),
  number('reload_framing.message.length', (f) => (f.type === 'data' ? [f.message.length] : [])),
  number('reload_framing.ack_sequence', (f) => (f.type === 'ack' ? [f.ackSequence] : [])),
  number('reload_framing.received', (f) => (f.type === 'ack' ? [f.received] : [])),
];

export const headerRules: readonly Rule<DecodedHeader>[] = [
  number('.forwarding.token', () => [reloToken]),
  number('.forwarding.overlay', ({ header }) => [header.overlay]),
  number('.forwarding.configuration_sequence', ({ header }) => [header.configurationSequence]),
  number('.forwarding.version', () => [protocolVersion]),
  number('.forwarding.ttl', ({ header }) => [header.ttl]),
  number('.forwarding.fragment', ({ header }) => [encodeFragment(header.fragment)]),
  number('.forwarding.fragment.last', ({ header }) => [header.fragment.last]),
  number('.forwarding.fragment.offset', ({ header }) => [header.fragment.offset]),
  number('.forwarding >.length.32', ({ messageLength }) => [messageLength]),
  number('.forwarding.trans_id', ({ header }) => [header.transactionId]),
  number('.forwarding.max_response_length', ({ header }) => [header.maxResponseLength]),
  number('.forwarding.via_list.length', ({ header }) => [
    written((writer) => encodeDestinations(header.viaList, 'via', writer)).length,
  ]),
  number('.forwarding.destination_list.length', ({ header }) => [
    written((writer) => encodeDestinations(header.destinationList, 'destinations', writer)).length,
  ]),
  number('.forwarding.options.length', ({ header }) => [
    header.options.reduce((sum, { value }) => sum + 4 + value.length, 0),
  ]),
  size('.forwarding', ({ headerLength }) => [headerLength]),
  ...destinationRules<DecodedHeader>('.forwarding.via_list', ({ header }) => header.viaList),
  ...destinationRules<DecodedHeader>(
    '.forwarding.destination_list',
    ({ header }) => header.destinationList,
  ),
];

const identityTypes = { certHash: 1, certHashNodeId: 2, none: 3 } as const;

/** Signatures at the path. */
export function signatureRules<T>(
  path: string,
  signatures: (value: T) => readonly Signature[],
): readonly Rule<T>[] {
  const hashes = (value: T): { hashAlg: number; certificateHash: Uint8Array }[] =>
    signatures(value).flatMap(({ identity }) => (identity.type === 'none' ? [] : [identity]));
  return [
    number(`${path} .signatureandhashalgorithm .hash_algorithm`, (v) =>
      signatures(v).map(({ hash }) => hash),
    ),
    number(`${path} .signatureandhashalgorithm .signature_algorithm`, (v) =>
      signatures(v).map(({ signature }) => signature),
    ),
    number(`${path} .signature.identity.type`, (v) =>
      signatures(v).map(({ identity }) => identityTypes[identity.type]),
    ),
    number(`${path} .signeridentityvalue.hash_alg`, (v) => hashes(v).map(({ hashAlg }) => hashAlg)),
    bytes(`${path} .signature.identity.value .opaque.data`, (v) =>
      hashes(v).map(({ certificateHash }) => certificateHash),
    ),
    number(`${path} .signature.value >.length.16`, (v) =>
      signatures(v).map(({ signatureValue }) => signatureValue.length),
    ),
    bytes(`${path} .signature.value >.opaque.data`, (v) =>
      signatures(v)
        .map(({ signatureValue }) => signatureValue)
        .filter(({ length }) => length > 0),
    ),
  ];
}

const certificate = '.security_block >.certificates >.genericcertificate';

/** All but the body itself. */
export const payloadRules: readonly Rule<Payload>[] = [
  number('.message.code', ({ contents }) => [contents.messageCode]),
  number('.message.body >.length.32', ({ contents }) => [contents.messageBody.length]),
  number('.message_extension.type', ({ contents }) => contents.extensions.map(({ type }) => type)),
  number('.message_extension.critical', ({ contents }) =>
    contents.extensions.map(({ critical }) => critical),
  ),
  number('.message_extension >.length.32', ({ contents }) =>
    contents.extensions.map(({ extensionContents }) => extensionContents.length),
  ),
  mistake(
    dissectorMistakes.extensionTypes,
    size('.message_extension .selftuning_data', ({ contents }) =>
      contents.extensions.filter(({ type }) => type === 2).map(() => 12),
    ),
  ),
  size('.message.contents', ({ contentsBytes }) => [contentsBytes.length]),
  number(`${certificate} >.certificate.type`, ({ security }) => security.certificates.map(() => 0)),
  number(`${certificate} >.length.16`, ({ security }) =>
    security.certificates.map(({ certificate: { length } }) => length),
  ),
  // As far as its X.509 dissector reads the DER.
  size(`${certificate} >.certificate`, ({ security }) =>
    security.certificates.map(({ certificate: { length } }) => length),
  ),
  ...signatureRules<Payload>('.security_block', ({ security }) => [security.signature]),
];
