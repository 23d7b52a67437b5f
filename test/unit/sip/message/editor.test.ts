import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UsageError } from '../../../../src/base/assert.ts';
import { latin1Decode, latin1Encode } from '../../../../src/base/text.ts';
import { createRequest, createResponse } from '../../../../src/sip/message/message.ts';
import { invite, request, textOf } from './support.ts';

const parts = {
  method: 'OPTIONS',
  uri: 'sip:bob@example.com',
  from: '<sip:a@b>;tag=1',
  to: '<sip:bob@example.com>',
  callId: 'c1',
  cseq: 3,
} as const;

test('first values are removed and replaced one by one', () => {
  const message = request(invite);
  const popped = message.edit().removeFirstValue('Via').build();
  assert.deepEqual(popped.rows('Via'), [
    'SIP/2.0/TCP "b,c".example',
    'SIP/2.0/UDP d.example;branch=z9hG4bK2',
  ]);
  const twice = message.edit().removeFirstValue('Via').removeFirstValue('Via').build();
  assert.equal(twice.via.branch, 'z9hG4bK2');
  const none = message.edit().remove('Via').build();
  assert.throws(() => none.via, UsageError);
  const replaced = message.edit().replaceFirstValue('Via', 'SIP/2.0/UDP x;branch=q').build();
  assert.equal(replaced.via.branch, 'q');
  assert.equal(replaced.values('Via').length, 3);
  assert.deepEqual(message.edit().replaceFirstValue('X-Odd', 'new').build().rows('X-Odd'), ['new']);
  const untouched = message.edit().replaceFirstValue('Subject', 'x').removeFirstValue('Subject');
  assert.equal(textOf(untouched.build()), invite);
});

test('set, append and remove work on all rows of a name', () => {
  const message = request(invite)
    .edit()
    .set('Record-Route', '<sip:one;lr>')
    .append('X-Odd', 'two')
    .build();
  assert.deepEqual(message.rows('Record-Route'), ['<sip:one;lr>']);
  assert.deepEqual(message.rows('X-Odd'), ['keep   this', 'two']);
  assert.ok(!message.edit().remove('x-odd').build().has('X-Odd'));
});

test('new rows stand beside those of their name, else at the end, or at the front when prepended', () => {
  const names = (text: string): readonly string[] =>
    [...request(text).allRows()].map(([name]) => name);
  const original = names(invite);
  const edit = () => request(invite).edit();
  const namesOf = (text: string): readonly string[] => names(text);
  assert.deepEqual(namesOf(textOf(edit().append('Subject', 's').build())), [
    ...original,
    'Subject',
  ]);
  assert.deepEqual(namesOf(textOf(edit().set('Subject', 's').build())), [...original, 'Subject']);
  assert.deepEqual(namesOf(textOf(edit().prepend('Subject', 's').build())), [
    'Subject',
    ...original,
  ]);
  const routes = edit()
    .append('Record-Route', '<sip:last;lr>')
    .prepend('record-route', '<sip:0;lr>');
  assert.deepEqual(routes.build().values('Record-Route'), [
    '<sip:0;lr>',
    '<sip:p1.example;lr>',
    '<sip:p2.example;lr>',
    '<sip:p3.example;lr>',
    '<sip:last;lr>',
  ]);
  const at = names(textOf(routes.build())).lastIndexOf('Record-Route');
  assert.equal(names(textOf(routes.build()))[at + 1], 'X-Odd');
  const unknown = edit().append('X-New', '1').append('x-new', '2').set('X-NEW', '3').build();
  assert.deepEqual(unknown.rows('x-New'), ['3']);
});

test('what was parsed before is read anew once its row has changed', () => {
  const message = request(invite);
  const edited = message
    .edit()
    .set('From', '<sip:other@x>;tag=f')
    .set('To', '<sip:else@x>;tag=t')
    .set('Call-ID', 'new-id')
    .set('CSeq', '9 INVITE')
    .set('Via', 'SIP/2.0/TCP v;branch=z9hG4bKnew')
    .setUri('sip:third@x')
    .build();
  assert.deepEqual([edited.from.tag, edited.to.tag, edited.inDialog], ['f', 't', true]);
  assert.deepEqual([edited.callId, edited.cseq.number], ['new-id', 9]);
  assert.equal(edited.via.branch, 'z9hG4bKnew');
  assert.ok(edited.parsedUri.ok && edited.parsedUri.value.user === 'third');
  assert.deepEqual([message.from.tag, message.callId], ['1', 'call-1@example.com']);
  assert.equal(message.edit().build().from, message.from, 'what is unchanged is not read twice');
  const bad = message.edit().set('CSeq', 'x').build();
  assert.throws(() => bad.cseq, UsageError);
});

test('the method of a request can change; a response has neither method nor URI', () => {
  const changed = request(invite).edit().setMethod('CANCEL').build();
  assert.match(textOf(changed), /^CANCEL sip:bob@example.com SIP\/2.0\r\n/);
  assert.throws(() => request(invite).edit().setMethod('a b'), UsageError);
  assert.throws(() => request(invite).edit().setUri(''), UsageError);
  const response = createResponse(request(invite), 200);
  assert.throws(() => response.edit().setUri('sip:a@b'), UsageError);
  assert.throws(() => (response.edit() as never as { setMethod(m: string): void }).setMethod('X'), {
    name: 'UsageError',
  });
});

test('an editor may build twice, and goes on from where it is', () => {
  const editor = request(invite).edit();
  const first = editor.set('Max-Forwards', '1').build();
  const second = editor.set('Max-Forwards', '2').build();
  assert.deepEqual([first.header('Max-Forwards'), second.header('Max-Forwards')], ['1', '2']);
});

test('a new body brings its type and its length, in the place of the old ones', () => {
  const edited = request(invite).edit().setBody('text/x', latin1Encode('longer body')).build();
  assert.ok(
    textOf(edited).endsWith('Content-Type: text/x\r\nContent-Length: 11\r\n\r\nlonger body'),
  );
  assert.equal(latin1Decode(edited.body), 'longer body');
  const without = edited.edit().setBody(undefined, new Uint8Array(0)).build();
  assert.ok(textOf(without).endsWith('Content-Length: 0\r\n\r\n'));
  assert.equal(without.body.length, 0);
  assert.equal(
    textOf(request(invite).edit().set('l', '4').build()).includes('Content-Length: 4'),
    true,
  );
});

test('Record-Route is kept in answers that form dialogs only', () => {
  const kept = (method: string, status: number): boolean => {
    const text = invite.replace('INVITE sip', `${method} sip`).replace('7 INVITE', `7 ${method}`);
    return createResponse(request(text), status).has('Record-Route');
  };
  for (const method of ['INVITE', 'SUBSCRIBE', 'REFER', 'NOTIFY']) {
    assert.ok(kept(method, 101) && kept(method, 200) && kept(method, 299), method);
    assert.ok(!kept(method, 100) && !kept(method, 300) && !kept(method, 486), method);
  }
  for (const method of ['OPTIONS', 'MESSAGE', 'REGISTER']) assert.ok(!kept(method, 200), method);
});

test('answers have a status of 100 to 699 and the usual phrase', () => {
  const source = request(invite);
  const table: readonly (readonly [number, string])[] = [
    [100, 'Trying'],
    [200, 'OK'],
    [302, 'Moved Temporarily'],
    [404, 'Not Found'],
    [487, 'Request Terminated'],
    [699, 'Unknown'],
  ];
  for (const [status, reason] of table) assert.equal(createResponse(source, status).reason, reason);
  for (const bad of [99, 700, 200.5, Number.NaN]) {
    assert.throws(() => createResponse(source, bad), UsageError);
  }
  assert.equal(createResponse(source, 200, '').reason, '');
});

test('answers carry headers and a body with its type', () => {
  const response = createResponse(request(invite), 200, undefined, {
    headers: [['X-Own', '1']],
    contentType: 'text/plain',
    body: latin1Encode('hello'),
  });
  assert.ok(
    textOf(response).endsWith(
      'X-Own: 1\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello',
    ),
  );
  const empty = createResponse(request(invite), 200, undefined, {
    contentType: 'text/plain',
    body: new Uint8Array(0),
  });
  assert.deepEqual([empty.has('Content-Type'), empty.header('Content-Length')], [false, '0']);
  const typeless = createResponse(request(invite), 200, undefined, { body: latin1Encode('x') });
  assert.deepEqual([typeless.has('Content-Type'), typeless.header('Content-Length')], [false, '1']);
});

test('requests are built in order, and with their bounds', () => {
  const built = createRequest({
    ...parts,
    via: 'SIP/2.0/UDP me;branch=z9hG4bKx',
    route: ['<sip:p;lr>', '<sip:q;lr>'],
    maxForwards: 5,
    headers: [['Accept', 'application/sdp']],
    body: latin1Encode('b'),
    contentType: 'text/plain',
  });
  assert.equal(
    textOf(built),
    [
      'OPTIONS sip:bob@example.com SIP/2.0',
      'Via: SIP/2.0/UDP me;branch=z9hG4bKx',
      'Route: <sip:p;lr>',
      'Route: <sip:q;lr>',
      'Max-Forwards: 5',
      'From: <sip:a@b>;tag=1',
      'To: <sip:bob@example.com>',
      'Call-ID: c1',
      'CSeq: 3 OPTIONS',
      'Accept: application/sdp',
      'Content-Type: text/plain',
      'Content-Length: 1',
      '',
      'b',
    ].join('\r\n'),
  );
  assert.equal(createRequest(parts).header('Max-Forwards'), '70');
  assert.throws(() => createRequest(parts).via, UsageError);
  assert.throws(() => createRequest({ ...parts, method: 'A B' }), UsageError);
  assert.throws(() => createRequest({ ...parts, uri: '' }), UsageError);
  assert.throws(() => createRequest({ ...parts, uri: 'sip:a b' }), UsageError);
  assert.throws(() => createRequest({ ...parts, callId: 'a\nb' }), UsageError);
});
