import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type RegistrarSettings, defaultSipSettings } from '../../../../src/sip/core/settings.ts';
import type { SipResponse } from '../../../../src/sip/message/message.ts';
import { type Rig, createRig, domain, message, register } from '../core/rig.ts';

const aor = `alice@${domain}`;
const instance = '+sip.instance="<urn:uuid:1>"';
const both = 'Supported: path, outbound';

function createRegistrarRig(more: Partial<RegistrarSettings> = {}): Rig {
  return createRig((deps) => ({
    settings: { ...deps.settings, registrar: { ...defaultSipSettings.registrar, ...more } },
  }));
}

function contacts(answer: SipResponse): readonly string[] {
  return answer.values('Contact');
}

test('[S3840-6-01] [S3261-19.1.1-01] the 200 gives every feature and parameter back', () => {
  const rig = createRig();
  const phone = rig.phone('192.0.2.10');
  const uri = 'sip:alice@192.0.2.10:5062;transport=udp;foo=bar;x-y';
  const features =
    ';audio;video="FALSE";methods="INVITE,BYE,MESSAGE";schemes="sip,tel";description="<PC>"' +
    ';+sip.ice;+sip.priority="#>=5";+vendor.thing="!a,b";mobility="fixed";x-unknown=1';
  const answer = register(phone, 'alice', { contacts: [`<${uri}>${features}`] });
  const [value = ''] = contacts(answer);
  assert.equal(value, `<${uri}>${features};expires=3600`);
  assert.deepEqual(contacts(register(phone, 'alice', { contacts: [] })), [value]);
  const caller = rig.phone('192.0.2.20');
  caller.send(message(caller, { uri: `sip:${aor}` }));
  assert.equal(phone.request('INVITE').uri, uri);
});

test('[S3840-9-01] a feature tag counts once for a Contact', () => {
  const rig = createRig();
  const phone = rig.phone('192.0.2.10');
  const twice = '<sip:alice@192.0.2.10>;audio;mobility=fixed;mobility=mobile;audio="FALSE"';
  const [value] = contacts(register(phone, 'alice', { contacts: [twice] }));
  assert.equal(value, '<sip:alice@192.0.2.10>;audio;mobility="fixed";expires=3600');
});

test('[S3261-10.2.1.2-01] q is kept and shown, without it a contact is as good as any', () => {
  const rig = createRig();
  const phone = rig.phone('192.0.2.10');
  register(phone, 'alice', {
    contacts: [
      '<sip:a@192.0.2.10:5062>;q=0.25',
      '<sip:b@192.0.2.10:5062>',
      '<sip:c@192.0.2.10:5062>;q=1.0',
    ],
  });
  assert.deepEqual(contacts(register(phone, 'alice', { contacts: [] })), [
    '<sip:a@192.0.2.10:5062>;q=0.25;expires=3600',
    '<sip:b@192.0.2.10:5062>;expires=3600',
    '<sip:c@192.0.2.10:5062>;expires=3600',
  ]);
  const caller = rig.phone('192.0.2.20');
  caller.send(message(caller, { uri: `sip:${aor}` }));
  const rung = [phone.request('INVITE').uri, phone.request('INVITE').uri];
  assert.deepEqual(rung.sort(), ['sip:b@192.0.2.10:5062', 'sip:c@192.0.2.10:5062']);
  assert.equal(phone.waiting, 0);
});

test('[S3327-5.3-01] [S3327-5.3-02] Path without `path` in Supported is 420, where policy does not take it', () => {
  const path = 'Path: <sip:one.example;lr>, <sip:two.example;lr>';
  const strict = createRig();
  const refused = register(strict.phone('192.0.2.10'), 'alice', { headers: [path] });
  assert.equal(refused.status, 420);
  assert.equal(refused.header('Unsupported'), 'path');
  assert.equal(strict.location.bindingCount, 0);
  const told = register(strict.phone('192.0.2.10'), 'alice', {
    headers: [path, 'Supported: path'],
  });
  assert.deepEqual(told.values('Path'), ['<sip:one.example;lr>', '<sip:two.example;lr>']);

  const lax = createRegistrarRig({ acceptsUnannouncedPath: true });
  const answer = register(lax.phone('192.0.2.10'), 'alice', { headers: [path] });
  assert.equal(answer.status, 200);
  assert.equal(answer.has('Path'), false, 'the phone would not know what it is');
  assert.equal(lax.location.bindings(aor)[0]?.path.length, 2);
});

test('[S3608-6.3-01] [S3608-6.3-02] Service-Route stands in every 2xx and nowhere else', () => {
  const route = '<sip:edge.lab.example;lr>';
  const rig = createRegistrarRig({ serviceRoute: [route, '<sip:core.lab.example;lr>'] });
  const phone = rig.phone('192.0.2.10');
  const first = register(phone, 'alice');
  assert.deepEqual(first.rows('Service-Route'), [route, '<sip:core.lab.example;lr>']);
  const fetched = register(phone, 'alice', { contacts: [] });
  assert.deepEqual(fetched.rows('Service-Route'), first.rows('Service-Route'));
  phone.send(message(phone, { method: 'REGISTER', uri: `sip:${domain}` }));
  assert.equal(phone.response(401).has('Service-Route'), false);
  const brief = register(phone, 'alice', { headers: ['Expires: 5'] });
  assert.equal(brief.status, 423);
  assert.equal(brief.has('Service-Route'), false);
  assert.equal(register(createRig().phone('192.0.2.10'), 'alice').has('Service-Route'), false);
});

test('[S5626-5.4-03] Flow-Timer only where outbound is applied and the flow is ours', () => {
  const rig = createRegistrarRig({ flowTimerS: 120 });
  const phone = rig.phone('192.0.2.10', 'tcp');
  const expected: number[] = [];
  Object.assign(phone.flow, { expectTraffic: (ms: number) => expected.push(ms) });
  const flow = [`<sip:alice@10.0.0.1>;${instance};reg-id=1`];
  const applied = register(phone, 'alice', { contacts: flow, headers: [both] });
  assert.equal(applied.header('Require'), 'outbound');
  assert.equal(applied.header('Flow-Timer'), '120');
  assert.deepEqual(expected, [150_000], 'not given up before longer than that time');
  // Nobody else closes it when the pings pause.
  rig.clock.advance(600_000);
  assert.equal(phone.flow.closed, false);
  const caller = rig.phone('192.0.2.20');
  caller.send(message(caller, { uri: `sip:${aor}` }));
  assert.equal(phone.request('INVITE').method, 'INVITE');

  const plain = register(phone, 'alice', { headers: [both] });
  assert.equal(plain.has('Flow-Timer'), false);
  const unsupported = register(phone, 'alice', { contacts: flow });
  assert.equal(unsupported.has('Flow-Timer'), false);
  const behind = register(phone, 'alice', {
    contacts: flow,
    headers: [both, 'Path: <sip:edge.example;lr;ob>'],
  });
  assert.equal(behind.header('Require'), 'outbound');
  assert.equal(behind.has('Flow-Timer'), false);
  assert.equal(expected.length, 1);
  const off = createRig();
  const none = register(off.phone('192.0.2.10', 'tcp'), 'alice', {
    contacts: flow,
    headers: [both],
  });
  assert.equal(none.has('Flow-Timer'), false);
});

test('[S3261-8.2.4-01] extensions are applied and named only for those who support them', () => {
  const rig = createRig();
  const phone = rig.phone('192.0.2.10', 'tcp');
  const flow = [`<sip:alice@10.0.0.1>;${instance};reg-id=1`];
  const cases: readonly (readonly [readonly string[], string | undefined])[] = [
    [[], undefined],
    [['Supported: path'], undefined],
    [['Supported: path, Outbound'], 'outbound'],
    [['Supported: path', 'k: outbound'], 'outbound'],
  ];
  for (const [headers, required] of cases) {
    const answer = register(phone, 'alice', { contacts: flow, headers });
    assert.equal(answer.status, 200);
    assert.equal(answer.header('Require'), required, headers.join());
  }
  const ended = register(phone, 'alice', {
    contacts: [`${flow[0] ?? ''};expires=0`],
    headers: [both],
  });
  assert.equal(ended.has('Require'), false);
});

test('[S5626-6-01] behind a hop that does not know outbound it is refused, or the reg-id ignored', () => {
  const rig = createRig();
  const phone = rig.phone('192.0.2.10', 'tcp');
  const through = (user: string, more: readonly string[]): SipResponse =>
    register(phone, user, {
      contacts: [`<sip:${user}@10.0.0.1>;${instance};reg-id=1`],
      headers: ['Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK-inner', ...more],
    });
  const refused = through('alice', [both]);
  assert.equal(refused.status, 439);
  assert.equal(refused.reason, 'First Hop Lacks Outbound Support');
  assert.equal(through('alice', [both, 'Path: <sip:edge.example;lr>']).status, 439);
  assert.equal(rig.location.bindingCount, 0);
  assert.equal(through('alice', []).status, 200);
  assert.equal(rig.location.bindings(aor)[0]?.regId, undefined);
  const edge = through('bob', [both, 'Path: <sip:edge.example;lr;ob>, <sip:next.example;lr>']);
  assert.equal(edge.header('Require'), 'outbound');
  assert.equal(rig.location.bindings(`bob@${domain}`)[0]?.regId, 1);
});

test('[S5626-6-07] [S5626-7-04] [S3261-26.3.2.1-01] flows and plain bindings side by side, each called on its own way', () => {
  const rig = createRig();
  const tls = rig.phone('192.0.2.10', 'tls', 'secure', 40_000);
  const plain = rig.phone('192.0.2.11');
  register(tls, 'alice', {
    contacts: [`<sip:alice@10.0.0.1:5061;transport=tls>;${instance};reg-id=1`],
    headers: [both],
  });
  register(plain, 'alice', {
    contacts: ['<sip:alice@192.0.2.11:5062>;+sip.instance="<urn:uuid:2>"'],
  });
  assert.equal(rig.location.bindings(aor).length, 2);
  const caller = rig.phone('192.0.2.20');
  caller.send(message(caller, { uri: `sip:${aor}` }));
  assert.equal(tls.request('INVITE').uri, 'sip:alice@10.0.0.1:5061;transport=tls');
  assert.equal(plain.request('INVITE').uri, 'sip:alice@192.0.2.11:5062');
});

test('[S5626-7-01] [S5626-7-02] two flows of one phone: one INVITE, on the other one when the first is dead', () => {
  const rig = createRig();
  const one = rig.phone('192.0.2.10', 'tcp', 'lan', 40_001);
  const two = rig.phone('192.0.2.10', 'tcp', 'lan', 40_002);
  for (const [i, flow] of [one, two].entries()) {
    register(flow, 'alice', {
      contacts: [`<sip:alice@10.0.0.1>;${instance};reg-id=${String(i + 1)}`],
      headers: [both],
      callId: `flow-${String(i)}`,
    });
    rig.clock.advance(1000);
  }
  const caller = rig.phone('192.0.2.20', 'tcp');
  caller.send(message(caller, { uri: `sip:${aor}` }));
  two.reply(two.request('INVITE'), 486);
  assert.equal(one.waiting, 0);
  two.drop();
  caller.send(message(caller, { uri: `sip:${aor}`, callId: 'second' }));
  assert.equal(one.request('INVITE').method, 'INVITE');
});

test('the bindings of a user, and of one device, are bounded', () => {
  const rig = createRegistrarRig({ maxContacts: 3, maxContactsPerDevice: 2 });
  const phone = rig.phone('192.0.2.10', 'tcp');
  const flow = (id: number): number =>
    register(phone, 'alice', {
      contacts: [`<sip:alice@10.0.0.1>;${instance};reg-id=${String(id)}`],
      headers: [both],
    }).status;
  const plain = (i: number): SipResponse =>
    register(phone, 'alice', { contacts: [`<sip:alice@10.0.1.${String(i)}>`] });
  assert.deepEqual([1, 2, 3, 2].map(flow), [200, 200, 503, 200]);
  assert.deepEqual(
    [1, 2, 1].map((i) => plain(i).status),
    [200, 503, 200],
  );
  assert.equal(plain(2).reason, 'Too Many Bindings');
  assert.equal(rig.location.bindings(aor).length, 3);
});

test('[S3261-10.3-06] whoever registers somebody else learns why not', () => {
  const rig = createRig();
  const answer = register(rig.phone('192.0.2.10'), 'alice', { to: `<sip:bob@${domain}>` });
  assert.equal(answer.status, 403);
  assert.equal(answer.reason, 'Third-Party Registration Refused');
  assert.match(answer.header('Warning') ?? '', /^399 \S+ "[^"]+"$/);
});

test('[S3261-8.2.2-01] [S3261-10.3-02] unknown fields and Record-Route change nothing', () => {
  const rig = createRig();
  const headers = ['X-Foo: bar', 'Record-Route: <sip:proxy.example;lr>', 'Foo-Bar-Baz: "<,;=>'];
  const answer = register(rig.phone('192.0.2.10'), 'alice', { headers });
  assert.equal(answer.status, 200);
  for (const name of ['Record-Route', 'X-Foo', 'Foo-Bar-Baz'])
    assert.equal(answer.has(name), false);
  assert.deepEqual(rig.location.bindings(aor)[0]?.path, []);
});

test('[S3261-10.3-01] no REGISTER is answered with a 6xx', () => {
  const rig = createRegistrarRig({ maxContacts: 1 });
  const phone = rig.phone('192.0.2.10', 'tcp');
  const attempts: Parameters<typeof register>[2][] = [
    {},
    { contacts: ['<sip:other@192.0.2.10>'] },
    { contacts: ['*'] },
    { contacts: ['nonsense'] },
    { contacts: ['<mailto:a@b>;+sip.instance="<urn:uuid:3>"'] },
    { contacts: [`<sip:alice@${domain}>`] },
    { to: `<sip:bob@${domain}>` },
    { to: '<tel:+1>' },
    { to: '<sip:alice@elsewhere.example>' },
    { headers: ['Require: foo'] },
    { headers: ['Path: <sip:a;lr>'] },
    { headers: ['Expires: 1'] },
    {
      contacts: [`<sip:a@b>;${instance};reg-id=1`, `<sip:c@d>;${instance};reg-id=2`],
      headers: [both],
    },
    { callId: 'x'.repeat(2000) },
    { headers: [`Path: ${'<sip:a;lr>,'.repeat(20)}<sip:b;lr>`, both] },
  ];
  const statuses = new Set(attempts.map((parts) => register(phone, 'alice', parts).status));
  for (const status of statuses) assert.ok(status < 600, String(status));
  for (const status of [200, 400, 403, 404, 420, 423, 503])
    assert.ok(statuses.has(status), String(status));
  phone.send(message(phone, { method: 'REGISTER', uri: 'sip:other.example' }));
  const elsewhere = phone.take();
  assert.ok(elsewhere.kind === 'response' && elsewhere.status < 600);
});

test('[S3261-8.2.6.2-02] [S3261-8.2.6.2-03] every answer has a To tag, the same for a repeated request', () => {
  const rig = createRig();
  const phone = rig.phone('192.0.2.10');
  const text = (more: Parameters<typeof message>[1]): string =>
    message(phone, {
      method: 'REGISTER',
      uri: `sip:${domain}`,
      branch: `z9hG4bK-${JSON.stringify(more).length}`,
      ...more,
    });
  const requests = [
    text({ callId: 'c1' }),
    text({ method: 'OPTIONS', callId: 'c2' }),
    text({ method: 'FOO', callId: 'c3' }),
    text({ method: 'INVITE', uri: 'sip:nobody@elsewhere.example', callId: 'c4' }),
    text({ method: 'INVITE', uri: `sip:carol@${domain}`, callId: 'c5', headers: ['Require: x'] }),
  ];
  for (const request of requests) {
    phone.send(request);
    const first = phone.take();
    assert.ok(first.kind === 'response' && first.status > 100);
    assert.match(first.to.tag ?? '', /^[0-9a-f]{8,}$/);
    phone.send(request);
    assert.equal(phone.take().to.tag, first.to.tag, `repeated ${String(first.status)}`);
  }
  const given = text({ callId: 'c6', to: `<sip:${aor}>;tag=theirs` });
  phone.send(given);
  assert.equal(phone.take().to.tag, 'theirs');
});

test('[S3261-8.2.2.3-02] Require in a CANCEL is ignored', () => {
  const rig = createRig();
  const caller = rig.phone('192.0.2.20', 'tcp');
  const phone = rig.phone('192.0.2.10');
  register(phone, 'alice');
  const call = { uri: `sip:${aor}`, branch: 'z9hG4bK-cancelled' };
  caller.send(message(caller, call));
  phone.reply(phone.request('INVITE'), 180);
  caller.send(
    message(caller, { ...call, method: 'CANCEL', headers: ['Require: foo', 'Proxy-Require: bar'] }),
  );
  const statuses: number[] = [];
  while (caller.waiting > 0) {
    const answer = caller.take();
    if (answer.kind === 'response' && answer.cseq.method === 'CANCEL') statuses.push(answer.status);
  }
  assert.deepEqual(statuses, [200]);
  phone.request('CANCEL');
});
