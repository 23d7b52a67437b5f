import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createResponse } from '../../../../src/sip/message/message.ts';
import {
  type CalleeRules,
  type DivertCause,
  causeOf,
  diversionFor,
} from '../../../../src/sip/proxy/diversion.ts';
import { diversionsOf, historyHeaders } from '../../../../src/sip/proxy/history.ts';
import { contactsOf, isRedirection, withContacts } from '../../../../src/sip/proxy/redirection.ts';
import { requestOf } from '../core/request-of.ts';

const rules: CalleeRules = {
  always: 'sip:always@x',
  busy: 'sip:busy@x',
  noAnswer: 'sip:later@x',
  noAnswerMs: 1000,
  unregistered: 'sip:away@x',
  doNotDisturb: false,
};

test('where a call goes that does not end at its callee, and what is said about it', () => {
  const table: readonly (readonly [DivertCause, string, string, number])[] = [
    ['always', 'sip:always@x', 'unconditional', 302],
    ['busy', 'sip:busy@x', 'user-busy', 486],
    ['no-answer', 'sip:later@x', 'no-answer', 408],
    ['unregistered', 'sip:away@x', 'unavailable', 404],
    ['do-not-disturb', 'sip:busy@x', 'do-not-disturb', 486],
  ];
  for (const [cause, uri, reason, status] of table) {
    assert.deepEqual(diversionFor(rules, cause, 'sip:bob@y'), {
      contact: { raw: `<${uri}>`, uri, q: 1000 },
      said: `<sip:bob@y>;reason=${reason};counter=1`,
      status,
    });
  }
  assert.equal(diversionFor({ ...rules, busy: undefined }, 'busy', 'sip:bob@y'), undefined);
});

test('the cause of a failed call, by its status and whether a phone was tried', () => {
  const table: readonly (readonly [number, boolean, DivertCause | undefined])[] = [
    [486, true, 'busy'],
    [600, true, 'busy'],
    [408, true, 'no-answer'],
    [408, false, 'unregistered'],
    [480, true, 'unregistered'],
    [480, false, 'unregistered'],
    [430, true, 'unregistered'],
    [404, false, undefined],
    [487, true, undefined],
    [603, true, undefined],
  ];
  for (const [status, tried, cause] of table) assert.equal(causeOf(status, tried), cause);
});

test('how often a request was diverted: each value once, or as its counter says', () => {
  assert.equal(diversionsOf(requestOf([])), 0);
  assert.equal(diversionsOf(requestOf(['Diversion: <sip:a@x>, <sip:b@x>;reason=x'])), 2);
  const counted = [
    'Diversion: <sip:a@x>;counter=3, <sip:b@x>; Counter = 4',
    'Diversion: <sip:c@x>',
  ];
  assert.equal(diversionsOf(requestOf(counted)), 8);
});

function historyOf(
  headers: readonly string[],
  more: { from?: string; cause?: number; diversions?: readonly string[] } = {},
): ReadonlyMap<string, string> {
  return new Map(
    historyHeaders(requestOf(headers), {
      from: more.from ?? 'sip:bob@x',
      to: 'sip:carol@x?a=b',
      cause: more.cause ?? 302,
      diversions: more.diversions ?? [],
    }),
  );
}

test('History-Info begins with the place that was left, and says why', () => {
  assert.deepEqual(
    [...historyOf([], { from: 'sip:bob@x?q=1', cause: 486 })],
    [
      [
        'History-Info',
        '<sip:bob@x?Reason=SIP%3Bcause%3D486>;index=1, <sip:carol@x>;index=1.1;mp=1',
      ],
    ],
  );
});

test('History-Info that is there already goes on', () => {
  const table: readonly (readonly [string, string])[] = [
    // The last entry is the place that was left.
    [
      '<sip:bob@x>;index=1.2',
      '<sip:bob@x?Reason=SIP%3Bcause%3D302>;index=1.2, <sip:carol@x>;index=1.2.1;mp=1.2',
    ],
    [
      '<sip:bob@x?Reason=SIP%3Bcause%3D408>;index=3',
      '<sip:bob@x?Reason=SIP%3Bcause%3D408>;index=3, <sip:carol@x>;index=3.1;mp=3',
    ],
    [
      '<sip:bob@x?a=b&reason=x>;index=3',
      '<sip:bob@x?a=b&reason=x>;index=3, <sip:carol@x>;index=3.1;mp=3',
    ],
    // It is another one: a proxy on the way told nothing.
    [
      '<sip:dave@x>;index=1',
      '<sip:dave@x>;index=1, <sip:bob@x?Reason=SIP%3Bcause%3D302>;index=1.1, ' +
        '<sip:carol@x>;index=1.1.1;mp=1.1',
    ],
    // No index to go on from.
    [
      '<sip:dave@x>',
      '<sip:dave@x>, <sip:bob@x?Reason=SIP%3Bcause%3D302>;index=1, <sip:carol@x>;index=1.1;mp=1',
    ],
    [
      '<sip:dave@x>;index=1..2',
      '<sip:dave@x>;index=1..2, <sip:bob@x?Reason=SIP%3Bcause%3D302>;index=1, ' +
        '<sip:carol@x>;index=1.1;mp=1',
    ],
  ];
  for (const [entry, expected] of table) {
    assert.equal(historyOf([`History-Info: ${entry}`]).get('History-Info'), expected, entry);
  }
});

test('Privacy forbids new entries, but not what the answer said of diversions', () => {
  for (const privacy of ['history', 'id;HEADER', 'none;history']) {
    const headers = historyOf([`Privacy: ${privacy}`, 'Diversion: <sip:old@x>'], {
      diversions: ['<sip:new@x>'],
    });
    assert.deepEqual([...headers], [['Diversion', '<sip:new@x>, <sip:old@x>']], privacy);
  }
  assert.ok(historyOf(['Privacy: id']).has('History-Info'));
});

test('sixteen entries are carried on: the latest of History-Info, the first of Diversion', () => {
  const entries = Array.from({ length: 20 }, (_, i) => `<sip:${String(i)}@x>;index=1.${String(i)}`);
  const headers = historyOf([
    `History-Info: ${entries.join(', ')}`,
    `Diversion: ${entries.join(', ')}`,
  ]);
  const carried = (headers.get('History-Info') ?? '').split(', ');
  assert.deepEqual(carried.slice(0, 16), entries.slice(4));
  assert.equal(carried.length, 18);
  assert.deepEqual((headers.get('Diversion') ?? '').split(', '), entries.slice(0, 16));
});

test('300, 301 and 302 name other places, by their q; at most sixteen are looked at', () => {
  for (const [status, expected] of [
    [299, false],
    [300, true],
    [301, true],
    [302, true],
    [303, false],
    [305, false],
    [380, false],
  ] as const) {
    assert.equal(isRedirection(status), expected, String(status));
  }
  const answer = (contacts: readonly string[]) =>
    createResponse(requestOf([]), 302, undefined, {
      headers: contacts.map((contact) => ['Contact', contact] as const),
    });
  const found = contactsOf(
    answer([
      '<sip:a@x>;q=0.25',
      'nonsense',
      '<sip:b@x>;q=1.0, <sip:c@x>;q=0.',
      '<sip:d@x>;q=0.1234',
      '<sip:e@x;lr>;x=y',
    ]),
  );
  assert.deepEqual(
    found.map(({ uri, q }) => [uri, q]),
    [
      ['sip:b@x', 1000],
      ['sip:d@x', 1000],
      ['sip:e@x;lr', 1000],
      ['sip:a@x', 250],
      ['sip:c@x', 0],
    ],
  );
  assert.equal(found[2]?.raw, '<sip:e@x;lr>;x=y');
  const many = Array.from({ length: 20 }, (_, i) => `<sip:${String(i)}@x>`);
  assert.equal(contactsOf(answer(many)).length, 16);
  assert.deepEqual(withContacts(answer(many), ['<sip:z@x>', '<sip:y@x>']).values('Contact'), [
    '<sip:z@x>',
    '<sip:y@x>',
  ]);
});
