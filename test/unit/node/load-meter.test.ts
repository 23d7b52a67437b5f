import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSustained } from '../../../src/node/load-meter.ts';
import { createOverload } from '../../../src/adapter/overload.ts';
import { silentTrace } from '../../../src/ports/trace.ts';
import { createClock } from '../adapter/support/world.ts';

test('what lasts is what all of the last readings had', () => {
  const sustained = createSustained(3);
  assert.deepEqual([900, 800, 700, 600, 0, 900, 900, 900].map(sustained), [
    ...[0, 0, 700, 600, 0, 0, 0, 900],
  ]);
});

/** Seconds of the readings in which new work is refused, by the usual limit. */
function refusals(readings: readonly number[]): number[] {
  const clock = createClock();
  const sustained = createSustained(3);
  let delayMs = 0;
  const overloaded = createOverload({
    clock,
    trace: silentTrace,
    settings: { maxDelayMs: 1000, maxTransactions: 0 },
    delayMs: () => delayMs,
    transactions: () => 0,
  });
  return readings.flatMap((reading, second) => {
    clock.run(1000);
    delayMs = sustained(reading);
    return overloaded() ? [second] : [];
  });
}

test('pauses refuse nobody, however long, as long as there is time between them', () => {
  assert.deepEqual(refusals([0, 5000, 0, 0, 1800, 1700, 100, 0, 3000, 3000, 900, 3000]), []);
});

test('lasting delay refuses new work from its third second until the delay is well below the limit', () => {
  assert.deepEqual(refusals([0, 1500, 1500, 1500, 1500, 800, 650, 0]), [3, 4, 5]);
});
