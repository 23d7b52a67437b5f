import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  bracketed,
  canonicalAddress,
  canonicalHost,
  formatIpv6,
  isIpv4,
  parseIpv6,
} from '../../../../src/sip/message/ip.ts';

test('[S5954-5-01] IPv6 is written in RFC 5952 form', () => {
  for (const [text, written] of [
    ['2001:0DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['0:0:0:0:0:0:0:0', '::'],
    ['1:0:2:3:4:5:6:7', '1:0:2:3:4:5:6:7'],
    ['1:0:0:0:2:0:0:3', '1::2:0:0:3'],
    ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ['::ffff:192.0.2.1', '::ffff:192.0.2.1'],
    ['::FFFF:FF01:0203', '::ffff:255.1.2.3'],
    ['::fffe:1:2', '::fffe:1:2'],
    ['1::ffff:1:2', '1::ffff:1:2'],
    ['0:0:0:0:1:ffff:1:2', '::1:ffff:1:2'],
    ['fe80:0:0:0:0:0:0:1', 'fe80::1'],
    ['1:2:3:4:5:6:0:0', '1:2:3:4:5:6::'],
    ['0:0:3:4:5:6:7:8', '::3:4:5:6:7:8'],
    ['1:2:3:4:5:6:7:8', '1:2:3:4:5:6:7:8'],
    ['1:2:3:4:5:6:7:0', '1:2:3:4:5:6:7:0'],
  ] as const) {
    const groups = parseIpv6(text);
    assert.ok(groups !== undefined, text);
    assert.equal(groups.length, 8);
    assert.equal(formatIpv6(groups), written);
  }
});

test('[S5954-4.1-01] IPv6 is read compressed, mixed and in full', () => {
  const table: readonly (readonly [string, readonly number[]])[] = [
    ['::', [0, 0, 0, 0, 0, 0, 0, 0]],
    ['::1', [0, 0, 0, 0, 0, 0, 0, 1]],
    ['1::', [1, 0, 0, 0, 0, 0, 0, 0]],
    ['1:2:3::7:8', [1, 2, 3, 0, 0, 0, 7, 8]],
    ['1:2:3:4:5:6:7::', [1, 2, 3, 4, 5, 6, 7, 0]],
    ['1:2:3:4:5:6:7:8', [1, 2, 3, 4, 5, 6, 7, 8]],
    ['::1.2.3.4', [0, 0, 0, 0, 0, 0, 0x102, 0x304]],
    ['1:2:3:4:5:6:255.254.253.252', [1, 2, 3, 4, 5, 6, 0xfffe, 0xfdfc]],
    ['ABCD::ef01', [0xabcd, 0, 0, 0, 0, 0, 0, 0xef01]],
    ['0001:0:0:0:0:0:0:0001', [1, 0, 0, 0, 0, 0, 0, 1]],
    [
      'ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255',
      [0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff],
    ],
  ];
  for (const [text, groups] of table) assert.deepEqual(parseIpv6(text), groups, text);
});

test('what is no IPv6 address is refused', () => {
  for (const bad of [
    ...['', ':', '1', '1:2:3', ':::', '1::2::3', '12345::', '1:2:3:4:5:6:7:8:9', '::1.2.3', 'g::'],
    ...[
      '1.2.3.4::',
      '1.2.3.4:1:2:3:4:5:6',
      '::1.2.3.4:1',
      '1:2:3:4:5:6:7:1.2.3.4',
      ':1:2:3:4:5:6:7',
    ],
    ...[
      '1:2:3:4:5:6:7:',
      '1:2:3:4:5:6:7:8::',
      '::1:2:3:4:5:6:7:8',
      '::1%eth0',
      '[::1]',
      '::256.1.1.1',
    ],
    ...['1:2:3:4::5:6:7:8', '::00001', '1::2:', ':1::2'],
    `::${'0'.repeat(60)}`,
    '1:2:3:4:5:6:7:8::1::2',
    '1:2:3:4:5:6:7:8::',
  ]) {
    assert.equal(parseIpv6(bad), undefined, bad);
  }
});

test('dotted decimal', () => {
  for (const good of ['0.0.0.0', '255.255.255.255', '10.1.2.3', '100.200.9.19']) {
    assert.ok(isIpv4(good), good);
  }
  for (const bad of [
    ...['', '1.2.3', '1.2.3.4.5', '256.1.1.1', '1.1.1.256', '01.2.3.4', '1..2.3', '1.2.3.x'],
    ...[
      '.1.2.3',
      '1.2.3.',
      '1.2.3.4.',
      '00.0.0.0',
      '1.2.3.4 ',
      '1/2.3.4',
      '1:2.3.4.5',
      '999.1.1.1',
    ],
  ]) {
    assert.ok(!isIpv4(bad), bad);
  }
});

test('hosts and addresses have one spelling', () => {
  const hosts: readonly (readonly [string, string])[] = [
    ['Example.COM', 'example.com'],
    ['[2001:DB8::0:1]', '[2001:db8::1]'],
    ['[NO]', '[no]'],
    ['2001:DB8::0:1', '2001:db8::0:1'],
    ['ex%41mple', 'ex%41mple'],
  ];
  for (const [host, expected] of hosts) assert.equal(canonicalHost(host), expected);
  const addresses: readonly (readonly [string, string])[] = [
    ['[2001:DB8::0:1]', '2001:db8::1'],
    ['2001:DB8::0:1', '2001:db8::1'],
    ['::FFFF:1.2.3.4', '::ffff:1.2.3.4'],
    ['10.0.0.1', '10.0.0.1'],
    ['Name', 'name'],
    ['[2001:DB8::1', '[2001:db8::1'],
    ['A:Z', 'a:z'],
  ];
  for (const [address, expected] of addresses) assert.equal(canonicalAddress(address), expected);
});

test('only IPv6 is put in brackets, once', () => {
  assert.equal(bracketed('::1'), '[::1]');
  assert.equal(bracketed('[::1]'), '[::1]');
  assert.equal(bracketed('10.0.0.1'), '10.0.0.1');
});
