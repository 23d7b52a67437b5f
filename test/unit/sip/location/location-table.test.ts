import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentTrace } from '../../../../src/ports/trace.ts';
import type { Binding, LocationEvent } from '../../../../src/sip/location/binding.ts';
import { createLocationTable } from '../../../../src/sip/location/create-location-table.ts';
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
