import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createDelayQueues } from '../../../../src/sip/transaction/delay-queues.ts';
import { createTestClock } from './harness.ts';

test('timers of one delay share one host timer and fire in order, each at its time', () => {
  const clock = createTestClock();
  const timers = createDelayQueues(clock);
  const fired: string[] = [];
  const start = (name: string, delayMs: number) =>
    timers.after(delayMs, () => {
      fired.push(`${name} ${String(clock.monotonicMs())}`);
    });
  start('a', 1000);
  clock.advance(100);
  start('b', 1000);
  const c = start('c', 1000);
  start('d', 500);
  assert.equal(clock.pending, 2);
  c.cancel();
  clock.advance(499);
  assert.equal(fired.length, 0);
  clock.advance(1);
  assert.deepEqual(fired, ['d 600']);
  clock.advance(400);
  assert.deepEqual(fired, ['d 600', 'a 1000']);
  clock.advance(100);
  assert.deepEqual(fired, ['d 600', 'a 1000', 'b 1100']);
  clock.advance(10_000);
  assert.equal(fired.length, 3);
  assert.equal(clock.pending, 0, 'an empty queue waits for nothing');
  start('e', 1000);
  clock.advance(1000);
  assert.equal(fired.at(-1), 'e 12100');
});

test('a queue wakes up at most 256 times within its delay; a timer is late by no more', () => {
  const clock = createTestClock();
  const timers = createDelayQueues(clock);
  const late: number[] = [];
  for (let i = 0; i < 100; i++) {
    const dueMs = clock.monotonicMs() + 25_600;
    timers.after(25_600, () => {
      late.push(clock.monotonicMs() - dueMs);
    });
    clock.advance(10);
  }
  clock.advance(26_700);
  assert.equal(late.length, 100);
  assert.ok(Math.max(...late) <= 100 && Math.min(...late) >= 0, late.join());
  assert.equal(new Set(late).size, 10, 'ten at a time');
});

test('a timer that is started by another one has its whole time', () => {
  const clock = createTestClock();
  const timers = createDelayQueues(clock);
  const fired: number[] = [];
  timers.after(100, () => {
    fired.push(clock.monotonicMs());
    timers.after(100, () => fired.push(clock.monotonicMs()));
  });
  timers.after(0, () => fired.push(clock.monotonicMs()));
  assert.deepEqual(fired, [], 'never inside the call');
  clock.advance(0);
  assert.deepEqual(fired, [0]);
  clock.advance(300);
  assert.deepEqual(fired, [0, 100, 200]);
  assert.equal(clock.pending, 0);
});
