/** Each checker sees what it is there for: the world is broken, and the checker complains. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8Encode } from '../../src/base/text.ts';
import { checkAcknowledged } from '../../src/sim/checkers/acknowledged.ts';
import { checkBounds } from '../../src/sim/checkers/bounds.ts';
import { checkConvergence } from '../../src/sim/checkers/convergence.ts';
import { checkLoops } from '../../src/sim/checkers/loops.ts';
import { checkReplicas } from '../../src/sim/checkers/replicas.ts';
import { checkResponsible } from '../../src/sim/checkers/responsible.ts';
import { checkRing } from '../../src/sim/checkers/ring.ts';
import { checkValues } from '../../src/sim/checkers/values.ts';
import { crash, heal, partition } from '../../src/sim/faults.ts';
import { createMessageMeter } from '../../src/sim/message-meter.ts';
import type { SimulatedPeer } from '../../src/sim/peer.ts';
import { createSimulatedRing, type SimulatedRing } from '../../src/sim/ring.ts';
import { storeValues } from '../../src/sim/storing.ts';
import { createWorld } from '../../src/sim/world.ts';
import { nodeIdFromBytes } from '../../src/base/ids.ts';
import { encodeDataFrame } from '../../src/wire/reload/framing.ts';
import { encodeHeader } from '../../src/wire/reload/header.ts';
import type { Destination } from '../../src/wire/reload/destination.ts';

const peers = 12;
const values = 12;

function ringOf(seed: string): SimulatedRing {
  const ring = createSimulatedRing(createWorld(seed), {
    peers,
    latency: { minimumMs: 1, maximumMs: 5 },
  });
  ring.startAll(20);
  ring.world.run(15_000);
  storeValues(ring, values);
  return ring;
}

/** The holders of some record, the responsible peer first. */
function holdersOf(ring: SimulatedRing): SimulatedPeer[] {
  const record = ring.records.all.at(-1);
  assert.ok(record?.acknowledged);
  const owner = ring.living().find((peer) => peer.topology.isResponsible(record.resource));
  assert.ok(owner);
  const replicas = owner.topology.replicas();
  return [owner, ...ring.living().filter(({ nodeId }) => replicas.includes(nodeId))];
}

test('a sound ring passes all of them', () => {
  const ring = ringOf('sound');
  heal(ring);
  for (const check of [
    checkConvergence,
    checkRing,
    checkResponsible,
    checkReplicas,
    checkAcknowledged,
    checkValues,
    checkBounds,
    checkLoops,
  ]) {
    assert.equal(check(ring), undefined);
  }
  assert.ok(ring.records.served.judged >= values - 1);
});

test('ring: a peer that has just died is still in the tables of the others', () => {
  const ring = ringOf('dead');
  crash(ring, ring.anyLiving(), { silently: true });
  assert.match(checkRing(ring) ?? '', /(successor|predecessor) \d is not|(suc|prede)cessors/);
});

test('responsible: two halves have two responsible peers for one id', () => {
  const ring = ringOf('halves');
  partition(ring, (index) => index % 2, 300_000);
  ring.world.run(60_000);
  assert.match(checkResponsible(ring) ?? '', /2 peers are responsible/);
});

test('convergence: halves that stay apart do not become one ring', () => {
  const ring = ringOf('apart');
  ring.network.reach((from, to) => from % 2 === to % 2);
  ring.world.run(30_000);
  heal(ring);
  assert.match(checkConvergence(ring) ?? '', /1 times not converged/);
});

test('replicas: a copy that has gone with its peer is missed', () => {
  const ring = ringOf('copy');
  const [, replica] = holdersOf(ring);
  assert.ok(replica);
  crash(ring, replica, { silently: false });
  ring.world.run(3000);
  assert.match(checkReplicas(ring) ?? '', /copies missing/);
});

test('replicas: an old version at a holder counts as missing', () => {
  const ring = ringOf('old copy');
  const [record] = ring.records.all.filter((one) => one.versions.length === 1).slice(1);
  assert.ok(record);
  (record as { storageTimeMs: number }).storageTimeMs += 1;
  assert.match(checkReplicas(ring) ?? '', /copies missing/);
});

test('acknowledged: what all three holders took with them is missed, unless it is excused', () => {
  const ring = ringOf('three');
  const holders = holdersOf(ring);
  assert.equal(holders.length, 3);
  for (const holder of holders) holder.crash({ silently: false });
  ring.world.run(60_000);
  assert.match(checkAcknowledged(ring) ?? '', /lost/);
  for (const holder of holders) ring.losses.lost(holder);
  assert.ok(ring.losses.excused.size > 0);
  assert.equal(checkAcknowledged(ring), undefined);
});

test('values: what a peer answers that was away when the newer one was confirmed is counted only', () => {
  const ring = ringOf('away');
  const [record] = ring.records.all.slice(-1);
  assert.ok(record);
  const { served } = ring.records;
  const spoilt = record as { confirmed: number; confirmedMs: number };
  spoilt.confirmed = 7;
  served.away(record.confirmedMs + 1, ring.world.nowMs + 1);
  spoilt.confirmedMs = record.confirmedMs + 1;
  const look = (): void => {
    ring.records.lookup(ring.anyLiving(), record, () => undefined);
    ring.world.run(2000);
  };
  look();
  assert.equal(served.rolledBack, 1);
  assert.equal(checkValues(ring), undefined);
  spoilt.confirmedMs -= 1;
  look();
  assert.match(checkValues(ring) ?? '', /after 7/, 'confirmed before anybody was away');
});

test('values: forged, older and expired ones are noticed', () => {
  for (const [seed, spoil, complaint] of [
    ['forged', { versions: [utf8Encode('something else')] }, /never stored/],
    ['rolled back', { confirmed: 7 }, /version \d after 7/],
    ['expired', { expiresMs: 0 }, /after its end/],
  ] as const) {
    const ring = ringOf(seed);
    const [record] = ring.records.all.slice(-1);
    assert.ok(record);
    assert.equal(checkValues(ring), undefined);
    Object.assign(record, spoil);
    ring.records.lookup(ring.anyLiving(), record, () => undefined);
    ring.world.run(2000);
    assert.match(checkValues(ring) ?? '', complaint);
  }
});

test('bounds: too many links, and questions that nobody answers', () => {
  const ring = ringOf('waiting');
  const peer = ring.anyLiving();
  ring.network.reach(() => false);
  for (let i = 0; i < 40; i++) {
    peer.overlay.ping(
      [{ type: 'resource', resource: ring.records.all[0]!.resource }],
      () => undefined,
    );
  }
  assert.match(checkBounds(ring) ?? '', /requests wait/);
});

test('loops: a message for a node that is in its Via List three times', () => {
  const ring = ringOf('circle');
  const meter = createMessageMeter();
  const node = (fill: number): Destination => ({
    type: 'node',
    nodeId: nodeIdFromBytes(new Uint8Array(16).fill(fill)),
  });
  const body = Uint8Array.of(0, 23, 0, 0, 0, 0);
  const send = (...fills: number[]): void => {
    const header = encodeHeader(
      {
        overlay: 1,
        configurationSequence: 1,
        ttl: 50,
        fragment: { last: true, offset: 0 },
        transactionId: 1n,
        maxResponseLength: 0,
        viaList: fills.map(node),
        destinationList: [node(9)],
        options: [],
      },
      body.length,
    );
    meter.measure(encodeDataFrame(1, header, body), nodeIdFromBytes(new Uint8Array(16).fill(1)));
  };
  const broken = { ...ring, network: { ...ring.network, meter } };
  send(1, 2, 1, 2);
  assert.equal(checkLoops(broken), undefined);
  send(1, 2, 1, 2, 1, 2);
  assert.match(checkLoops(broken) ?? '', /1 messages went in circles/);
  const stray = {
    ...ring,
    network: { ...ring.network, meter: { ...meter, longestWay: 40, circles: 0 } },
  };
  assert.match(checkLoops(stray) ?? '', /took 40 hops/);
});
