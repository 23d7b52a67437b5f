import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SipRequest } from '../../../../src/sip/message/message.ts';
import {
  createFeatureReader,
  hasTooManyRules,
  rate,
  readPreferences,
} from '../../../../src/sip/proxy/caller-preferences.ts';
import { featuresMatch, parseFeatureSet } from '../../../../src/sip/proxy/feature-set.ts';
import { requestOf } from '../core/request-of.ts';
import { createRig, message, register } from '../core/rig.ts';

function request(...headers: string[]): SipRequest {
  return requestOf(headers);
}

function ratingOf(preferences: SipRequest, features: string): number | undefined {
  const set = parseFeatureSet(features);
  return rate(readPreferences(preferences), set.size === 0 ? undefined : set);
}

test('[S3840-9-01] values of feature tags: tokens, negation, lists, numbers, ranges and strings', () => {
  const table: readonly (readonly [string, string, boolean])[] = [
    [';audio', ';audio', true],
    [';audio', ';audio="FALSE"', false],
    [';methods="INVITE,BYE"', ';methods="bye"', true],
    [';methods="INVITE,BYE"', ';methods="MESSAGE"', false],
    [';mobility="!fixed"', ';mobility="fixed"', false],
    [';mobility="!fixed"', ';mobility="mobile"', true],
    [';+sip.rate="#4"', ';+sip.rate="#=4"', true],
    [';+sip.rate="#>=4"', ';+sip.rate="#=5"', true],
    [';+sip.rate="#>=4"', ';+sip.rate="#=3.5"', false],
    [';+sip.rate="#<=4"', ';+sip.rate="#1:2"', true],
    [';+sip.rate="#5:9"', ';+sip.rate="#1:4"', false],
    [';+sip.rate="!#5:9"', ';+sip.rate="#6:7"', false],
    [';+sip.name="<Bob>"', ';+sip.name="<Bob>"', true],
    [';+sip.name="<Bob>"', ';+sip.name="<bob>"', false],
    [';+sip.name="bob"', ';+sip.name="BOB"', true],
    [';audio', ';video', true],
    [';unknown=1', ';unknown=2', true],
  ];
  for (const [a, b, expected] of table) {
    const [first, second] = [parseFeatureSet(a), parseFeatureSet(b)];
    if (a === ';+sip.rate="#4"') assert.equal(first.size, 0, 'a number needs a comparison');
    assert.equal(featuresMatch(first, second), expected, `${a} against ${b}`);
    assert.equal(featuresMatch(second, first), expected, `${b} against ${a}`);
  }
  const twice = parseFeatureSet(';class="business";class="personal"');
  assert.deepEqual(twice.get('class'), [{ kind: 'token', negated: false, text: 'business' }]);
  assert.equal(parseFeatureSet(';video;+video="FALSE"').size, 1);
});

test('[S3841-7.2.4-03] the worked example of the RFC', () => {
  const call = request(
    'Reject-Contact: *;actor="msg-taker";video',
    'Accept-Contact: *;audio;require',
    'Accept-Contact: *;video;explicit',
    'Accept-Contact: *;methods="BYE";class="business";q=1.0',
  );
  assert.equal(
    ratingOf(call, ';audio;video;methods="INVITE,BYE"')?.toFixed(2),
    ((1 + 1 + 0.5) / 3).toFixed(2),
  );
  assert.equal(ratingOf(call, ';audio="FALSE";methods="INVITE";actor="msg-taker"'), undefined);
  assert.equal(ratingOf(call, ';audio;actor="msg-taker";methods="INVITE";video'), undefined);
  assert.equal(ratingOf(call, ';audio;methods="INVITE,OPTIONS"'), 0.5);
  assert.equal(ratingOf(call, ''), 1);
});

test('[S3841-7.2.4-01] Reject-Contact drops only who states every tag it names', () => {
  const call = request('Reject-Contact: *;automata;mobility="fixed"');
  assert.equal(ratingOf(call, ';automata;mobility="fixed"'), undefined);
  assert.notEqual(ratingOf(call, ';automata;mobility="mobile"'), undefined);
  assert.notEqual(ratingOf(call, ';automata'), undefined);
});

test('[S3841-7.2.4-02] require and explicit in their four combinations', () => {
  const silent = ';methods="INVITE"';
  const opposite = ';video="FALSE"';
  assert.equal(ratingOf(request('Accept-Contact: *;video'), silent), 0);
  assert.equal(ratingOf(request('Accept-Contact: *;video'), opposite), 0);
  assert.equal(ratingOf(request('Accept-Contact: *;video;explicit'), silent), 0);
  assert.equal(ratingOf(request('Accept-Contact: *;video;require'), silent), 0);
  assert.equal(ratingOf(request('Accept-Contact: *;video;require'), opposite), undefined);
  assert.equal(ratingOf(request('Accept-Contact: *;video;require;explicit'), silent), undefined);
  assert.equal(ratingOf(request('Accept-Contact: *;video;require;explicit'), ';video'), 1);
});

test('[S3841-7.2.2-01] [S3841-7.2.3-01] without preferences the method is one; phones that state nothing are immune', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const plain = rig.phone('192.0.2.20');
  const voice = rig.phone('192.0.2.21');
  register(plain, 'bob');
  register(voice, 'bob', { contacts: ['<sip:bob@192.0.2.21:5062>;methods="INVITE,BYE"'] });
  alice.send(message(alice, { method: 'MESSAGE' }));
  plain.reply(plain.request('MESSAGE'), 200);
  alice.response(200);
  assert.equal(voice.waiting, 0);
  alice.send(message(alice, { callId: 'call' }));
  alice.response(100);
  plain.request('INVITE');
  voice.request('INVITE');
});

test('[S3841-7.2.2-01] the event package of a SUBSCRIBE is a preference too', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const presence = rig.phone('192.0.2.20');
  const dialog = rig.phone('192.0.2.21');
  register(presence, 'bob', { contacts: ['<sip:bob@192.0.2.20:5062>;events="presence"'] });
  register(dialog, 'bob', { contacts: ['<sip:bob@192.0.2.21:5062>;events="dialog"'] });
  alice.send(message(alice, { method: 'SUBSCRIBE', headers: ['Event: dialog;id=7'] }));
  dialog.request('SUBSCRIBE');
  assert.equal(presence.waiting, 0);
});

test('[S3841-7.2.4-04] nothing left: the original set when the preferences were implied, 480 when stated', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  register(bob, 'bob', { contacts: ['<sip:bob@192.0.2.20:5062>;methods="INVITE"'] });
  alice.send(message(alice, { method: 'MESSAGE' }));
  bob.reply(bob.request('MESSAGE'), 405);
  alice.response(405);
  const headers = ['Accept-Contact: *;methods="MESSAGE";require'];
  alice.send(message(alice, { method: 'MESSAGE', callId: 'stated', headers }));
  alice.response(480);
  assert.equal(bob.waiting, 0);
});

test('[S3841-7.2.4-03] among equal q the better match rings first', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const voice = rig.phone('192.0.2.20');
  const video = rig.phone('192.0.2.21');
  const desk = rig.phone('192.0.2.22');
  register(voice, 'bob', { contacts: ['<sip:bob@192.0.2.20:5062>;audio;q=0.5'] });
  register(video, 'bob', { contacts: ['<sip:bob@192.0.2.21:5062>;audio;video;q=0.5'] });
  register(desk, 'bob', { contacts: ['<sip:bob@192.0.2.22:5062>;audio;q=0.9'] });
  alice.send(message(alice, { headers: ['Accept-Contact: *;video'] }));
  alice.response(100);
  const first = desk.request('INVITE');
  assert.equal(video.waiting + voice.waiting, 0);
  desk.reply(first, 486);
  desk.request('ACK');
  const second = video.request('INVITE');
  assert.equal(voice.waiting, 0);
  video.reply(second, 486);
  video.request('ACK');
  voice.request('INVITE');
});

test('[S3841-7-01] the preferences travel on as they came', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  register(bob, 'bob');
  const headers = [
    'Accept-Contact: *;audio;require, *;video',
    'a: *;text',
    'Reject-Contact: *;automata',
    'Request-Disposition: proxy, no-fork',
  ];
  alice.send(message(alice, { headers }));
  alice.response(100);
  const invite = bob.request('INVITE');
  assert.deepEqual(invite.rows('Accept-Contact'), ['*;audio;require, *;video', '*;text']);
  assert.deepEqual(invite.rows('Reject-Contact'), ['*;automata']);
  assert.deepEqual(invite.rows('Request-Disposition'), ['proxy, no-fork']);
});

test('[S3841-11-01] forty preferences are refused, twenty are not', () => {
  const many = Array.from({ length: 40 }, () => 'Accept-Contact: *;audio');
  assert.ok(hasTooManyRules(request(...many)));
  assert.ok(!hasTooManyRules(request(...many.slice(20))));
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  register(bob, 'bob');
  alice.send(message(alice, { headers: many }));
  alice.response(403);
  assert.equal(bob.waiting, 0);
});

test('feature sets of equal Contacts are read once', () => {
  const read = createFeatureReader();
  const target = {
    uri: 'sip:a@b',
    q: 1000,
    route: [],
    side: 'phone' as const,
    label: '',
    features: ';audio',
    open: () => () => undefined,
  };
  assert.equal(read(target), read({ ...target, uri: 'sip:c@d' }));
  assert.equal(read({ ...target, features: ';expires=3' }), undefined);
});
