/** The phones of this server as targets: which ones, in which order, and the way to each. RFC 5626 §7, RFC 5627 §6.1. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failure, success } from '../../../../src/base/outcome.ts';
import type { FlowTarget } from '../../../../src/ports/flow.ts';
import { silentTrace } from '../../../../src/ports/trace.ts';
import type { Binding } from '../../../../src/sip/location/binding.ts';
import { createLocationTable } from '../../../../src/sip/location/create-location-table.ts';
import { parseUri } from '../../../../src/sip/message/uri.ts';
import {
  createLocalResolver,
  createLocalTargets,
} from '../../../../src/sip/proxy/local-targets.ts';
import type { ProxyTarget } from '../../../../src/sip/proxy/targets.ts';
import { requestOf } from '../core/request-of.ts';
import { createFakeClock, createMemoryStore, createRig, domain } from '../core/rig.ts';
import { testGruus } from '../gruu/support.ts';

const aor = `bob@${domain}`;
const clock = createFakeClock();

function binding(host: string, more: Partial<Binding> = {}): Binding {
  return {
    contact: `sip:bob@${host}`,
    instance: undefined,
    regId: undefined,
    q: 1000,
    expiresAtMs: clock.wallMs() + 3_600_000,
    callId: 'c',
    cseq: 1,
    receivedAddress: host,
    receivedPort: 5062,
    transport: 'udp',
    listener: 'lan',
    flowId: `udp:${host}`,
    flowDead: false,
    direct: undefined,
    path: [],
    userAgent: '',
    parameters: '',
    lastRefreshMs: 1,
    gruuEpochMs: undefined,
    nat: false,
    ...more,
  };
}

function world(bindings: readonly Binding[], reachable: readonly string[] = []) {
  const location = createLocationTable({ clock, store: createMemoryStore(), trace: silentTrace });
  assert.ok(location.apply({ aor, bindings, first: true, last: false, content: true }));
  const rig = createRig();
  const flowOf = (name: string) => {
    const [transport = 'udp', address = ''] = name.split(':');
    return rig.phone(address, transport as 'udp').flow;
  };
  const opened: FlowTarget[] = [];
  const gruus = testGruus();
  const local = createLocalTargets({
    location,
    gruus,
    flows: {
      find: (id) => (reachable.includes(id) ? flowOf(id) : undefined),
      open(place, done) {
        opened.push(place);
        const name = `${place.transport}:${place.address}`;
        done(reachable.includes(name) ? success(flowOf(name)) : failure('refused'));
      },
    },
  });
  const way = (target: ProxyTarget | undefined): string => {
    let found = 'nothing';
    target?.open((outcome) => {
      found = outcome.ok ? outcome.value.id : String(outcome.error.status);
    });
    return found;
  };
  return { local, opened, gruus, way };
}

const hosts = (targets: readonly ProxyTarget[]): readonly string[] =>
  targets.map(({ uri, alternates = [] }) =>
    [uri, ...alternates.map((other) => other.uri)]
      .map((text) => text.slice('sip:bob@'.length))
      .join(' else '),
  );

test('contacts of one instance are one target: those with a living flow first, then the newest', () => {
  const phone = (host: string, lastRefreshMs: number, more: Partial<Binding> = {}) =>
    binding(host, { instance: 'urn:x', lastRefreshMs, transport: 'tcp', ...more });
  const { local } = world([
    phone('1', 5),
    binding('2'),
    phone('3', 9, { flowDead: true }),
    phone('4', 7),
    phone('5', 8, { flowDead: true, direct: { transport: 'tcp', port: 1 } }),
    binding('6', { instance: 'urn:y' }),
  ]);
  assert.deepEqual(hosts(local.of(aor, false)), ['5 else 4 else 1 else 3', '2', '6']);
  const many = Array.from({ length: 12 }, (_, i) => phone(String(i), i));
  assert.equal(world(many).local.of(aor, false)[0]?.alternates?.length, 8);
  assert.deepEqual(world([binding('1')]).local.of(`carol@${domain}`, false), []);
});

test('a secure call reaches phones on TLS and WSS only', () => {
  const all = (['udp', 'tcp', 'tls', 'ws', 'wss'] as const).map((transport) =>
    binding(transport, { transport }),
  );
  assert.deepEqual(hosts(world(all).local.of(aor, true)), ['tls', 'wss']);
  assert.deepEqual(hosts(world(all.slice(0, 2)).local.of(aor, true)), []);
});

test('a target tells what it is: q, route, features, streams, and whether anybody else can reach it', () => {
  const { local } = world([
    binding('1', { q: 250, path: ['<sip:p;lr>'], parameters: ';audio' }),
    binding('2'),
    binding('3', { nat: true }),
    binding('4', { instance: 'urn:x', regId: 1 }),
    binding('5', { transport: 'tcp' }),
    binding('6', { transport: 'tcp', direct: { transport: 'tcp', port: 1 } }),
    binding('7', { nat: true, direct: { transport: 'udp', port: 1 } }),
  ]);
  const told = local.of(aor, false).map((target) => ({
    q: target.q,
    route: target.route.length,
    features: target.features,
    streams: target.streams,
    isHidden: target.toldAs !== undefined && target.toldAs() === undefined,
    side: target.side,
  }));
  const plain = { q: 1000, route: 0, features: undefined, streams: undefined, side: 'phone' };
  assert.deepEqual(told, [
    { ...plain, q: 250, route: 1, features: ';audio', isHidden: true },
    { ...plain, streams: true, isHidden: false },
    { ...plain, isHidden: true },
    { ...plain, isHidden: true },
    { ...plain, isHidden: true },
    { ...plain, isHidden: false },
    { ...plain, streams: true, isHidden: false },
  ]);
});

test('the way to a phone: its flow, else where it listens, else where its datagrams came from', () => {
  const cases: readonly (readonly [Partial<Binding>, readonly string[], string, unknown])[] = [
    [{}, ['udp:1'], 'udp:1', []],
    [{}, [], '430', [{ transport: 'udp', address: '1', port: 5062, listener: 'lan' }]],
    [
      { direct: { transport: 'udp', port: 7 } },
      ['udp:1'],
      'udp:1',
      [{ transport: 'udp', address: '1', port: 7, listener: 'lan' }],
    ],
    [
      { direct: { transport: 'tcp', port: 7 } },
      ['tcp:1'],
      'tcp:1',
      [{ transport: 'tcp', address: '1', port: 7 }],
    ],
    [{ transport: 'tcp', flowId: 'tcp:1' }, ['tcp:1'], 'tcp:1', []],
    [{ transport: 'tcp', flowId: 'tcp:1', flowDead: true }, ['tcp:1'], '430', []],
    [{ transport: 'tcp', flowId: 'tcp:1' }, [], '430', []],
    [
      { transport: 'tcp', flowId: 'tcp:9', flowDead: true, direct: { transport: 'tcp', port: 7 } },
      ['tcp:1'],
      'tcp:1',
      [{ transport: 'tcp', address: '1', port: 7, listener: 'lan' }],
    ],
  ];
  for (const [more, reachable, expected, places] of cases) {
    const { local, opened, way } = world([binding('1', more)], reachable);
    assert.equal(way(local.of(aor, false)[0]), expected, JSON.stringify(more));
    assert.deepEqual(opened, places);
  }
});

test('inside a dialog the phone is known by its Contact, whatever the spelling', () => {
  const { local } = world([binding('Host', { contact: 'sip:%62ob@Host;x' }), binding('2')]);
  assert.equal(local.ofContact(aor, 'sip:%62ob@Host;x')?.uri, 'sip:%62ob@Host;x');
  assert.equal(local.ofContact(aor, 'sip:bob@host;x')?.uri, 'sip:%62ob@Host;x');
  assert.equal(local.ofContact(aor, 'sip:bob@3'), undefined);
  assert.equal(local.ofContact(aor, 'nonsense'), undefined);
});

test('[S5627-6.1-01] [S5627-6.1-02] what a GRUU leads to', () => {
  const phone = { instance: 'urn:x', gruuEpochMs: 5 };
  const { local, gruus } = world([
    binding('1', { ...phone, lastRefreshMs: 1 }),
    binding('2', { ...phone, lastRefreshMs: 2 }),
    binding('3', { instance: 'urn:y', gruuEpochMs: 5 }),
  ]);
  const read = (text: string | undefined) => {
    const uri = parseUri(text ?? '');
    assert.ok(uri.ok);
    const gruu = local.ofGruu(uri.value);
    if (gruu === undefined) return undefined;
    const { aor: owner, found } = gruu;
    return [owner, found.ok ? hosts([found.value])[0] : found.error.status];
  };
  assert.deepEqual(read(gruus.publicGruu(aor, 'urn:x', 'sip')), [aor, '2 else 1']);
  assert.deepEqual(read(gruus.temporaryGruu(aor, 'urn:y', 5, 'sip')), [aor, '3']);
  assert.deepEqual(read(gruus.publicGruu(aor, 'urn:z', 'sip')), [aor, 480]);
  assert.deepEqual(read(gruus.temporaryGruu(aor, 'urn:z', 5, 'sip')), [aor, 404]);
  assert.deepEqual(read(gruus.temporaryGruu(aor, 'urn:x', 4, 'sip')), [aor, 404]);
  assert.deepEqual(read(gruus.publicGruu(aor, 'urn:x', 'sips')), [aor, 480], 'nobody is secure');
  assert.deepEqual(read(`${gruus.publicGruu(aor, 'urn:x', 'sip')}00`), [undefined, 404]);
  assert.equal(read(`sip:${aor}`), undefined);
});

test('a server on its own finds its users, knows those that are away, and nobody else', () => {
  const { local, gruus } = world([binding('1'), binding('2', { transport: 'tls' })]);
  const rig = createRig();
  const resolver = createLocalResolver({ accounts: rig.deps.accounts, local });
  const { flow } = rig.phone('192.0.2.9');
  const resolve = (asked: string | undefined, uri = `sip:${asked ?? ''}`) => {
    const found: unknown[] = [];
    resolver.resolve(
      {
        request: requestOf([], { uri }),
        flow,
        aor: asked,
        authenticatedAor: undefined,
        fromOverlay: false,
      },
      {
        targets: (targets) => found.push(...hosts(targets)),
        done: (refusal) => found.push(refusal?.status),
      },
    );
    return found;
  };
  assert.deepEqual(resolve(aor), ['1', '2', undefined]);
  assert.deepEqual(resolve(aor, `sips:${aor}`), ['2', undefined]);
  assert.deepEqual(resolve(`carol@${domain}`), [480]);
  assert.deepEqual(resolve(`nobody@${domain}`), [404]);
  assert.deepEqual(resolve(undefined, 'sip:x@y'), [404]);
  assert.deepEqual(resolve(aor, gruus.publicGruu(aor, 'urn:z', 'sip')), [480]);
});
