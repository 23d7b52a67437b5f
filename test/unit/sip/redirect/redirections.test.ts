/** The redirect server with targets that the test hands out. RFC 3261 §8.3. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sipFailure } from '../../../../src/sip/core/failure.ts';
import type { ProxyTarget } from '../../../../src/sip/proxy/targets.ts';
import { domain, message } from '../core/rig.ts';
import { type ForkRig, createForkRig } from '../proxy/fork-rig.ts';

function scene(): { rig: ForkRig; counts: () => readonly number[] } {
  const rig = createForkRig({ listener: () => ({ algorithms: ['MD5'], role: 'redirect' }) });
  const counts = (): readonly number[] =>
    ['redirected', 'refused', 'proxied'].map((result) =>
      rig.trace.count('sip_redirects_total', result),
    );
  return { rig, counts };
}

function target(uri: string, more: Partial<ProxyTarget> = {}): ProxyTarget {
  return {
    uri,
    q: 1000,
    route: [],
    side: 'phone',
    label: '',
    open: () => () => undefined,
    ...more,
  };
}

test('the places that a search finds are told with their q, each once; what was done is counted', () => {
  const { rig, counts } = scene();
  const alice = rig.phone('192.0.2.10');
  alice.send(message(alice));
  alice.response(100);
  const sink = rig.sink();
  sink.targets([target('sip:a@h', { q: 250 }), target('sip:b@h', { q: 500, label: 'x' })]);
  sink.targets([target('sip:b@h', { q: 900, label: 'y' })]);
  assert.equal(alice.waiting, 0, 'not before the search is over');
  sink.done();
  assert.deepEqual(alice.response(302).rows('Contact'), ['<sip:b@h>;q=0.900', '<sip:a@h>;q=0.250']);
  sink.targets([target('sip:c@h')]);
  sink.done();
  assert.equal(alice.waiting, 0);
  assert.deepEqual(counts(), [1, 0, 0]);
});

test('without a place the failure of the search is told, 404 when it has none', () => {
  const { rig, counts } = scene();
  const alice = rig.phone('192.0.2.10');
  alice.send(message(alice, { method: 'MESSAGE', callId: '1' }));
  rig.sink().done(sipFailure(480, 'Away', [['Retry-After', '9']]));
  const away = alice.response(480);
  assert.deepEqual([away.reason, away.header('Retry-After')], ['Away', '9']);
  alice.send(message(alice, { method: 'MESSAGE', callId: '2' }));
  rig.sink().done();
  alice.response(404);
  assert.deepEqual(counts(), [0, 2, 0]);
});

test('a caller that gives up gets 487, and the search ends', () => {
  const { rig, counts } = scene();
  const alice = rig.phone('192.0.2.10');
  const text = message(alice, { branch: 'z9hG4bK-x' });
  alice.send(text);
  alice.response(100);
  rig.sink().targets([target('sip:a@h')]);
  alice.send(text.replaceAll('INVITE', 'CANCEL'));
  alice.response(200);
  alice.response(487);
  assert.equal(rig.stopped, 1);
  rig.sink().done();
  assert.equal(alice.waiting, 0);
  assert.deepEqual(counts(), [0, 1, 0]);
});

test('a place that cannot be told, or is the very one that was asked for, is called from here', () => {
  for (const only of [
    target('sip:a@h', { toldAs: () => undefined, side: 'outside' }),
    target(`sip:bob@${domain}`),
    target(`sip:%62ob@${domain.toUpperCase()}`),
    target('nonsense'),
  ]) {
    const { rig, counts } = scene();
    const alice = rig.phone('192.0.2.10');
    alice.send(message(alice));
    alice.response(100);
    rig.sink().targets([only]);
    rig.sink().done();
    assert.deepEqual(counts(), [0, 0, 1], only.uri);
    assert.equal(alice.waiting, 0, 'the proxy searches anew');
    rig.sink().done();
    alice.response(408);
  }
  const { rig, counts } = scene();
  const alice = rig.phone('192.0.2.10');
  alice.send(message(alice));
  alice.response(100);
  rig.sink().targets([target(`sip:bob@${domain}`), target('sip:a@h')]);
  rig.sink().done();
  assert.deepEqual(alice.response(302).rows('Contact'), ['<sip:a@h>;q=1.000']);
  assert.deepEqual(counts(), [1, 0, 0]);
});

test('other adapters among the alternates are told behind all others, with half of the least q', () => {
  const { rig } = scene();
  const alice = rig.phone('192.0.2.10');
  alice.send(message(alice));
  alice.response(100);
  const alternates = [target('sip:hidden@h'), target('sip:other@h', { side: 'overlay' })];
  rig.sink().targets([target('sip:a@h', { q: 800, alternates }), target('sip:b@h', { q: 400 })]);
  rig.sink().done();
  assert.deepEqual(alice.response(302).rows('Contact'), [
    '<sip:a@h>;q=0.800',
    '<sip:b@h>;q=0.400',
    '<sip:other@h>;q=0.200',
  ]);
});

test('a place may be told under another URI', () => {
  const { rig } = scene();
  const alice = rig.phone('192.0.2.10');
  alice.send(message(alice));
  alice.response(100);
  rig.sink().targets([target('sip:inner@h', { toldAs: () => 'sip:outer@h' })]);
  rig.sink().done();
  assert.deepEqual(alice.response(302).rows('Contact'), ['<sip:outer@h>;q=1.000']);
});
