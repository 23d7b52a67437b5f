/** The ways of one branch: addresses, alternates, challenges, cancelling and what ends it. RFC 3261 §16.7 to §16.9. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failure, success } from '../../../../src/base/outcome.ts';
import type { Flow } from '../../../../src/ports/flow.ts';
import { sipFailure } from '../../../../src/sip/core/failure.ts';
import type { SipRequest } from '../../../../src/sip/message/message.ts';
import type { OpenFlow } from '../../../../src/sip/proxy/targets.ts';
import { type FakePhone, message } from '../core/rig.ts';
import { type ForkRig, cast, createForkRig, target } from './fork-rig.ts';

function begin(rig: ForkRig, alice: FakePhone, method = 'INVITE'): void {
  alice.send(message(alice, { method, branch: `z9hG4bK-${method}` }));
  if (method === 'INVITE') alice.response(100);
}

/** An opener that tries the phones one after the other, as the DNS names them. */
function addresses(...phones: readonly FakePhone[]): OpenFlow {
  const [first, ...more] = phones;
  return (done) => {
    if (first === undefined) done(failure(sipFailure(408, 'Request Timeout')));
    else done(success<Flow>(first.flow), addresses(...more));
    return () => undefined;
  };
}

test('[S3263-4.3-01] after 503 or silence the next address of the same place is tried in a new transaction', () => {
  const rig = createForkRig();
  const [alice, one, two, three] = cast(rig);
  begin(rig, alice);
  rig.sink().targets([target(one, { open: addresses(one, two, three) })]);
  rig.sink().done();
  const first = one.request('INVITE');
  one.reply(first, 503);
  one.request('ACK');
  const second = two.request('INVITE');
  assert.notEqual(second.via.branch, first.via.branch);
  assert.equal(second.uri, first.uri);
  rig.clock.advance(32_000);
  const third = three.request('INVITE');
  three.reply(third, 486);
  assert.equal(alice.response(486).status, 486);
});

test('who answered something else, or rang, is not asked at another address', () => {
  for (const status of [404, 408, 430, 500]) {
    const rig = createForkRig();
    const [alice, one, two] = cast(rig);
    begin(rig, alice);
    rig.sink().targets([target(one, { open: addresses(one, two) })]);
    rig.sink().done();
    one.reply(one.request('INVITE'), status);
    assert.equal(two.waiting, 0, String(status));
    alice.response(status === 430 ? 480 : status);
  }
  const rig = createForkRig();
  const [alice, one, two] = cast(rig);
  begin(rig, alice);
  rig.sink().targets([target(one, { open: addresses(one, two) })]);
  rig.sink().done();
  one.reply(one.request('INVITE'), 180);
  alice.response(180);
  rig.server.flowClosed(one.flow);
  assert.equal(two.waiting, 0);
  alice.response(500);
});

test('408 and 430 go on with the next way to the same phone, other answers do not', () => {
  for (const [status, goesOn] of [
    [408, true],
    [430, true],
    [404, false],
    [503, false],
  ] as const) {
    const rig = createForkRig();
    const [alice, one, two] = cast(rig);
    begin(rig, alice);
    rig.sink().targets([target(one, { alternates: [target(two)] })]);
    rig.sink().done();
    one.reply(one.request('INVITE'), status);
    assert.equal(two.waiting > 0, goesOn, String(status));
  }
});

test('a way that is given up while it opens is not taken later', () => {
  const rig = createForkRig();
  const [alice, one] = cast(rig);
  let finish: Parameters<OpenFlow>[0] | undefined;
  let given = 0;
  begin(rig, alice);
  const open: OpenFlow = (done) => {
    finish = done;
    return () => {
      given++;
    };
  };
  rig.sink().targets([target(one, { open })]);
  rig.sink().done();
  alice.send(message(alice, { method: 'CANCEL', branch: 'z9hG4bK-INVITE' }));
  alice.response(200);
  alice.response(487);
  assert.equal(given, 1);
  finish?.(success<Flow>(one.flow));
  assert.equal(one.waiting, 0);
  assert.equal(rig.server.snapshot().contexts, 0);
});

test('a lost connection is 500 for the caller, 480 when it led to another adapter', () => {
  for (const [side, status] of [
    ['phone', 500],
    ['overlay', 480],
  ] as const) {
    const rig = createForkRig();
    const [alice, one] = cast(rig);
    begin(rig, alice);
    rig.sink().targets([target(one, { side })]);
    rig.sink().done();
    one.request('INVITE');
    rig.server.flowClosed(one.flow);
    alice.response(status);
    assert.equal(rig.server.snapshot().contexts, 0);
  }
});

test('a non-INVITE that its caller cancels goes on to its end', () => {
  const rig = createForkRig();
  const [alice, one] = cast(rig);
  begin(rig, alice, 'MESSAGE');
  rig.sink().targets([target(one)]);
  rig.sink().done();
  const sent = one.request('MESSAGE');
  alice.send(message(alice, { method: 'CANCEL', branch: 'z9hG4bK-MESSAGE' }));
  alice.response(200);
  one.reply(sent, 200);
  alice.response(200);
  assert.equal(one.waiting, 0);
});

test('a phone that ends nothing after its CANCEL is given up after 32 s', () => {
  const rig = createForkRig();
  const [alice, one] = cast(rig);
  begin(rig, alice);
  rig.sink().targets([target(one)]);
  rig.sink().done();
  const invite = one.request('INVITE');
  one.reply(invite, 180);
  alice.response(180);
  alice.send(message(alice, { method: 'CANCEL', branch: 'z9hG4bK-INVITE' }));
  alice.response(200);
  one.reply(one.request('CANCEL'), 200);
  rig.clock.advance(31_900);
  assert.equal(alice.waiting, 0);
  rig.clock.advance(400);
  alice.response(487);
  assert.equal(rig.server.snapshot().contexts, 0);
});

test('a server that challenges this one gets the request again, once, with credentials', () => {
  for (const status of [401, 407]) {
    const asked: number[] = [];
    const rig = createForkRig({
      trunks: {
        ofFlow: () => undefined,
        ofAccount: () => undefined,
        answer(sent: SipRequest, _flow: Flow, response) {
          asked.push(response.status);
          return sent.edit().set('Proxy-Authorization', 'Digest proof').build();
        },
      },
    });
    const [alice, trunk] = cast(rig);
    begin(rig, alice);
    rig.sink().targets([target(trunk)]);
    rig.sink().done();
    const first = trunk.request('INVITE');
    assert.equal(first.has('Proxy-Authorization'), false);
    trunk.reply(first, status);
    trunk.request('ACK');
    const second = trunk.request('INVITE');
    assert.equal(second.header('Proxy-Authorization'), 'Digest proof');
    assert.notEqual(second.via.branch, first.via.branch);
    assert.equal(alice.waiting, 0);
    trunk.reply(second, status);
    alice.response(status);
    assert.deepEqual(asked, [status]);
  }
});

test('after a redirecting, failing and ringing fork nothing is left behind', () => {
  const rig = createForkRig();
  const [alice, one, two, three] = cast(rig);
  begin(rig, alice);
  rig.sink().targets([target(one, { q: 900 }), target(two, { q: 900 }), target(three, { q: 100 })]);
  rig.sink().done();
  assert.equal(rig.server.snapshot().callsRinging, 1);
  one.reply(one.request('INVITE'), 302, { contact: 'sip:x@other.example' });
  two.reply(two.request('INVITE'), 404);
  three.reply(three.request('INVITE'), 486);
  assert.equal(alice.response(302).header('Contact'), '<sip:x@other.example>');
  assert.deepEqual([rig.server.snapshot().callsRinging, rig.server.snapshot().contexts], [0, 0]);
  assert.equal(rig.stopped, 1);
});

test('what searches report late is left alone', () => {
  const rig = createForkRig();
  const [alice, one, two] = cast(rig);
  begin(rig, alice);
  const sink = rig.sink();
  sink.targets([target(one)]);
  const invite = one.request('INVITE');
  one.reply(invite, 200);
  alice.response(200);
  sink.targets([target(two)]);
  sink.done();
  sink.done();
  sink.targets([target(two, { label: 'again' })]);
  assert.equal(two.waiting, 0);
  assert.equal(rig.server.snapshot().contexts, 0);
});

test('the failure of the search is told when there was no target; the first one counts', () => {
  for (const told of [404, 480]) {
    const rig = createForkRig();
    const [alice] = cast(rig);
    alice.send(message(alice));
    alice.response(100);
    rig.sink().done(sipFailure(told, 'Told'));
    assert.equal(alice.response(told).reason, 'Told');
  }
  const rig = createForkRig();
  const [alice] = cast(rig);
  begin(rig, alice);
  rig.sink().done(sipFailure(503, 'Full', [['Retry-After', '7']]));
  assert.equal(alice.response(503).header('Retry-After'), '7');
  const plain = createForkRig();
  const [carol] = cast(plain);
  begin(plain, carol);
  plain.sink().done(sipFailure(503, 'Full'));
  assert.equal(carol.response(500).reason, 'Server Internal Error');
  const silent = createForkRig();
  const [dave] = cast(silent);
  begin(silent, dave);
  silent.sink().done();
  dave.response(408);
});
