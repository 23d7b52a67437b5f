import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as sip from '../../../../src/node/edge/sip-text.ts';

const text = [
  'INVITE sip:bob@example.com SIP/2.0',
  'v: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1 , SIP/2.0/UDP',
  '  192.0.2.2;branch=z9hG4bK2;rport',
  'Via: SIP/2.0/UDP 192.0.2.3',
  't: "Bob, the; tag=x" <sip:bob@example.com;tag=no>;tag=yes',
  'Route: <sip:a,b@192.0.2.9;lr>, "x,y" <sip:c@192.0.2.8>',
  'i: one',
  'Content-Length: 4',
].join('\r\n');
const message = Buffer.from(`${text}\r\n\r\nbo\r\n`, 'latin1');

function head(): sip.SipHead {
  const read = sip.readHead(message);
  assert.ok(read !== undefined);
  return read;
}

test('a message that nothing changes is written as it came', () => {
  assert.deepEqual(Buffer.from(sip.writeHead(head())), message);
});

test('fields are found by long and compact names, folded and in lists', () => {
  assert.equal(sip.methodOf(head()), 'INVITE');
  assert.equal(sip.uriOf(head()), 'sip:bob@example.com');
  assert.deepEqual(sip.allOf(head(), 'via'), [
    'SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1',
    'SIP/2.0/UDP  192.0.2.2;branch=z9hG4bK2;rport',
    'SIP/2.0/UDP 192.0.2.3',
  ]);
  assert.deepEqual(sip.listOf(head(), 'route'), [
    '<sip:a,b@192.0.2.9;lr>',
    '"x,y" <sip:c@192.0.2.8>',
  ]);
  assert.equal(sip.valueOf(head(), 'call-id'), 'one');
  assert.equal(sip.valueOf(head(), 'cseq'), undefined);
});

test('parameters are those of the entry, not of its URI or its display name', () => {
  assert.equal(sip.paramOf(sip.valueOf(head(), 'to') ?? '', 'tag'), 'yes');
  const [top = '', second = ''] = sip.allOf(head(), 'via');
  assert.equal(sip.paramOf(top, 'branch'), 'z9hG4bK1');
  assert.equal(sip.paramOf(top, 'rport'), undefined);
  assert.equal(sip.paramOf(second, 'rport'), '');
});

test('entries are replaced in place, and fields taken away', () => {
  const changed = head();
  sip.replaceAll(changed, 'via', 'Via', ['SIP/2.0/UDP 192.0.2.7']);
  sip.replaceAll(changed, 'record-route', 'Record-Route', ['<sip:192.0.2.6;lr>']);
  assert.deepEqual(sip.remove(changed, 'route').length, 1);
  const written = Buffer.from(sip.writeHead(changed)).toString('latin1');
  assert.equal(written.match(/^(?:v|Via): .*$/gim)?.join(), 'Via: SIP/2.0/UDP 192.0.2.7');
  assert.match(written, /^INVITE .*\r\nRecord-Route: <sip:192\.0\.2\.6;lr>\r\n/);
  assert.ok(!/^Route:/m.test(written));
  assert.ok(written.endsWith('\r\n\r\nbo\r\n'));
});

test('what has no head is none', () => {
  for (const bytes of ['', '\r\n\r\n', 'INVITE sip:x SIP/2.0\r\nVia: x\r\n']) {
    assert.equal(sip.readHead(Buffer.from(bytes)), undefined);
  }
  assert.equal(sip.methodOf({ start: 'SIP/2.0 200 OK', fields: [], body: new Uint8Array() }), '');
});

test('the cost of hostile heads grows with their size only', () => {
  const cost = (bytes: number): number => {
    const folded = Buffer.from(
      `INVITE sip:x SIP/2.0\r\nVia: x${'\r\n ,"'.repeat(bytes / 5)}\r\n\r\n`,
    );
    const began = performance.now();
    for (let i = 0; i < 20; i++) {
      const read = sip.readHead(folded);
      if (read !== undefined) sip.allOf(read, 'via');
    }
    return performance.now() - began;
  };
  cost(8192);
  const small = Math.max(cost(8192), 0.5);
  assert.ok(cost(65_536) < 40 * small);
});
