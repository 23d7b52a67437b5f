/** The small parts of the proxy, each on its own. RFC 3261 §16. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits } from '../../../../src/base/limits.ts';
import { sipFailure } from '../../../../src/sip/core/failure.ts';
import { createResponse } from '../../../../src/sip/message/message.ts';
import { createBestResponse } from '../../../../src/sip/proxy/best-response.ts';
import { createFlowTokens } from '../../../../src/sip/proxy/flow-token.ts';
import { createPausedServers } from '../../../../src/sip/proxy/retry-after.ts';
import { askForTimer, confirmTimer } from '../../../../src/sip/proxy/session-timer.ts';
import { createTargetSet } from '../../../../src/sip/proxy/target-set.ts';
import type { ProxyTarget } from '../../../../src/sip/proxy/targets.ts';
import { requestOf } from '../core/request-of.ts';
import { createFakeClock, createRig } from '../core/rig.ts';

const response = (status: number, headers: readonly (readonly [string, string])[] = []) =>
  createResponse(requestOf([]), status, undefined, { headers });

const received = (status: number) => ({ status, response: response(status) });
const own = (status: number) => ({
  status,
  response: undefined,
  failure: sipFailure(status, 'own'),
});

test('[S3261-16.7-07] the best answer, whatever the order: 6xx, lower classes, what helps, what a phone said', () => {
  const order = [
    received(600),
    own(603),
    received(302),
    received(401),
    received(415),
    received(486),
    own(403),
    received(480),
    received(408),
    own(408),
    received(503),
    own(503),
  ];
  for (const [i, better] of order.entries()) {
    for (const worse of order.slice(i + 1)) {
      for (const pair of [
        [better, worse],
        [worse, better],
      ] as const) {
        const best = createBestResponse();
        for (const final of pair) best.add(final);
        assert.equal(best.best, better, `${String(better.status)} before ${String(worse.status)}`);
      }
    }
  }
  for (const group of [
    [401, 407],
    [415, 420, 484],
    [404, 480],
    [408, 430, 487],
    [400, 486, 488],
    [600, 603, 604],
  ]) {
    const best = createBestResponse();
    const [first, ...others] = group.map(received);
    for (const final of [first, ...others]) if (final !== undefined) best.add(final);
    assert.equal(best.best?.status, Math.min(...group), 'the lower code of equal ones');
  }
  assert.equal(createBestResponse().best, undefined);
});

test('the challenges of all 401 and 407 but the best are collected, up to a bound', () => {
  const best = createBestResponse();
  const challenge = (status: number, realm: string) => ({
    status,
    response: response(status, [
      ['WWW-Authenticate', `Digest realm="${realm}1"`],
      ['Proxy-Authenticate', `Digest realm="${realm}2"`],
      ['WWW-Authenticate', `Digest realm="${realm}3"`],
    ]),
  });
  assert.deepEqual(best.challenges(), []);
  best.add(challenge(401, 'a'));
  best.add(challenge(407, 'b'));
  best.add(challenge(403, 'c'));
  best.add(own(401));
  assert.deepEqual(best.challenges(), [
    ['WWW-Authenticate', 'Digest realm="b1"'],
    ['WWW-Authenticate', 'Digest realm="b3"'],
    ['Proxy-Authenticate', 'Digest realm="b2"'],
  ]);
  for (let i = 0; i < 40; i++) best.add(challenge(401, String(i)));
  assert.equal(best.challenges().length, 3 * (limits.sipRoles.collectedChallenges - 1));
});

test('[S3261-21.5.4-01] a server that asked for a pause is left alone for that time', () => {
  const clock = createFakeClock();
  const paused = createPausedServers(clock);
  const rig = createRig();
  const { flow } = rig.phone('192.0.2.10');
  const note = (retryAfter: string | undefined, status = 503): void =>
    paused.note(
      flow,
      response(status, retryAfter === undefined ? [] : [['Retry-After', retryAfter]]),
    );
  for (const [text, status] of [
    [undefined, 503],
    ['0', 503],
    ['soon', 503],
    ['5', 486],
  ] as const) {
    note(text, status);
    assert.deepEqual([paused.isPaused(flow), paused.size], [false, 0], text);
  }
  note('5 (busy);duration=9');
  assert.ok(paused.isPaused(flow));
  assert.ok(!paused.isPaused(rig.phone('192.0.2.11').flow));
  assert.ok(!paused.isPaused(rig.phone('192.0.2.10', 'tcp').flow));
  assert.ok(!paused.isPaused(rig.phone('192.0.2.10', 'udp', 'lan', 5070).flow));
  clock.advance(4_999);
  assert.ok(paused.isPaused(flow));
  clock.advance(1);
  assert.ok(!paused.isPaused(flow));
  assert.equal(paused.size, 0);
  note('999999999');
  clock.advance(3_599_999);
  assert.ok(paused.isPaused(flow));
  clock.advance(1);
  assert.ok(!paused.isPaused(flow), 'an hour at most');
});

test('paused servers are bounded: the one noted first is tried again', () => {
  const clock = createFakeClock();
  const paused = createPausedServers(clock);
  const { flow } = createRig().phone('192.0.2.10');
  const server = (i: number) => ({ ...flow, remote: { address: '192.0.2.1', port: i } });
  const busy = response(503, [['Retry-After', '5']]);
  const { pausedServers } = limits.sipRoles;
  for (let i = 0; i < pausedServers; i++) paused.note(server(i), busy);
  paused.note(server(0), busy);
  assert.ok(paused.isPaused(server(1)));
  paused.note(server(pausedServers), busy);
  assert.equal(paused.size, pausedServers);
  assert.ok(!paused.isPaused(server(1)));
  assert.ok(paused.isPaused(server(0)) && paused.isPaused(server(pausedServers)));
});

function target(uri: string, q = 1000, more: Partial<ProxyTarget> = {}): ProxyTarget {
  return { uri, q, route: [], side: 'phone', label: '', open: () => () => undefined, ...more };
}

test('[S3261-16.5-03] targets wait by rank, in order of arrival among equals, each place once', () => {
  const targets = createTargetSet();
  assert.deepEqual([targets.nextRank, targets.take()], [undefined, undefined]);
  for (const [uri, q] of [
    ['sip:a@h', 500],
    ['sip:b@h', 900],
    ['sip:c@h', 500],
    ['sip:d@h', 900],
    ['sip:e@h', 100],
  ] as const) {
    assert.ok(targets.add(target(uri, q)));
  }
  assert.ok(targets.add(target('sip:f@h', 0), 900.5));
  assert.deepEqual([targets.nextRank, targets.countOf(900), targets.countOf(500)], [900.5, 2, 2]);
  const order: string[] = [];
  for (let next = targets.take(); next !== undefined; next = targets.take()) {
    order.push(next.uri.charAt(4));
  }
  assert.equal(order.join(''), 'fbdace');
  for (const same of ['sip:a@h', 'sip:%61@h', 'sip:a@H']) {
    assert.ok(!targets.add(target(same)), same);
  }
  assert.ok(targets.add(target('sip:A@h')));
  assert.ok(targets.add(target('sip:a@h', 1, { side: 'overlay' })));
  assert.ok(targets.add(target('sip:a@h', 1, { label: 'x' })));
  assert.ok(targets.add(target('sip:a@h', 1, { route: ['<sip:p>'] })));
  targets.clear();
  assert.equal(targets.nextRank, undefined);
  assert.ok(!targets.add(target('sip:a@h')), 'what was there counts as seen');
});

test('a request has 64 targets at most', () => {
  const targets = createTargetSet();
  for (let i = 0; i < 64; i++) assert.ok(targets.add(target(`sip:${String(i)}@h`)));
  assert.ok(!targets.add(target('sip:more@h')));
});

test('[S4028-8.1-01] session timers: intervals at the edges of the policy', () => {
  const policy = { sessionExpiresS: 1800, minSessionExpiresS: 120 };
  const ask = (headers: readonly string[], method = 'INVITE', given = policy) =>
    askForTimer(requestOf(headers, { method }), given);
  assert.equal(askForTimer(requestOf([]), undefined), undefined);
  assert.equal(ask([], 'BYE'), undefined);
  assert.ok(ask([], 'UPDATE') !== undefined);
  const timer = (headers: readonly string[], given = policy) => {
    const found = ask(headers, 'INVITE', given);
    assert.ok(found !== undefined && !('status' in found));
    return [
      found.intervalS,
      found.callerKnowsTimers,
      ...found.headers.map((pair) => pair.join('=')),
    ];
  };
  assert.deepEqual(timer([]), [1800, false, 'Session-Expires=1800']);
  assert.deepEqual(timer(['Session-Expires: 1800']), [1800, false]);
  assert.deepEqual(timer(['Session-Expires: 1801']), [1800, false, 'Session-Expires=1800']);
  assert.deepEqual(timer(['Session-Expires: 120']), [120, false]);
  const raised = [120, false, 'Min-SE=120', 'Session-Expires=120'];
  assert.deepEqual(timer(['Session-Expires: 119']), raised);
  assert.deepEqual(timer(['Session-Expires: 119', 'Min-SE: 100']), raised);
  assert.deepEqual(timer(['Session-Expires: 119', 'Min-SE: 120']), [
    120,
    false,
    'Session-Expires=120',
  ]);
  assert.deepEqual(timer(['Session-Expires: 100', 'Min-SE: 300']), [
    300,
    false,
    'Session-Expires=300',
  ]);
  assert.deepEqual(timer(['Min-SE: 3600']), [3600, false, 'Session-Expires=3600']);
  assert.deepEqual(timer(['Session-Expires: soon;x=y']), [1800, false, 'Session-Expires=1800;x=y']);
  assert.deepEqual(timer(['Session-Expires: 9000 ;refresher=uas', 'Supported: x, TIMER']), [
    1800,
    true,
    'Session-Expires=1800;refresher=uas',
  ]);
  const low = { sessionExpiresS: 60, minSessionExpiresS: 30 };
  assert.deepEqual(timer([], low), [90, false, 'Session-Expires=90']);
  assert.deepEqual(ask(['Session-Expires: 119', 'Supported: timer']), {
    status: 422,
    reason: 'Session Interval Too Small',
    headers: [['Min-SE', '120']],
  });
});

test('[S4028-8.2-01] only 2xx for callers that know timers are completed', () => {
  const timer = { intervalS: 1800, callerKnowsTimers: true, headers: [] };
  for (const [status, expected] of [
    [199, undefined],
    [200, '1800;refresher=uac'],
    [299, '1800;refresher=uac'],
    [300, undefined],
  ] as const) {
    assert.equal(confirmTimer(timer, response(status)).header('Session-Expires'), expected);
  }
  const unknowing = { ...timer, callerKnowsTimers: false };
  assert.equal(confirmTimer(unknowing, response(200)).has('Session-Expires'), false);
  const required = confirmTimer(timer, response(200, [['Require', '100rel, Timer']]));
  assert.deepEqual(required.values('Require'), ['100rel', 'Timer']);
  const more = confirmTimer(timer, response(200, [['Require', '100rel']]));
  assert.deepEqual(more.values('Require'), ['100rel', 'timer']);
});

test('flow tokens: what they claim, what they are compared by, and what is none', () => {
  const tokens = createFlowTokens([new Uint8Array(32).fill(1)]);
  for (const id of ['u', 'udp:lan:192.0.2.1:5060', '\xff\xfe\xfb?>']) {
    const token = tokens.create(id);
    assert.match(token, /^~[\w-]+$/);
    assert.deepEqual([tokens.claim(token), tokens.open(token)], [id, id]);
    assert.ok(tokens.isToken(token) && tokens.equal(token, token));
    assert.ok(!tokens.equal(token, tokens.create(`${id}x`)));
  }
  assert.ok(!tokens.isToken('alice'));
  for (const bad of ['~', '~AAAA', `~${'A'.repeat(13)}`, '~*']) {
    assert.deepEqual([tokens.claim(bad), tokens.open(bad)], [undefined, undefined], bad);
  }
  assert.equal(tokens.claim(`~${'A'.repeat(16)}`), '\0\0', 'ten bytes of proof and the name');
});
