import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bytesEqual } from '../../src/base/bytes.ts';
import { sha1, sha256 } from '../../src/base/hash.ts';
import {
  idBytes,
  nodeIdFromBytes,
  resourceIdFromBytes,
  resourceIdOfName,
} from '../../src/base/ids.ts';
import { base64Encode, hexDecode, hexEncode, utf8Encode } from '../../src/base/text.ts';
import { decodeExact, encodeToBytes, Reader, written, type Codec } from '../../src/wire/codec.ts';
import { appAttachReqAns } from '../../src/wire/reload/app-attach.ts';
import { attachReqAns } from '../../src/wire/reload/attach.ts';
import { chordLeaveData, chordRouteQueryAns, chordUpdate } from '../../src/wire/reload/chord.ts';
import { configUpdateReq } from '../../src/wire/reload/config-update.ts';
import {
  decodePayload,
  messageContents,
  messageExtension,
} from '../../src/wire/reload/contents.ts';
import { bareDestinations } from '../../src/wire/reload/destination.ts';
import {
  diagnosticsRequest,
  diagnosticsResponse,
  pathTrackAns,
  pathTrackReq,
} from '../../src/wire/reload/diagnostics.ts';
import { errorResponse, unknownKinds } from '../../src/wire/reload/errors.ts';
import { findAns, findReq } from '../../src/wire/reload/find.ts';
import { decodeFrame, encodeAckFrame, encodeDataFrame } from '../../src/wire/reload/framing.ts';
import {
  anyConfigurationSequence,
  decodeFragment,
  decodeHeader,
  encodeFragment,
  encodeHeader,
  overlayHash,
} from '../../src/wire/reload/header.ts';
import { iceCandidate } from '../../src/wire/reload/ice-candidate.ts';
import { resourceId } from '../../src/wire/reload/ids.ts';
import { ipAddressPort } from '../../src/wire/reload/ip-address-port.ts';
import { joinReq, leaveReq } from '../../src/wire/reload/join-leave-update.ts';
import { pingAns, pingReq } from '../../src/wire/reload/ping.ts';
import { probeAns, probeReq } from '../../src/wire/reload/probe.ts';
import { redirResourceName, redirServiceProvider } from '../../src/wire/reload/redir.ts';
import { routeQueryReq } from '../../src/wire/reload/route-query.ts';
import {
  emptySignature,
  securityBlock,
  signature,
  signerIdentity,
  type SignerIdentity,
} from '../../src/wire/reload/security.ts';
import { selfTuningData } from '../../src/wire/reload/self-tuning.ts';
import {
  messageSignatureInput,
  storedValueSignatureInput,
} from '../../src/wire/reload/signature-inputs.ts';
import { sipRegistration } from '../../src/wire/reload/sip-registration.ts';
import { statAns, storedMetaValues } from '../../src/wire/reload/stat.ts';
import {
  fetchAns,
  fetchReq,
  selection,
  storeAns,
  storedData,
  storedDataValue,
  storedValues,
  storeReq,
} from '../../src/wire/reload/storage.ts';
import { turnServer } from '../../src/wire/reload/turn-server.ts';
import { hex, sameContent } from '../unit/wire/check-codec.ts';
import { isSignedByTestKey, testCertificate, vectorBytes, vectors } from './vectors.ts';

const overlayName = 'overlay.example.org';
const overlay = 0x9aa32b8d;
const transactionId = 0x0123456789abcdefn;
const storageTime = 1_700_000_000_000n;
const testNode = nodeIdFromBytes(vectorBytes('self-signed-node-id-sha1'));
const destinationNode = nodeIdFromBytes(hex('00112233445566778899aabbccddeeff'));
const alice = resourceIdOfName('alice@overlay.example.org');
const predecessors = ['0f', '0e', '0d'].map((byte) => nodeIdFromBytes(hex(byte.repeat(16))));
const successors = ['20', '30', '40'].map((byte) => nodeIdFromBytes(hex(byte.repeat(16))));
const signer: SignerIdentity = {
  type: 'certHash',
  hashAlg: 4,
  certificateHash: sha256(testCertificate),
};

const seen = new Set<string>();

/** Decodes, encodes again and compares byte for byte; returns the value for further checks. */
function roundTrip<T>(name: string, codec: Codec<T>): T {
  seen.add(name);
  const bytes = vectorBytes(name);
  const value = decodeExact(codec, bytes);
  assert.equal(hexEncode(encodeToBytes(codec, value)), hexEncode(bytes));
  return value;
}

/** A vector that holds plain bytes. */
function equals(name: string, bytes: Uint8Array): void {
  seen.add(name);
  assert.equal(hexEncode(bytes), hexEncode(vectorBytes(name)));
}

test('[R6940-6.3.2-03] overlay field is the end of SHA-1 over the overlay name', () => {
  equals('overlay-hash', hex(overlayHash(overlayName).toString(16)));
});

test('self-signed Node-IDs are the beginning of the digest of the public key', () => {
  const spki = hexDecode(vectors.get('self-signed-node-id-sha1')?.spki ?? '') ?? assert.fail();
  equals('self-signed-node-id-sha1', sha1(spki).subarray(0, 16));
  equals('self-signed-node-id-sha256', sha256(spki).subarray(0, 16));
  const indexed = Buffer.concat([hex('00000001'), spki]);
  equals('self-signed-node-id-sha1-index1', sha1(indexed).subarray(0, 16));
});

test('reload URI and GRUU hold bare Destinations', () => {
  const uri = vectors.get('reload-uri')?.text ?? assert.fail();
  equals('reload-uri', utf8Encode(uri));
  const list = decodeExact(bareDestinations, hexDecode(uri.slice(9, uri.indexOf('@'))) ?? hex(''));
  assert.deepEqual(list, [{ type: 'node', nodeId: testNode }]);
  const gruu = roundTrip('gruu', bareDestinations);
  assert.deepEqual(gruu, [{ type: 'node', nodeId: destinationNode }]);
  const text = base64Encode(encodeToBytes(bareDestinations, gruu)).replaceAll('=', '~');
  assert.equal(`sip:alice@overlay.example.org;gr=${text}`, vectors.get('gruu')?.text);
});

test('[R6940-6.3.4-12] [R6940-6.3.4-10] signer-identity-cert-hash', () => {
  sameContent(roundTrip('signer-identity-cert-hash', signerIdentity), signer);
});

test('[R6940-6.3.4-13] [R6940-6.3.4-10] signer-identity-cert-hash-node-id', () => {
  sameContent(roundTrip('signer-identity-cert-hash-node-id', signerIdentity), {
    type: 'certHashNodeId',
    hashAlg: 4,
    certificateHash: sha256(Buffer.concat([idBytes(testNode), testCertificate])),
  });
});

test('[R6940-6.3.4-08] [R6940-6.3.4-10] signature-none', () => {
  sameContent(roundTrip('signature-none', signature), emptySignature);
});

test('[R6940-6.3.1.1-04] resource-id-FOO', () => {
  assert.equal(roundTrip('resource-id-FOO', resourceId), '464f4f');
});

test('[R6940-6.3.1.1-06] ip-address-port', () => {
  assert.deepEqual(roundTrip('ip-address-port-v4', ipAddressPort), {
    type: 'ipv4',
    address: '192.0.2.1',
    port: 6084,
  });
  assert.deepEqual(roundTrip('ip-address-port-v6', ipAddressPort), {
    type: 'ipv6',
    address: '2001:db8::1',
    port: 6084,
  });
});

test('[R6940-6.3.2.2-01] [R6940-6.3.2.2-02] [R6940-6.3.2.2-05] destination-list', () => {
  sameContent(roundTrip('destination-list', bareDestinations), [
    { type: 'node', nodeId: destinationNode },
    { type: 'compressed', id: 0x8123 },
    { type: 'opaque', id: hex('cafe01') },
    { type: 'resource', resource: alice },
  ]);
});

test('[R6940-6.3.3-01] [R6940-6.5.3.1-01] ping-req-contents', () => {
  const contents = roundTrip('ping-req-contents', messageContents);
  sameContent(contents, { messageCode: 0x17, messageBody: hex('0000'), extensions: [] });
  const padded = roundTrip('ping-req-padded-contents', messageContents);
  assert.equal(decodeExact(pingReq, padded.messageBody).padding.length, 4);
});

test('[R6940-6.3.4-14] ping-req-signature-input', () => {
  const contents = vectorBytes('ping-req-contents');
  const input = messageSignatureInput(overlay, transactionId, contents, signer);
  equals('ping-req-signature-input', input);
  assert.equal(hexEncode(sha256(input)), vectors.get('ping-req-signature-input')?.sha256);
});

test('[R6940-6.3.2-02] [R6940-6.3.2-05] [R6940-6.3.2-22] ping-req-header', () => {
  const message = vectorBytes('ping-req-message');
  const { header, headerLength, messageLength } = decodeHeader(message);
  assert.equal(headerLength, 56);
  assert.equal(messageLength, 1120);
  equals('ping-req-header', encodeHeader(header, message.length - headerLength));
  sameContent(header, {
    overlay,
    configurationSequence: 22,
    ttl: 100,
    fragment: { last: true, offset: 0 },
    transactionId,
    maxResponseLength: 0,
    viaList: [],
    destinationList: [{ type: 'node', nodeId: destinationNode }],
    options: [],
  });
});

test('[R6940-6.6.2-01] [R6940-6.6.2-02] frame-data', () => {
  seen.add('frame-data');
  const bytes = vectorBytes('frame-data');
  const message = vectorBytes('ping-req-header');
  sameContent(decodeFrame(bytes), { type: 'data', sequence: 0, message });
  assert.ok(bytesEqual(encodeDataFrame(0, message), bytes));
});

test('[R6940-6.6.2-01] [R6940-6.6.2-03] frame-ack', () => {
  sameContent(decodeFrame(vectorBytes('frame-ack')), {
    type: 'ack',
    ackSequence: 5,
    received: 0b11011,
  });
  equals('frame-ack', encodeAckFrame(5, 0b11011));
});

test('[R6940-6.3.2-13] [R6940-6.3.2-14] [R6940-6.3.2-15] [R6940-6.3.2-16] fragment field', () => {
  for (const [name, fragment] of [
    ['fragment-field-unfragmented', { last: true, offset: 0 }],
    ['fragment-field-first-of-two', { last: false, offset: 0 }],
    ['fragment-field-last-offset-300', { last: true, offset: 300 }],
  ] as const) {
    equals(
      name,
      written((writer) => writer.u32(encodeFragment(fragment))),
    );
    assert.deepEqual(decodeFragment(new Reader(vectorBytes(name))), fragment);
  }
});

test('sip-registration', () => {
  sameContent(roundTrip('sip-registration-uri', sipRegistration), {
    type: 'uri',
    uri: utf8Encode('bob@overlay.example.org'),
  });
  sameContent(roundTrip('sip-registration-route', sipRegistration), {
    type: 'route',
    contactPrefs: utf8Encode('(sip.schemes=SIP)'),
    destinationList: [{ type: 'node', nodeId: testNode }],
  });
});

test('[R6940-7.2-01] [R6940-7.2.3-01] stored-data-value-dictionary', () => {
  const value = roundTrip('stored-data-value-dictionary', storedDataValue('DICTIONARY'));
  sameContent(value, {
    key: idBytes(testNode),
    exists: true,
    value: vectorBytes('sip-registration-route'),
  });
});

test('[R6940-7-01] [R6940-7-02] [R6940-7.1-01] stored-data-dictionary', () => {
  const stored = roundTrip('stored-data-dictionary', storedData('DICTIONARY'));
  assert.equal(stored.storageTime, storageTime);
  assert.equal(stored.lifetime, 3600);
  const context = { resource: alice, kind: 1, model: 'DICTIONARY' } as const;
  const { identity, signatureValue } = stored.signature;
  const input = storedValueSignatureInput(context, storageTime, stored.value, identity);
  equals('stored-data-signature-input', input);
  assert.equal(hexEncode(sha256(input)), vectors.get('stored-data-signature-input')?.sha256);
  assert.ok(isSignedByTestKey(input, signatureValue));
});

test('stored-data-dictionary-nonexistent', () => {
  sameContent(roundTrip('stored-data-dictionary-nonexistent', storedData('DICTIONARY')), {
    storageTime: 0n,
    lifetime: 0,
    value: { key: idBytes(destinationNode), exists: false, value: hex('') },
    signature: emptySignature,
  });
});

test('[R6940-7.2.2-01] [R6940-7.4.2.2-10] stored-data-array: the index counts as 0 when signed', () => {
  const stored = roundTrip('stored-data-array', storedData('ARRAY'));
  assert.equal(stored.value.index, 3);
  const context = { resource: alice, kind: 0xf0000001, model: 'ARRAY' } as const;
  const { identity, signatureValue } = stored.signature;
  const input = storedValueSignatureInput(context, storageTime, stored.value, identity);
  equals('stored-data-array-signature-input', input);
  assert.ok(isSignedByTestKey(input, signatureValue));
});

test('[R6940-7.4.1.1-01] store-req-body', () => {
  const request = roundTrip('store-req-body', storeReq);
  assert.equal(request.resource, alice);
  assert.equal(request.replicaNumber, 0);
  const kind = request.kindData[0] ?? assert.fail();
  assert.equal(kind.kind, 1);
  assert.equal(kind.generationCounter, 0n);
  const values = decodeExact(storedValues('DICTIONARY'), kind.values);
  assert.equal(values.length, 1);
  assert.ok(bytesEqual(encodeToBytes(storedValues('DICTIONARY'), values), kind.values));
});

test('[R6940-7.4.1.2-01] store-ans-body', () => {
  assert.deepEqual(roundTrip('store-ans-body', storeAns), {
    kindResponses: [{ kind: 1, generationCounter: 1n, replicas: successors.slice(0, 2) }],
  });
});

test('[R6940-7.4.2.1-01] [R6940-7.4.2.1-03] fetch-req', () => {
  for (const [name, model, kind, generation, expected] of [
    ['fetch-req-dictionary-wildcard', 'DICTIONARY', 1, 0n, { keys: [] }],
    ['fetch-req-array-range', 'ARRAY', 3, 0n, { indices: [{ first: 0, last: 0xffffffff }] }],
    ['fetch-req-single', 'SINGLE', 2, 7n, {}],
  ] as const) {
    const request = roundTrip(name, fetchReq);
    const specifier = request.specifiers[0] ?? assert.fail();
    assert.equal(specifier.kind, kind);
    assert.equal(specifier.generation, generation);
    const selected = decodeExact(selection(model), specifier.selection);
    assert.deepEqual(selected, expected);
    assert.ok(bytesEqual(encodeToBytes(selection(model), selected), specifier.selection));
  }
});

test('[R6940-7.4.2.2-01] fetch-ans-body', () => {
  const kind = roundTrip('fetch-ans-body', fetchAns).kindResponses[0] ?? assert.fail();
  assert.equal(kind.generation, 1n);
  assert.equal(decodeExact(storedValues('DICTIONARY'), kind.values).length, 1);
});

test('[R6940-7.4.3.2-01] [R6940-7.4.3.2-02] [R6940-7.4.3.2-03] stat-ans-body', () => {
  const kind = roundTrip('stat-ans-body', statAns).kindResponses[0] ?? assert.fail();
  const list = storedMetaValues('DICTIONARY');
  const values = decodeExact(list, kind.values);
  assert.ok(bytesEqual(encodeToBytes(list, values), kind.values));
  const value = vectorBytes('sip-registration-route');
  sameContent(values[0]?.metadata, {
    key: idBytes(testNode),
    exists: true,
    valueLength: value.length,
    hashAlgorithm: 4,
    hashValue: sha256(Buffer.concat([hex('0000002a'), value])),
  });
});

test('[R6940-7.4.4.1-01] find-req-body', () => {
  assert.deepEqual(roundTrip('find-req-body', findReq), { resource: alice, kinds: [1, 2] });
});

test('[R6940-7.4.4.2-01] find-ans-body', () => {
  const nothing = resourceIdFromBytes(new Uint8Array(16));
  assert.deepEqual(roundTrip('find-ans-body', findAns), {
    results: [
      { kind: 1, closest: alice },
      { kind: 2, closest: nothing },
    ],
  });
});

test('[R6940-6.3.3.1-03] [R6940-6.3.3.1-04] error-forbidden-contents', () => {
  const contents = roundTrip('error-forbidden-contents', messageContents);
  assert.equal(contents.messageCode, 0xffff);
  sameContent(decodeExact(errorResponse, contents.messageBody), {
    errorCode: 2,
    errorInfo: utf8Encode('no permission'),
  });
});

test('[R6940-7.4.1.2-08] error-unknown-kind-body', () => {
  const error = roundTrip('error-unknown-kind-body', errorResponse);
  assert.deepEqual(decodeExact(unknownKinds, error.errorInfo), [0xf0000001]);
});

test('error-generation-body', () => {
  const error = roundTrip('error-generation-body', errorResponse);
  assert.deepEqual(decodeExact(storeAns, error.errorInfo), {
    kindResponses: [{ kind: 1, generationCounter: 9n, replicas: [] }],
  });
});

test('chord-update', () => {
  assert.deepEqual(roundTrip('chord-update-neighbors', chordUpdate), {
    uptime: 600,
    type: 'neighbors',
    predecessors,
    successors,
  });
  assert.deepEqual(roundTrip('chord-update-peer-ready', chordUpdate), {
    uptime: 600,
    type: 'peerReady',
  });
  assert.deepEqual(roundTrip('chord-update-full', chordUpdate), {
    uptime: 600,
    type: 'full',
    predecessors: predecessors.slice(0, 1),
    successors: successors.slice(0, 1),
    fingers: [nodeIdFromBytes(hex('50'.repeat(16))), nodeIdFromBytes(hex('80'.repeat(16)))],
  });
});

test('[R6940-6.4.2.1-01] join-req-body', () => {
  sameContent(roundTrip('join-req-body', joinReq), {
    joiningPeerId: testNode,
    overlaySpecificData: hex(''),
  });
});

test('[R6940-6.4.2.2-01] leave-req-body-from-succ', () => {
  const leave = roundTrip('leave-req-body-from-succ', leaveReq);
  assert.equal(leave.leavingPeerId, testNode);
  assert.deepEqual(decodeExact(chordLeaveData, leave.overlaySpecificData), {
    type: 'fromSucc',
    successors: successors.slice(0, 2),
  });
});

test('[R6940-6.4.2.4.1-01] route-query-req-body', () => {
  sameContent(roundTrip('route-query-req-body', routeQueryReq), {
    sendUpdate: true,
    destination: { type: 'resource', resource: alice },
    overlaySpecificData: hex(''),
  });
});

test('[R6940-6.3.1.1-02] route-query-ans-body', () => {
  const [first] = successors;
  assert.deepEqual(roundTrip('route-query-ans-body', chordRouteQueryAns), { nextPeer: first });
});

test('[R6940-6.3.1-01] [R6940-6.4.2.5.1-01] probe-req-body', () => {
  assert.deepEqual(roundTrip('probe-req-body', probeReq), {
    requestedInfo: ['responsibleSet', 'numResources', 'uptime'],
  });
});

test('[R6940-6.4.2.5.2-01] probe-ans-body', () => {
  assert.deepEqual(roundTrip('probe-ans-body', probeAns), {
    probeInfo: [
      { type: 'responsibleSet', responsiblePpb: 250_000_000 },
      { type: 'numResources', numResources: 17 },
      { type: 'uptime', uptime: 600 },
    ],
  });
});

test('[R6940-6.5.1.1-02] ice-candidate', () => {
  const host = roundTrip('ice-candidate-host', iceCandidate);
  assert.deepEqual(host, {
    addrPort: { type: 'ipv4', address: '192.0.2.10', port: 6084 },
    overlayLink: 'DTLS-UDP-SR',
    foundation: '1',
    priority: 2_130_706_431,
    type: 'host',
    extensions: [],
  });
  const srflx = roundTrip('ice-candidate-srflx', iceCandidate);
  assert.equal(srflx.type, 'srflx');
  assert.deepEqual(srflx.relAddrPort, host.addrPort);
});

test('[R6940-6.5.1.1-01] attach-req-body', () => {
  const attach = roundTrip('attach-req-body', attachReqAns);
  assert.equal(attach.ufrag, '8hhY');
  assert.equal(attach.password, 'asd88fgpdd777uzjYhagZg');
  assert.equal(attach.role, 'passive');
  assert.equal(attach.candidates.length, 2);
  assert.equal(attach.sendUpdate, true);
});

test('[R6940-6.5.2.1-01] app-attach-req-body', () => {
  const attach = roundTrip('app-attach-req-body', appAttachReqAns);
  assert.equal(attach.application, 5060);
  assert.equal(attach.candidates.length, 1);
});

test('configuration signature covers the element as received', () => {
  const text = vectors.get('config-signature-input')?.text ?? assert.fail();
  equals('config-signature-input', utf8Encode(text));
  const block = roundTrip('config-signature-securityblock', securityBlock);
  assert.equal(
    base64Encode(vectorBytes('config-signature-securityblock')),
    vectors.get('config-signature-securityblock')?.base64,
  );
  assert.ok(isSignedByTestKey(utf8Encode(text), block.signature.signatureValue));
});

test('[R6940-6.5.4.1-01] config-update', () => {
  const kind = roundTrip('config-update-kind-body', configUpdateReq);
  assert.equal(kind.type, 'kind');
  assert.equal(kind.kinds.length, 1);
  const config = roundTrip('config-update-config-body', configUpdateReq);
  assert.equal(config.type, 'config');
});

test('Resource-IDs are the beginning of SHA-1 over the Resource Name', () => {
  equals('resource-id-alice', idBytes(alice));
  equals('resource-id-node', idBytes(resourceIdOfName(idBytes(testNode))));
  const first = Buffer.concat([idBytes(testNode), hex('01')]);
  equals('resource-id-turn-d1', idBytes(resourceIdOfName(first)));
});

test('turn-server', () => {
  assert.deepEqual(roundTrip('turn-server', turnServer), {
    iteration: 1,
    serverAddress: { type: 'ipv4', address: '192.0.2.10', port: 3478 },
  });
});

test('[R7374-2-01] redir', () => {
  const name = redirResourceName(utf8Encode('turn-server'), 2, 18);
  equals('redir-resource-name', name);
  equals('redir-resource-id', idBytes(resourceIdOfName(name)));
  const provider = roundTrip('redir-service-provider', redirServiceProvider);
  assert.equal(provider.level, 2);
  assert.equal(provider.node, 18);
  assert.deepEqual(provider.destinationList, [{ type: 'node', nodeId: successors[1] }]);
});

test('[R6940-6.3.3-03] self-tuning', () => {
  const data = { networkSize: 500, joinRate: 10_628, leaveRate: 2880 };
  assert.deepEqual(roundTrip('self-tuning-data', selfTuningData), data);
  const extension = roundTrip('self-tuning-extension', messageExtension);
  assert.equal(extension.type, 3);
  assert.equal(extension.critical, false);
  assert.deepEqual(decodeExact(selfTuningData, extension.extensionContents), data);
});

test('diagnostics', () => {
  const request = roundTrip('diagnostics-request', diagnosticsRequest);
  assert.equal(request.dMFlags, 6n);
  const response = roundTrip('diagnostics-response', diagnosticsResponse);
  assert.equal(response.hopCounter, 97);
  sameContent(response.diagnosticInfoList, [
    { kind: 1, diagnosticInfoContents: hex('03') },
    { kind: 2, diagnosticInfoContents: hex('00000016') },
  ]);
  const extension = roundTrip('diagnostic-ping-extension', messageExtension);
  sameContent(decodeExact(diagnosticsRequest, extension.extensionContents), request);
  sameContent(roundTrip('path-track-req-body', pathTrackReq).request, request);
  sameContent(roundTrip('path-track-ans-body', pathTrackAns).response, response);
});

/** The codec of every body that occurs in the signed messages. */
const bodies = new Map<number, Codec<unknown>>([
  [0x01, probeReq],
  [0x02, probeAns],
  [0x03, attachReqAns],
  [0x07, storeReq],
  [0x08, storeAns],
  [0x09, fetchReq],
  [0x0a, fetchAns],
  [0x0d, findReq],
  [0x0e, findAns],
  [0x0f, joinReq],
  [0x11, leaveReq],
  [0x13, chordUpdate],
  [0x15, routeQueryReq],
  [0x16, chordRouteQueryAns],
  [0x17, pingReq],
  [0x18, pingAns],
  [0x1a, statAns],
  [0x1d, appAttachReqAns],
  [0x21, configUpdateReq],
  [0x27, pathTrackReq],
  [0x28, pathTrackAns],
  [0xffff, errorResponse],
]);

for (const { name, bytes: message } of vectors.values()) {
  if (!name.endsWith('-message')) continue;
  test(`[R6940-6.3-01] [R6940-6.3.4-01] [R6940-6.3.4-02] ${name}`, () => {
    seen.add(name);
    const { header, headerLength } = decodeHeader(message);
    const rest = message.subarray(headerLength);
    const { contents, contentsBytes, security } = decodePayload(rest);
    const again = [
      encodeHeader(header, rest.length),
      encodeToBytes(messageContents, contents),
      encodeToBytes(securityBlock, security),
    ];
    assert.equal(hexEncode(Buffer.concat(again)), hexEncode(message));

    const body = bodies.get(contents.messageCode) ?? assert.fail('a code without a body');
    const value = decodeExact(body, contents.messageBody);
    assert.equal(hexEncode(encodeToBytes(body, value)), hexEncode(contents.messageBody));

    assert.equal(header.transactionId, transactionId);
    const sequence = contents.messageCode === 0x21 ? anyConfigurationSequence : 22;
    assert.equal(header.configurationSequence, sequence);
    assert.ok(bytesEqual(security.certificates[0]?.certificate ?? hex(''), testCertificate));
    const { identity, signatureValue } = security.signature;
    const input = messageSignatureInput(overlay, header.transactionId, contentsBytes, identity);
    assert.ok(isSignedByTestKey(input, signatureValue));
  });
}

test('no vector is left out', () => {
  assert.equal(vectors.size, 97);
  assert.deepEqual(
    [...vectors.keys()].filter((name) => !seen.has(name)),
    [],
  );
  for (const { name, bytes, length } of vectors.values()) assert.equal(bytes.length, length, name);
});
