import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeId } from '../../../src/base/ids.ts';
import { nodeIdFromBytes, resourceIdFromBytes } from '../../../src/base/ids.ts';
import { limits } from '../../../src/base/limits.ts';
import { decodeExact, encodeToBytes } from '../../../src/wire/codec.ts';
import { chordRouteQueryAnsOf } from '../../../src/wire/reload/chord.ts';
import {
  decodePayload,
  encodeContents,
  messageContents,
  messageExtension,
} from '../../../src/wire/reload/contents.ts';
import {
  errorCodeName,
  errorCodes,
  errorResponse,
  errorText,
  textError,
  unknownKinds,
} from '../../../src/wire/reload/errors.ts';
import { nodeId, nodeIdOf, resourceId } from '../../../src/wire/reload/ids.ts';
import { ipAddressPort, ipAddressPortOf } from '../../../src/wire/reload/ip-address-port.ts';
import { ipv6Text, parseIpv6 } from '../../../src/wire/reload/ip-text.ts';
import {
  messageClass,
  messageCodeName,
  messageCodes,
} from '../../../src/wire/reload/message-codes.ts';
import {
  emptySignature,
  genericCertificate,
  securityBlock,
  signature,
  signerIdentity,
} from '../../../src/wire/reload/security.ts';
import { turnServer } from '../../../src/wire/reload/turn-server.ts';
import { checkCodec, hex, misused, refuses } from './check-codec.ts';
import { node, other, resource, signed } from './samples.ts';

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
    ['1:2:3:4:5:6:7::', '1:2:3:4:5:6:7:0'],
    ['0000:0000:0000:0000:0000:ffff:192.168.100.200', '::ffff:c0a8:64c8'],
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
