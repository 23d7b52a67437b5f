import assert from 'node:assert/strict';
import { test } from 'node:test';
import { failure, success, type Outcome } from '../../../src/base/outcome.ts';
import { createNodeRenewal, renewalAtMs } from '../../../src/cli/box/node-renewal.ts';
import type { Certificate } from '../../../src/ports/certificates.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import type { Trace } from '../../../src/ports/trace.ts';

const dayMs = 86_400_000;

function certificate(notBeforeMs: number, days: number): Certificate {
  return { notBeforeMs, notAfterMs: notBeforeMs + days * dayMs } as Certificate;
}

/** Runs the timer that is due and lets promises settle. */
function createWorld(): {
  readonly clock: Clock;
  readonly trace: Trace;
  readonly events: string[];
  step(): Promise<number>;
  pending(): number;
} {
  let nowMs = 0;
  let timers: { atMs: number; fire: () => void }[] = [];
  const events: string[] = [];
  const clock = {
    wallMs: () => nowMs,
    monotonicMs: () => nowMs,
    after(_name: string, delayMs: number, fire: () => void) {
      const timer = { atMs: nowMs + delayMs, fire };
      timers.push(timer);
      return { cancel: () => (timers = timers.filter((other) => other !== timer)) };
    },
  } as unknown as Clock;
  const trace = {
    log: (_level: string, event: string) => events.push(event),
    counter: () => ({ add: () => undefined }),
    gauge: () => undefined,
  } as unknown as Trace;
  return {
    clock,
    trace,
    events,
    pending: () => timers.length,
    async step() {
      const next = timers.shift();
      assert.ok(next !== undefined, 'a timer is set');
      const waitedMs = next.atMs - nowMs;
      nowMs = next.atMs;
      next.fire();
      await new Promise((resolve) => setImmediate(resolve));
      return waitedMs;
    },
  };
}

test('is due after two thirds of the lifetime', () => {
  assert.equal(renewalAtMs(certificate(1000, 3)), 1000 + 2 * dayMs);
});

test('waits in steps of a day at most, renews once, then follows the new certificate', async () => {
  const world = createWorld();
  const asked: number[] = [];
  const renewal = createNodeRenewal({
    ...world,
    certificate: certificate(0, 6),
    renew() {
      asked.push(world.clock.wallMs());
      return Promise.resolve(success(certificate(world.clock.wallMs(), 3)));
    },
  });
  renewal.start();
  for (let day = 1; day <= 4; day++) assert.equal(await world.step(), dayMs);
  assert.deepEqual(asked, [4 * dayMs]);
  assert.deepEqual(world.events, ['node-certificate-renewed']);
  assert.equal(await world.step(), dayMs);
  assert.equal(await world.step(), dayMs);
  assert.deepEqual(asked, [4 * dayMs, 6 * dayMs]);
  renewal.stop();
  assert.equal(world.pending(), 0);
});

test('an overdue certificate is renewed at once; failures are tried again ever more slowly', async () => {
  const world = createWorld();
  let outcome: Outcome<Certificate> = failure('the authority is away');
  const renewal = createNodeRenewal({
    ...world,
    certificate: certificate(-5 * dayMs, 6),
    renew: () => Promise.resolve(outcome),
  });
  renewal.start();
  await new Promise((resolve) => setImmediate(resolve));
  const minutes: number[] = [];
  for (let attempt = 0; attempt < 9; attempt++) minutes.push((await world.step()) / 60_000);
  assert.deepEqual(minutes, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
  outcome = success(certificate(0, 30));
  await world.step();
  assert.equal(world.events.at(-1), 'node-certificate-renewed');
  outcome = failure('away again');
  renewal.stop();
});

test('a renewal that throws is a failure like others', async () => {
  const world = createWorld();
  const renewal = createNodeRenewal({
    ...world,
    certificate: certificate(-5 * dayMs, 6),
    renew: () => Promise.reject(new Error('no space left on the disk')),
  });
  renewal.start();
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(world.events, ['node-certificate-not-renewed']);
  assert.equal(world.pending(), 1);
  renewal.stop();
});

test('a certificate that is due at once does not become a loop', async () => {
  const world = createWorld();
  let asked = 0;
  const renewal = createNodeRenewal({
    ...world,
    certificate: certificate(-5 * dayMs, 6),
    renew() {
      asked++;
      return Promise.resolve(success(certificate(-5 * dayMs, 6)));
    },
  });
  renewal.start();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(asked, 1);
  assert.equal(await world.step(), 60_000);
  assert.equal(asked, 2);
  renewal.stop();
});
