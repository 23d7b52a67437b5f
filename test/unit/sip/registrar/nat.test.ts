import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type RegistrarSettings, defaultSipSettings } from '../../../../src/sip/core/settings.ts';
import { type FakePhone, type Rig, createRig, domain, message, register } from '../core/rig.ts';

const aor = `alice@${domain}`;

function createNatRig(more: Partial<RegistrarSettings> = {}): Rig {
  return createRig((deps) => ({
    settings: { ...deps.settings, registrar: { ...defaultSipSettings.registrar, ...more } },
  }));
}

/** A phone that believes in 10.0.0.7 and is seen elsewhere. */
function registerBehindNat(
  phone: FakePhone,
  user = 'alice',
  headers: readonly string[] = [],
): void {
  const { transport } = phone.flow;
  const text = message(phone, {
    method: 'REGISTER',
    uri: `sip:${domain}`,
    from: `<sip:${user}@${domain}>;tag=r`,
    to: `<sip:${user}@${domain}>`,
    callId: `nat-${phone.flow.id}`,
    cseq: ++cseq,
    headers: [`Contact: <sip:${user}@10.0.0.7:5062;transport=${transport}>`, ...headers],
  });
  phone.send(text.replace(/(Via: SIP\/2\.0\/\w+ )[^;]*/, '$110.0.0.7:5062'));
  phone.response(200);
}
let cseq = 0;

function open(more: Partial<RegistrarSettings> = {}): Rig {
  return createRig((deps) => ({
    settings: {
      ...deps.settings,
      registrar: { ...defaultSipSettings.registrar, ...more },
      auth: { ...deps.settings.auth, challengeRegistrations: false },
    },
  }));
}

test('a phone behind a NAT is called at the address it was seen at', () => {
  const rig = open();
  const phone = rig.phone('203.0.113.5', 'udp', 'lan', 40_000);
  registerBehindNat(phone);
  const [binding] = rig.location.bindings(aor);
  assert.equal(binding?.nat, true);
  assert.deepEqual([binding.receivedAddress, binding.receivedPort], ['203.0.113.5', 40_000]);
  const caller = rig.phone('192.0.2.20');
  caller.send(message(caller, { uri: `sip:${aor}` }));
  const invite = phone.request('INVITE');
  assert.equal(invite.uri, 'sip:alice@10.0.0.7:5062;transport=udp');
  assert.match(invite.values('Record-Route')[0] ?? '', /sip:~[^@]+@/, 'with a flow token');
});

test('phones behind a NAT are pinged, each once in the interval', () => {
  const rig = open({ natPingS: 30 });
  const phones = Array.from({ length: 45 }, (_, i) => {
    const phone = rig.phone('203.0.113.5', 'udp', 'lan', 40_000 + i);
    registerBehindNat(phone, `user${String(i)}`);
    return phone;
  });
  let most = 0;
  for (let second = 0; second < 30; second++) {
    const before = phones.filter((phone) => phone.waiting > 0).length;
    rig.clock.advance(1000);
    most = Math.max(most, phones.filter((phone) => phone.waiting > 0).length - before);
  }
  assert.ok(most <= 2, `${String(most)} at once`);
  for (const phone of phones) {
    const ping = phone.request('OPTIONS');
    assert.match(ping.uri, /^sip:user\d+@10\.0\.0\.7:5062;transport=udp$/);
    assert.equal(ping.values('Via').length, 1);
    phone.reply(ping, 200);
    assert.equal(phone.waiting, 0);
  }
});

test('a ping is not repeated, and its answer leads to nothing', () => {
  const rig = open({ natPingS: 30 });
  const phone = rig.phone('203.0.113.5', 'udp', 'lan', 40_000);
  registerBehindNat(phone);
  rig.clock.advance(29_000);
  const { transactions } = rig.server.snapshot();
  assert.equal(transactions, 1, 'that of the REGISTER');
  phone.reply(phone.request('OPTIONS'), 404);
  assert.equal(phone.waiting, 0);
  assert.equal(rig.server.snapshot().transactions, transactions);
  assert.equal(rig.location.bindings(aor).length, 1);
});

test('streams are pinged with CRLF CRLF, and datagrams where the setting says so', () => {
  for (const [transport, natPing] of [
    ['tcp', 'options'],
    ['udp', 'crlf'],
  ] as const) {
    const rig = open({ natPing });
    const phone = rig.phone('203.0.113.5', transport, 'lan', 40_000);
    registerBehindNat(phone);
    rig.clock.advance(1000);
    assert.deepEqual(phone.flow.sent, ['\r\n\r\n'], transport);
    if (transport === 'udp') continue;
    phone.drop();
    rig.clock.advance(60_000);
    assert.equal(phone.waiting, 1, 'nothing on a dead flow');
  }
});

test('no ping for phones without a NAT, with outbound, behind a proxy, on WebSockets, or without the setting', () => {
  const supported = 'Supported: outbound, path';
  const instance = '+sip.instance="<urn:uuid:1>"';
  const rig = open();
  const plain = rig.phone('192.0.2.10');
  registerOutbound(plain, [], '');
  const others: FakePhone[] = [plain];
  const add = (port: number, transport: 'udp' | 'ws', headers: readonly string[]): void => {
    const phone = rig.phone('203.0.113.5', transport, 'lan', port);
    registerBehindNat(phone, 'alice', headers);
    others.push(phone);
  };
  add(1, 'udp', ['Path: <sip:edge.example;lr>', supported]);
  add(2, 'ws', []);
  const outbound = rig.phone('203.0.113.5', 'udp', 'lan', 3);
  others.push(outbound);
  registerOutbound(outbound, [supported], instance);
  rig.clock.advance(100_000);
  for (const phone of others) assert.equal(phone.waiting, 0, phone.flow.id);

  const off = open({ natPingS: 0 });
  const phone = off.phone('203.0.113.5', 'udp', 'lan', 4);
  registerBehindNat(phone);
  off.clock.advance(100_000);
  assert.equal(phone.waiting, 0);
});

/** Without an instance: a phone that is not behind a NAT. */
function registerOutbound(phone: FakePhone, headers: readonly string[], instance: string): void {
  const flow = instance === '' ? '' : `;${instance};reg-id=1`;
  const contact = `<sip:alice@10.0.0.7>${flow}`;
  const text = message(phone, {
    method: 'REGISTER',
    uri: `sip:${domain}`,
    from: `<sip:${aor}>;tag=r`,
    to: `<sip:${aor}>`,
    callId: 'outbound',
    cseq: ++cseq,
    headers: [`Contact: ${contact}`, ...headers],
  });
  phone.send(
    instance === '' ? text : text.replace(/(Via: SIP\/2\.0\/\w+ )[^;]*/, '$110.0.0.7:5062'),
  );
  phone.response(200);
}

test('pings end with the registration and go on after a restart', () => {
  const rig = open();
  const phone = rig.phone('203.0.113.5', 'udp', 'lan', 40_000);
  registerBehindNat(phone);
  rig.location.flush(() => undefined);
  const again = createRig((deps) => ({
    settings: { ...deps.settings, registrar: defaultSipSettings.registrar },
    location: rig.location,
    flows: rig.flows,
  }));
  again.clock.advance(1000);
  assert.match(phone.flow.sent[0] ?? '', /^OPTIONS/);
  phone.flow.sent.length = 0;
  registerBehindNat(phone, 'alice', ['Expires: 0']);
  rig.clock.advance(100_000);
  again.clock.advance(100_000);
  assert.equal(phone.waiting, 0);
});

test('the interval of a phone on UDP behind a NAT may be shorter', () => {
  const rig = createNatRig({ natExpiresS: 120 });
  const inside = rig.phone('192.0.2.10');
  assert.match(register(inside, 'alice').header('Contact') ?? '', /;expires=3600$/);
  const short = open({ natExpiresS: 120 });
  for (const [transport, expiresS] of [
    ['udp', 120],
    ['tcp', 3600],
  ] as const) {
    const phone = short.phone('203.0.113.5', transport, 'lan', 40_000);
    registerBehindNat(phone, transport);
    const [binding] = short.location.bindings(`${transport}@${domain}`);
    assert.equal(binding?.expiresAtMs, short.clock.wallMs() + expiresS * 1000);
  }
});

/** Answers the pings that have come; how many there were. */
function answerPings(phone: FakePhone): number {
  let count = 0;
  for (; phone.waiting > 0; count++) phone.reply(phone.request('OPTIONS'), 200);
  return count;
}

test('a phone that stops answering pings is removed after three of them', () => {
  const rig = open({ natPingS: 30 });
  const phone = rig.phone('203.0.113.5', 'udp', 'lan', 40_000);
  registerBehindNat(phone);
  rig.clock.advance(29_000);
  assert.equal(answerPings(phone), 1);
  rig.clock.advance(90_000);
  assert.equal(phone.waiting, 3);
  assert.equal(rig.location.bindings(aor).length, 1, 'the third may still be answered');
  rig.clock.advance(30_000);
  assert.deepEqual(rig.location.bindings(aor), []);
  assert.equal(phone.waiting, 3, 'no further ping');
  phone.flow.sent.length = 0;
  registerBehindNat(phone);
  assert.equal(rig.location.bindings(aor).length, 1);
});

test('one answer, or a REGISTER, begins the count anew', () => {
  const rig = open({ natPingS: 30 });
  const phone = rig.phone('203.0.113.5', 'udp', 'lan', 40_000);
  registerBehindNat(phone);
  for (const sign of ['answer', 'register'] as const) {
    rig.clock.advance(30_000);
    answerPings(phone);
    rig.clock.advance(90_000);
    if (sign === 'answer') {
      answerPings(phone);
    } else {
      phone.flow.sent.length = 0;
      registerBehindNat(phone);
    }
    phone.flow.sent.length = 0;
    rig.clock.advance(60_000);
    assert.equal(rig.location.bindings(aor).length, 1, sign);
    answerPings(phone);
  }
});

test('phones that never answer pings stay, and all where the setting is 0', () => {
  const silent = open({ natPingS: 30 });
  registerBehindNat(silent.phone('203.0.113.5', 'udp', 'lan', 40_000));
  silent.clock.advance(600_000);
  assert.equal(silent.location.bindings(aor).length, 1);
  const rig = open({ natPingS: 30, natPingsLost: 0 });
  const phone = rig.phone('203.0.113.5', 'udp', 'lan', 40_000);
  registerBehindNat(phone);
  rig.clock.advance(29_000);
  answerPings(phone);
  rig.clock.advance(600_000);
  assert.equal(rig.location.bindings(aor).length, 1);
});

test('only the phone that is gone loses its binding', () => {
  const rig = open({ natPingS: 30 });
  const gone = rig.phone('203.0.113.5', 'udp', 'lan', 40_000);
  const there = rig.phone('203.0.113.6', 'udp', 'lan', 40_001);
  registerBehindNat(gone);
  there.send(
    message(there, {
      ...{ method: 'REGISTER', uri: `sip:${domain}`, callId: 'second', cseq: ++cseq },
      ...{ from: `<sip:${aor}>;tag=r`, to: `<sip:${aor}>` },
      headers: ['Contact: <sip:alice@10.0.0.8:5062>'],
    }).replace('203.0.113.6:40001', '10.0.0.8:5062'),
  );
  there.response(200);
  for (let i = 0; i < 5; i++) {
    rig.clock.advance(30_000);
    answerPings(there);
    if (i === 0) answerPings(gone);
  }
  assert.deepEqual(
    rig.location.bindings(aor).map(({ contact }) => contact),
    ['sip:alice@10.0.0.8:5062'],
  );
});

test('when all of many phones fall silent at once, it is the network: none is removed', () => {
  const rig = open({ natPingS: 30 });
  const phones = Array.from({ length: 8 }, (_, i) => {
    const phone = rig.phone('203.0.113.5', 'udp', 'lan', 40_000 + i);
    registerBehindNat(phone, `user${String(i)}`);
    return phone;
  });
  rig.clock.advance(30_000);
  for (const phone of phones) answerPings(phone);
  rig.clock.advance(600_000);
  assert.equal(rig.location.bindingCount, 8);
  // The network is back, one phone is not.
  for (const phone of phones) phone.flow.sent.length = 0;
  for (let second = 0; second < 150; second++) {
    rig.clock.advance(1000);
    for (const phone of phones.slice(1)) answerPings(phone);
  }
  assert.equal(rig.location.bindingCount, 7);
});
