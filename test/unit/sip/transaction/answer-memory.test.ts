import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits } from '../../../../src/base/limits.ts';
import { latin1Encode } from '../../../../src/base/text.ts';
import { silentTrace } from '../../../../src/ports/trace.ts';
import { createAnswerMemory } from '../../../../src/sip/transaction/answer-memory.ts';
import type { AnswerMemory } from '../../../../src/sip/transaction/answer-memory.ts';
import { createTestClock } from './harness.ts';
import type { TestClock } from './harness.ts';

const sender = { closed: false, send: () => true };
const lifetimeMs = 32_000;

function createMemory(): { clock: TestClock; memory: AnswerMemory; forgotten: () => number } {
  const clock = createTestClock();
  let forgotten = 0;
  const trace = {
    ...silentTrace,
    counter: (name: string) => ({
      add: (by = 1) => {
        if (name === 'sip_answers_forgotten_total') forgotten += by;
      },
    }),
  };
  const memory = createAnswerMemory({ clock, trace, seed: 1234, lifetimeMs, bucketCount: 4096 });
  return { clock, memory, forgotten: () => forgotten };
}

test('each answer is found by its own key until its time is over, whatever came in between', () => {
  const { clock, memory } = createMemory();
  const other = { closed: false, send: () => true };
  const rounds = 40;
  const perRound = 1000;
  for (let i = 0; i < rounds * perRound; i++) {
    if (i % perRound === 0) clock.advance(1000);
    const to = i % 3 === 0 ? other : sender;
    memory.remember(
      `key-${String(i)}`,
      `tag-${String(i)}`,
      latin1Encode(`answer ${String(i)}`),
      to,
    );
  }
  const nowMs = clock.monotonicMs();
  for (let i = 0; i < rounds * perRound; i++) {
    const madeMs = 1000 + Math.floor(i / perRound) * 1000;
    const found = memory.find(`key-${String(i)}`);
    if (madeMs + lifetimeMs <= nowMs) {
      assert.equal(found, undefined);
      continue;
    }
    assert.equal(found?.toTag, `tag-${String(i)}`);
    assert.deepEqual([...found.response], [...latin1Encode(`answer ${String(i)}`)]);
    assert.equal(found.sender, i % 3 === 0 ? other : sender);
  }
  assert.equal(memory.find('key-'), undefined);
  assert.ok(memory.size <= (perRound * (lifetimeMs + lifetimeMs / 8)) / 1000 + perRound);
  clock.advance(lifetimeMs);
  assert.equal(memory.size, 0);
  assert.equal(clock.pending, 0);
});

test('the latest of two answers under one key counts, and it does not change afterwards', () => {
  const { clock, memory } = createMemory();
  const bytes = latin1Encode('first');
  memory.remember('key', 'a', bytes, sender);
  bytes.fill(0);
  assert.deepEqual([...(memory.find('key')?.response ?? [])], [...latin1Encode('first')]);
  clock.advance(lifetimeMs - 1);
  memory.remember('key', 'b', latin1Encode('second'), sender);
  assert.equal(memory.find('key')?.toTag, 'b');
  const held = memory.find('key')?.response;
  clock.advance(lifetimeMs);
  for (let i = 0; i < 5000; i++) memory.remember(`k${String(i)}`, '', latin1Encode('x'), sender);
  assert.deepEqual([...(held ?? [])], [...latin1Encode('second')]);
});

test('answers of any size are held, and the oldest are forgotten beyond the bound on memory', () => {
  const { memory, forgotten } = createMemory();
  const large = new Uint8Array(65_507).fill(7);
  const fitting = Math.floor(limits.sipTransaction.answerBytes / (large.length + 100));
  for (let i = 0; i < fitting; i++) memory.remember(`key-${String(i)}`, 'tag', large, sender);
  assert.equal(forgotten(), 0);
  assert.equal(memory.find('key-0')?.response.length, large.length);
  for (let i = 0; i < 10; i++) memory.remember(`more-${String(i)}`, 'tag', large, sender);
  assert.equal(memory.find('key-0'), undefined);
  assert.ok(forgotten() > 0 && forgotten() <= 11, String(forgotten()));
  assert.equal(memory.size, fitting + 10 - forgotten());
  for (let i = 0; i < 10; i++) assert.ok(memory.find(`more-${String(i)}`));
});
