import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Flow, SipTransportName } from '../../../../src/ports/flow.ts';
import { silentTrace } from '../../../../src/ports/trace.ts';
import { createLocationTable } from '../../../../src/sip/location/create-location-table.ts';
import { decodeBindings, encodeBindings } from '../../../../src/sip/location/stored-binding.ts';
import { parseUri } from '../../../../src/sip/message/uri.ts';
import { directContact } from '../../../../src/sip/registrar/direct-contact.ts';
import { type FakePhone, type Rig, createRig, domain, message, register } from '../core/rig.ts';

const aor = `bob@${domain}`;

function call(rig: Rig): FakePhone {
  const caller = rig.phone('192.0.2.10');
  caller.send(message(caller, { callId: `call-${String(rig.clock.monotonicMs())}` }));
  return caller;
}

test('a phone without NAT is called where its Contact says, not where its REGISTER came from', () => {
  const rig = createRig();
  const sender = rig.phone('192.0.2.20', 'udp', 'lan', 6070);
  const listening = rig.phone('192.0.2.20', 'udp', 'lan', 6062);
  register(sender, 'bob', { contacts: ['<sip:bob@192.0.2.20:6062>'] });
  call(rig);
  assert.equal(sender.waiting, 0);
  assert.equal(listening.request('INVITE').uri, 'sip:bob@192.0.2.20:6062');
});

test('the port of a Contact without one is 5060', () => {
  const rig = createRig();
  const sender = rig.phone('192.0.2.20', 'udp', 'lan', 6070);
  const listening = rig.phone('192.0.2.20', 'udp', 'lan', 5060);
  register(sender, 'bob', { contacts: ['<sip:bob@192.0.2.20>'] });
  call(rig);
  assert.equal(sender.waiting, 0);
  listening.request('INVITE');
});

test('a Contact for TCP registered over UDP is called over TCP; when nobody listens there the caller gets 480', () => {
  const rig = createRig();
  const sender = rig.phone('192.0.2.20', 'udp', 'lan', 6070);
  const listening = rig.phone('192.0.2.20', 'tcp', 'lan', 6064);
  register(sender, 'bob', { contacts: ['<sip:bob@192.0.2.20:6064;transport=tcp>'] });
  call(rig);
  assert.equal(sender.waiting, 0);
  const invite = listening.request('INVITE');
  assert.match(invite.header('Record-Route') ?? '', /transport=tcp/);
  listening.drop();
  rig.clock.advance(1);
  const caller = call(rig);
  assert.equal(caller.response(480).reason, 'Temporarily Unavailable');
});

for (const [name, via, contact] of [
  ['another sent-by address', '10.0.0.5:5062', '192.0.2.20:6062'],
  ['a sent-by name', 'phone.example:5062', '192.0.2.20:6062'],
  ['another sent-by port', '192.0.2.20:5070', '192.0.2.20:6062'],
  ['a Contact at another address', '192.0.2.20:5062', '10.0.0.5:5062'],
  ['a Contact with a name', '192.0.2.20:5062', 'phone.example:6062'],
] as const) {
  test(`a phone behind a NAT is reached by its flow only: ${name}`, () => {
    const rig = createRig();
    const phone = rig.phone('192.0.2.20');
    const translated: FakePhone = {
      ...phone,
      send: (text) => {
        assert.ok(typeof text === 'string');
        phone.send(text.replace(/(?<=UDP )[^;]+/, via));
      },
    };
    register(translated, 'bob', { contacts: [`<sip:bob@${contact}>`] });
    assert.equal(rig.location.bindings(aor)[0]?.direct, undefined);
    call(rig);
    phone.request('INVITE');
  });
}

test('outbound and Path say themselves which way a phone is reached', () => {
  const rig = createRig();
  const phone = rig.phone('192.0.2.20');
  register(phone, 'bob', {
    contacts: ['<sip:bob@192.0.2.20:6062>;reg-id=1;+sip.instance="<urn:uuid:1>"'],
    headers: ['Supported: outbound'],
  });
  assert.equal(rig.location.bindings(aor)[0]?.direct, undefined);
  register(phone, 'alice', {
    contacts: ['<sip:alice@192.0.2.20:6062>'],
    headers: ['Supported: path', 'Path: <sip:edge.example;lr>'],
  });
  assert.equal(rig.location.bindings(`alice@${domain}`)[0]?.direct, undefined);
});

test('a TCP phone is called on its connection while that lives, then where it listens, also after a restart', () => {
  const rig = createRig();
  const connection = rig.phone('192.0.2.20', 'tcp', 'lan', 40_000);
  register(connection, 'bob', { contacts: ['<sip:bob@192.0.2.20:7004;transport=tcp>'] });
  const listening = rig.phone('192.0.2.20', 'tcp', 'lan', 7004);
  call(rig);
  connection.request('INVITE');
  assert.equal(listening.waiting, 0);
  connection.drop();
  rig.clock.advance(10);
  call(rig);
  listening.request('INVITE');

  const restarted = createLocationTable({
    clock: rig.clock,
    store: rig.store,
    trace: silentTrace,
  });
  const [binding] = restarted.bindings(aor);
  assert.equal(binding?.flowDead, true);
  assert.deepEqual(binding.direct, { transport: 'tcp', port: 7004 });
});

test('a request inside a dialog reaches a TCP phone that lost its connection', () => {
  const rig = createRig();
  const connection = rig.phone('192.0.2.20', 'tcp', 'lan', 40_000);
  const contact = 'sip:bob@192.0.2.20:7004;transport=tcp';
  register(connection, 'bob', { contacts: [`<${contact}>`] });
  const caller = call(rig);
  const invite = connection.request('INVITE');
  connection.reply(invite, 200, { contact });
  caller.response(100);
  const ok = caller.response(200);
  connection.drop();
  const listening = rig.phone('192.0.2.20', 'tcp', 'lan', 7004);
  const routes = ok.values('Record-Route').toReversed().join(', ');
  caller.send(
    message(caller, {
      method: 'BYE',
      uri: contact,
      to: ok.to.raw,
      callId: invite.callId,
      cseq: 2,
      headers: [`Route: ${routes}`],
    }),
  );
  listening.request('BYE');
});

function flow(transport: SipTransportName): Flow {
  return createRig().phone('192.0.2.20', transport).flow;
}

function direct(contact: string, transport: SipTransportName): unknown {
  const uri = parseUri(contact);
  assert.ok(uri.ok);
  return directContact(uri.value, flow(transport));
}

test('which Contact may be reached besides the flow', () => {
  assert.equal(direct('sip:b@192.0.2.20:5062', 'udp'), undefined);
  assert.equal(direct('sip:b@192.0.2.20:5062;transport=udp', 'udp'), undefined);
  assert.deepEqual(direct('sip:b@192.0.2.20:5062;transport=TCP', 'udp'), {
    transport: 'tcp',
    port: 5062,
  });
  assert.equal(direct('sip:b@192.0.2.20:6062;transport=tls', 'udp'), undefined);
  assert.equal(direct('sips:b@192.0.2.20', 'udp'), undefined);
  assert.equal(direct('sip:b@192.0.2.20:0', 'udp'), undefined);
  assert.equal(direct('sip:b@192.0.2.20:6062;maddr=192.0.2.99', 'udp'), undefined);
  assert.equal(direct('sip:b@192.0.2.20:6062', 'tcp'), undefined);
  assert.deepEqual(direct('sips:b@192.0.2.20', 'tls'), { transport: 'tls', port: 5061 });
  assert.equal(direct('sip:b@192.0.2.20:6062;transport=tcp', 'tls'), undefined);
  assert.equal(direct('sip:b@192.0.2.20:6062;transport=ws', 'ws'), undefined);
  assert.equal(direct('tel:+1', 'udp'), undefined);
});

test('rows written before there were direct contacts are still read', () => {
  const rig = createRig();
  register(rig.phone('192.0.2.20'), 'bob', { contacts: ['<sip:bob@192.0.2.20:6062>'] });
  const bytes = encodeBindings(rig.location.bindings(aor), 0);
  assert.deepEqual(decodeBindings(bytes), rig.location.bindings(aor));
  const parsed = JSON.parse(new TextDecoder().decode(bytes)) as [number, number, unknown[][]];
  const encode = (version: number, cells: number): Uint8Array =>
    new TextEncoder().encode(
      JSON.stringify([version, parsed[1], parsed[2].map((row) => row.slice(0, cells))]),
    );
  const [old] = decodeBindings(encode(1, 16)) ?? [];
  assert.equal(old?.contact, 'sip:bob@192.0.2.20:6062');
  assert.equal(old.direct, undefined);
  assert.equal(decodeBindings(encode(2, 16)), undefined);
  assert.equal(decodeBindings(encode(1, 18)), undefined);
  assert.equal(decodeBindings(encode(3, 18)), undefined);
});
