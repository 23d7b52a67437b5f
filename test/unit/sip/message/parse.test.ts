/** The framing of a message, its start line and its rows, at their edges. RFC 3261 §7, §25.1. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits } from '../../../../src/base/limits.ts';
import { latin1Decode, latin1Encode } from '../../../../src/base/text.ts';
import { parseMessage } from '../../../../src/sip/message/message.ts';
import { invite, parse, refusal, request, textOf } from './support.ts';

const { sipMessage } = limits;

/** The request with another start line. */
function withStart(line: string): string {
  return invite.replace(/^.*\r\n/, `${line}\r\n`);
}

test('start lines: exactly one space between three parts, the version of either case', () => {
  const table: readonly (readonly [string, string])[] = [
    ['INVITE  sip:bob@example.com SIP/2.0', 'bad-request-uri'],
    [' INVITE sip:bob@example.com SIP/2.0', 'bad-method'],
    ['INVITE', 'bad-method'],
    ['INVITE\tsip:bob@example.com SIP/2.0', 'bad-method'],
    ['INVITE sip:bob@example.com', 'bad-request-line'],
    ['INVITE SIP/2.0', 'bad-request-line'],
    ['INVITE  SIP/2.0', 'bad-request-line'],
    ['INVITE sip:bob@example.com  SIP/2.0', 'bad-request-uri'],
    ['INVITE sip:bob@example.com SIP/2.0 ', 'bad-request-line'],
    ['INVITE sip:bob@example.com SIP/2.1', 'bad-version'],
    ['INVITE sip:bob@example.com sip/12.34', 'bad-version'],
    ['INVITE sip:bob@example.com xSIP/3.0', 'bad-request-line'],
    ['INVITE sip:bob@example.com SIP/2.0x', 'bad-request-line'],
    ['INVITE sip:bob@example.com SIP/2.', 'bad-request-line'],
    ['INVITE sip:bob@example.com HTTP/1.1', 'bad-request-line'],
    ['INVITE a:b SIP 2.0', 'bad-request-line'],
    ['INVITE sip:bob@example.com XIP/2.0', 'bad-request-line'],
    ['INVITE <sip:bob@example.com> SIP/2.0', 'bad-request-uri'],
    ['INVITE sip: SIP/2.0', 'bad-request-uri'],
    ['INVITE sip:bob@example.com?a=b SIP/2.0', 'request-uri-with-headers'],
    ['', 'bad-method'],
  ];
  for (const [line, reason] of table) assert.equal(refusal(withStart(line)).reason, reason, line);
  assert.equal(request(withStart('INVITE a:b Sip/2.0')).uri, 'a:b');
  assert.equal(refusal('INVITE sip:b SIP/2.0').reason, 'no-start-line');
  assert.equal(refusal('INVITE sip:b SIP/2.0\rVia: x\r\n').reason, 'no-start-line');
  assert.equal(refusal('').reason, 'no-start-line');
});

test('[S5118-4.10-01] three colons before an embedded IPv4 address are read as two', () => {
  const uri = (text: string) => request(withStart(`INVITE ${text} SIP/2.0`)).uri;
  const old = 'sip:a@[2001:db8:::192.0.2.1]';
  assert.equal(uri(old), 'sip:a@[2001:db8::192.0.2.1]');
  const passedOn = request(withStart(`INVITE ${old} SIP/2.0`))
    .edit()
    .set('Max-Forwards', '1');
  assert.ok(!textOf(passedOn.build()).includes(':::'));
  assert.equal(
    refusal(withStart('INVITE sip:a@[2001:db8:::1:2] SIP/2.0')).reason,
    'bad-request-uri',
  );
});

test('status lines: three digits from 100 to 699, and a phrase that may be empty', () => {
  const ok = invite
    .replace(/^.*\r\n/, 'SIP/2.0 200 OK\r\n')
    .replace('TO:<sip:bob@example.com>', 'TO:<sip:bob@example.com>;tag=2');
  const withLine = (line: string): string => ok.replace('SIP/2.0 200 OK', line);
  const good: readonly (readonly [string, number, string])[] = [
    ['SIP/2.0 200 OK', 200, 'OK'],
    ['sip/2.0 100 Trying it', 100, 'Trying it'],
    ['SIP/2.0 699 ', 699, ''],
    ['SIP/2.0 200', 200, ''],
    ['Sip/2.0 200  two', 200, ' two'],
  ];
  for (const [line, status, reason] of good) {
    const message = parse(withLine(line));
    assert.ok(message.kind === 'response', line);
    assert.deepEqual([message.status, message.reason], [status, reason], line);
  }
  const bad: readonly (readonly [string, string])[] = [
    ['SIP/2.0 099 x', 'bad-status'],
    ['SIP/2.0 700 x', 'bad-status'],
    ['SIP/2.0 20 x', 'bad-status'],
    ['SIP/2.0 2000 x', 'bad-status'],
    ['SIP/2.0 2x0 x', 'bad-status'],
    ['SIP/2.0 20', 'bad-status'],
    ['SIP/2.0 200\tOK', 'bad-status'],
    ['SIP/2.0 200 a\nb', 'bad-status'],
    ['SIP/2.0 200 a\0b', 'bad-status'],
    ['SIP/2.0  200 OK', 'bad-status'],
    ['SIP/3.0 200 OK', 'bad-version'],
    ['SIP/2.0', 'bad-version'],
    ['SIP/ 2.0 200', 'bad-version'],
  ];
  for (const [line, reason] of bad) {
    assert.deepEqual(refusal(withLine(line)), { reason, status: undefined }, line);
  }
});

test('[S3261-7.5-01] line ends before the start line are skipped, and are no part of the message', () => {
  const message = request(`\r\n\r\n${invite}`);
  assert.equal(textOf(message), invite);
  assert.equal(message.method, 'INVITE');
  assert.equal(refusal(`\r${invite}`).reason, 'no-start-line');
  assert.equal(refusal(`\n${invite}`).reason, 'bad-method');
});

test('folded rows are one line; blanks round names and values do not count', () => {
  const message = request(
    invite.replace('X-Odd:  keep   this ', 'X-Odd \t: \t one\r\n  two\r\n\tthree \r\nX-Next:\t'),
  );
  assert.equal(message.header('X-Odd'), 'one two three');
  assert.equal(message.header('X-Next'), '');
  assert.equal(message.header('Timestamp'), '54');
  const folded = request(invite.replace('i: call', 'i:\r\n call').replace('l: 4', 'l:\r\n\t4'));
  assert.equal(folded.callId, 'call-1@example.com');
  assert.equal(latin1Decode(folded.body), 'body');
  assert.deepEqual(
    [...request(invite).allRows()].slice(0, 3).map(([name]) => name),
    ['Via', 'v', 'Max-Forwards'],
  );
});

test('rows that break the grammar are named', () => {
  const table: readonly (readonly [string, string])[] = [
    [': x', 'bad-header-line'],
    ['X-Odd', 'bad-header-line'],
    ['X<: y', 'bad-header-line'],
    ['X Y: z', 'bad-header-line'],
    ['X: a\r\n b\nc', 'bad-header-line'],
    ['X: a\r\n \0', 'bad-header-line'],
    ['X: a\rb', 'bare-cr'],
    ['X: a\r\n b\rc', 'bare-cr'],
    ['X: a\nb', 'bare-lf'],
    ['X: a\n', 'bare-lf'],
    ['X: a\0', 'nul-in-header'],
    ['X: \\\0 \0', 'nul-in-header'],
    ['CSeq: 8 INVITE', 'doubled-cseq'],
    ['Call-ID: other', 'doubled-call-id'],
    ['From: <sip:x@y>', 'doubled-from'],
    ['To: <sip:x@y>', 'doubled-to'],
    ['Max-Forwards: 1', 'doubled-max-forwards'],
    ['Content-Length: 3', 'contradictory-content-length'],
  ];
  for (const [row, reason] of table) {
    const text = invite.replace('X-Odd:  keep   this ', () => row);
    assert.deepEqual(refusal(text), { reason, status: 400 }, JSON.stringify(row));
  }
  const quotedPair = request(invite.replace('X-Odd:  keep   this ', () => 'X-Odd: \\\0'));
  assert.equal(quotedPair.header('X-Odd'), '\\\0');
  assert.equal(request(invite.replace('X-Odd', 'Content-Length: 4\r\nX-Odd')).body.length, 4);
  assert.equal(latin1Decode(request(invite.replace('body', 'b\0\n\r')).body), 'b\0\n\r');
});

test('mandatory fields that cannot be read are named', () => {
  const table: readonly (readonly [string | RegExp, string, string])[] = [
    ['SIP/2.0/UDP a.example', 'SIP/2.0/UDP', 'bad-via-transport'],
    ['<sip:alice@example.com>', '<sip:alice@example.com', 'from-unterminated-bracket'],
    ['TO:<sip:bob@example.com>', 'TO:', 'to-bad-uri'],
    [/i: .*\r\n/, 'i: \r\n', 'bad-call-id'],
    ['7 INVITE', '7', 'bad-cseq'],
    ['7 INVITE', '7 ', 'bad-cseq'],
    ['7 INVITE', 'INVITE', 'bad-cseq'],
    ['7 INVITE', '7INVITE', 'bad-cseq'],
    ['7 INVITE', '7 BYE', 'method-mismatch'],
  ];
  for (const [from, to, reason] of table) {
    assert.equal(refusal(invite.replace(from, to)).reason, reason);
  }
  assert.equal(request(invite.replace('7 INVITE', '0 \t INVITE')).cseq.number, 0);
  assert.equal(parse(invite.replace(/^.*\r\n/, 'SIP/2.0 200 OK\r\n')).cseq.method, 'INVITE');
});

test('a header section may have 512 rows and 64 kB, a body 256 kB', () => {
  const rowCount = invite.split('\r\n\r\n')[0]?.split('\r\n').slice(1).length ?? 0;
  const rows = (count: number): string =>
    invite.replace('X-Odd', `${'X: y\r\n'.repeat(count - rowCount)}X-Odd`);
  assert.equal([...request(rows(sipMessage.headerRows)).allRows()].length, sipMessage.headerRows);
  assert.equal(refusal(rows(sipMessage.headerRows + 1)).reason, 'too-many-headers');

  const startLine = invite.indexOf('\r\n') + 2;
  const section = invite.indexOf('\r\n\r\n') + 2 - startLine;
  const filled = (size: number): string =>
    invite.replace('keep', () => 'k'.repeat(size - section + 4));
  assert.equal(request(filled(sipMessage.headerBytes)).header('Timestamp'), '54');
  assert.equal(refusal(filled(sipMessage.headerBytes + 1)).reason, 'too-large');

  const body = (length: number): string =>
    invite.replace('l: 4', `l: ${String(length)}`) + 'x'.repeat(length - 4);
  assert.equal(request(body(sipMessage.bodyBytes)).body.length, sipMessage.bodyBytes);
  assert.equal(refusal(body(sipMessage.bodyBytes + 1)).reason, 'bad-content-length');

  const whole = (size: number) => parseMessage(latin1Encode(invite.padEnd(size, 'x')));
  const most = sipMessage.headerBytes + sipMessage.bodyBytes;
  assert.equal(whole(most).ok, true);
  const larger = whole(most + 1);
  assert.deepEqual(larger, { ok: false, error: { reason: 'too-large' } });
});

test('[S3261-18.2.1-01] [S3581-4-01] the topmost Via is completed with where the request came from', () => {
  const source = { address: '192.0.2.7', port: 4444 };
  const read = (text: string) => {
    const parsed = parseMessage(latin1Encode(text), source);
    assert.ok(parsed.ok);
    return parsed.value;
  };
  const completed = read(invite.replace('z9hG4bK1', 'z9hG4bK1;rport'));
  assert.equal(completed.via.received, '192.0.2.7');
  assert.equal(completed.via.rport, 4444);
  assert.deepEqual(completed.rows('Via'), [
    'SIP/2.0/UDP a.example;branch=z9hG4bK1;rport=4444;received=192.0.2.7, SIP/2.0/TCP "b,c".example',
    'SIP/2.0/UDP d.example;branch=z9hG4bK2',
  ]);
  assert.ok(textOf(completed).includes(';rport=4444;received=192.0.2.7, SIP/2.0/TCP'));
  const complete = invite.replace('a.example', '192.0.2.7');
  assert.equal(textOf(read(complete)), complete, 'nothing is missing: the bytes stay');
  const response = invite.replace(/^.*\r\n/, 'SIP/2.0 200 OK\r\n');
  assert.equal(textOf(read(response)), response, 'a response is left alone');
});

test('an answer to what could not be read needs a method and a topmost Via', () => {
  const broken = invite.replace('CSeq: 7 INVITE', 'CSeq: x');
  const statusOf = (text: string): number | undefined => refusal(text).status;
  assert.equal(statusOf(broken), 400);
  assert.equal(statusOf(broken.replace('SIP/2.0\r\n', 'SIP/9.0\r\n')), 505);
  assert.equal(statusOf(broken.replace('INVITE sip', 'ACK sip')), undefined);
  assert.equal(statusOf(broken.replace('INVITE sip', 'ACKS sip')), 400);
  assert.equal(statusOf(broken.replace(/[vV](?:ia)?: .*\r\n/g, '')), undefined);
  assert.equal(statusOf(broken.replace('Via: SIP/2.0/UDP a', 'Via: nonsense a')), undefined);
  assert.equal(statusOf(broken.replace(/^INVITE/, '<>')), undefined);
  assert.equal(statusOf(broken.replace(/^INVITE/, 'M'.repeat(70))), undefined);
  assert.equal(statusOf(broken.replace(/^INVITE sip:bob@example.com/, 'sip/2.0 x')), undefined);
});

test('the answer copies what can be copied: all Vias, the first of each other field, no controls', () => {
  const answer = (text: string, topVia = 'TOP'): string => {
    const parsed = parseMessage(latin1Encode(text));
    assert.ok(!parsed.ok && parsed.error.reply !== undefined);
    return latin1Decode(parsed.error.reply.toBytes(topVia));
  };
  const broken = invite.replace('CSeq: 7 INVITE', 'CSeq: x');
  assert.equal(
    answer(broken),
    [
      'SIP/2.0 400 Bad Request (bad-cseq)',
      'Via: TOP, SIP/2.0/TCP "b,c".example',
      'Via: SIP/2.0/UDP d.example;branch=z9hG4bK2',
      'From: "A, \\"l\\"" <sip:alice@example.com>;tag=1',
      'To: <sip:bob@example.com>',
      'Call-ID: call-1@example.com',
      'CSeq: x',
      'Content-Length: 0',
      '',
      '',
    ].join('\r\n'),
  );
  assert.match(answer(invite.replace('X-Odd', 'To: <sip:second@x>\r\nX-Odd')), /To: <sip:bob@/);
  assert.doesNotMatch(answer(invite.replace('X-Odd', 'To: <sip:second@x>\r\nX-Odd')), /second/);
  const folded = answer(broken.replace('TO:<sip', 'TO:\r\n <sip').replace('i: call', 'I : call'));
  assert.match(folded, /\r\nTo: <sip:bob@example.com>\r\nCall-ID: call-1/);
  const controls = answer(broken.replace('i: call', 'i: ca\nll').replace('TO:<', 'TO:'));
  assert.doesNotMatch(controls, /Call-ID/);
  const noEnd = answer(invite.replace('\r\n\r\nbody', '\r\n'));
  assert.match(noEnd, /^SIP\/2\.0 400 Bad Request \(no-end-of-header\)\r\n/);
  const version = answer(
    invite.replace('SIP/2.0\r\n', 'SIP/7.0\r\n').replace('SIP/2.0/UDP a', 'SIP/7.0/UDP a'),
  );
  assert.match(version, /^SIP\/2\.0 505 Version Not Supported\r\nVia: TOP, /);
});
