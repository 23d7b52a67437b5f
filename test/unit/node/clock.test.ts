import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { after, test } from 'node:test';
import { createClock } from '../../../src/node/clock.ts';

const clock = createClock();
after(() => {
  clock.close();
});

test('timers fire in the order of their times and never early', async () => {
  const start = clock.monotonicMs();
  const fired: string[] = [];
  await new Promise<void>((resolve) => {
    for (const delayMs of [30, 10, 20, 1, 40]) {
      clock.after('test', delayMs, () => {
        const waited = clock.monotonicMs() - start;
        assert.ok(waited >= delayMs, `${String(waited)} < ${String(delayMs)}`);
        fired.push(String(delayMs));
        if (delayMs === 40) resolve();
      });
    }
  });
  assert.deepEqual(fired, ['1', '10', '20', '30', '40']);
});

test('timers of one time fire in the order of their creation', async () => {
  const fired: number[] = [];
  await new Promise<void>((resolve) => {
    for (let i = 0; i < 20; i++) clock.after('test', 0, () => fired.push(i));
    clock.after('test', 0, resolve);
  });
  assert.deepEqual(
    fired,
    Array.from({ length: 20 }, (_, i) => i),
  );
});

test('a cancelled timer does not fire, also when it is cancelled by one of the same moment', async () => {
  const fired: string[] = [];
  const first = clock.after('first', 15, () => fired.push('first'));
  first.cancel();
  first.cancel();
  const victim: { cancel?: () => void } = {};
  clock.after('killer', 8, () => victim.cancel?.());
  const later = clock.after('victim', 8, () => fired.push('victim'));
  victim.cancel = () => {
    later.cancel();
  };
  const soon = clock.after('soon', 0, () => fired.push('soon'));
  soon.cancel();
  await sleep(40);
  assert.deepEqual(fired, []);
});

test('a delay of 0 waits for the next turn', async () => {
  let inside = true;
  await new Promise<void>((resolve) => {
    clock.after('test', 0, () => {
      assert.equal(inside, false);
      resolve();
    });
    inside = false;
  });
});

test('a hundred thousand timers beyond one round of the wheel cost little and do not fire', async () => {
  const own = createClock();
  const start = performance.now();
  const timers = Array.from({ length: 100_000 }, (_, i) =>
    own.after('far', 3_600_000 + i, () => assert.fail('fired')),
  );
  for (let i = 0; i < timers.length; i += 2) timers[i]?.cancel();
  const spentMs = performance.now() - start;
  let near = false;
  own.after('near', 10, () => (near = true));
  await sleep(40);
  assert.equal(near, true);
  own.close();
  assert.ok(spentMs < 1000, `${String(spentMs)} ms`);
});

test('nothing fires after close', async () => {
  const own = createClock();
  own.after('a', 5, () => assert.fail('fired'));
  own.after('b', 0, () => assert.fail('fired'));
  own.close();
  own.after('c', 0, () => assert.fail('fired'));
  await sleep(20);
});
