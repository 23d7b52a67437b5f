import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPrng } from '../../../src/base/prng.ts';
import { failure, success } from '../../../src/base/outcome.ts';
import type { Outcome } from '../../../src/base/outcome.ts';
import { createConfigurationRefresh } from '../../../src/overlay-config/refresh.ts';
import type { OverlayConfig } from '../../../src/ports/overlay-config.ts';
import { silentTrace } from '../../../src/ports/trace.ts';
import { createFakeClock } from '../../support/fake-clock.ts';

const hourMs = 3_600_000;

function world(seed: number, expiresInMs: number | undefined) {
  const clock = createFakeClock();
  const startMs = clock.wallMs();
  const prng = createPrng(seed);
  const configOf = (atMs: number | undefined): OverlayConfig =>
    ({ expirationMs: atMs === undefined ? undefined : startMs + atMs }) as OverlayConfig;
  let config = configOf(expiresInMs);
  let answer: (() => Outcome<void>) | undefined;
  /** Milliseconds after the start. */
  const fetches: number[] = [];
  const refresh = createConfigurationRefresh({
    clock,
    random: { bytes: (length) => new Uint8Array(length), u32: () => prng.u32() },
    trace: silentTrace,
    current: () => config,
    fetch(done) {
      fetches.push(clock.wallMs() - startMs);
      clock.after('answer', 10, () => {
        done(answer?.() ?? failure('unreachable'));
      });
    },
  });
  refresh.start();
  return {
    clock,
    fetches,
    refresh,
    count: () => fetches.length,
    renewTo: (atMs: number) => {
      config = configOf(atMs);
    },
    answerWith: (given: () => Outcome<void>) => {
      answer = given;
    },
  };
}

test('[R6940-11.1-09] the refetch comes at a random time before the expiration', () => {
  const times = new Set<number>();
  for (let seed = 1; seed <= 20; seed++) {
    const { clock, fetches, answerWith, renewTo } = world(seed, 10 * hourMs);
    answerWith(() => {
      renewTo(1000 * hourMs);
      return success(undefined);
    });
    clock.advance(10 * hourMs);
    assert.equal(fetches.length, 1);
    const [at = 0] = fetches;
    assert.ok(at >= 5 * hourMs && at <= 9 * hourMs, `${at}`);
    times.add(at);
  }
  assert.ok(times.size > 15);
});

test('[R6940-11.1-09] a long validity is waited for; a new document moves the time', () => {
  const { clock, fetches, renewTo } = world(3, 1000 * hourMs);
  clock.advance(499 * hourMs);
  assert.deepEqual(fetches, []);
  renewTo(3000 * hourMs);
  clock.advance(1200 * hourMs);
  assert.deepEqual(fetches, []);
  clock.advance(1300 * hourMs);
  assert.ok(fetches.length > 0);
});

test('an expired configuration is fetched at once and again until it is replaced, ever more slowly', () => {
  const { clock, count, answerWith, renewTo } = world(5, -hourMs);
  clock.advance(1);
  assert.equal(count(), 1);
  clock.advance(24 * hourMs);
  const before = count();
  assert.ok(before >= 8 && before <= 14, `${before}`);
  answerWith(() => {
    renewTo(clock.wallMs() + 1e13);
    return success(undefined);
  });
  clock.advance(48 * hourMs);
  assert.equal(count(), before + 1);
});

test('without an expiration nothing is fetched; neither after stop', () => {
  const endless = world(7, undefined);
  endless.clock.advance(1000 * hourMs);
  assert.deepEqual(endless.fetches, []);
  const stopped = world(7, hourMs);
  stopped.refresh.stop();
  stopped.clock.advance(10 * hourMs);
  assert.deepEqual(stopped.fetches, []);
});
