import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventPackage, readSubscribe } from '../../../../src/sip/events/subscribe-request.ts';
import { requestOf } from '../core/request-of.ts';

const contact = 'Contact: <sip:alice@192.0.2.10:5062;x=y>';

function request(headers: readonly string[], parts: Parameters<typeof requestOf>[1] = {}) {
  return requestOf(headers, { method: 'SUBSCRIBE', ...parts });
}

function read(headers: readonly string[]) {
  const outcome = readSubscribe(request([contact, ...headers]));
  assert.ok(outcome.ok, outcome.ok ? '' : outcome.error.reason);
  return outcome.value;
}

function refusal(headers: readonly string[], parts?: Parameters<typeof requestOf>[1]): string {
  const outcome = readSubscribe(request(headers, parts));
  assert.ok(!outcome.ok, headers.join());
  const { headers: more, reason, status } = outcome.error;
  return [status, reason, ...(more ?? []).flat()].join(' ');
}

test('the event package is read without its parameters and in lower case', () => {
  assert.equal(eventPackage(request(['Event: Reg ;id=7;x=y'])), 'reg');
  assert.equal(eventPackage(request(['o: presence'])), 'presence');
  assert.equal(eventPackage(request([])), '');
});

test('what a subscription asks for, and what it is granted', () => {
  assert.deepEqual(read(['Event: reg;id=7']), {
    event: 'reg;id=7',
    expiresS: 3761,
    target: 'sip:alice@192.0.2.10:5062;x=y',
  });
  for (const [asked, granted] of [
    [0, 0],
    [60, 60],
    [7200, 7200],
    [7201, 7200],
    [9_999_999_999, 7200],
  ] as const) {
    assert.equal(read([`Expires: ${String(asked)}`]).expiresS, granted);
  }
  assert.equal(refusal([contact, 'Expires: 59']), '423 Interval Too Brief Min-Expires 60');
  assert.equal(refusal([contact, 'Expires: 1']), '423 Interval Too Brief Min-Expires 60');
  for (const bad of ['x', '-1', '1x', 'x1', '99999999999']) {
    assert.equal(refusal([contact, `Expires: ${bad}`]), '400 Malformed Expires');
  }
});

test('the document has one type, which must be acceptable', () => {
  for (const accept of [
    'application/reginfo+xml',
    'Application/RegInfo+XML;q=0.5',
    'application/*',
    'text/plain, */*;q=0.1',
  ]) {
    read([`Accept: ${accept}`]);
  }
  for (const accept of ['text/plain', 'application/pidf+xml', '']) {
    assert.equal(
      refusal([contact, `Accept: ${accept}`]),
      '406 Not Acceptable Accept application/reginfo+xml',
    );
  }
  assert.equal(refusal([contact, 'Require: a, b']), '420 Bad Extension Unsupported a, b');
});

test('one SIP Contact is needed to notify, of bounded length', () => {
  for (const headers of [
    [],
    [contact, contact],
    ['Contact: nonsense'],
    ['Contact: <tel:1>'],
    ['Contact: <sip:[x]>'],
    ['Contact: *'],
    [`Contact: <sip:${'x'.repeat(1021)}>`],
  ]) {
    assert.equal(refusal(headers), '400 One SIP Contact', headers.join());
  }
  assert.ok(readSubscribe(request([`Contact: <sip:${'x'.repeat(1020)}>`])).ok);
  assert.ok(readSubscribe(request(['Contact: <SIPS:a@b>'])).ok);
});

test('what a subscription keeps is bounded', () => {
  const long = (size: number): string => 'x'.repeat(size);
  assert.ok(readSubscribe(request([contact, `Event: ${long(1024)}`])).ok);
  const tooLong = '400 Header Too Long';
  assert.equal(refusal([contact, `Event: ${long(1025)}`]), tooLong);
  assert.equal(refusal([contact], { callId: long(1025) }), tooLong);
  assert.equal(refusal([contact], { from: `<sip:${long(1020)}>` }), tooLong);
  assert.equal(refusal([contact], { to: `<sip:${long(1020)}>` }), tooLong);
});
