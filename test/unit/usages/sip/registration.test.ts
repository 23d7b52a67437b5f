import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hexDecode, hexEncode, utf8Encode } from '../../../../src/base/text.ts';
import { nodeIdFromBytes } from '../../../../src/base/ids.ts';
import type { PhoneFeatures } from '../../../../src/usages/sip/contact-prefs.ts';
import { decodeGr, encodeGr, terminalNode } from '../../../../src/usages/sip/gruu.ts';
import { arrangePlaces } from '../../../../src/usages/sip/instances.ts';
import {
  decodeRegistration,
  encodeRegistration,
  recordLifetimeS,
  registrationEntry,
  routeTo,
} from '../../../../src/usages/sip/registration.ts';
import { nodeId } from '../../adapter/support/world.ts';

const phone: PhoneFeatures = {
  sip: true,
  sips: false,
  q: 1000,
  instance: undefined,
  parameters: '',
};

test('[R7904-3.2-02] [R7904-3.2-03] records of both types equal the vectors', () => {
  const uri = '0100190017626f62406f7665726c61792e6578616d706c652e6f7267';
  const bytes = encodeRegistration({ type: 'uri', uri: 'bob@overlay.example.org' });
  assert.equal(hexEncode(bytes), uri);
  const route =
    '0200270011287369702e736368656d65733d53495029001201101f6c0603327d4df6c49f75cd411d2e16';
  const node = nodeIdFromBytes(hexDecode('1f6c0603327d4df6c49f75cd411d2e16')!);
  assert.equal(hexEncode(encodeRegistration(routeTo(node, [phone]))), route);
});

test('[R7904-3.2-04] [R7904-3.1-04] unknown types and malformed records are left out', () => {
  const uri = { type: 'uri', uri: 'bob@x' } as const;
  assert.deepEqual(decodeRegistration(encodeRegistration(uri)), uri);
  const route = routeTo(nodeId(1), [phone]);
  assert.deepEqual(decodeRegistration(encodeRegistration(route)), route);
  assert.equal(decodeRegistration(Uint8Array.of(9, 0, 1, 7)), undefined);
  const bytes = encodeRegistration(route);
  for (let i = 0; i < bytes.length; i++) {
    assert.equal(decodeRegistration(bytes.subarray(0, i)), undefined);
  }
});

test('[R7904-6-01] a GRUU carries a destination list in base64 with ~', () => {
  const node = nodeIdFromBytes(hexDecode('00112233445566778899aabbccddeeff')!);
  assert.equal(encodeGr([{ type: 'node', nodeId: node }]), 'ARAAESIzRFVmd4iZqrvM3e7/');
  const list = [
    { type: 'node', nodeId: node },
    { type: 'opaque', id: Uint8Array.of(1, 2) },
  ] as const;
  assert.ok(encodeGr(list).endsWith('~'));
  const decoded = decodeGr(encodeGr(list))!;
  assert.equal(terminalNode(decoded), node);
  // The example of the RFC holds twenty digits and is no destination list.
  for (const bad of ['MDEyMzQ1Njc4OTAxMjM0NTY3ODk~', '', '*', encodeGr([list[1]])]) {
    assert.equal(decodeGr(bad), undefined, bad);
  }
  const long = (opaque: number): string => {
    const nodes = Array.from({ length: 20 }, () => list[0]);
    return encodeGr([...nodes, { type: 'opaque', id: new Uint8Array(opaque) }]);
  };
  assert.equal(long(18).length, 508);
  assert.equal(decodeGr(long(18))?.length, 21);
  assert.equal(decodeGr(long(19)), undefined);
});

test('[R7904-3.1-02] a record lives as long as the longest binding, ten minutes at least', () => {
  assert.equal(recordLifetimeS(3600), 3600);
  assert.equal(recordLifetimeS(60), 600);
  assert.equal(recordLifetimeS(-5), 600);
  const gone = registrationEntry(nodeId(2), undefined, 600);
  assert.equal(gone.exists, false);
  assert.equal(gone.value.length, 0);
});

test('of one phone at several places the newest is tried, the others are alternates', () => {
  const place = (name: string, registeredAtMs: number, instances: string[], anonymous = false) => ({
    name,
    registeredAtMs,
    instances,
    anonymousPhones: anonymous,
  });
  const arranged = arrangePlaces([
    place('old', 1, ['x']),
    place('new', 2, ['x']),
    place('two', 0, ['x', 'y']),
    place('none', 0, [], true),
    place('mixed', 0, ['x'], true),
  ]);
  assert.deepEqual(
    arranged.map((a) => [a.place.name, a.alternates.map((p) => p.name)]),
    [
      ['new', ['old']],
      ['two', []],
      ['none', []],
      ['mixed', []],
    ],
  );
});

test('a client behind a peer is named after that peer', () => {
  const [peer, client] = [nodeId(1), nodeId(2)];
  const list = [peer, client].map((node) => ({ type: 'node', nodeId: node }) as const);
  const decoded = decodeRegistration(encodeRegistration(routeTo(list, [])));
  assert.ok(decoded?.type === 'route');
  assert.deepEqual(decoded.destinations, list);
  assert.equal(terminalNode(decoded.destinations), client);
});

test('[R7904-3.2-01] a record is its type, the length of the rest in two bytes, and the data', () => {
  const uri = encodeRegistration({ type: 'uri', uri: 'bob@x' });
  assert.equal(hexEncode(uri), `0100070005${hexEncode(utf8Encode('bob@x'))}`);
  const route = encodeRegistration(routeTo(nodeId(1), []));
  assert.equal(route[0], 2);
  assert.equal((route[1] ?? 0) * 256 + (route[2] ?? 0), route.length - 3);
  const longer = Uint8Array.of(...route, 0);
  assert.equal(decodeRegistration(longer), undefined);
  assert.equal(decodeRegistration(route.subarray(0, -1)), undefined);
});
