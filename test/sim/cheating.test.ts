/** The cheating peers of the scenarios really cheat; what they do is seen for what it is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cutAnswers, replayAnswers } from '../../src/sim/bad-links.ts';
import { createSimulatedRing, type RingOptions, type SimulatedRing } from '../../src/sim/ring.ts';
import { storeValues, updateSome } from '../../src/sim/storing.ts';
import { createWorld } from '../../src/sim/world.ts';

const peers = 8;
const cheat = 3;

function ringOf(seed: string, tamper: NonNullable<RingOptions['tamper']>): SimulatedRing {
  const ring = createSimulatedRing(createWorld(seed), {
    peers,
    latency: { minimumMs: 1, maximumMs: 5 },
    tamper,
  });
  ring.startAll(20);
  ring.world.run(10_000);
  storeValues(ring, 20);
  return ring;
}

/** Asks every other peer for every value; the number of those not found at once. */
function missed(ring: SimulatedRing): number {
  let misses = 0;
  for (const record of ring.records.all.slice(1)) {
    for (const from of ring.living()) {
      if (from.host.index === cheat) continue;
      ring.records.lookup(from, record, ({ found, elapsedMs }) => {
        if (!found || elapsedMs > 1000) misses++;
      });
    }
  }
  ring.world.run(20_000);
  return misses;
}

test('answers without their end are not taken for answers', () => {
  let active = false;
  const ring = ringOf('cut', (index) => (index === cheat ? cutAnswers(() => active) : undefined));
  assert.equal(missed(ring), 0);
  active = true;
  assert.ok(missed(ring) > 0);
  assert.deepEqual(ring.records.served.complaints, []);
});

test('an old answer of a replaying peer is an older value, signed by its user', () => {
  let active = false;
  const ring = ringOf('again', (index, host, identity) =>
    index === cheat ? replayAnswers(host, identity, () => active) : undefined,
  );
  assert.equal(missed(ring), 0);
  updateSome(ring, 1);
  active = true;
  ring.records.served.expectRollbacks();
  missed(ring);
  assert.ok(ring.records.served.rolledBack > 0);
  assert.deepEqual(ring.records.served.complaints, []);
});
