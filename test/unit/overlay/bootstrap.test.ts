/** The way in and back, with dialer, links and store played by the test. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import type { NodeId } from '../../../src/base/ids.ts';
import { limits } from '../../../src/base/limits.ts';
import { latin1Decode, latin1Encode } from '../../../src/base/text.ts';
import { failure, success, type Outcome } from '../../../src/base/outcome.ts';
import type { SecureConnection, TransportAddress } from '../../../src/ports/connection.ts';
import { silentTrace } from '../../../src/ports/trace.ts';
import { createBootstrap } from '../../../src/overlay/bootstrap.ts';
import type { LinkEntry, LinkTable } from '../../../src/overlay/link-table.ts';
import type { Topology } from '../../../src/topology/plugin.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import {
  connectionOf,
  evenRandom,
  idOf,
  linkEntry,
  notedDialer,
  numbered,
} from './support/parts.ts';
import { memoryStore } from './support/world.ts';

const self = idOf('5');
const [a, b, c] = [idOf('a'), idOf('b'), idOf('c')];
const at = (host: number, port = 6084): TransportAddress => ({ address: `10.0.0.${host}`, port });

interface SceneOptions {
  readonly member?: boolean;
  readonly remembered?: string;
  readonly configured?: readonly TransportAddress[];
}

function scene({ member = false, remembered, configured = [] }: SceneOptions = {}) {
  const clock = createFakeClock();
  const dialer = notedDialer();
  const warnings: string[] = [];
  const store = memoryStore(clock);
  if (member) store.write([{ put: 'overlay/member', value: latin1Encode('1') }]);
  if (remembered !== undefined) {
    store.write([{ put: 'overlay/bootstrap-peers', value: latin1Encode(remembered) }]);
  }
  const table = new Map<NodeId, LinkEntry>();
  const joins: { readonly first: boolean; readonly atMs: number }[] = [];
  const probes: { readonly via: NodeId; readonly done: (found: boolean) => void }[] = [];
  let state: Topology['state'] = 'idle';
  let refuses = false;
  const bootstrap = createBootstrap({
    self,
    clock,
    random: evenRandom,
    trace: {
      ...silentTrace,
      log(level, event) {
        if (level === 'warn') warnings.push(event);
      },
    },
    dialer,
    store,
    links: {
      get: (nodeId: NodeId) => table.get(nodeId),
      entries: () => table.values(),
      get size() {
        return table.size;
      },
      add(connection: SecureConnection) {
        if (refuses) return failure('certificate');
        const nodeId = connection.peerChain[0]?.nodeIds[0] as NodeId;
        const entry = linkEntry(nodeId, { connection });
        table.set(nodeId, entry);
        return success(entry);
      },
    } as unknown as LinkTable,
    topology: () => ({
      state,
      join(first) {
        joins.push({ first, atMs: clock.monotonicMs() });
        state = first ? 'joined' : 'joining';
      },
    }),
    configured: () => configured,
    probeRing: (via, done) => void probes.push({ via, done }),
    ownAddresses: () => [at(5)],
  });
  return {
    clock,
    store,
    dials: dialer.dials,
    table,
    joins,
    probes,
    bootstrap,
    warnings,
    refuse: () => (refuses = true),
    ports: () => dialer.dials.map(({ target }) => target.address),
    kept: () => latin1Decode(store.get('overlay/bootstrap-peers') ?? new Uint8Array()).split('\n'),
  };
}

const linked = (nodeId: NodeId, host = 9): SecureConnection =>
  connectionOf([nodeId], { role: 'client', remote: at(host) });

test('the very first node begins the ring at once', () => {
  const { bootstrap, joins, dials } = scene();
  bootstrap.start('first');
  assert.deepEqual(joins, [{ first: true, atMs: 0 }]);
  assert.deepEqual(dials, []);
});

test('a new node dials three addresses at a time, each once, and never itself', () => {
  const { bootstrap, ports, clock, dials, joins } = scene({ configured: [at(4), at(1), at(5)] });
  bootstrap.start([at(1), at(2), at(3), at(5)]);
  assert.deepEqual(ports(), ['10.0.0.1', '10.0.0.2', '10.0.0.3']);
  assert.ok(dials.every(({ timeoutMs }) => timeoutMs === limits.overlay.dialTimeoutMs));
  for (const { done } of dials) done(failure('refused'));
  clock.advance(limits.overlay.rejoinMinimumMs);
  assert.deepEqual(ports().slice(3), ['10.0.0.4', '10.0.0.1', '10.0.0.2']);
  assert.deepEqual(joins, []);
});

test('rounds without a link become slower, up to half a minute', () => {
  const { bootstrap, clock, dials } = scene();
  bootstrap.start([at(1)]);
  const times = [0];
  while (times.length < 10) {
    dials.at(-1)?.done(failure('refused'));
    const count = dials.length;
    while (dials.length === count) clock.advance(50);
    times.push(clock.monotonicMs());
  }
  const pauses = times.slice(1).map((ms, i) => ms - (times[i] ?? 0));
  assert.deepEqual(pauses, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
});

test('that nobody can be reached is said from the second round on, anew after each link', () => {
  const { bootstrap, clock, dials, table, warnings } = scene();
  bootstrap.start([at(1)]);
  dials[0]?.done(failure('refused'));
  assert.deepEqual(warnings, []);
  clock.advance(500);
  assert.deepEqual(warnings.splice(0), ['no-bootstrap-reachable']);
  dials[1]?.done(success(linked(a)));
  table.delete(a);
  bootstrap.linkDown(a);
  clock.advance(500);
  assert.deepEqual([dials.length, warnings], [3, []]);
});

test('an address that is being dialed is not dialed again', () => {
  const { bootstrap, clock, dials } = scene();
  bootstrap.start([at(1)]);
  clock.advance(60_000);
  assert.equal(dials.length, 1);
});

test('the first link lets a new node join through it', () => {
  const { bootstrap, dials, joins, clock } = scene();
  bootstrap.start([at(1), at(2)]);
  dials[0]?.done(failure('refused'));
  assert.deepEqual(joins, []);
  dials[1]?.done(success(linked(b)));
  assert.deepEqual(joins, [{ first: false, atMs: 0 }]);
  assert.equal(bootstrap.peer(), b);
  clock.advance(60_000);
  assert.equal(dials.length, 2, 'with a link no more is dialed');
  assert.equal(joins.length, 1);
});

test('a link that is refused lets nobody join', () => {
  const { bootstrap, dials, joins, refuse } = scene();
  refuse();
  bootstrap.start([at(1)]);
  dials[0]?.done(success(linked(b)));
  assert.deepEqual(joins, []);
  assert.equal(bootstrap.peer(), undefined);
});

test('a former member looks for its ring before it joins, and begins one when nobody answers in time', () => {
  const world = scene({ member: true });
  world.bootstrap.start([at(1)]);
  world.dials[0]?.done(success(linked(b)));
  assert.deepEqual(
    world.probes.map(({ via }) => via),
    [b],
  );
  assert.equal(world.joins.length, 0);
  world.probes[0]?.done(false);
  assert.equal(world.joins.length, 0);
  world.clock.advance(22_000);
  assert.equal(world.joins.length, 0);
  assert.ok(world.probes.length > 3, 'asked again and again');
  world.clock.advance(3000);
  assert.deepEqual(
    world.joins.map(({ first }) => first),
    [true],
  );
  const atMs = world.joins[0]?.atMs ?? 0;
  assert.ok(atMs >= 22_500 && atMs <= 25_000, `${atMs}`);
});

test('a former member joins through the node that knows a ring', () => {
  const world = scene({ member: true });
  world.bootstrap.start([at(1), at(2)]);
  world.dials[0]?.done(success(linked(a, 1)));
  world.dials[1]?.done(success(linked(b, 2)));
  world.probes.find(({ via }) => via === b)?.done(true);
  assert.deepEqual(
    world.joins.map(({ first }) => first),
    [false],
  );
  assert.equal(world.bootstrap.peer(), b, 'not the first that was reached');
  for (const { done } of world.probes) done(true);
  assert.equal(world.joins.length, 1);
  world.table.set(b, linkEntry(b, { suspect: true }));
  assert.equal(world.bootstrap.peer(), a, 'a silent way is none');
});

test('a first node that has known others looks for them for three seconds', () => {
  const world = scene({ remembered: `${b} 10.0.0.2 6084` });
  world.bootstrap.start('first');
  assert.deepEqual(world.ports(), ['10.0.0.2']);
  assert.equal(world.joins.length, 0);
  world.clock.advance(2900);
  assert.equal(world.joins.length, 0);
  world.clock.advance(2000);
  assert.deepEqual(
    world.joins.map(({ first }) => first),
    [true],
  );
});

test('of the links some are asked in turn', () => {
  const world = scene({ member: true });
  for (const id of [1, 2, 3, 4].map(numbered)) world.table.set(id, linkEntry(id));
  world.bootstrap.start([]);
  assert.deepEqual(
    world.probes.map(({ via }) => via),
    [1, 2, 3].map(numbered),
  );
  world.clock.advance(500);
  assert.deepEqual(
    world.probes.slice(3).map(({ via }) => via),
    [4, 1, 2].map(numbered),
  );
});

test('the peer to go through: one dialed and awake, else any awake, else a silent one', () => {
  const { bootstrap, table, dials } = scene();
  assert.equal(bootstrap.peer(), undefined);
  bootstrap.start([at(1)]);
  dials[0]?.done(success(linked(a)));
  table.set(b, linkEntry(b));
  assert.equal(bootstrap.peer(), a);
  table.set(a, linkEntry(a, { suspect: true }));
  assert.equal(bootstrap.peer(), b);
  table.set(b, linkEntry(b, { suspect: true }));
  assert.equal(bootstrap.peer(), a);
  table.delete(a);
  bootstrap.linkDown(a);
  assert.equal(bootstrap.peer(), undefined);
});

test('when the last link is lost the dialing begins again', () => {
  const { bootstrap, table, dials, clock } = scene();
  bootstrap.start([at(1)]);
  dials[0]?.done(success(linked(a)));
  table.set(b, linkEntry(b));
  table.delete(a);
  bootstrap.linkDown(a);
  clock.advance(60_000);
  assert.equal(dials.length, 1, 'another link is left');
  table.delete(b);
  bootstrap.linkDown(b);
  clock.advance(499);
  assert.equal(dials.length, 1);
  clock.advance(1);
  assert.equal(dials.length, 2);
});

test('after a stop nothing is dialed, and what is being dialed is abandoned', () => {
  const { bootstrap, dials, clock, joins } = scene();
  bootstrap.start([at(1), at(2)]);
  dials[0]?.done(failure('refused'));
  bootstrap.stop();
  assert.deepEqual(
    dials.map(({ abandoned }) => abandoned),
    [false, true],
  );
  bootstrap.linkDown(a);
  clock.advance(100_000);
  assert.equal(dials.length, 2);
  assert.deepEqual(joins, []);
});

test('[R6940-11.4-02] nodes that were dialed, or told where they listen, are remembered; the oldest are forgotten', () => {
  const { bootstrap, table, kept } = scene();
  const entry = (nodeId: NodeId, more: Parameters<typeof connectionOf>[1]): LinkEntry =>
    linkEntry(nodeId, { connection: connectionOf([nodeId], more) });
  bootstrap.linkUp(entry(a, { role: 'client', remote: at(1) }));
  bootstrap.linkUp(entry(b, { role: 'server', remote: at(2) }));
  bootstrap.linkUp(entry(c, { role: 'client', remote: at(3), stunRttMs: 4 }));
  bootstrap.learned(b, at(2, 7000));
  assert.deepEqual(kept(), [`${a} 10.0.0.1 6084`], 'others do not listen where they come from');
  table.set(b, linkEntry(b));
  bootstrap.learned(b, at(2, 7000));
  assert.deepEqual(kept(), [`${a} 10.0.0.1 6084`, `${b} 10.0.0.2 7000`]);
  for (let i = 0; i < limits.overlay.bootstrapPeers - 1; i++) {
    bootstrap.linkUp(entry(numbered(i), { role: 'client', remote: at(100 + i) }));
  }
  assert.equal(kept().length, limits.overlay.bootstrapPeers);
  assert.equal(kept()[0], `${b} 10.0.0.2 7000`);
  bootstrap.linkUp(entry(b, { role: 'client', remote: at(2, 7001) }));
  assert.equal(kept().at(-1), `${b} 10.0.0.2 7001`);
});

test('remembered nodes are dialed after a restart; lines that are none are left out', () => {
  const lines = [
    `${a} 10.0.0.11 6084`,
    'nonsense',
    `${b} 10.0.0.12 600000`,
    `${b}ff 10.0.0.13 1`,
    `${c} 10.0.0.14`,
  ];
  const { bootstrap, dials } = scene({ remembered: lines.join('\n') });
  bootstrap.start([]);
  assert.deepEqual(
    dials.map(({ target }) => [target.address, target.port]),
    [
      ['10.0.0.11', 6084],
      ['10.0.0.13', 1],
    ],
  );
});

test('membership is noted once', () => {
  const { bootstrap, store } = scene();
  bootstrap.joined();
  const value = store.get('overlay/member');
  assert.ok(value);
  bootstrap.joined();
  assert.equal(store.get('overlay/member'), value);
});

test('[R6940-10.7.4.4-01] a discovery dials an address that is not linked yet, else yields the peer that is known', () => {
  const { bootstrap, dials, table, clock } = scene();
  const found: Outcome<NodeId>[] = [];
  const discover = (): void => bootstrap.discover((outcome) => found.push(outcome));
  discover();
  assert.deepEqual(found, [], 'never inside the call');
  clock.advance(0);
  assert.deepEqual(found.splice(0), [failure('no bootstrap node answers')]);

  bootstrap.start([at(1), at(2)]);
  dials[0]?.done(success(linked(a, 1)));
  dials[1]?.done(failure('refused'));
  discover();
  assert.equal(dials[2]?.target.address, '10.0.0.2');
  discover();
  clock.advance(0);
  assert.deepEqual(found.splice(0), [success(a)], 'that address is being dialed');
  dials[2].done(success(linked(b, 2)));
  assert.deepEqual(found.splice(0), [success(b)]);
  discover();
  clock.advance(0);
  assert.equal(dials.length, 3);
  assert.deepEqual(found.splice(0), [success(a)]);
  table.delete(b);
  discover();
  dials[3]?.done(failure('refused'));
  assert.deepEqual(found.splice(0), [success(a)], 'the known one, when nobody answers');
});

test('a discovery leaves out nodes that are linked, whichever side made the link', () => {
  const { bootstrap, dials, table, clock } = scene();
  const discover = (): void => bootstrap.discover(() => undefined);
  bootstrap.start([at(1), at(2)]);
  for (const { done } of dials) done(failure('refused'));
  const came = (nodeId: NodeId): SecureConnection =>
    connectionOf([nodeId], { role: 'server', remote: at(77, 40_000) });
  for (const [nodeId, host] of [
    [a, 1],
    [b, 2],
    [c, 3],
  ] as const) {
    table.set(nodeId, linkEntry(nodeId, { connection: came(nodeId) }));
    if (nodeId !== b) bootstrap.learned(nodeId, at(host));
  }
  discover();
  assert.deepEqual(
    dials.slice(2).map(({ target }) => target.address),
    ['10.0.0.2'],
  );
  // The table keeps the link it has, and from now on the address has a name.
  const held = table.get(b);
  dials[2]?.done(success(linked(b, 2)));
  assert.ok(held);
  table.set(b, held);
  discover();
  clock.advance(0);
  assert.equal(dials.length, 3);
  table.delete(c);
  bootstrap.linkDown(c);
  discover();
  assert.equal(dials[3]?.target.address, '10.0.0.3');
});
