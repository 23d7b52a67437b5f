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

test('a search is bounded, however many keys meet in one bucket', () => {
  const clock = createTestClock();
  const trace = silentTrace;
  const memory = createAnswerMemory({ clock, trace, seed: 1, lifetimeMs, bucketCount: 1 });
  for (let i = 0; i < 65; i++)
    memory.remember(`k${String(i)}`, String(i), latin1Encode('x'), sender);
  assert.equal(memory.find('k0'), undefined);
  for (let i = 1; i < 65; i++) assert.equal(memory.find(`k${String(i)}`)?.toTag, String(i));
  assert.equal(memory.find('k1x'), undefined);
  assert.equal(memory.find('k'), undefined);
  assert.equal(memory.find(''), undefined);
});

test('answers are let go an eighth of their lifetime at a time, with one host timer', () => {
  const { clock, memory } = createMemory();
  const put = (key: string): void => memory.remember(key, 't', latin1Encode('x'), sender);
  assert.equal(clock.pending, 0);
  put('a');
  clock.advance(3_999);
  put('b');
  assert.equal(clock.pending, 1);
  clock.advance(1);
  put('c');
  clock.advance(lifetimeMs - 4_000);
  assert.equal(memory.find('a'), undefined);
  assert.equal(memory.find('b')?.toTag, 't');
  assert.equal(memory.size, 3, 'a waits for b, with which it shares a chunk');
  clock.advance(3_999);
  assert.equal(memory.find('b'), undefined);
  assert.equal(memory.size, 1);
  assert.equal(memory.find('c')?.toTag, 't');
  clock.advance(1);
  assert.deepEqual([memory.size, clock.pending], [0, 0]);
  put('d');
  assert.deepEqual([memory.size, clock.pending], [1, 1]);
  assert.equal(memory.find('d')?.toTag, 't');
  assert.equal(memory.find('a'), undefined, 'what was there before is not found in used memory');
});

test('answers that fill a chunk to its last byte, or are larger than one, are whole', () => {
  const { clock, memory } = createMemory();
  const header = 36;
  const put = (key: string, wholeBytes: number): Uint8Array => {
    const response = new Uint8Array(wholeBytes - header - key.length - 1);
    for (let i = 0; i < response.length; i++) response[i] = (i * 31 + key.length) & 255;
    memory.remember(key, 't', response, sender);
    return response;
  };
  const sizes = [40_000, 25_536, 100, 65_536, 65_537, 50, 200_000, 65_536 - 50, 51];
  const made = sizes.map((size, i) => put(`key${String(i)}`, size));
  for (const [i, response] of made.entries()) {
    const found = memory.find(`key${String(i)}`);
    assert.equal(found?.toTag, 't');
    assert.deepEqual(found.response, response);
  }
  clock.advance(lifetimeMs);
  assert.equal(memory.size, 0);
  const again = sizes.map((size, i) => put(`new${String(i)}`, size));
  for (const [i, response] of again.entries()) {
    assert.deepEqual(memory.find(`new${String(i)}`)?.response, response);
    assert.equal(memory.find(`key${String(i)}`), undefined);
  }
});

test('each answer keeps its own sender, also when senders change all the time', () => {
  const { memory } = createMemory();
  const senders = Array.from({ length: 3 }, () => ({ closed: false, send: () => true }));
  const order = [0, 0, 1, 0, 2, 2, 1];
  order.forEach((which, i) => {
    memory.remember(`k${String(i)}`, '', new Uint8Array(0), senders[which] ?? sender);
  });
  order.forEach((which, i) => assert.equal(memory.find(`k${String(i)}`)?.sender, senders[which]));
});
