import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAckWindow } from '../../../src/link/ack-window.ts';

test('[R6940-6.6.2-08] marks earlier numbers with the least significant bit for N-1', () => {
  const window = createAckWindow();
  assert.deepEqual(
    [0, 1, 3, 4, 5].map((n) => window.note(n)),
    [0, 1, 6, 13, 0x1b],
  );
});

test('gives the same masks in order as by search, also where numbers wrap', () => {
  const start = 0xffff_fff0;
  const ordered = createAckWindow();
  const searched = createAckWindow();
  searched.note(5);
  ordered.note(start);
  searched.note(start);
  for (let i = 1; i < 100; i++) {
    const sequence = (start + i) >>> 0;
    const expected = i >= 32 ? 0xffff_ffff : 2 ** i - 1;
    assert.equal(ordered.note(sequence), expected);
    if (i > 32) assert.equal(searched.note(sequence), expected);
    else searched.note(sequence);
  }
});

test('a number out of order marks only numbers below it', () => {
  const window = createAckWindow();
  for (const n of [10, 12]) window.note(n);
  assert.equal(window.note(11), 1);
  assert.equal(window.note(50), 0);
  assert.equal(window.note(44), (1 << 31) >>> 0);
});
