/** Looking rows up by name, and the phrases of responses. RFC 3261 §7.3.1, §21. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reasonPhrase } from '../../../../src/sip/message/message.ts';
import { invite, parse } from './support.ts';

test('unknown headers are told apart by all of their names, in either case', () => {
  const message = parse(
    invite.replace('X-Odd:', 'X-Even: no\r\nX-Add: neither\r\nX-ODD: first\r\nX-Odd:'),
  );
  assert.deepEqual(message.values('X-Odd'), ['first', 'keep   this']);
  assert.deepEqual(message.values('x-add'), ['neither']);
  assert.deepEqual(message.values('X-Eve'), []);
  assert.deepEqual(message.values('X-Non'), []);
});

test('the usual phrases of one word', () => {
  const phrases = [
    [100, 'Trying'],
    [180, 'Ringing'],
    [182, 'Queued'],
    [200, 'OK'],
    [202, 'Accepted'],
    [401, 'Unauthorized'],
    [403, 'Forbidden'],
    [410, 'Gone'],
    [485, 'Ambiguous'],
    [493, 'Undecipherable'],
    [603, 'Decline'],
    [299, 'Unknown'],
  ] as const;
  for (const [status, phrase] of phrases) assert.equal(reasonPhrase(status), phrase);
});
