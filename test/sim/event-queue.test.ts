import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPrng } from '../../src/base/prng.ts';
import { createEventQueue, type SimulatedEvent } from '../../src/sim/event-queue.ts';

test('events come out by time and number, however far ahead they were put in', () => {
  const prng = createPrng('queue');
  const queue = createEventQueue();
  const expected: SimulatedEvent[] = [];
  const taken: number[] = [];
  let nowMs = 0;
  let seq = 0;

  function put(delayMs: number): void {
    const event: SimulatedEvent = { atMs: nowMs + delayMs, seq: seq++, fire: () => undefined };
    queue.push(event);
    if (prng.unit() < 0.2) event.fire = undefined;
    else expected.push(event);
  }

  for (let i = 0; i < 200; i++) put(prng.unit() * 30_000);
  while (seq < 5000) {
    const untilMs = nowMs + prng.unit() * 100;
    for (;;) {
      const event = queue.next(untilMs);
      if (event === undefined) break;
      assert.ok(event.atMs >= nowMs && event.atMs <= untilMs);
      nowMs = event.atMs;
      taken.push(event.seq);
      const reach = [0, 0.3, 40, 9000, 20_000, 100_000][prng.below(6)] ?? 0;
      put(prng.unit() * reach);
      if (prng.unit() < 0.3) put(Math.floor(prng.unit() * 10));
    }
    nowMs = untilMs;
  }
  for (let event = queue.next(1e9); event !== undefined; event = queue.next(1e9)) {
    taken.push(event.seq);
  }
  expected.sort((a, b) => a.atMs - b.atMs || a.seq - b.seq);
  assert.deepEqual(
    taken,
    expected.map((event) => event.seq),
  );
});

test('nothing comes out before its time, and what is withdrawn never', () => {
  const queue = createEventQueue();
  const withdrawn: SimulatedEvent = { atMs: 10, seq: 0, fire: () => undefined };
  const far: SimulatedEvent = { atMs: 50_000.5, seq: 1, fire: () => undefined };
  queue.push(withdrawn);
  queue.push(far);
  withdrawn.fire = undefined;
  assert.equal(queue.next(50_000.4), undefined);
  const sooner: SimulatedEvent = { atMs: 50_000.45, seq: 2, fire: () => undefined };
  queue.push(sooner);
  assert.equal(queue.next(50_001), sooner);
  assert.equal(queue.next(50_001), far);
  assert.equal(queue.next(1e9), undefined);
});
