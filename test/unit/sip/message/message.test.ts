import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { UsageError } from '../../../../src/base/assert.ts';
import {
  createRequest,
  createResponse,
  parseMessage,
} from '../../../../src/sip/message/message.ts';
import { latin1Encode as bytes } from '../../../../src/base/text.ts';
import { invite, parse, refusal, request, textOf as text } from './support.ts';

test('[S3261-7.3.3-01] compact and long names mean the same', () => {
  const message = request(invite);
  assert.equal(message.callId, 'call-1@example.com');
  assert.equal(message.from.display, 'A, "l"');
  assert.equal(message.header('Content-Type'), 'text/plain');
  assert.equal(message.header('c'), 'text/plain');
  assert.equal(message.header('CONTENT-LENGTH'), '4');
  assert.equal(message.header('x-odd'), 'keep   this');
  assert.deepEqual(message.cseq, { number: 7, method: 'INVITE' });
  assert.equal(message.inDialog, false);
});

test('[S3261-7.3.1-01] rows and comma lists are one ordered list', () => {
  const message = request(invite);
  assert.deepEqual(message.values('Record-Route'), [
    '<sip:p1.example;lr>',
    '<sip:p2.example;lr>',
    '<sip:p3.example;lr>',
  ]);
  assert.deepEqual(message.rows('Record-Route').length, 2);
  assert.deepEqual(message.values('Via').length, 3);
  assert.equal(message.via.branch, 'z9hG4bK1');
});

test('an unchanged message keeps its bytes', () => {
  assert.equal(text(request(invite)), invite);
});

test('[S3261-16.6-01] an edited copy keeps every other field, the order and the body', () => {
  const edited = request(invite)
    .edit()
    .setUri('sip:bob@10.0.0.1:5062')
    .set('Max-Forwards', '69')
    .prepend('Via', 'SIP/2.0/UDP me;branch=z9hG4bKme')
    .prepend('Record-Route', '<sip:me;lr>')
    .build();
  const expected = invite
    .replace('sip:bob@example.com SIP', 'sip:bob@10.0.0.1:5062 SIP')
    .replace('Max-Forwards: 70', 'Max-Forwards: 69')
    .replace('Via: SIP/2.0/UDP a', 'Via: SIP/2.0/UDP me;branch=z9hG4bKme\r\nVia: SIP/2.0/UDP a')
    .replace('Record-Route: <sip:p1', 'Record-Route: <sip:me;lr>\r\nRecord-Route: <sip:p1');
  assert.equal(text(edited), expected);
  assert.equal(edited.via.branch, 'z9hG4bKme');
  assert.equal(edited.uri, 'sip:bob@10.0.0.1:5062');
  assert.equal(text(request(invite)), invite);
});

test('[S3261-20.14-01] Content-Length follows a new body and counts bytes', () => {
  const body = Buffer.from('größe', 'utf8');
  const message = request(invite).edit().setBody('text/x', body).build();
  assert.equal(message.header('Content-Length'), '7');
  assert.deepEqual(Buffer.from(request(text(message)).body), body);
  const empty = message.edit().setBody(undefined, new Uint8Array(0)).build();
  assert.equal(empty.header('Content-Length'), '0');
  assert.ok(!empty.has('Content-Type'));
});

test('[S3261-16.6-14] Content-Length is added when it was missing', () => {
  const source = invite.replace('l: 4\r\n', '');
  assert.equal(
    request(source).edit().set('Max-Forwards', '1').build().header('Content-Length'),
    '4',
  );
});

test('serialising refuses CR, LF, NUL and what latin1 cannot hold', () => {
  for (const bad of ['a\rb', 'a\nb', 'a\0b', 'a\r\nX: y', '\u0394']) {
    assert.throws(() => request(invite).edit().set('Subject', bad), UsageError);
    assert.throws(() => request(invite).edit().setUri(`sip:${bad}`), UsageError);
    assert.throws(() => request(invite).edit().replaceFirstValue('Via', bad), UsageError);
    assert.throws(() => createResponse(request(invite), 200, bad), UsageError);
  }
  assert.throws(() => request(invite).edit().set('Sub ject', 'x'), UsageError);
  assert.throws(() => request(invite).edit().set('Sub:ject', 'x'), UsageError);
});

test('[S3261-7.1-01] the version is read without case and written in upper case', () => {
  const message = request(invite.replace('SIP/2.0\r\n', 'sip/2.0\r\n'));
  assert.match(text(message.edit().set('Max-Forwards', '1').build()), /^INVITE \S+ SIP\/2\.0\r\n/);
});

test('[S3261-8.2.6.2-01] a response repeats Via, From, Call-ID and CSeq', () => {
  const source = request(invite);
  const response = createResponse(source, 180, undefined, { toTag: 't9' });
  for (const name of ['Via', 'From', 'Call-ID', 'CSeq']) {
    assert.deepEqual(response.rows(name), source.rows(name), name);
  }
  assert.equal(response.to.tag, 't9');
  assert.equal(response.values('Record-Route').length, 3);
  assert.ok(!response.has('Timestamp'));
  assert.equal(response.reason, 'Ringing');
  const back = parse(text(response));
  assert.ok(back.kind === 'response' && back.status === 180 && back.to.tag === 't9');
});

test('[S3261-8.2.6.1-01] [S3261-17.2.1-01] a 100 repeats Timestamp and gets no tag', () => {
  const response = createResponse(request(invite), 100, undefined, { toTag: 't9' });
  assert.equal(response.header('Timestamp'), '54');
  assert.equal(response.to.tag, undefined);
  assert.ok(!response.has('Record-Route'));
});

test('a tag in the request is kept; failures carry no Record-Route', () => {
  const source = request(
    invite.replace('TO:<sip:bob@example.com>', 'TO:<sip:bob@example.com>;tag=old'),
  );
  assert.ok(source.inDialog);
  const response = createResponse(source, 404, 'Gone Fishing', {
    toTag: 'new',
    headers: [['Warning', '399 x "y"']],
    contentType: 'text/plain',
    body: bytes('why'),
  });
  assert.equal(response.to.tag, 'old');
  assert.ok(!response.has('Record-Route'));
  assert.match(
    text(response),
    /^SIP\/2\.0 404 Gone Fishing\r\n[^]*Warning: 399 x "y"\r\n[^]*\r\n\r\nwhy$/,
  );
});

test('requests are built and read back', () => {
  const built = createRequest({
    method: 'OPTIONS',
    uri: 'sip:bob@example.com',
    from: '<sip:a@b>;tag=1',
    to: '<sip:bob@example.com>',
    callId: 'c1',
    cseq: 3,
    via: 'SIP/2.0/UDP me;branch=z9hG4bKx',
    route: ['<sip:p;lr>', '<sip:q;lr>'],
    headers: [['Accept', 'application/sdp']],
  });
  const back = request(text(built));
  assert.deepEqual(back.values('Route'), ['<sip:p;lr>', '<sip:q;lr>']);
  assert.equal(back.header('Max-Forwards'), '70');
  assert.equal(back.cseq.method, 'OPTIONS');
});

test('[S3261-18.3-01] datagram lengths: extra bytes are cut, missing ones refused', () => {
  assert.equal(Buffer.from(request(`${invite} and more`).body).toString(), 'body');
  assert.equal(text(request(`${invite} and more`)), invite);
  assert.deepEqual(refusal(invite.slice(0, -1)), { reason: 'short-body', status: 400 });
  const response = text(createResponse(request(invite), 200)).replace('Length: 0', 'Length: 9');
  assert.deepEqual(refusal(response), { reason: 'short-body', status: undefined });
  assert.equal(Buffer.from(request(invite.replace('l: 4\r\n', '')).body).toString(), 'body');
});

test('[S3261-20.16-01] the CSeq number fits 32 bits and its method is compared with case', () => {
  assert.equal(request(invite.replace('7 INVITE', '4294967295 INVITE')).cseq.number, 4294967295);
  assert.deepEqual(refusal(invite.replace('7 INVITE', '4294967296 INVITE')), {
    reason: 'bad-cseq',
    status: 400,
  });
  assert.equal(refusal(invite.replace('7 INVITE', '-7 INVITE')).reason, 'bad-cseq');
  assert.equal(refusal(invite.replace('7 INVITE', '7 invite')).reason, 'method-mismatch');
});

test('missing, doubled and malformed parts are named', () => {
  const table: readonly (readonly [string, string | RegExp, string])[] = [
    ['no-to', 'TO:<sip:bob@example.com>\r\n', ''],
    ['no-from', /f: .*\r\n/, ''],
    ['no-call-id', /i: .*\r\n/, ''],
    ['no-cseq', /CSeq: .*\r\n/, ''],
    ['no-via', /[vV](?:ia)?: .*\r\n/g, ''],
    ['doubled-to', 'X-Odd', 'To: <sip:x@y>\r\nX-Odd'],
    ['doubled-max-forwards', 'X-Odd', 'Max-Forwards: 1\r\nX-Odd'],
    ['contradictory-content-length', 'X-Odd', 'Content-Length: 3\r\nX-Odd'],
    ['bad-content-length', 'l: 4', 'l: -4'],
    ['bad-content-length', 'l: 4', 'l: 99999999999999999999'],
    ['bad-header-line', 'X-Odd:', 'X Odd:'],
    ['bad-header-line', 'X-Odd:  keep', 'keep'],
    ['bare-lf', 'keep   this', 'keep\nthis'],
    ['bare-cr', 'keep   this', 'keep\rthis'],
    ['nul-in-header', 'keep   this', 'keep\0this'],
    ['bad-request-uri', 'sip:bob@example.com SIP', 'sip:bob @example.com SIP'],
    ['bad-request-line', 'SIP/2.0\r\nVia', 'SIP/2.0 \r\nVia'],
    ['bad-version', 'SIP/2.0\r\nVia', 'SIP/7.0\r\nVia'],
    ['bad-method', 'INVITE sip', 'INV<ITE sip'],
    ['no-end-of-header', /\r\n\r\nbody$/, '\r\n'],
  ];
  for (const [reason, from, to] of table) {
    assert.equal(refusal(invite.replace(from, to)).reason, reason);
  }
});

test('a refused request is answered with what could be read of it', () => {
  const parsed = parseMessage(bytes(invite.replace('CSeq: 7', 'CSeq: x')));
  assert.ok(!parsed.ok && parsed.error.reply !== undefined);
  const { reply } = parsed.error;
  assert.equal(reply.status, 400);
  const sent = Buffer.from(
    reply.toBytes('SIP/2.0/UDP a.example;branch=z9hG4bK1;received=9.9.9.9'),
  ).toString();
  assert.match(
    sent,
    /^SIP\/2\.0 400 Bad Request \(bad-cseq\)\r\nVia: .*received=9\.9\.9\.9, SIP\/2\.0\/TCP "b,c"/,
  );
  assert.match(sent, /\r\nVia: SIP\/2\.0\/UDP d\.example/);
  assert.match(sent, /\r\nCSeq: x INVITE\r\n/);
  assert.equal(refusal(invite.replace('INVITE sip', 'ACK sip')).status, undefined);
});

test('the number of rows and values is bounded', () => {
  const many = 'X: y\r\n'.repeat(600);
  assert.equal(refusal(invite.replace('X-Odd', `${many}X-Odd`)).reason, 'too-many-headers');
  const values = request(
    invite.replace('Timestamp: 54', `Route: ${'<sip:a>,'.repeat(1000)}<sip:b>`),
  );
  assert.equal(values.values('Route').length, 256);
});

test('every prefix of a message is read or refused, never thrown on', () => {
  for (let i = 0; i < invite.length; i++) {
    const parsed = parseMessage(bytes(invite.slice(0, i)));
    assert.equal(parsed.ok, false, `prefix of ${String(i)}`);
  }
});

test('mutated messages never throw, and what is read can be answered and forwarded', () => {
  const source = bytes(invite);
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(source.length - 1), fc.nat(255)), { maxLength: 6 }),
      (changes) => {
        const copy = Uint8Array.from(source);
        for (const [at, value] of changes) copy[at] = value;
        const parsed = parseMessage(copy);
        if (!parsed.ok) {
          parsed.error.reply?.toBytes(parsed.error.reply.via.raw);
          return;
        }
        const message = parsed.value;
        const forwarded = message.edit().prepend('Via', 'SIP/2.0/UDP me;branch=z9hG4bKme').build();
        assert.ok(parseMessage(forwarded.toBytes()).ok);
        for (const [name] of message.allRows()) message.values(name);
        if (message.kind !== 'request') return;
        const response = createResponse(message, 404, undefined, { toTag: 'x' });
        assert.ok(parseMessage(response.toBytes()).ok);
      },
    ),
    { numRuns: 2000 },
  );
});

test('cost is linear: 64 kB of hostile text costs at most about 12 times 8 kB', () => {
  const shapes: readonly ((size: number) => string)[] = [
    (size) => invite.replace('X-Odd', `X: ${'\r\n '.repeat(size / 3)}y\r\nX-Odd`),
    (size) => invite.replace('a.example;', `a.example;${' '.repeat(size)};`),
    (size) => invite.replace('f: "A', `f: "${'\\"'.repeat(size / 2)}`),
    (size) => invite.replace('Via: ', `Via: ${'<"'.repeat(size / 2)}`),
    (size) => '\r\n'.repeat(size / 2) + invite,
    (size) => `INVITE ${'a '.repeat(size / 2)}`,
    (size) => invite.replace('Timestamp: 54', `Route: ${','.repeat(size)}`),
    (size) => invite.replace('sip:bob@example.com SIP', `sip:bob@e${';a'.repeat(size / 2)} SIP`),
  ];
  /** CPU microseconds of one reading; long enough for a clock that ticks in milliseconds. */
  const cost = (source: Uint8Array): number => {
    const start = process.threadCpuUsage();
    for (let rounds = 1; ; rounds++) {
      for (let i = 0; i < 4; i++) {
        const parsed = parseMessage(source);
        if (parsed.ok) parsed.value.values('Route');
      }
      const { user, system } = process.threadCpuUsage(start);
      if (user + system > 30_000) return (user + system) / rounds;
    }
  };
  for (const [index, shape] of shapes.entries()) {
    const small = bytes(shape(8_000));
    const large = bytes(shape(60_000));
    cost(small);
    let ratio = Infinity;
    // Other programs may have disturbed a measurement; quadratic cost shows in each of them.
    for (let attempt = 0; attempt < 5 && ratio >= 24; attempt++) {
      ratio = Math.min(ratio, cost(large) / Math.max(cost(small), 1));
    }
    assert.ok(ratio < 24, `shape ${String(index)} costs ${ratio.toFixed(1)} times as much`);
  }
});
