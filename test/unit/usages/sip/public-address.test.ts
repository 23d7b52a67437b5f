import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits } from '../../../../src/base/limits.ts';
import {
  decodeContactPrefs,
  encodeContactPrefs,
  instanceHash,
} from '../../../../src/usages/sip/contact-prefs.ts';
import type { PhoneFeatures } from '../../../../src/usages/sip/contact-prefs.ts';
import {
  formatPublicAddress,
  parsePublicAddress,
  uriAt,
} from '../../../../src/usages/sip/public-address.ts';
import type { PublicAddress } from '../../../../src/usages/sip/public-address.ts';
import { encodeRegistration, routeTo } from '../../../../src/usages/sip/registration.ts';
import { nodeId } from '../../adapter/support/world.ts';

const phone: PhoneFeatures = {
  sip: true,
  sips: false,
  q: 1000,
  instance: undefined,
  parameters: '',
};

const here = (text: string): PublicAddress => parsePublicAddress(text) ?? assert.fail(text);

test('public addresses: what is none is refused, nothing but host and port gets into a URI', () => {
  for (const text of ['udp/192.0.2.1:5060', 'tls/[2001:db8::1]:5061', 'tcp/sip.lab.example:5062']) {
    assert.equal(formatPublicAddress(here(text)), text);
  }
  assert.equal(here('udp/SIP.Lab.Example:5060').host, 'sip.lab.example');
  for (const text of [
    '',
    'udp/192.0.2.1',
    'udp/192.0.2.1:0',
    'udp/192.0.2.1:65536',
    'ws/192.0.2.1:80',
    'udp/eve@192.0.2.1:5060',
    'udp/192.0.2.1:5060;lr',
    'udp/192.0.2.1:5060>,<sip:x@y',
    'udp/[2001:db8::zz]:5060',
    `udp/${'a'.repeat(limits.usagesSip.publicAddressChars)}:5060`,
  ]) {
    assert.equal(parsePublicAddress(text), undefined, text);
  }
});

test('a caller is sent to the address of its own transport, a sips call to TLS', () => {
  const all = ['udp/192.0.2.1:5060', 'tcp/192.0.2.1:5062', 'tls/sip.lab.example:5061'].map(here);
  const at = (list: readonly PublicAddress[], sips: boolean, transport: string) =>
    uriAt(list, 'bob', { sips, transport });
  assert.equal(at(all, false, 'udp'), 'sip:bob@192.0.2.1:5060');
  assert.equal(at(all, false, 'tcp'), 'sip:bob@192.0.2.1:5062;transport=tcp');
  assert.equal(at(all, false, 'tls'), 'sip:bob@sip.lab.example:5061;transport=tls');
  assert.equal(at(all, false, 'ws'), 'sip:bob@192.0.2.1:5060');
  assert.equal(at(all, true, 'udp'), 'sips:bob@sip.lab.example:5061');
  assert.equal(at(all.slice(0, 2), true, 'tls'), undefined);
  assert.equal(at([], false, 'udp'), undefined);
});

test('addresses stand before the phones of a record and change nothing else of it', () => {
  const first = { ...phone, instance: instanceHash('bob@x', 'urn:uuid:1'), parameters: ';audio' };
  const second = { ...phone, sips: true, q: 300 };
  const addresses = ['udp/192.0.2.1:5060', 'tls/[2001:db8::1]:5061'].map(here);
  for (const phones of [[first], [second], [first, second]]) {
    const plain = decodeContactPrefs(encodeContactPrefs(phones));
    const text = encodeContactPrefs(phones, addresses);
    assert.match(text, /^\(& \(g\.chordial\.address="udp\/192\.0\.2\.1:5060"\) /);
    assert.deepEqual(decodeContactPrefs(text), { ...plain, addresses });
  }
  const odd =
    '(& (g.chordial.address="udp/x@y:1") (g.chordial.address="nonsense") (sip.schemes=SIP))';
  assert.deepEqual(decodeContactPrefs(odd).addresses, []);
});

test('a record with as many addresses and phones as there can be keeps its bound', () => {
  const far = here(`udp/${'a'.repeat(limits.usagesSip.publicAddressChars - 9)}:5060`);
  const addresses = Array.from({ length: 9 }, () => far);
  const phones = Array.from({ length: 16 }, (_, i) => ({
    ...phone,
    instance: instanceHash('bob@x', String(i)),
    parameters: ';audio;video;methods="INVITE,BYE,OPTIONS,ACK,CANCEL"',
  }));
  const text = encodeContactPrefs(phones, addresses);
  assert.ok(text.length <= limits.usagesSip.contactPrefsChars, String(text.length));
  assert.equal(decodeContactPrefs(text).addresses.length, limits.usagesSip.publicAddresses);
  assert.ok(encodeRegistration(routeTo(nodeId(1), phones, addresses)).length < 2000);
});
