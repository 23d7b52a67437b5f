/** The bindings after a REGISTER, worked out without a server. RFC 3261 §10.3, RFC 5626 §6, RFC 5627 §5.1. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Flow } from '../../../../src/ports/flow.ts';
import { type RegistrarSettings, defaultSipSettings } from '../../../../src/sip/core/settings.ts';
import type { Binding } from '../../../../src/sip/location/binding.ts';
import { parseUri } from '../../../../src/sip/message/uri.ts';
import { type Arrival, updateBindings } from '../../../../src/sip/registrar/binding-update.ts';
import type {
  RegisterContact,
  RegisterRequest,
} from '../../../../src/sip/registrar/register-request.ts';
import { createRig } from '../core/rig.ts';

const rig = createRig();
const udp = rig.phone('192.0.2.10').flow;
const defaults = defaultSipSettings.registrar;

function contact(uri: string, more: Partial<RegisterContact> = {}): RegisterContact {
  const parsed = parseUri(uri);
  assert.ok(parsed.ok);
  return {
    uri,
    parsedUri: parsed.value,
    expiresS: undefined,
    q: 1000,
    instance: undefined,
    regId: undefined,
    parameters: '',
    ...more,
  };
}

let cseq = 0;

function register(
  contacts: readonly RegisterContact[] | '*',
  more: Partial<RegisterRequest> = {},
): RegisterRequest {
  return {
    aor: 'alice@lab.example',
    callId: 'c',
    cseq: ++cseq,
    contacts,
    path: [],
    outbound: false,
    scheme: 'sip',
    ...more,
  };
}

function arrival(nowMs: number, flow: Flow = udp, untranslated = true): Arrival {
  return { nowMs, flow, userAgent: 'phone/1', untranslated };
}

function update(
  current: readonly Binding[],
  request: RegisterRequest,
  at: Arrival = arrival(1_000_000),
  settings: Partial<RegistrarSettings> = {},
) {
  const outcome = updateBindings(current, request, at, { ...defaults, ...settings });
  assert.ok(outcome.ok, outcome.ok ? '' : outcome.error.reason);
  return outcome.value;
}

function refusal(
  current: readonly Binding[],
  request: RegisterRequest,
  settings: Partial<RegistrarSettings> = {},
): string {
  const outcome = updateBindings(current, request, arrival(1_000_000), {
    ...defaults,
    ...settings,
  });
  assert.ok(!outcome.ok);
  return `${String(outcome.error.status)} ${outcome.error.reason}`;
}

const kindOf = ({ first, last, content }: { first: boolean; last: boolean; content: boolean }) =>
  [first && 'first', last && 'last', content && 'content'].filter(Boolean).join(' ');

test('a binding tells all of the contact, the request and the way it came', () => {
  const tcp = { ...rig.phone('192.0.2.11', 'tcp', 'wan', 7000).flow, closed: true };
  const { bindings } = update(
    [],
    register(
      [
        contact('sip:alice@10.0.0.1', {
          q: 250,
          instance: 'urn:x',
          parameters: ';audio',
          regId: 3,
        }),
      ],
      { callId: 'call-of-alice', cseq: 77, path: ['<sip:edge;lr>'] },
    ),
    { nowMs: 5_000_000, flow: tcp, userAgent: 'a phone with a name', untranslated: false },
  );
  assert.deepEqual(bindings, [
    {
      contact: 'sip:alice@10.0.0.1',
      instance: 'urn:x',
      regId: 3,
      q: 250,
      expiresAtMs: 5_000_000 + 3_600_000,
      callId: 'call-of-alice',
      cseq: 77,
      receivedAddress: '192.0.2.11',
      receivedPort: 7000,
      transport: 'tcp',
      listener: 'wan',
      flowId: tcp.id,
      flowDead: true,
      direct: undefined,
      path: ['<sip:edge;lr>'],
      userAgent: 'a phone with a name',
      parameters: ';audio',
      lastRefreshMs: 5_000_000,
      gruuEpochMs: 5_000_000,
      nat: false,
    },
  ]);
  assert.equal(update([], register([contact('sip:a@b')])).bindings[0]?.flowDead, false);
});

test('what is told of a change: the first, the last, another content, or a mere refresh', () => {
  const one = [contact('sip:a@192.0.2.10:5062')];
  const first = update([], register(one));
  assert.equal(kindOf(first), 'first content');
  assert.equal(kindOf(update(first.bindings, register(one))), '');
  const changed: Partial<RegisterContact>[] = [
    { q: 500 },
    { parameters: ';audio' },
    { instance: 'urn:x' },
    { instance: 'urn:x', regId: 1 },
  ];
  for (const more of changed) {
    const request = register([contact('sip:a@192.0.2.10:5062', more)]);
    assert.equal(kindOf(update(first.bindings, request)), 'content', JSON.stringify(more));
  }
  const moved = register(one, { path: ['<sip:p;lr>'] });
  assert.equal(kindOf(update(first.bindings, moved)), 'content');
  const behindNat = update(first.bindings, register(one), arrival(1, udp, false));
  assert.equal(kindOf(behindNat), 'content');
  const ws = rig.phone('192.0.2.10', 'wss').flow;
  assert.equal(kindOf(update(first.bindings, register(one), arrival(1, ws))), 'content');
  const otherUri = register([contact('sip:a@192.0.2.10:5062;x=1')]);
  assert.equal(kindOf(update(first.bindings, otherUri)), 'content');
  const second = update(first.bindings, register([contact('sip:b@192.0.2.10:5062')]));
  assert.equal(kindOf(second), 'content');
  const gone = register([contact('sip:a@192.0.2.10:5062', { expiresS: 0 })]);
  assert.equal(kindOf(update(first.bindings, gone)), 'last content');
  assert.equal(kindOf(update(second.bindings, gone)), 'content');
  assert.equal(kindOf(update([], gone)), '');
  assert.equal(kindOf(update(second.bindings, register('*'))), 'last content');
  assert.equal(kindOf(update([], register('*'))), '');
});

test('[S3261-10.3-14] granted is what was asked for, between the bounds; shorter for UDP behind a NAT', () => {
  const granted = (
    expiresS: number | undefined,
    settings: Partial<RegistrarSettings> = {},
    at = arrival(0),
  ): number => {
    const request = register([contact('sip:a@192.0.2.10', { expiresS })]);
    return (update([], request, at, settings).bindings[0]?.expiresAtMs ?? 0) / 1000;
  };
  assert.equal(granted(undefined), 3600);
  assert.equal(granted(undefined, { defaultExpiresS: 900 }), 900);
  assert.equal(granted(60), 60);
  assert.equal(granted(3601), 3600);
  assert.equal(granted(4000, { maxExpiresS: 5000 }), 4000);
  const nat = arrival(0, udp, false);
  assert.equal(granted(3600, { natExpiresS: 120 }, nat), 120);
  assert.equal(granted(100, { natExpiresS: 120 }, nat), 100);
  assert.equal(granted(3600, { natExpiresS: 0 }, nat), 3600);
  assert.equal(granted(9999, { natExpiresS: 7200 }, nat), 3600);
  assert.equal(granted(3600, { natExpiresS: 120 }), 3600, 'no NAT');
  const tcp = rig.phone('192.0.2.10', 'tcp').flow;
  assert.equal(granted(3600, { natExpiresS: 120 }, arrival(0, tcp, false)), 3600);
  assert.equal(granted(3600, { minExpiresS: 7200, maxExpiresS: 9000 }), 3600);

  const brief = (expiresS: number, minExpiresS: number) =>
    updateBindings([], register([contact('sip:a@b', { expiresS })]), arrival(0), {
      ...defaults,
      minExpiresS,
    });
  const refused = brief(3599, 7200);
  assert.ok(!refused.ok);
  assert.deepEqual(refused.error.headers, [['Min-Expires', '3600']]);
  const short = brief(59, 60);
  assert.ok(!short.ok);
  assert.deepEqual(short.error.headers, [['Min-Expires', '60']]);
});

test('[S3261-10.3-16] an older request of the same Call-ID is refused, also one that removes', () => {
  const current = update([], register([contact('sip:a@b')], { cseq: 10 })).bindings;
  const at = (more: Partial<RegisterRequest>, expiresS = 60) =>
    register([contact('sip:a@b', { expiresS })], more);
  for (const old of [9, 10]) {
    assert.equal(refusal(current, at({ cseq: old })), '500 CSeq Out of Order');
    assert.equal(refusal(current, at({ cseq: old }, 0)), '500 CSeq Out of Order');
    assert.equal(refusal(current, register('*', { cseq: old })), '500 CSeq Out of Order');
  }
  update(current, at({ cseq: 11 }));
  update(current, at({ cseq: 1, callId: 'other' }));
  update(current, register('*', { cseq: 1, callId: 'other' }));
  const twice = register([contact('sip:a@b', { q: 100 }), contact('sip:a@b', { q: 200 })]);
  assert.deepEqual(
    update(current, twice).bindings.map(({ q }) => q),
    [200],
  );
});

test('the binding registered last stands last', () => {
  const all = update(
    [],
    register(['a', 'b', 'c'].map((user) => contact(`sip:${user}@h`))),
  ).bindings;
  const users = (bindings: readonly Binding[]) =>
    bindings.map(({ contact: uri }) => uri.charAt(4)).join('');
  assert.equal(users(all), 'abc');
  assert.equal(users(update(all, register([contact('sip:a@h')])).bindings), 'bca');
  assert.equal(users(update(all, register([contact('sip:b@h')])).bindings), 'acb');
  assert.equal(users(update(all, register([contact('sip:c@h')])).bindings), 'abc');
  assert.equal(users(update(all, register([contact('sip:b@h', { expiresS: 0 })])).bindings), 'ac');
});

test('[S3261-10.3-15] a contact is known by comparison of its URI, a flow by instance and reg-id', () => {
  const current = update([], register([contact('sip:%61@H;x=1')])).bindings;
  const again = update(current, register([contact('sip:a@h;x=1')]));
  assert.equal(again.bindings.length, 1);
  assert.equal(again.bindings[0]?.contact, 'sip:a@h;x=1');
  assert.equal(update(current, register([contact('sip:a@h;x=2')])).bindings.length, 2);

  const flow = (uri: string, instance: string, regId: number) => contact(uri, { instance, regId });
  const flows = update([], register([flow('sip:a@1', 'urn:x', 1), flow('sip:a@2', 'urn:x', 2)]));
  const moved = update(flows.bindings, register([flow('sip:a@9', 'urn:x', 1)]));
  assert.deepEqual(
    moved.bindings.map((b) => [b.contact, b.regId]),
    [
      ['sip:a@2', 2],
      ['sip:a@9', 1],
    ],
  );
  assert.equal(update(flows.bindings, register([flow('sip:a@1', 'urn:y', 1)])).bindings.length, 3);
});

test('a phone that started anew replaces its contacts, but no flows and nobody else', () => {
  const instance = 'urn:x';
  const before = update(
    [],
    register([
      contact('sip:a@1', { instance }),
      contact('sip:a@2', { instance }),
      contact('sip:a@3', { instance, regId: 1 }),
      contact('sip:a@4', { instance: 'urn:other' }),
      contact('sip:a@5'),
    ]),
    arrival(0),
    { maxContactsPerDevice: 9 },
  ).bindings;
  const left = (request: RegisterRequest) => {
    const change = update(before, request, arrival(1));
    return [change.bindings.map(({ contact: uri }) => uri.slice(6)).join(''), change.content];
  };
  const anew = contact('sip:a@6', { instance });
  assert.deepEqual(left(register([anew], { callId: 'boot' })), ['3456', true]);
  assert.deepEqual(left(register([anew])), ['123456', true]);
  assert.deepEqual(left(register([contact('sip:a@2', { instance })], { callId: 'boot' })), [
    '3452',
    true,
  ]);
  const flow = contact('sip:a@6', { instance, regId: 2 });
  assert.deepEqual(left(register([flow], { callId: 'boot' })), ['123456', true]);
});

test('[S5627-5.1-04] [S5627-5.1-05] the epoch of temporary GRUUs: kept by one Call-ID, moved on by another', () => {
  const phone = (more: Partial<RegisterContact> = {}) =>
    contact('sip:a@1', { instance: 'urn:x', ...more });
  const epochs = (bindings: readonly Binding[]) => bindings.map(({ gruuEpochMs }) => gruuEpochMs);
  const first = update([], register([phone()]), arrival(1000)).bindings;
  assert.deepEqual(epochs(first), [1000]);
  assert.deepEqual(epochs(update(first, register([phone()]), arrival(2000)).bindings), [1000]);
  const rebooted = register([phone()], { callId: 'boot' });
  assert.deepEqual(epochs(update(first, rebooted, arrival(2000)).bindings), [2000]);
  assert.deepEqual(epochs(update(first, rebooted, arrival(1000)).bindings), [1001]);
  assert.deepEqual(epochs(update(first, rebooted, arrival(500)).bindings), [1001]);
  const flows = update(first, register([phone({ regId: 1 })]), arrival(3000)).bindings;
  assert.deepEqual(epochs(flows), [1000, 1000]);
  const flowAnew = register([phone({ regId: 1 })], { callId: 'boot' });
  assert.deepEqual(epochs(update(flows, flowAnew, arrival(4000)).bindings), [4000, 4000]);
  const third = register([phone({ regId: 2 })], { callId: 'other flow' });
  assert.deepEqual(epochs(update(flows, third, arrival(4000)).bindings), [1000, 1000, 1000]);
  const nobody = update([], register([contact('sip:b@1')]), arrival(1000)).bindings;
  assert.deepEqual(epochs(nobody), [undefined]);
});

test('bindings of a user and of a device are bounded; what was too much before may be refreshed', () => {
  const contacts = (count: number, instance?: string) =>
    Array.from({ length: count }, (_, i) => contact(`sip:${String(i)}@h`, { instance }));
  const settings = { maxContacts: 3, maxContactsPerDevice: 2 };
  assert.equal(update([], register(contacts(3)), arrival(0), settings).bindings.length, 3);
  assert.equal(refusal([], register(contacts(4)), settings), '503 Too Many Bindings');
  update([], register(contacts(2, 'urn:x')), arrival(0), settings);
  assert.equal(
    refusal([], register(contacts(3, 'urn:x')), settings),
    '503 Too Many Bindings Of One Device',
  );
  const many = update([], register(contacts(5))).bindings;
  update(many, register(contacts(5)), arrival(0), settings);
});

test('who is behind a NAT: not with outbound, a Path or WebSockets', () => {
  const isNat = (flow: Flow, more: Partial<RegisterContact>, path: readonly string[]) =>
    update([], register([contact('sip:a@10.0.0.1', more)], { path }), arrival(0, flow, false))
      .bindings[0]?.nat;
  assert.equal(isNat(udp, {}, []), true);
  assert.equal(isNat(udp, { instance: 'urn:x', regId: 1 }, []), false);
  assert.equal(isNat(udp, {}, ['<sip:p;lr>']), false);
  for (const [transport, expected] of [
    ['tcp', true],
    ['tls', true],
    ['ws', false],
    ['wss', false],
  ] as const) {
    assert.equal(isNat(rig.phone('192.0.2.10', transport).flow, {}, []), expected, transport);
  }
  assert.equal(update([], register([contact('sip:a@b')])).bindings[0]?.nat, false);
});
