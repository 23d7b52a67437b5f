import { test } from 'node:test';
import assert from 'node:assert/strict';
import { limits } from '../../../src/base/limits.ts';
import { createRequestMemory } from '../../../src/overlay/request-memory.ts';
import { createFakeClock } from '../../support/fake-clock.ts';

const signature = Uint8Array.of(1, 2, 3);

function create() {
  const clock = createFakeClock();
  return { clock, memory: createRequestMemory({ clock, lifetimeMs: () => 15_000 }) };
}

test('finds a request by transaction and signature until its lifetime is over', () => {
  const { clock, memory } = create();
  const slot = memory.note(7n, signature);
  memory.answered(slot, Uint8Array.of(9));
  clock.advance(14_999);
  assert.deepEqual(memory.find(7n, signature)?.answer, Uint8Array.of(9));
  clock.advance(1);
  assert.equal(memory.find(7n, signature), undefined);
});

test('another signature under the same transaction id is another request', () => {
  const { memory } = create();
  memory.note(7n, signature);
  assert.equal(memory.find(7n, Uint8Array.of(1, 2, 4)), undefined);
});

test('forgets the oldest when there are too many', () => {
  const { memory } = create();
  for (let i = 0; i <= limits.overlay.rememberedRequests; i++) memory.note(BigInt(i), signature);
  assert.equal(memory.size, limits.overlay.rememberedRequests);
  assert.equal(memory.find(0n, signature), undefined);
  assert.ok(memory.find(1n, signature));
});

test('forgets the oldest when answers take too much memory', () => {
  const { memory } = create();
  const answer = new Uint8Array(1 << 20);
  const count = limits.overlay.rememberedBytes / answer.length + 1;
  for (let i = 0; i < count; i++) memory.answered(memory.note(BigInt(i), signature), answer);
  assert.equal(memory.size, count - 1);
  assert.equal(memory.find(0n, signature), undefined);
});
