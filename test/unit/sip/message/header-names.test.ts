import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  headerId,
  headerIds,
  longHeaderName,
  scanHeaderId,
} from '../../../../src/sip/message/header-names.ts';

/** RFC 3261 §20 and the registry of header fields: long form, compact form. */
const compact: readonly (readonly [string, string])[] = [
  ['Via', 'v'],
  ['From', 'f'],
  ['To', 't'],
  ['Call-ID', 'i'],
  ['Content-Length', 'l'],
  ['Content-Type', 'c'],
  ['Contact', 'm'],
  ['Supported', 'k'],
  ['Accept-Contact', 'a'],
  ['Reject-Contact', 'j'],
  ['Request-Disposition', 'd'],
  ['Allow-Events', 'u'],
  ['Event', 'o'],
  ['Subject', 's'],
  ['Content-Encoding', 'e'],
  ['Refer-To', 'r'],
  ['Referred-By', 'b'],
  ['Session-Expires', 'x'],
  ['Identity', 'y'],
];

const long = [
  ...['CSeq', 'Max-Forwards', 'Record-Route', 'Timestamp', 'Route', 'Expires', 'Authorization'],
  ...['Proxy-Authorization', 'WWW-Authenticate', 'Proxy-Authenticate', 'Authentication-Info'],
  ...['Require', 'Proxy-Require', 'Unsupported', 'Allow', 'Accept', 'Accept-Encoding'],
  ...['Accept-Language', 'Alert-Info', 'Subscription-State', 'User-Agent', 'Server'],
  ...['Content-Disposition', 'Content-Language', 'MIME-Version', 'Date', 'Warning'],
  ...['Retry-After', 'Min-Expires', 'Path', 'Service-Route', 'Reason', 'Replaces', 'Min-SE'],
  ...['RSeq', 'RAck', 'Privacy', 'P-Asserted-Identity', 'P-Preferred-Identity', 'History-Info'],
  ...['Diversion', 'Max-Breadth', 'Flow-Timer', 'Organization', 'Priority', 'In-Reply-To'],
  ...['Reply-To', 'Error-Info', 'Call-Info', 'Join'],
];

test('[S3261-7.3.3-01] every compact form stands for its long one, in either case', () => {
  for (const [name, letter] of compact) {
    const id = headerId(name);
    assert.notEqual(id, 0, name);
    for (const text of [letter, letter.toUpperCase()]) {
      assert.equal(scanHeaderId(text, 0, 1), id, text);
      assert.equal(headerId(text), id, text);
    }
  }
});

test('every known name is found in any case, has its own id, and is written in its long form', () => {
  const names = [...compact.map(([name]) => name), ...long];
  const ids = names.map((name) => {
    const id = headerId(name);
    assert.equal(longHeaderName(id), name);
    for (const text of [name, name.toLowerCase(), name.toUpperCase()]) {
      assert.equal(scanHeaderId(`x${text}:`, 1, 1 + text.length), id, text);
      assert.equal(headerId(text), id);
    }
    return id;
  });
  assert.equal(new Set(ids).size, names.length);
  assert.ok(!ids.includes(0));
});

test('the ids that the core works with are those of their names', () => {
  const table: readonly (readonly [number, string])[] = [
    [headerIds.via, 'Via'],
    [headerIds.from, 'From'],
    [headerIds.to, 'To'],
    [headerIds.callId, 'Call-ID'],
    [headerIds.cseq, 'CSeq'],
    [headerIds.contentLength, 'Content-Length'],
    [headerIds.contentType, 'Content-Type'],
    [headerIds.maxForwards, 'Max-Forwards'],
    [headerIds.recordRoute, 'Record-Route'],
    [headerIds.timestamp, 'Timestamp'],
  ];
  for (const [id, name] of table) assert.equal(headerId(name), id, name);
});

test('other names have no id: longer ones, shorter ones, and those that differ in one letter', () => {
  for (const name of [
    'X-Via',
    'Vi',
    'Viaa',
    'Vxa',
    'Fro',
    'Froms',
    'Frxm',
    'z',
    '',
    'Rouse',
    '@',
  ]) {
    assert.equal(headerId(name), 0, name);
    assert.equal(scanHeaderId(name, 0, name.length), 0, name);
  }
  // A character 32 below a letter is not that letter unless it is one itself.
  assert.equal(scanHeaderId('Call\rID', 0, 7), 0);
  assert.equal(scanHeaderId('[ia', 0, 3), 0);
  assert.equal(longHeaderName(0), '');
  assert.equal(longHeaderName(10_000), '');
});
