import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hexDecode, hexEncode, utf8Encode } from '../../../../src/base/text.ts';
import { nodeIdFromBytes } from '../../../../src/base/ids.ts';
import {
  decodeContactPrefs,
  encodeContactPrefs,
  instanceHash,
} from '../../../../src/usages/sip/contact-prefs.ts';
import type { PhoneFeatures } from '../../../../src/usages/sip/contact-prefs.ts';
import { mayMatch, parseFeatures } from '../../../../src/usages/sip/features.ts';
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

test('[R7904-3.2-06] [R7904-5.1-11] scheme preferences are written and read', () => {
  assert.equal(encodeContactPrefs([phone]), '(sip.schemes=SIP)');
  const sipsOnly = encodeContactPrefs([{ ...phone, sip: false, sips: true }]);
  assert.equal(sipsOnly, '(sip.schemes=SIPS)');
  assert.deepEqual(
    [decodeContactPrefs(sipsOnly).sip, decodeContactPrefs(sipsOnly).sips],
    [false, true],
  );
  const both = decodeContactPrefs('(| (sip.schemes=SIP) (sip.schemes=SIPS))');
  assert.ok(both.sip && both.sips);
  const not = decodeContactPrefs('(& (sip.audio=TRUE) (! (sip.schemes=SIP)))');
  assert.ok(!not.sip && not.sips);
});

test('[R7904-3.2-05] capabilities of several phones are an OR of predicates with q and instance', () => {
  const parameters =
    ';audio;methods="INVITE,BYE";description="<secret place>";x=1;mobility="fixed"';
  const text = encodeContactPrefs([
    { ...phone, q: 500, parameters },
    { ...phone, instance: 'ab'.repeat(16) },
  ]);
  assert.equal(
    text,
    '(| (& (sip.schemes=SIP) (g.chordial.instance="abababababababababababababababab")) ' +
      '(& (sip.schemes=SIP) (sip.audio=TRUE) (| (sip.methods=INVITE) (sip.methods=BYE)) ' +
      '(sip.mobility=fixed));q=0.5)',
  );
  const prefs = decodeContactPrefs(text);
  assert.deepEqual(prefs.instances, ['ab'.repeat(16)]);
  assert.ok(prefs.anonymousPhones);
  assert.equal(prefs.q, 1000);
  assert.equal(decodeContactPrefs('(sip.audio=TRUE);q=0.25').q, 250);
});

test('the order of phones changes nothing; many phones still fit into a record', () => {
  const a = { ...phone, parameters: ';audio' };
  const b = { ...phone, parameters: ';video' };
  assert.equal(encodeContactPrefs([a, b]), encodeContactPrefs([b, a]));
  assert.equal(encodeContactPrefs([a, a]), encodeContactPrefs([a]));
  const parameters = `;methods="${'INVITE,'.repeat(40)}"`;
  const many = Array.from({ length: 16 }, (_, i) => ({
    ...phone,
    parameters: `${parameters};language="l${i}"`,
    instance: instanceHash('a@b', String(i)),
  }));
  const text = encodeContactPrefs(many);
  assert.ok(text.length <= 1500, String(text.length));
  const record = encodeRegistration(routeTo(nodeId(1), many));
  assert.ok(record.length < 2000);
});

test('the public hash of an instance differs from user to user', () => {
  assert.equal(instanceHash('a@b', 'urn:uuid:1'), instanceHash('a@b', 'URN:UUID:1'));
  assert.notEqual(instanceHash('a@b', 'urn:uuid:1'), instanceHash('c@b', 'urn:uuid:1'));
});

test('foreign predicates of any shape are read in linear time and exclude nothing', () => {
  for (const text of ['', '(', '()', '(&', '(sip.schemes', 'x', '(! )', '('.repeat(5000)]) {
    const prefs = decodeContactPrefs(text);
    assert.ok(prefs.sip && prefs.sips && prefs.q === 1000, text.slice(0, 20));
  }
  assert.equal(parseFeatures('(&'.repeat(40) + '(a=b)' + ')'.repeat(40)), undefined);
  const filter = parseFeatures(' (& (a=b)(| (c<=5) (d="x y")) ) ')!;
  assert.equal(mayMatch(filter, 'a', 'B'), undefined);
  assert.equal(mayMatch(filter, 'a', 'c'), false);
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
