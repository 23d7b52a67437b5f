import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentTrace } from '../../../../src/ports/trace.ts';
import type { Binding, LocationEvent } from '../../../../src/sip/location/binding.ts';
import { createLocationTable } from '../../../../src/sip/location/create-location-table.ts';
import { failure } from '../../../../src/base/outcome.ts';
import { createCountingTrace } from '../../../support/counting-trace.ts';
import {
  type FakeClock,
  type MemoryStore,
  createFakeClock,
  createMemoryStore,
} from '../core/rig.ts';

const aor = 'alice@lab.example';

function setup(): {
  clock: FakeClock;
  store: MemoryStore;
  open: () => ReturnType<typeof createLocationTable>;
} {
  const clock = createFakeClock();
  const store = createMemoryStore();
  return { clock, store, open: () => createLocationTable({ clock, store, trace: silentTrace }) };
}

function binding(clock: FakeClock, more: Partial<Binding> = {}): Binding {
  return {
    contact: 'sip:alice@192.0.2.10',
    instance: undefined,
    regId: undefined,
    q: 1000,
    expiresAtMs: clock.wallMs() + 60_000,
    callId: 'c',
    cseq: 1,
    receivedAddress: '192.0.2.10',
    receivedPort: 5060,
    transport: 'udp',
    listener: 'lan',
    flowId: 'udp:1',
    flowDead: false,
    direct: undefined,
    path: [],
    userAgent: 'test',
    parameters: ';audio',
    lastRefreshMs: clock.wallMs(),
    gruuEpochMs: undefined,
    nat: false,
    ...more,
  };
}

function put(
  table: ReturnType<typeof createLocationTable>,
  bindings: Binding[],
  content = true,
): void {
  const first = table.bindings(aor).length === 0;
  assert.ok(table.apply({ aor, bindings, first, last: bindings.length === 0, content }));
}

test('[S3261-10.2.2-02] bindings disappear when their time is over, with an event', () => {
  const { clock, open } = setup();
  const table = open();
  const events: LocationEvent[] = [];
  table.onChange((event) => events.push(event));
  put(table, [
    binding(clock, { expiresAtMs: clock.wallMs() + 5000 }),
    binding(clock, { contact: 'sip:alice@192.0.2.11' }),
  ]);
  clock.advance(4999);
  assert.equal(table.bindings(aor).length, 2);
  clock.advance(2);
  assert.equal(table.bindings(aor).length, 1);
  assert.deepEqual(
    events.map((e) => [e.cause, e.first, e.last]),
    [
      ['register', true, false],
      ['expiry', false, false],
    ],
  );
  clock.advance(60_000);
  assert.equal(table.aorCount, 0);
  assert.equal(table.bindingCount, 0);
  assert.equal(events.at(-1)?.last, true);
});

test('a refresh moves the expiry and writes nothing at once', () => {
  const { clock, store, open } = setup();
  const table = open();
  put(table, [binding(clock)]);
  clock.advance(100);
  assert.equal(store.writes, 1);
  for (let i = 0; i < 10; i++) {
    clock.advance(1000);
    put(table, [binding(clock)], false);
  }
  assert.equal(store.writes, 1);
  clock.advance(55_000);
  assert.equal(table.bindings(aor).length, 1);
});

test('after a crash bindings are back: UDP usable, streams dead, none over before its time', () => {
  const { clock, store, open } = setup();
  const table = open();
  put(table, [
    binding(clock),
    binding(clock, {
      contact: 'sip:t@h',
      transport: 'tcp',
      flowId: 'tcp:1',
      path: ['<sip:p;lr>'],
      instance: 'urn:1',
      regId: 2,
    }),
  ]);
  clock.advance(50);
  for (let i = 0; i < 5; i++) {
    clock.advance(20_000);
    put(
      table,
      table.bindings(aor).map((b) => ({ ...b, expiresAtMs: clock.wallMs() + 60_000 })),
      false,
    );
  }
  clock.advance(20_000);
  const promised = table.bindings(aor)[0]?.expiresAtMs ?? 0;
  const again = createLocationTable({
    clock,
    store: createMemoryStore(new Map(store.map)),
    trace: silentTrace,
  });
  const [udp, tcp] = again.bindings(aor);
  assert.equal(udp?.flowDead, false);
  assert.ok(udp.expiresAtMs >= promised);
  assert.equal(tcp?.flowDead, true);
  assert.deepEqual([tcp.path, tcp.instance, tcp.regId], [['<sip:p;lr>'], 'urn:1', 2]);
});

test('a clean stop keeps the exact expiry', () => {
  const { clock, store, open } = setup();
  const table = open();
  put(table, [binding(clock)]);
  clock.advance(1000);
  put(table, [binding(clock)], false);
  let durable = 0;
  table.flush(() => durable++);
  table.stop();
  assert.equal(durable, 1);
  const again = createLocationTable({ clock, store, trace: silentTrace });
  assert.deepEqual(again.bindings(aor), table.bindings(aor));
});

test('what is removed or expired is gone from the store too', () => {
  const { clock, store, open } = setup();
  const table = open();
  put(table, [binding(clock)]);
  clock.advance(10);
  assert.equal(store.map.size, 1);
  table.removeAll(aor);
  clock.advance(10);
  assert.equal(store.map.size, 0);
});

test('a damaged record costs that address only', () => {
  const { clock, store, open } = setup();
  const table = open();
  put(table, [binding(clock)]);
  clock.advance(10);
  store.map.set('sip/location/bob@lab.example', Uint8Array.of(1, 2, 3));
  store.map.set('sip/location/carol@lab.example', new TextEncoder().encode('[1,0,[[1]]]'));
  const again = open();
  assert.equal(again.aorCount, 1);
});

test('a closed flow leaves its bindings dead until they are registered again', () => {
  const { clock, open } = setup();
  const table = open();
  put(table, [binding(clock, { transport: 'tcp', flowId: 'tcp:1' })]);
  table.flowClosed('tcp:other');
  assert.equal(table.bindings(aor)[0]?.flowDead, false);
  table.flowClosed('tcp:1');
  assert.equal(table.bindings(aor)[0]?.flowDead, true);
  put(table, [binding(clock, { transport: 'tcp', flowId: 'tcp:2' })], false);
  assert.equal(table.bindings(aor)[0]?.flowDead, false);
});

test('bounds: bindings of one address, addresses in all', () => {
  const { clock, store } = setup();
  const table = createLocationTable({ clock, store, trace: silentTrace, capacity: 1 });
  const many = Array.from({ length: 33 }, (_, i) =>
    binding(clock, { contact: `sip:a@192.0.2.1:${String(i + 1)}` }),
  );
  const change = { aor, first: true, last: false, content: true };
  assert.equal(table.apply({ ...change, bindings: many }), false);
  assert.equal(table.aorCount, 0);
  assert.equal(table.apply({ ...change, bindings: many.slice(1) }), true);
  assert.equal(table.apply({ ...change, aor: 'bob@lab.example', bindings: many.slice(1) }), false);
  assert.equal(table.aorCount, 1);
});

test('the table tells its size, what expires, what it writes and what it refuses', () => {
  const clock = createFakeClock();
  const store = createMemoryStore();
  const trace = createCountingTrace();
  const table = createLocationTable({ clock, store, trace, capacity: 2 });
  const read = (): readonly number[] => [
    trace.gaugeOf('sip_location_aors'),
    trace.gaugeOf('sip_location_bindings'),
    trace.count('sip_location_expired_total'),
    trace.count('sip_location_writes_total'),
    trace.count('sip_location_refused_total'),
  ];
  assert.deepEqual(read(), [0, 0, 0, 0, 0]);
  put(table, [binding(clock), binding(clock, { contact: 'sip:b@h' })]);
  const change = { first: true, last: false, content: true };
  const late = binding(clock, { expiresAtMs: clock.wallMs() + 120_000 });
  assert.ok(table.apply({ ...change, aor: 'bob@h', bindings: [late] }));
  assert.ok(!table.apply({ ...change, aor: 'carol@h', bindings: [late] }));
  assert.ok(table.apply({ ...change, aor: 'dave@h', bindings: [] }), 'nothing is no address more');
  assert.deepEqual(read(), [2, 3, 0, 0, 1]);
  clock.advance(5);
  assert.deepEqual(read(), [2, 3, 0, 2, 1]);
  clock.advance(60_100);
  assert.deepEqual(read(), [1, 1, 2, 3, 1]);
  clock.advance(60_100);
  assert.deepEqual(read(), [0, 0, 3, 4, 1]);
  assert.equal(store.map.size, 0);
});

test('a write that fails is counted, and told to who waits for it', () => {
  const clock = createFakeClock();
  const trace = createCountingTrace();
  const store = createMemoryStore();
  const broken = {
    ...store,
    write: (...[, done]: Parameters<typeof store.write>) => done?.(failure('disk full')),
  };
  const table = createLocationTable({ clock, store: broken, trace });
  put(table, [binding(clock)]);
  clock.advance(5);
  assert.equal(trace.count('sip_location_write_failures_total'), 1);
  let done = 0;
  table.flush(() => done++);
  assert.equal(done, 1);
});

test('listeners hear of everything until they end, with the latest expiry', () => {
  const { clock, open } = setup();
  const table = open();
  const heard: string[] = [];
  const end = table.onChange((event) =>
    heard.push(
      `${event.cause} ${String(event.content)} ${String(event.expiresAtMs - clock.wallMs())}`,
    ),
  );
  const later = binding(clock, { contact: 'sip:b@h', expiresAtMs: clock.wallMs() + 90_000 });
  put(table, [later, binding(clock)]);
  put(table, [later, binding(clock)], false);
  table.removeAll(aor);
  table.removeAll(aor);
  assert.deepEqual(heard.slice(0, 2), ['register true 90000', 'register false 90000']);
  assert.match(heard[2] ?? '', /^removed true -/);
  assert.equal(heard.length, 3);
  end();
  put(table, [binding(clock)]);
  assert.equal(heard.length, 3);
});

test('what is over is gone for readers before any timer comes', () => {
  const { clock, open } = setup();
  const table = open();
  table.stop();
  put(table, [binding(clock)]);
  clock.advance(59_999);
  assert.equal(table.bindings(aor).length, 1);
  clock.advance(1);
  assert.deepEqual(table.bindings(aor), []);
  assert.deepEqual([table.aorCount, table.bindingCount], [0, 0]);
});

test('refreshes are written when the store lags by half of the interval', () => {
  const { clock, store, open } = setup();
  const table = open();
  put(table, [binding(clock)]);
  clock.advance(5);
  assert.equal(store.writes, 1);
  const refresh = (): void => put(table, [binding(clock)], false);
  clock.advance(29_000);
  refresh();
  clock.advance(5_000);
  assert.equal(store.writes, 1, 'the slack covers it');
  clock.advance(1_000);
  refresh();
  clock.advance(4_999);
  assert.equal(store.writes, 1);
  clock.advance(1);
  assert.equal(store.writes, 2);
});

test('a flow that closes is told to all addresses on it, and to no datagrams', () => {
  const { clock, open } = setup();
  const table = open();
  const tcp = (more: Partial<Binding> = {}) =>
    binding(clock, { transport: 'tcp', flowId: 'tcp:1', ...more });
  put(table, [tcp(), binding(clock, { contact: 'sip:u@h', flowId: 'tcp:1' })]);
  const bob = { aor: 'bob@h', first: true, last: false, content: true };
  assert.ok(table.apply({ ...bob, bindings: [tcp(), tcp({ flowId: 'tcp:2' })] }));
  table.flowClosed('tcp:1');
  const dead = (of: string) => table.bindings(of).map(({ flowDead }) => flowDead);
  assert.deepEqual(
    [dead(aor), dead('bob@h')],
    [
      [true, false],
      [true, false],
    ],
  );
  put(table, [tcp({ flowId: 'tcp:3' })]);
  table.flowClosed('tcp:1');
  assert.deepEqual(dead(aor), [false]);
  table.flowClosed('tcp:3');
  assert.deepEqual(dead(aor), [true]);
});

test('what was over while the box was away leaves the store at its start', () => {
  const { clock, store, open } = setup();
  const table = open();
  put(table, [
    binding(clock, { expiresAtMs: clock.wallMs() + 5000 }),
    binding(clock, { contact: 'sip:alice@192.0.2.11' }),
  ]);
  table.flush(() => undefined);
  table.stop();
  const [before] = [...store.map.values()];
  clock.advance(6000);
  const again = open();
  assert.equal(again.bindings(aor).length, 1);
  clock.advance(10);
  const [after] = [...store.map.values()];
  assert.ok((after?.length ?? 0) < (before?.length ?? 0));
  again.stop();
  clock.advance(3_600_000);
  open();
  clock.advance(10);
  assert.equal(store.map.size, 0);
});

test('an address that was given up and registered again expires in its own time', () => {
  const { clock, open } = setup();
  const table = open();
  const causes: string[] = [];
  table.onChange((event) => causes.push(event.cause));
  put(table, [binding(clock, { expiresAtMs: clock.wallMs() + 5000 })]);
  table.removeAll(aor);
  put(table, [binding(clock, { expiresAtMs: clock.wallMs() + 9000 })]);
  clock.advance(5001);
  assert.equal(causes.filter((cause) => cause === 'expiry').length, 0);
  clock.advance(4000);
  assert.equal(causes.filter((cause) => cause === 'expiry').length, 1);
  assert.equal(table.aorCount, 0);
});
