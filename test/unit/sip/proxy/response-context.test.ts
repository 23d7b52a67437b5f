/** One request being forwarded: which targets it tries when, and which answer it chooses. RFC 3261 §16.6, §16.7. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failure } from '../../../../src/base/outcome.ts';
import { sipFailure } from '../../../../src/sip/core/failure.ts';
import { createResponse } from '../../../../src/sip/message/message.ts';
import type { ProxyTarget } from '../../../../src/sip/proxy/targets.ts';
import { type FakePhone, domain, message } from '../core/rig.ts';
import { type ForkRig, cast, createForkRig, target } from './fork-rig.ts';

interface Scene {
  readonly rig: ForkRig;
  readonly alice: FakePhone;
  readonly one: FakePhone;
  readonly two: FakePhone;
  readonly three: FakePhone;
}

function scene(headers: readonly string[] = [], method = 'INVITE'): Scene {
  const rig = createForkRig();
  const [alice, one, two, three] = cast(rig);
  alice.send(message(alice, { headers, method }));
  if (method === 'INVITE') alice.response(100);
  return { rig, alice, one, two, three };
}

/** How many of the phones were called by now, as `1` and `0`. */
function called(...phones: readonly FakePhone[]): string {
  return phones
    .map(({ flow }) => (flow.sent.some((text) => /^(INVITE|MESSAGE)/.test(text)) ? 1 : 0))
    .join('');
}

function ended({ rig }: Scene): void {
  const { callsRinging, contexts } = rig.server.snapshot();
  assert.deepEqual([callsRinging, contexts], [0, 0]);
}

test('a target of lower rank waits until no better one can come, then until the better ones have failed', () => {
  const all = scene();
  const { rig, one, two, three } = all;
  rig.sink().targets([target(one, { q: 700 })]);
  assert.equal(called(one), '0');
  rig.sink().targets([target(two, { q: 900 }), target(three, { q: 700 })]);
  assert.equal(called(one, two, three), '000');
  rig.sink().done();
  assert.equal(called(one, two, three), '010');
  two.reply(two.request('INVITE'), 404);
  assert.equal(called(one, two, three), '101', 'equal ones together');
});

test('the best rank starts at once, and equal ones join it while it rings', () => {
  const all = scene();
  const { rig, alice, one, two, three } = all;
  rig.sink().targets([target(one)]);
  assert.equal(called(one), '1');
  rig.sink().targets([target(two), target(three, { q: 999 })]);
  assert.equal(called(one, two, three), '110');
  const [first, second] = [one.request('INVITE'), two.request('INVITE')];
  one.reply(first, 486);
  two.reply(second, 486);
  assert.equal(called(three), '0', 'a better one may still be found');
  rig.sink().done();
  three.reply(three.request('INVITE'), 404);
  alice.response(486);
  ended(all);
});

test('sequential: one target after the other, also among equals', () => {
  const all = scene(['Request-Disposition: sequential']);
  const { rig, alice, one, two } = all;
  rig.sink().targets([target(one), target(two)]);
  rig.sink().done();
  assert.equal(called(one, two), '10');
  one.reply(one.request('INVITE'), 486);
  assert.equal(called(two), '1');
  two.reply(two.request('INVITE'), 200);
  alice.response(200);
  ended(all);
});

test('no-fork: only the first target is tried', () => {
  const all = scene(['Request-Disposition: no-fork']);
  const { rig, alice, one, two } = all;
  rig.sink().targets([target(one, { q: 900 }), target(two, { q: 900 })]);
  rig.sink().done();
  one.reply(one.request('INVITE'), 480);
  alice.response(480);
  assert.equal(called(two), '0');
  ended(all);
});

test('[S3261-16.7-05] any 6xx ends the search, 600 as well; others go on', () => {
  for (const [status, isOver] of [
    [599, false],
    [600, true],
    [603, true],
  ] as const) {
    const { rig, one, two } = scene();
    rig.sink().targets([target(one, { q: 900 }), target(two, { q: 100 })]);
    rig.sink().done();
    one.reply(one.request('INVITE'), status);
    assert.equal(called(two), isOver ? '0' : '1', String(status));
  }
});

test('a dead way is 480 for a phone; another adapter is told that it is dead', () => {
  for (const [listener, transport, status] of [
    ['lan', 'udp', 480],
    ['overlay', 'tls', 430],
  ] as const) {
    const rig = createForkRig();
    const [, one] = cast(rig);
    for (const method of ['INVITE', 'MESSAGE']) {
      const caller = rig.phone('192.0.2.99', transport, listener, 5062);
      caller.send(message(caller, { method, callId: method }));
      if (method === 'INVITE') caller.response(100);
      rig.sink().targets([target(one)]);
      rig.sink().done();
      one.reply(one.request(method), 430);
      if (method === 'INVITE') one.request('ACK');
      caller.response(status);
      caller.send(message(caller, { method, callId: `${method}-own` }));
      if (method === 'INVITE') caller.response(100);
      const open: ProxyTarget['open'] = (done) => {
        done(failure(sipFailure(430, 'Flow Failed')));
        return () => undefined;
      };
      rig.sink().targets([target(one, { open })]);
      rig.sink().done();
      caller.response(status);
    }
  }
});

test('[S4320-4.2-01] 408 of a callee reaches the caller of an INVITE only', () => {
  const call = scene();
  call.rig.sink().targets([target(call.one)]);
  call.rig.sink().done();
  call.one.reply(call.one.request('INVITE'), 408);
  call.alice.response(408);
  ended(call);
  const text = scene([], 'MESSAGE');
  text.rig.sink().targets([target(text.one)]);
  text.rig.sink().done();
  text.one.reply(text.one.request('MESSAGE'), 408);
  assert.equal(text.alice.waiting, 0);
  ended(text);
  assert.equal(text.rig.trace.count('sip_proxy_answers_total', '4xx'), 1);
  const nobody = scene([], 'MESSAGE');
  nobody.rig.sink().done(sipFailure(408, 'Request Timeout'));
  assert.equal(nobody.alice.waiting, 0);
  ended(nobody);
});

test('only provisional answers of an INVITE go up, and none after the final one', () => {
  const text = scene([], 'MESSAGE');
  text.rig.sink().targets([target(text.one)]);
  text.rig.sink().done();
  const sent = text.one.request('MESSAGE');
  text.one.reply(sent, 180);
  assert.equal(text.alice.waiting, 0);
  text.one.reply(sent, 200);
  text.alice.response(200);
  const call = scene(['Request-Disposition: no-cancel']);
  call.rig.sink().targets([target(call.one), target(call.two)]);
  call.rig.sink().done();
  call.one.reply(call.one.request('INVITE'), 200);
  call.alice.response(200);
  call.two.reply(call.two.request('INVITE'), 180);
  assert.equal(call.alice.waiting, 0);
});

test('[S3841-7.2.4-04] targets that the caller does not want: 480 where nothing else is left', () => {
  const all = scene(['Reject-Contact: *;automata']);
  const { rig, alice, one, two } = all;
  rig.sink().targets([target(one, { features: ';automata' })]);
  rig.sink().done();
  alice.response(480);
  ended(all);
  assert.equal(called(one), '0');
  const some = scene(['Reject-Contact: *;automata']);
  some.rig.sink().targets([target(some.one, { features: ';automata' }), target(some.two)]);
  some.rig.sink().done();
  some.two.reply(some.two.request('INVITE'), 486);
  some.alice.response(486);
  assert.equal(called(some.one), '0');
  assert.equal(two.waiting, 0);
});

test('what was spared is tried when nothing was found, with implied preferences', () => {
  const all = scene([], 'MESSAGE');
  const { rig, alice, one } = all;
  rig.sink().targets([target(one, { features: ';methods="INVITE"' })]);
  assert.equal(called(one), '0');
  rig.sink().done();
  one.reply(one.request('MESSAGE'), 200);
  alice.response(200);
  ended(all);
});

test('[S5393-5.3.3-01] the breadth is shared by equals and given back by each that ends', () => {
  const all = scene(['Max-Breadth: 7']);
  const { rig, one, two, three } = all;
  rig.sink().targets([target(one), target(two, { q: 900 }), target(three, { q: 900 })]);
  const first = one.request('INVITE');
  assert.equal(first.header('Max-Breadth'), '3', 'half, while more may come');
  rig.sink().done();
  one.reply(first, 486);
  assert.deepEqual(
    [two.request('INVITE'), three.request('INVITE')].map((copy) => copy.header('Max-Breadth')),
    ['3', '4'],
  );
});

test('[S5393-5.3.3-03] a caller that insists on parallel search gets 440 where the breadth does not suffice', () => {
  for (const [breadth, suffices] of [
    [1, false],
    [2, true],
  ] as const) {
    const { rig, alice, one, two } = scene([
      `Max-Breadth: ${String(breadth)}`,
      'Request-Disposition: parallel',
    ]);
    rig.sink().targets([target(one, { q: 900 }), target(two, { q: 900 })]);
    rig.sink().done();
    assert.equal(called(one, two), suffices ? '11' : '00');
    if (!suffices) alice.response(440);
  }
});

test('[S3261-16.7-10] Contacts of a 3xx that lead nowhere here stay in it; 305 is not followed', () => {
  const all = scene();
  const { rig, alice, one } = all;
  rig.sink().targets([target(one)]);
  rig.sink().done();
  const contacts = [`<sip:bob@${domain}>;q=0.5`, '<sip:x@other.example>', 'nonsense'];
  one.send(
    createResponse(one.request('INVITE'), 302, undefined, {
      toTag: 't',
      headers: contacts.map((contact) => ['Contact', contact] as const),
    }),
  );
  assert.deepEqual(alice.response(302).values('Contact'), ['<sip:x@other.example>']);
  ended(all);
  const other = scene();
  other.rig.sink().targets([target(other.one)]);
  other.rig.sink().done();
  const proxy = `sip:carol@${domain}`;
  other.one.reply(other.one.request('INVITE'), 305, { contact: proxy });
  assert.equal(other.alice.response(305).header('Contact'), `<${proxy}>`);
});

test('a redirection to a user of ours is one more search', () => {
  const all = scene();
  const { rig, alice, one, two } = all;
  rig.sink().targets([target(one)]);
  rig.sink().done();
  one.reply(one.request('INVITE'), 302, { contact: `sip:carol@${domain}` });
  rig.sink().targets([target(two, { q: 500 })]);
  assert.equal(called(two), '0');
  rig.sink().done();
  const invite = two.request('INVITE');
  assert.match(invite.header('History-Info') ?? '', /index=1\.1;mp=1$/);
  two.reply(invite, 486);
  alice.response(486);
  ended(all);
  assert.equal(rig.stopped, 2);
});
