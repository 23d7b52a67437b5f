/** The bodies of storage and usages. RFC 6940 §7, RFC 7374, RFC 7363, RFC 7851, RFC 7904. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits } from '../../../src/base/limits.ts';
import { decodeExact, encodeToBytes } from '../../../src/wire/codec.ts';
import {
  diagnosticsRequest,
  diagnosticsResponse,
  pathTrackAns,
  pathTrackReq,
} from '../../../src/wire/reload/diagnostics.ts';
import { findAns, findReq } from '../../../src/wire/reload/find.ts';
import { redirServiceProvider } from '../../../src/wire/reload/redir.ts';
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
import { node, other, resource, signed } from './samples.ts';

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
