import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatIpv6, isIpv4, parseIpv6 } from '../../../../src/sip/message/ip.ts';
import { formatNameAddr, parseNameAddr } from '../../../../src/sip/message/name-addr.ts';
import type { NameAddr } from '../../../../src/sip/message/name-addr.ts';
import { completeVia as completeViaValue, parseVia } from '../../../../src/sip/message/via.ts';
import type { Via } from '../../../../src/sip/message/via.ts';

function nameAddr(text: string): NameAddr {
  const parsed = parseNameAddr(text);
  assert.ok(parsed.ok, text);
  return parsed.value;
}

function completeVia(value: Via, address: string, port: number): string {
  const complete = completeViaValue(value, address, port);
  assert.equal(complete.received ?? complete.host, address);
  assert.deepEqual(via(complete.raw).params, complete.params);
  return complete.raw;
}

function via(text: string): Via {
  const parsed = parseVia(text);
  assert.ok(parsed.ok, text);
  return parsed.value;
}

test('reads the three forms of an address', () => {
  const quoted = nameAddr('"Bob \\"the\\" B, <x>" <sip:bob@b.com;lr>;tag=1;q="0,5"');
  assert.equal(quoted.display, 'Bob "the" B, <x>');
  assert.equal(quoted.uri, 'sip:bob@b.com;lr');
  assert.equal(quoted.tag, '1');
  assert.equal(quoted.params.get('q'), '0,5');
  const tokens = nameAddr('Bob  Smith <sip:bob@b.com>');
  assert.equal(tokens.display, 'Bob  Smith');
  assert.equal(tokens.tag, undefined);
  assert.ok(tokens.parsedUri.ok && tokens.parsedUri.value.user === 'bob');
});

test('[S3261-20.10-01] without brackets the parameters belong to the header', () => {
  const parsed = nameAddr('sip:a@b ; expires=60;tag=x');
  assert.equal(parsed.uri, 'sip:a@b');
  assert.equal(parsed.params.get('expires'), '60');
});

test('[S4475-3.1.1.6-01] no space is needed before the bracket', () => {
  assert.equal(nameAddr('caller<sip:caller@example.com>;tag=323').display, 'caller');
});

test('[S4475-3.1.2.13-01] a URI with a header part needs brackets', () => {
  assert.equal(parseNameAddr('sip:user@example.com?Route=%3Csip:x%3E').ok, false);
});

test('refuses malformed addresses', () => {
  for (const text of [
    '',
    '"Bob <sip:a@b>',
    '"Bob" sip:a@b',
    '<sip:a@b',
    '<>',
    '<sip:>',
    '< sip:a@b>',
    'Bell, Alexander <sip:a@b>',
    '<sip:a@b>;;tag=1',
    '<sip:a@b> junk',
    '<sip:a@b>;tag="x',
    'sip:a@b, sip:c@d',
  ]) {
    assert.equal(parseNameAddr(text).ok, false, text);
  }
});

test('writes addresses that read back the same', () => {
  const params: [string, string | undefined][] = [
    ['tag', 'a1'],
    ['ob', undefined],
    ['+sip.instance', '<urn:uuid:1>'],
  ];
  const text = formatNameAddr({ display: 'A "B" \\', uri: 'sip:a@b', params });
  const parsed = nameAddr(text);
  assert.equal(parsed.display, 'A "B" \\');
  assert.deepEqual([...parsed.params], params);
  assert.equal(formatNameAddr({ uri: 'sip:a@b' }), '<sip:a@b>');
});

test('reads Via values', () => {
  const plain = via('SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK1;rport;received=10.0.0.2;x');
  assert.equal(plain.transport, 'UDP');
  assert.equal(plain.host, '10.0.0.1');
  assert.equal(plain.port, 5070);
  assert.equal(plain.branch, 'z9hG4bK1');
  assert.equal(plain.rport, true);
  assert.equal(plain.received, '10.0.0.2');
  assert.ok(plain.params.has('x'));
  const spaced = via('SIP  /   2.0 / tls   [2001:db8::9:1] : 5061 ;  branch = z9');
  assert.deepEqual(
    [spaced.transport, spaced.host, spaced.port, spaced.branch],
    ['TLS', '[2001:db8::9:1]', 5061, 'z9'],
  );
  assert.equal(via('SIP/2.0/UDP h;rport=7').rport, 7);
});

test('[S5118-4.9-01] an IPv4-mapped reference in Via', () => {
  const mapped = via('SIP/2.0/UDP [::ffff:192.0.2.10]:19823;branch=z9hG4bKbh19');
  assert.deepEqual([mapped.host, mapped.port], ['[::ffff:192.0.2.10]', 19823]);
});

test('[S5118-4.5-01] [S5118-4.5-02] received with and without brackets; written without', () => {
  assert.equal(
    via('SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z').received,
    '[2001:db8::9:255]',
  );
  assert.equal(
    via('SIP/2.0/UDP [2001:db8::9:1];received=2001:db8::9:255;branch=z').received,
    '2001:db8::9:255',
  );
  assert.equal(
    completeVia(via('SIP/2.0/UDP [2001:db8::9:1];branch=z'), '2001:db8::2', 5060),
    'SIP/2.0/UDP [2001:db8::9:1];branch=z;received=2001:db8::2',
  );
});

test('refuses malformed Via values', () => {
  for (const text of [
    '',
    'SIP/2.0/UDP',
    'SIP/3.0/UDP h',
    'SIP/2.0/ h;;',
    'SIP/2.0/UDP h:x',
    'SIP/2.0/UDP h:70000',
    'SIP/2.0/UDP [::1;branch=z',
    'SIP/2.0/UDP h;branch=z,',
    'SIP/2.0/UDP h;;,;,,',
  ]) {
    assert.equal(parseVia(text).ok, false, text);
  }
});

test('[S3261-18.2.1-01] received is added when sent-by is a name or another address', () => {
  const name = 'SIP/2.0/TCP pc33.example:5060;branch=z9hG4bK1';
  assert.equal(completeVia(via(name), '10.0.0.9', 4444), `${name};received=10.0.0.9`);
  const same = 'SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK1';
  assert.equal(completeVia(via(same), '10.0.0.9', 4444), same);
});

test('[S3581-4-01] a bare rport is filled in, and received is added even when it equals sent-by', () => {
  assert.equal(
    completeVia(via('SIP/2.0/UDP 10.0.0.9:5060;rport;branch=z9hG4bK1'), '10.0.0.9', 4444),
    'SIP/2.0/UDP 10.0.0.9:5060;rport=4444;branch=z9hG4bK1;received=10.0.0.9',
  );
  assert.equal(
    completeVia(via('SIP/2.0/UDP h;rport=;received=1.1.1.1;branch=z9hG4bK1'), '10.0.0.9', 4444),
    'SIP/2.0/UDP h;rport=4444;branch=z9hG4bK1;received=10.0.0.9',
  );
});

test('[S5954-5-01] IPv6 is written in RFC 5952 form', () => {
  for (const [text, written] of [
    ['2001:0DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['fe80:0:0:0:0:0:0:1', 'fe80::1'],
    ['1:2:3:4:5:6:0:0', '1:2:3:4:5:6::'],
  ] as const) {
    const groups = parseIpv6(text);
    assert.ok(groups !== undefined, text);
    assert.equal(formatIpv6(groups), written);
  }
  for (const bad of [
    '1:2:3',
    ':::',
    '1::2::3',
    '12345::',
    '1:2:3:4:5:6:7:8:9',
    '::1.2.3',
    '1.2.3.4::',
  ]) {
    assert.equal(parseIpv6(bad), undefined, bad);
  }
});

test('dotted decimal', () => {
  for (const good of ['0.0.0.0', '255.255.255.255', '10.1.2.3']) assert.ok(isIpv4(good), good);
  for (const bad of [
    '',
    '1.2.3',
    '1.2.3.4.5',
    '256.1.1.1',
    '01.2.3.4',
    '1..2.3',
    '1.2.3.x',
    '.1.2.3',
  ]) {
    assert.ok(!isIpv4(bad), bad);
  }
});
