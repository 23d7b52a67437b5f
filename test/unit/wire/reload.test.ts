import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeId } from '../../../src/base/ids.ts';
import { nodeIdFromBytes, resourceIdFromBytes } from '../../../src/base/ids.ts';
import { limits } from '../../../src/base/limits.ts';
import { decodeExact, encodeToBytes, tryDecode } from '../../../src/wire/codec.ts';
import { appAttachReqAns } from '../../../src/wire/reload/app-attach.ts';
import { attachReqAns } from '../../../src/wire/reload/attach.ts';
import {
  chordLeaveData,
  chordRouteQueryAns,
  chordRouteQueryAnsOf,
  chordUpdate,
} from '../../../src/wire/reload/chord.ts';
import { configUpdateAns, configUpdateReq } from '../../../src/wire/reload/config-update.ts';
import {
  decodePayload,
  encodeContents,
  messageContents,
  messageExtension,
} from '../../../src/wire/reload/contents.ts';
import {
  diagnosticsRequest,
  diagnosticsResponse,
  pathTrackAns,
  pathTrackReq,
} from '../../../src/wire/reload/diagnostics.ts';
import {
  errorCodeName,
  errorCodes,
  errorResponse,
  errorText,
  textError,
  unknownKinds,
} from '../../../src/wire/reload/errors.ts';
import { findAns, findReq } from '../../../src/wire/reload/find.ts';
import {
  iceCandidate,
  iceExtension,
  isNoIce,
  overlayLinkTypes,
  type IceCandidate,
} from '../../../src/wire/reload/ice-candidate.ts';
import { nodeId, nodeIdOf, resourceId } from '../../../src/wire/reload/ids.ts';
import { ipAddressPort, ipAddressPortOf } from '../../../src/wire/reload/ip-address-port.ts';
import { ipv6Text, parseIpv6 } from '../../../src/wire/reload/ip-text.ts';
import {
  joinAns,
  joinReq,
  leaveAns,
  leaveReq,
  updateAns,
} from '../../../src/wire/reload/join-leave-update.ts';
import {
  messageClass,
  messageCodeName,
  messageCodes,
} from '../../../src/wire/reload/message-codes.ts';
import { pingAns, pingReq } from '../../../src/wire/reload/ping.ts';
import { probeAns, probeInformationTypes, probeReq } from '../../../src/wire/reload/probe.ts';
import { redirServiceProvider } from '../../../src/wire/reload/redir.ts';
import { routeQueryReq } from '../../../src/wire/reload/route-query.ts';
import {
  emptySignature,
  genericCertificate,
  securityBlock,
  signature,
  signerIdentity,
} from '../../../src/wire/reload/security.ts';
import { selfTuningData } from '../../../src/wire/reload/self-tuning.ts';
import { sipRegistration } from '../../../src/wire/reload/sip-registration.ts';
import { statAns, storedMetaData } from '../../../src/wire/reload/stat.ts';
import {
  fetchAns,
  fetchReq,
  selection,
  storeAns,
  storedData,
  storedDataValue,
  storeReq,
} from '../../../src/wire/reload/storage.ts';
import { turnServer } from '../../../src/wire/reload/turn-server.ts';
import { checkCodec, hex, misused, refuses } from './check-codec.ts';

const node = nodeIdFromBytes(hex('00112233445566778899aabbccddeeff'));
const other = nodeIdFromBytes(hex('ff'.repeat(16)));
const resource = resourceIdFromBytes(hex('6df379fb05075b13ada5f9d9ae9fbaa0'));
const signed = {
  hash: 4,
  signature: 3,
  identity: { type: 'certHash', hashAlg: 4, certificateHash: hex('ab'.repeat(32)) },
  signatureValue: hex('01020304'),
} as const;

test('[R6940-6.3.1.1-02] [R6940-6.3.1.1-03] [R6940-3-02] Node-IDs of 16 and 20 bytes, never zero', () => {
  checkCodec(nodeId, [node, other]);
  const long = nodeIdFromBytes(hex('01'.repeat(20)));
  checkCodec(nodeIdOf(20), [long]);
  checkCodec(chordRouteQueryAnsOf(20), [{ nextPeer: long }]);
  misused(nodeId, long);
  misused(nodeIdOf(20), node);
  misused(nodeId, '00'.repeat(16) as NodeId);
  refuses(nodeId, new Uint8Array(16));
  assert.throws(() => nodeIdOf(15));
  assert.throws(() => nodeIdOf(21));
});

test('[R6940-6.3.1.1-04] a Resource-ID has at most 254 bytes', () => {
  checkCodec(resourceId, [resourceIdFromBytes(hex('')), resource]);
  checkCodec(resourceId, [resourceIdFromBytes(new Uint8Array(254))]);
  misused(resourceId, resourceIdFromBytes(new Uint8Array(255)));
  refuses(resourceId, Uint8Array.from([255, ...new Array<number>(255).fill(0)]));
});

test('[R6940-6.3.1.1-06] [R6940-6.3.1.1-07] IP addresses; an unknown type is kept aside', () => {
  checkCodec(ipAddressPort, [
    { type: 'ipv4', address: '192.0.2.1', port: 6084 },
    { type: 'ipv6', address: '::', port: 0 },
    { type: 'ipv6', address: '2001:db8::ff:0:0:1', port: 65_535 },
    { type: 'unknown', tag: 9, raw: hex('010203') },
  ]);
  refuses(ipAddressPort, hex('0107c000020117c400'), 'an IPv4 form of 7 bytes');
  misused(ipAddressPort, { type: 'ipv4', address: '192.0.2.256', port: 1 });
  misused(ipAddressPort, { type: 'ipv4', address: '192.0.2.1', port: 65_536 });
  misused(ipAddressPort, { type: 'ipv6', address: '2001:db8::1::2', port: 1 });
  const after = decodeExact(turnServer, hex('010903010203'));
  assert.equal(after.serverAddress.type, 'unknown');
  assert.equal(ipAddressPortOf('2001:DB8:0:0::1', 1).type, 'ipv6');
  assert.throws(() => ipAddressPortOf('example.org', 1));
});

test('IPv6 text is canonical and everything else is refused', () => {
  for (const [text, canonical] of [
    ['::', '::'],
    ['::1', '::1'],
    ['1::', '1::'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
    ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
    ['::ffff:192.0.2.1', '::ffff:c000:201'],
  ] as const) {
    assert.equal(ipv6Text(parseIpv6(text) ?? hex('')), canonical);
  }
  for (const text of ['', ':', ':::', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1::2::3', '12345::']) {
    assert.equal(parseIpv6(text), undefined, text);
  }
  for (const text of [
    '1:2:3:4:5:6:7:8::',
    'g::',
    '1.2.3.4',
    '1.2.3.4::',
    '::1.2.3',
    'fe80::1%eth0',
  ]) {
    assert.equal(parseIpv6(text), undefined, text);
  }
});

test('[R6940-6.3.4-10] signer identities; an unknown type is refused', () => {
  checkCodec(signerIdentity, [
    signed.identity,
    { type: 'certHashNodeId', hashAlg: 4, certificateHash: hex('00') },
    { type: 'none' },
  ]);
  refuses(signerIdentity, hex('4d0000'), 'type 77');
  refuses(signerIdentity, hex('0300010a'), 'none with a value');
});

test('[R6940-6.3.4-01] [R6940-6.3.4-02] [R6940-6.3.4-08] security block', () => {
  checkCodec(signature, [signed, emptySignature]);
  checkCodec(genericCertificate, [{ type: 'x509', certificate: hex('3000') }]);
  refuses(genericCertificate, hex('0100023000'), 'a certificate that is not X.509');
  const certificates = new Array(limits.securityBlockCertificates).fill({
    type: 'x509',
    certificate: hex('3000'),
  });
  checkCodec(securityBlock, [{ certificates, signature: signed }]);
  misused(securityBlock, { certificates: [...certificates, certificates[0]], signature: signed });
});

test('[R6940-6.3.3-01] [R6940-6.3.3-03] message contents with extensions', () => {
  const extension = { type: 0x7777, critical: true, extensionContents: hex('cafe') };
  checkCodec(messageExtension, [extension]);
  checkCodec(messageContents, [
    { messageCode: 0x17, messageBody: hex('0000'), extensions: [] },
    {
      messageCode: 0x17,
      messageBody: hex('0000'),
      extensions: new Array(limits.wire.messageExtensions).fill(extension),
    },
  ]);
  misused(messageContents, {
    messageCode: 1,
    messageBody: hex(''),
    extensions: new Array(limits.wire.messageExtensions + 1).fill(extension),
  });
});

test('a payload is contents and security block, nothing more', () => {
  const contents = encodeContents(0x17, hex('0000'));
  const security = encodeToBytes(securityBlock, { certificates: [], signature: signed });
  const payload = decodePayload(Buffer.concat([contents, security]));
  assert.deepEqual(Buffer.from(payload.contentsBytes), Buffer.from(contents));
  assert.equal(payload.contents.messageCode, 0x17);
  assert.throws(() => decodePayload(Buffer.concat([contents, security, hex('00')])));
  assert.throws(() => decodePayload(contents));
});

test('[R6940-6.3.3-02] the class of every message code', () => {
  for (let code = 0; code <= 0xffff; code++) {
    const expected =
      code === 0xffff
        ? 'error'
        : code === 0 || code >= 0x8000
          ? 'invalid'
          : code % 2 === 1
            ? 'request'
            : 'answer';
    assert.equal(messageClass(code), expected, String(code));
  }
});

test('[R6940-14.8-02] message codes, value by value', () => {
  const requests = Object.entries(messageCodes).filter(([name]) => name.endsWith('Req'));
  assert.deepEqual(Object.fromEntries(requests), {
    probeReq: 0x1,
    attachReq: 0x3,
    storeReq: 0x7,
    fetchReq: 0x9,
    findReq: 0xd,
    joinReq: 0xf,
    leaveReq: 0x11,
    updateReq: 0x13,
    routeQueryReq: 0x15,
    pingReq: 0x17,
    statReq: 0x19,
    appAttachReq: 0x1d,
    configUpdateReq: 0x21,
    pathTrackReq: 0x27,
  });
  for (const [name, code] of requests) {
    const answer = name.replace('Req', 'Ans') as keyof typeof messageCodes;
    assert.equal(messageCodes[answer], code + 1);
  }
  assert.equal(messageCodes.error, 0xffff);
  assert.equal(messageCodeName(0x1d), 'app_attach_req');
  assert.equal(messageCodeName(0x2b), '0x2b');
});

test('[R6940-14.9-02] error codes, value by value, none experimental', () => {
  assert.deepEqual(
    Object.values(errorCodes),
    [
      0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f, 0x10,
      0x11, 0x14, 0x15, 0x16, 0x17, 0x18, 0x19, 0x1a,
    ],
  );
  assert.equal(errorCodeName(0x02), 'Error_Forbidden');
  assert.equal(errorCodeName(0x14), 'Error_Invalid_Message');
  assert.equal(errorCodeName(0x7fff), '0x7fff');
});

test('[R6940-6.3.3.1-03] [R6940-6.3.3.1-04] error responses', () => {
  checkCodec(errorResponse, [
    textError(2, 'no permission'),
    { errorCode: 0xc, errorInfo: hex('') },
  ]);
  checkCodec(unknownKinds, [[], [0xf0000001, 1]]);
  assert.equal(errorText(textError(2, 'no ⚑')), 'no ⚑');
  assert.equal(errorText(textError(2, 'two\nlines')), '');
  assert.equal(errorText({ errorCode: 2, errorInfo: hex('ff') }), '');
});

const host: IceCandidate = {
  addrPort: { type: 'ipv4', address: '192.0.2.10', port: 6084 },
  overlayLink: 'TLS-TCP-FH-NO-ICE',
  foundation: '1',
  priority: 0xffff_ffff,
  type: 'host',
  extensions: [],
};
const relay: IceCandidate = {
  ...host,
  overlayLink: 'DTLS-UDP-SR',
  type: 'relay',
  relAddrPort: { type: 'ipv6', address: '2001:db8::1', port: 1 },
  extensions: [{ name: hex('01'), value: hex('0203') }],
};

test('[R6940-6.5.1.1-02] [R6940-6.5.1.1-05] candidates', () => {
  checkCodec(iceExtension, [{ name: hex(''), value: hex('cafe') }]);
  checkCodec(iceCandidate, [host, relay, { ...host, overlayLink: 2 }, { ...host, overlayLink: 5 }]);
});

test('[R6940-6.5.1.1-04] candidate types 1, 2 and 4 only', () => {
  const bytes = encodeToBytes(iceCandidate, host);
  const typeAt = bytes.length - 3;
  assert.equal(bytes[typeAt], 1);
  for (const type of [0, 3, 5, 9, 255]) {
    const changed = Uint8Array.from(bytes);
    changed[typeAt] = type;
    const outcome = tryDecode(iceCandidate, changed);
    assert.ok(!outcome.ok);
    assert.equal(outcome.error.code, 'unknown-type');
  }
});

test('[R6940-6.5.1.1-03] [R6940-6.5.1.1-09] [R6940-14.10-02] link types, value by value', () => {
  assert.deepEqual(overlayLinkTypes, {
    'DTLS-UDP-SR': 1,
    'DTLS-UDP-SR-NO-ICE': 3,
    'TLS-TCP-FH-NO-ICE': 4,
  });
  assert.deepEqual(
    Object.keys(overlayLinkTypes).map((name) => isNoIce(name as 'DTLS-UDP-SR')),
    [false, true, true],
  );
});

const attach = {
  ufrag: '8hhY',
  password: 'asd88fgpdd777uzjYhagZg',
  role: 'passive',
  candidates: [host],
  sendUpdate: false,
};

test('[R6940-6.5.1.1-01] [R6940-6.5.2.1-01] Attach and AppAttach', () => {
  checkCodec(attachReqAns, [attach, { ...attach, candidates: [relay, relay], sendUpdate: true }]);
  checkCodec(appAttachReqAns, [
    { ufrag: '', password: '', application: 5061, role: 'active', candidates: [host] },
  ]);
});

test('[R6940-6.5.1.1-08] [R6940-6.5.1.1-11] no empty list of candidates, no mix of ICE and No-ICE', () => {
  misused(attachReqAns, { ...attach, candidates: [] });
  refuses(attachReqAns, hex('00 00 00 0000 00'));
  misused(attachReqAns, { ...attach, candidates: [host, relay] });
  const one = Buffer.from(encodeToBytes(iceCandidate, host));
  const two = Buffer.from(encodeToBytes(iceCandidate, relay));
  const length = Buffer.alloc(2);
  length.writeUInt16BE(one.length + two.length);
  refuses(attachReqAns, Buffer.concat([hex('000000'), length, one, two, hex('00')]));
});

test('Attach: bound of the number of candidates', () => {
  checkCodec(attachReqAns, [
    { ...attach, candidates: new Array(limits.wire.iceCandidates).fill(host) },
  ]);
  misused(attachReqAns, {
    ...attach,
    candidates: new Array(limits.wire.iceCandidates + 1).fill(host),
  });
});

test('[R6940-6.5.3.1-01] [R6940-6.5.3.2-01] Ping', () => {
  checkCodec(pingReq, [{ padding: hex('') }, { padding: new Uint8Array(300) }]);
  misused(pingReq, { padding: new Uint8Array(65_536) });
  checkCodec(pingAns, [{ responseId: 0xffff_ffff_ffff_ffffn, time: 1_700_000_000_000n }]);
});

test('[R6940-6.4.2.5.1-01] [R6940-6.4.2.5.2-01] Probe', () => {
  assert.deepEqual(probeInformationTypes, { responsibleSet: 1, numResources: 2, uptime: 3 });
  checkCodec(probeReq, [{ requestedInfo: [] }, { requestedInfo: ['uptime', 200] }]);
  checkCodec(probeAns, [
    { probeInfo: [{ type: 'uptime', uptime: 1 }] },
    { probeInfo: [{ type: 'unknown', tag: 77, raw: hex('cafe') }] },
  ]);
  refuses(probeAns, hex('0007 0105 0000000000'), 'a value of five bytes');
});

test('[R6940-6.4.2.1-01] [R6940-6.4.2.2-01] [R6940-6.4.2.3-04] Join, Leave and Update', () => {
  checkCodec(joinReq, [{ joiningPeerId: node, overlaySpecificData: hex('cafe') }]);
  checkCodec(joinAns, [{ overlaySpecificData: hex('') }]);
  checkCodec(leaveReq, [{ leavingPeerId: node, overlaySpecificData: hex('') }]);
  checkCodec(leaveAns, [undefined]);
  checkCodec(updateAns, [undefined]);
});

test('[R6940-6.4.2.4.1-01] RouteQuery', () => {
  checkCodec(routeQueryReq, [
    {
      sendUpdate: false,
      destination: { type: 'resource', resource },
      overlaySpecificData: hex('01'),
    },
    { sendUpdate: true, destination: { type: 'node', nodeId: node }, overlaySpecificData: hex('') },
  ]);
  refuses(routeQueryReq, hex('00 0901ff 0000'), 'an unknown type of destination');
});

test('[R6940-6.5.4.1-01] [R6940-6.5.4.2-07] ConfigUpdate', () => {
  checkCodec(configUpdateReq, [
    { type: 'config', configData: hex('3c3e') },
    { type: 'kind', kinds: [hex('01'), hex('')] },
    { type: 'unknown', tag: 77, raw: hex('cafe') },
  ]);
  checkCodec(configUpdateAns, [undefined]);
});

test('Chord messages', () => {
  checkCodec(chordUpdate, [
    { uptime: 0, type: 'peerReady' },
    { uptime: 1, type: 'neighbors', predecessors: [], successors: [node] },
    { uptime: 0xffff_ffff, type: 'full', predecessors: [node], successors: [], fingers: [other] },
  ]);
  refuses(chordUpdate, hex('0000000004'));
  checkCodec(chordRouteQueryAns, [{ nextPeer: node }]);
  checkCodec(chordLeaveData, [
    { type: 'fromSucc', successors: [node] },
    { type: 'fromPred', predecessors: [] },
  ]);
  refuses(chordLeaveData, hex('030000'));
});

test('[R6940-7-01] [R6940-7.2-02] stored values of the three models', () => {
  const value = { exists: true, value: hex('cafe') };
  checkCodec(storedDataValue('SINGLE'), [value, { exists: false, value: hex('') }]);
  checkCodec(storedDataValue('ARRAY'), [{ ...value, index: 0xffff_ffff }]);
  checkCodec(storedDataValue('DICTIONARY'), [{ ...value, key: hex('') }]);
  misused(storedDataValue('ARRAY'), value);
  misused(storedDataValue('DICTIONARY'), value);
  const stored = { storageTime: 1n, lifetime: 2, value, signature: signed };
  checkCodec(storedData('SINGLE'), [stored]);
  checkCodec(storedData('ARRAY'), [{ ...stored, value: { ...value, index: 3 } }]);
});

test('[R6940-7.4.1.1-01] [R6940-7.4.1.2-01] Store', () => {
  const kindData = [{ kind: 0xffff_fffe, generationCounter: 1n, values: hex('cafe') }];
  checkCodec(storeReq, [
    { resource, replicaNumber: 255, kindData },
    { resource, replicaNumber: 0, kindData: [] },
  ]);
  misused(storeReq, { resource, replicaNumber: 256, kindData });
  misused(storeReq, {
    resource,
    replicaNumber: 0,
    kindData: new Array(limits.wire.kindsPerRequest + 1).fill(kindData[0]),
  });
  checkCodec(storeAns, [
    { kindResponses: [{ kind: 1, generationCounter: 2n, replicas: [node, other] }] },
  ]);
});

test('[R6940-3-04] a Kind-ID is unsigned', () => {
  const body = encodeToBytes(fetchReq, {
    resource,
    specifiers: [{ kind: 0xffff_fffe, generation: 0n, selection: hex('') }],
  });
  assert.equal(decodeExact(fetchReq, body).specifiers[0]?.kind, 0xffff_fffe);
});

test('[R6940-7.4.2.1-01] [R6940-7.4.2.1-05] [R6940-7.4.2.2-01] Fetch', () => {
  checkCodec(fetchReq, [
    { resource, specifiers: [{ kind: 1, generation: 3n, selection: hex('0000') }] },
  ]);
  checkCodec(fetchAns, [{ kindResponses: [{ kind: 1, generation: 3n, values: hex('01') }] }]);
  checkCodec(selection('SINGLE'), [{}]);
  checkCodec(selection('DICTIONARY'), [{ keys: [] }, { keys: [hex('01'), hex('')] }]);
  checkCodec(selection('ARRAY'), [
    { indices: [] },
    {
      indices: [
        { first: 7, last: 0xffff_ffff },
        { first: 0, last: 6 },
      ],
    },
  ]);
});

test('[R6940-7.4.2.1-04] [R6940-7.4.2.1-06] ranges ascend and do not overlap', () => {
  const codec = selection('ARRAY');
  misused(codec, { indices: [{ first: 5, last: 3 }] });
  refuses(codec, hex('0008 00000005 00000003'));
  misused(codec, {
    indices: [
      { first: 0, last: 3 },
      { first: 2, last: 5 },
    ],
  });
  refuses(codec, hex('0010 00000000 00000003 00000002 00000005'));
  refuses(codec, hex('0010 00000003 00000003 00000000 00000003'));
});

test('[R6940-7.4.3.1-01] [R6940-7.4.3.2-01] [R6940-7.4.3.2-02] Stat', () => {
  const meta = { exists: true, valueLength: 5, hashAlgorithm: 4, hashValue: hex('ab') };
  checkCodec(storedMetaData('SINGLE'), [{ storageTime: 1n, lifetime: 2, metadata: meta }]);
  checkCodec(storedMetaData('ARRAY'), [
    { storageTime: 1n, lifetime: 2, metadata: { ...meta, index: 4 } },
  ]);
  checkCodec(storedMetaData('DICTIONARY'), [
    { storageTime: 1n, lifetime: 2, metadata: { ...meta, key: hex('01') } },
  ]);
  checkCodec(statAns, [{ kindResponses: [{ kind: 1, generation: 3n, values: hex('01') }] }]);
});

test('[R6940-7.4.4.1-01] [R6940-7.4.4.1-02] Find names each Kind once', () => {
  checkCodec(findReq, [
    { resource, kinds: [] },
    { resource, kinds: [1, 2] },
  ]);
  misused(findReq, { resource, kinds: [1, 1] });
  refuses(findReq, hex('00 08 00000001 00000001'));
  checkCodec(findAns, [{ results: [{ kind: 1, closest: resource }] }]);
});

test('usage values', () => {
  checkCodec(sipRegistration, [
    { type: 'uri', uri: hex('626f62') },
    {
      type: 'route',
      contactPrefs: hex(''),
      destinationList: [
        { type: 'node', nodeId: node },
        { type: 'opaque', id: hex('cafe') },
      ],
    },
    { type: 'unknown', tag: 3, raw: hex('01') },
  ]);
  misused(sipRegistration, {
    type: 'route',
    contactPrefs: hex(''),
    destinationList: [{ type: 'compressed', id: 0x8001 }],
  });
  refuses(sipRegistration, hex('02 0006 0000 0002 8001'), 'a list of two bytes');
  checkCodec(turnServer, [
    { iteration: 20, serverAddress: { type: 'ipv4', address: '192.0.2.1', port: 3478 } },
  ]);
  checkCodec(redirServiceProvider, [
    {
      type: 0,
      destinationList: [{ type: 'node', nodeId: node }],
      namespace: hex('74'),
      level: 2,
      node: 18,
      extension: hex(''),
    },
  ]);
  checkCodec(selfTuningData, [{ networkSize: 1, joinRate: 2, leaveRate: 0xffff_ffff }]);
});

test('diagnostics: both lengths are written and must agree', () => {
  const request = {
    expiration: 1n,
    timestampInitiated: 2n,
    dMFlags: 0xffff_ffff_ffff_ffffn,
    diagnosticExtensionsList: [{ kind: 0xf000, diagnosticExtensionContents: hex('01') }],
  };
  const response = {
    expiration: 1n,
    timestampInitiated: 2n,
    timestampReceived: 3n,
    hopCounter: 97,
    diagnosticInfoList: [{ kind: 1, diagnosticInfoContents: hex('03') }],
  };
  checkCodec(diagnosticsRequest, [request]);
  checkCodec(diagnosticsResponse, [response]);
  checkCodec(pathTrackReq, [{ destination: { type: 'resource', resource }, request }]);
  checkCodec(pathTrackAns, [{ nextHop: { type: 'node', nodeId: node }, response }]);
  const bytes = Uint8Array.from(encodeToBytes(diagnosticsRequest, request));
  bytes[27] = (bytes[27] ?? 0) + 1;
  refuses(diagnosticsRequest, bytes, 'lengths that differ');
});
