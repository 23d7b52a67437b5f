import assert from 'node:assert/strict';
import { test } from 'node:test';
import { completeVia, parseVia } from '../../../../src/sip/message/via.ts';
import type { Via } from '../../../../src/sip/message/via.ts';

function via(text: string): Via {
  const parsed = parseVia(text);
  assert.ok(parsed.ok, text);
  return parsed.value;
}

function completed(text: string, address: string, port: number): string {
  const value = via(text);
  const complete = completeVia(value, address, port);
  assert.equal(complete.received ?? complete.host, address);
  assert.deepEqual(via(complete.raw).params, complete.params);
  const { transport, host, branch, rport } = via(complete.raw);
  assert.deepEqual(
    [complete.transport, complete.host, complete.port, complete.branch, complete.rport],
    [transport, host, value.port, branch, rport],
  );
  return complete.raw;
}

test('reads Via values', () => {
  const plain = via('SIP/2.0/UDP 10.0.0.1:5070;branch=z9hG4bK1;rport;received=10.0.0.2;x');
  assert.equal(plain.transport, 'UDP');
  assert.equal(plain.host, '10.0.0.1');
  assert.equal(plain.port, 5070);
  assert.equal(plain.branch, 'z9hG4bK1');
  assert.equal(plain.rport, true);
  assert.equal(plain.received, '10.0.0.2');
  assert.deepEqual([...plain.params.keys()], ['branch', 'rport', 'received', 'x']);
  const spaced = via('SIP  /   2.0 / tls   [2001:db8::9:1] : 5061 ;  branch = z9');
  assert.deepEqual(
    [spaced.transport, spaced.host, spaced.port, spaced.branch],
    ['TLS', '[2001:db8::9:1]', 5061, 'z9'],
  );
  assert.deepEqual([...spaced.params], [['branch', 'z9']]);
});

test('the values of rport: a number, none, or nothing that counts', () => {
  const table: readonly (readonly [string, number | true | undefined])[] = [
    [';rport', true],
    [';rport=', true],
    [';rport=7', 7],
    [';rport=65535', 65_535],
    [';rport=65536', undefined],
    [';rport=x', undefined],
    [';rport=7;rport=8', 7],
    [';xrport', undefined],
  ];
  for (const [params, expected] of table)
    assert.equal(via(`SIP/2.0/UDP h${params}`).rport, expected);
});

test('transports, hosts and ports of every shape', () => {
  const table: readonly (readonly [string, string, string, number | undefined])[] = [
    ['SIP/2.0/TCP h', 'TCP', 'h', undefined],
    ['SIP/2.0/udp h_x.9-y:0', 'UDP', 'h_x.9-y', 0],
    ['SIP/2.0/WsS h:65535', 'WSS', 'h', 65_535],
    ['sip/2.0/x h\t:\t1 ', 'X', 'h', 1],
    ['SIP/2.0/ UDP h', 'UDP', 'h', undefined],
    ['SIP/2.0/UDP [::1]:5;x', 'UDP', '[::1]', 5],
  ];
  for (const [text, transport, host, port] of table) {
    const value = via(text);
    assert.deepEqual([value.transport, value.host, value.port], [transport, host, port], text);
    assert.equal(value.raw, text);
  }
  const doubled = via('SIP/2.0/UDP h;branch=1;branch=2;received=3;received=4');
  assert.deepEqual([doubled.branch, doubled.received], ['1', '3']);
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
    completed('SIP/2.0/UDP [2001:db8::9:1];branch=z', '2001:db8::2', 5060),
    'SIP/2.0/UDP [2001:db8::9:1];branch=z;received=2001:db8::2',
  );
});

test('malformed Via values are refused with a word', () => {
  const table: readonly (readonly [string, string])[] = [
    ['', 'bad-via-protocol'],
    ['SIP/3.0/UDP h', 'bad-via-protocol'],
    ['XSIP/2.0/UDP h', 'bad-via-protocol'],
    ['SIP/2.0/UDP', 'bad-via-transport'],
    ['SIP/2.0/ ;h', 'bad-via-transport'],
    ['SIP/2.0/UDP:h', 'bad-via-transport'],
    ['SIP/2.0/UDP ', 'bad-via-host'],
    ['SIP/2.0/UDP ;x', 'bad-via-host'],
    ['SIP/2.0/UDP [::1;branch=z', 'bad-via-host'],
    ['SIP/2.0/UDP h:x', 'bad-via-port'],
    ['SIP/2.0/UDP h:', 'bad-via-port'],
    ['SIP/2.0/UDP h:/', 'bad-via-port'],
    ['SIP/2.0/UDP h::', 'bad-via-port'],
    ['SIP/2.0/UDP h:70000', 'bad-via-port'],
    ['SIP/2.0/UDP h:5x', 'bad-via-parameter'],
    ['SIP/2.0/UDP h x', 'bad-via-parameter'],
    ['SIP/2.0/UDP h;branch=z,', 'bad-via-parameter'],
    ['SIP/2.0/UDP h;;,;,,', 'bad-via-parameter'],
    ['SIP/2.0/UDP [::1]x', 'bad-via-parameter'],
  ];
  for (const [text, error] of table) assert.deepEqual(parseVia(text), { ok: false, error }, text);
});

test('[S3261-18.2.1-01] received is added when sent-by is a name or another address', () => {
  const name = 'SIP/2.0/TCP pc33.example:5060;branch=z9hG4bK1';
  assert.equal(completed(name, '10.0.0.9', 4444), `${name};received=10.0.0.9`);
  const same = via('SIP/2.0/UDP 10.0.0.9;branch=z9hG4bK1');
  assert.equal(completeVia(same, '10.0.0.9', 4444), same);
  const mapped = via('SIP/2.0/UDP [2001:DB8::0:1];branch=z9hG4bK1');
  assert.equal(completeVia(mapped, '2001:db8::1', 4444), mapped);
  const known = via('SIP/2.0/UDP pc33.example;received=10.0.0.9');
  assert.equal(completeVia(known, '10.0.0.9', 4444), known);
});

test('[S3581-4-01] a bare rport is filled in, and received is added even when it equals sent-by', () => {
  const table: readonly (readonly [string, string])[] = [
    [
      'SIP/2.0/UDP 10.0.0.9:5060;rport;branch=z9hG4bK1',
      'SIP/2.0/UDP 10.0.0.9:5060;rport=4444;branch=z9hG4bK1;received=10.0.0.9',
    ],
    [
      'SIP/2.0/UDP h;rport=;received=1.1.1.1;branch=z9hG4bK1',
      'SIP/2.0/UDP h;rport=4444;branch=z9hG4bK1;received=10.0.0.9',
    ],
    ['SIP/2.0/UDP h; RPORT ;x', 'SIP/2.0/UDP h;rport=4444;x;received=10.0.0.9'],
    ['SIP/2.0/UDP h;rport;received=10.0.0.9', 'SIP/2.0/UDP h;rport=4444;received=10.0.0.9'],
    ['SIP/2.0/UDP h;received=1.1.1.1', 'SIP/2.0/UDP h;received=10.0.0.9'],
    ['SIP/2.0/UDP 10.0.0.9;rport=7;x', 'SIP/2.0/UDP 10.0.0.9;rport=7;x;received=10.0.0.9'],
  ];
  for (const [text, expected] of table) assert.equal(completed(text, '10.0.0.9', 4444), expected);
});
