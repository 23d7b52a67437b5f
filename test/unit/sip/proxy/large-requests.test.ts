import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createRig, message, register } from '../core/rig.ts';
import { inviteTo } from './scene.ts';

test('[S3261-18.1.1-01] a large request to a phone that takes connections goes by TCP, else in a datagram', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  register(bob, 'bob', { contacts: ['<sip:bob@192.0.2.20:5070>'] });
  const udp = rig.phone('192.0.2.20', 'udp', 'lan', 5070);
  const large = [`X-Fill: ${'x'.repeat(1400)}`];
  const datagram = inviteTo(alice, udp, large);
  assert.equal(datagram.via.transport, 'UDP', 'nobody takes the connection');
  udp.reply(datagram, 486);
  udp.request('ACK');
  alice.response(486);
  rig.clock.advance(600_001);
  while (alice.waiting > 0) alice.response(486);
  const tcp = rig.phone('192.0.2.20', 'tcp', 'lan', 5070);
  alice.send(message(alice, { callId: 'large', headers: large }));
  alice.response(100);
  const stream = tcp.request('INVITE');
  assert.equal(stream.via.transport, 'TCP');
  const [recorded = ''] = stream.values('Record-Route');
  assert.ok(!recorded.includes('transport=tcp'), 'the dialog does not hang on that connection');
  assert.equal(udp.waiting, 0);
  alice.send(message(alice, { callId: 'small' }));
  alice.response(100);
  assert.equal(udp.request('INVITE').via.transport, 'UDP');
});

test('a phone whose packet filter says nothing to connections gets a large request in a datagram soon', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  const bob = rig.phone('192.0.2.20');
  register(bob, 'bob', { contacts: ['<sip:bob@192.0.2.20:5070>'] });
  const udp = rig.phone('192.0.2.20', 'udp', 'lan', 5070);
  rig.silentConnections();
  alice.send(message(alice, { headers: [`X-Fill: ${'x'.repeat(1400)}`] }));
  rig.clock.advance(499);
  assert.equal(udp.waiting, 0);
  rig.clock.advance(1);
  assert.equal(udp.request('INVITE').via.transport, 'UDP');
});

/** Bob's phone at a port where it may take connections too, and a large request of Alice. */
function scene() {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  register(rig.phone('192.0.2.20'), 'bob', { contacts: ['<sip:bob@192.0.2.20:5070>'] });
  const udp = rig.phone('192.0.2.20', 'udp', 'lan', 5070);
  const send = (callId: string, fill: number): void =>
    alice.send(
      message(alice, {
        method: 'MESSAGE',
        callId,
        branch: `z9hG4bK-${callId}`,
        headers: [`X-Fill: ${'x'.repeat(fill)}`],
      }),
    );
  return { rig, alice, udp, send };
}

test('a phone that takes no connections is asked for none in the next ten minutes', () => {
  const { rig, udp, send } = scene();
  send('first', 1400);
  assert.equal(udp.request('MESSAGE').via.transport, 'UDP');
  const tcp = rig.phone('192.0.2.20', 'tcp', 'lan', 5070);
  rig.clock.advance(599_000);
  udp.flow.sent.length = 0;
  send('second', 1400);
  assert.equal(udp.request('MESSAGE').via.transport, 'UDP');
  rig.clock.advance(1_000);
  send('third', 1400);
  assert.equal(tcp.request('MESSAGE').via.transport, 'TCP');
});

test('what fits into 1300 bytes with our Via goes in a datagram', () => {
  const { rig, udp, send } = scene();
  const tcp = rig.phone('192.0.2.20', 'tcp', 'lan', 5070);
  send('probe', 1);
  const probe = udp.request('MESSAGE').edit().removeFirstValue('Via').build();
  const spare = 1300 - 160 - probe.toBytes().length;
  send('fits!', 1 + spare);
  assert.equal(udp.request('MESSAGE').callId, 'fits!');
  send('large', 2 + spare);
  assert.equal(tcp.request('MESSAGE').callId, 'large');
});

test('a caller that gives up while a connection is tried is not called back', () => {
  const rig = createRig();
  const alice = rig.phone('192.0.2.10');
  register(rig.phone('192.0.2.20'), 'bob', { contacts: ['<sip:bob@192.0.2.20:5070>'] });
  const udp = rig.phone('192.0.2.20', 'udp', 'lan', 5070);
  rig.silentConnections();
  const text = message(alice, { branch: 'z9hG4bK-x', headers: [`X-Fill: ${'x'.repeat(1400)}`] });
  alice.send(text);
  alice.response(100);
  rig.clock.advance(100);
  alice.send(text.replaceAll('INVITE', 'CANCEL'));
  alice.response(200);
  alice.response(487);
  rig.clock.advance(10_000);
  assert.equal(udp.waiting, 0);
});
