import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createResponse } from '../../../../src/sip/message/message.ts';
import type { SessionTimerPolicy } from '../../../../src/sip/proxy/session-timer.ts';
import { type FakePhone, type Rig, createRig, domain, message, register } from '../core/rig.ts';

const policy: SessionTimerPolicy = { sessionExpiresS: 1800, minSessionExpiresS: 120 };

function pair(sessionTimer?: SessionTimerPolicy): { rig: Rig; alice: FakePhone; bob: FakePhone } {
  const rig = createRig(({ settings }) => ({
    settings: {
      ...settings,
      proxy: { ...settings.proxy, ...(sessionTimer === undefined ? {} : { sessionTimer }) },
    },
  }));
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  register(bob, 'bob');
  return { rig, alice, bob };
}

function forwarded(policyOf: SessionTimerPolicy | undefined, headers: readonly string[]) {
  const { alice, bob } = pair(policyOf);
  alice.send(message(alice, { headers }));
  alice.response(100);
  return bob.request('INVITE');
}

test('[S4028-8-01] without a wish of its own the proxy leaves timers alone, and passes 422', () => {
  const { alice, bob } = pair();
  const headers = ['Session-Expires: 60;refresher=uas', 'Min-SE: 30', 'Supported: timer'];
  alice.send(message(alice, { headers }));
  alice.response(100);
  const invite = bob.request('INVITE');
  assert.equal(invite.header('Session-Expires'), '60;refresher=uas');
  assert.equal(invite.header('Min-SE'), '30');
  assert.equal(invite.header('Supported'), 'timer');
  bob.send(createResponse(invite, 422, undefined, { toTag: 'b', headers: [['Min-SE', '90']] }));
  assert.equal(alice.response(422).header('Min-SE'), '90');
});

test('[S4028-8.1-01] a long interval is shortened, a short one never made longer, Min-SE is the floor', () => {
  const table: readonly (readonly [string[], string | undefined])[] = [
    [[], '1800'],
    [['Session-Expires: 7200;refresher=uac'], '1800;refresher=uac'],
    [['Session-Expires: 600', 'Supported: timer'], '600'],
    [['Session-Expires: 7200', 'Min-SE: 3600'], '3600'],
    [['Session-Expires: 100'], '120'],
  ];
  for (const [headers, expected] of table) {
    assert.equal(forwarded(policy, headers).header('Session-Expires'), expected, headers.join());
  }
  assert.equal(forwarded(policy, ['Session-Expires: 100']).header('Min-SE'), '120');
  assert.equal(forwarded(policy, []).header('Session-Expires')?.includes('refresher'), false);
});

test('[S4028-8.1-02] 422 only to callers that know timers, with a Min-SE of at least 90', () => {
  const { alice, bob } = pair({ sessionExpiresS: 1800, minSessionExpiresS: 20 });
  alice.send(message(alice, { headers: ['Session-Expires: 60', 'Supported: timer'] }));
  assert.equal(alice.response(422).header('Min-SE'), '90');
  assert.equal(bob.waiting, 0);
  alice.send(message(alice, { callId: 'old', headers: ['Session-Expires: 60'] }));
  alice.response(100);
  assert.equal(bob.request('INVITE').header('Session-Expires'), '90');
});

test('[S4028-8.2-01] the caller is told to refresh when the callee knows no timers; a timer of the callee stays', () => {
  const { alice, bob } = pair(policy);
  alice.send(message(alice, { headers: ['Supported: timer'] }));
  alice.response(100);
  bob.reply(bob.request('INVITE'), 200);
  const added = alice.response(200);
  assert.equal(added.header('Session-Expires'), '1800;refresher=uac');
  assert.deepEqual(added.values('Require'), ['timer']);

  alice.send(message(alice, { callId: 'second', headers: ['Supported: timer'] }));
  alice.response(100);
  const headers: [string, string][] = [
    ['Session-Expires', '300;refresher=uas'],
    ['Require', 'timer'],
  ];
  bob.send(createResponse(bob.request('INVITE'), 200, undefined, { toTag: 'b', headers }));
  const kept = alice.response(200);
  assert.equal(kept.header('Session-Expires'), '300;refresher=uas');
  assert.deepEqual(kept.rows('Require'), ['timer']);

  alice.send(message(alice, { callId: 'third' }));
  alice.response(100);
  bob.reply(bob.request('INVITE'), 200);
  assert.equal(alice.response(200).has('Session-Expires'), false, 'a caller without timers');
});

test('[S4028-8.3-01] when the interval is over the proxy sends nothing, no BYE either', () => {
  const { rig, alice, bob } = pair(policy);
  alice.send(message(alice, { headers: ['Supported: timer', 'Session-Expires: 200'] }));
  alice.response(100);
  const invite = bob.request('INVITE');
  const headers: [string, string][] = [['Contact', '<sip:bob@192.0.2.20:5062>']];
  bob.send(createResponse(invite, 200, undefined, { toTag: 'b', headers }));
  const ok = alice.response(200);
  const routes = invite.values('Record-Route').toReversed();
  alice.send(
    message(alice, {
      method: 'ACK',
      uri: 'sip:bob@192.0.2.20:5062',
      to: ok.header('To') ?? `<sip:bob@${domain}>`,
      headers: routes.map((route) => `Route: ${route}`),
    }),
  );
  bob.request('ACK');
  rig.clock.advance(600_000);
  assert.equal(alice.waiting + bob.waiting, 0);
});
