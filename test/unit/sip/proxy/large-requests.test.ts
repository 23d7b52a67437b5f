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
