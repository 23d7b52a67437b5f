import { test } from 'node:test';
import assert from 'node:assert/strict';
import { createReassembly, type Fragment } from '../../../src/overlay/reassembly.ts';
import { limits } from '../../../src/base/limits.ts';
import { createFakeClock } from '../../support/fake-clock.ts';

const message = Uint8Array.from({ length: 700 }, (_, i) => i & 0xff);

function piece(from: number, to: number, key = 'a'): Fragment {
  return { key, offset: from, last: to === message.length, body: message.subarray(from, to) };
}

function create() {
  const clock = createFakeClock();
  const reassembly = createReassembly({ clock, lifetimeMs: () => 15_000, maxBytes: () => 5000 });
  return { clock, reassembly };
}

test('joins fragments in any order, repeated ones included', () => {
  const { reassembly } = create();
  assert.equal(reassembly.add(piece(600, 700)).kind, 'incomplete');
  assert.equal(reassembly.add(piece(0, 300)).kind, 'incomplete');
  assert.equal(reassembly.add(piece(0, 300)).kind, 'incomplete');
  const result = reassembly.add(piece(300, 600));
  assert.ok(result.kind === 'complete');
  assert.deepEqual(result.body, message);
  assert.equal(reassembly.size, 0);
});

test('keeps messages with different keys apart', () => {
  const { reassembly } = create();
  reassembly.add(piece(0, 300, 'a'));
  assert.equal(reassembly.add(piece(300, 700, 'b')).kind, 'incomplete');
  assert.equal(reassembly.add(piece(300, 700, 'a')).kind, 'complete');
});

test('an overlap discards the whole message', () => {
  for (const second of [piece(299, 600), piece(100, 200), { ...piece(0, 300), last: true }]) {
    const { reassembly } = create();
    reassembly.add(piece(0, 300));
    assert.deepEqual(reassembly.add(second), { kind: 'refused', reason: 'fragment-conflict' });
    assert.equal(reassembly.add(piece(300, 700)).kind, 'refused');
  }
});

test('nothing may follow the last fragment', () => {
  const { reassembly } = create();
  reassembly.add({ ...piece(0, 300), last: false });
  reassembly.add({ key: 'a', offset: 400, last: true, body: message.subarray(400, 500) });
  assert.equal(reassembly.add(piece(500, 600)).kind, 'refused');
});

test('[R6940-6.7-07] an incomplete message is dropped after the request lifetime', () => {
  const { clock, reassembly } = create();
  reassembly.add(piece(0, 300));
  clock.advance(15_100);
  assert.equal(reassembly.size, 0);
  assert.equal(reassembly.add(piece(300, 700)).kind, 'incomplete');
});

test('[R6940-6.7-08] first fragments of ever new messages fill no memory', () => {
  const { reassembly } = create();
  for (let i = 0; i < 10_000; i++) reassembly.add(piece(0, 300, String(i)));
  assert.equal(reassembly.size, limits.overlay.reassemblies);
  assert.deepEqual(reassembly.add(piece(0, 300, 'x')), {
    kind: 'refused',
    reason: 'fragment-overflow',
  });
});

test('a message may come in so many fragments and no more', () => {
  const most = limits.overlay.fragmentsPerMessage;
  for (const count of [most, most + 1]) {
    const { reassembly } = create();
    const kinds = Array.from({ length: count }, (_, i) => {
      const last = i === count - 1;
      return reassembly.add({ key: 'a', offset: i, last, body: Uint8Array.of(i & 255) }).kind;
    });
    assert.equal(kinds.at(-1), count === most ? 'complete' : 'refused');
    assert.ok(kinds.slice(0, -1).every((kind) => kind === 'incomplete'));
  }
});

test('a message above the maximum is discarded', () => {
  const { reassembly } = create();
  const far = { key: 'a', offset: 4900, last: true, body: new Uint8Array(101) };
  assert.equal(reassembly.add(far).kind, 'refused');
});

test('the bytes of all messages together are bounded, and come back with the end of each', () => {
  const clock = createFakeClock();
  const most = limits.overlay.reassemblyBytes;
  const reassembly = createReassembly({ clock, lifetimeMs: () => 1000, maxBytes: () => most });
  const add = (key: string, offset: number, length: number, last = false): string =>
    reassembly.add({ key, offset, last, body: new Uint8Array(length) }).kind;
  for (let round = 0; round < 2; round++) {
    assert.equal(add('a', 0, most / 2), 'incomplete');
    assert.equal(add('b', 1, most / 2 - 1), 'incomplete');
    assert.equal(add('c', 0, 2), 'refused');
    assert.equal(add('d', 0, 1), 'incomplete');
    assert.equal(add('e', 0, 1), 'refused');
    assert.equal(add('b', 0, 1, true), 'refused', 'full, and so the whole message is given up');
    assert.equal(add('f', 1, most / 2 - 1), 'incomplete', 'its bytes are free again');
    clock.advance(1000);
    assert.equal(reassembly.size, 0);
  }
  assert.equal(add('a', 0, most / 2), 'incomplete');
  assert.equal(add('a', most / 2, most / 2, true), 'complete');
  assert.equal(add('b', 0, most / 2), 'incomplete');
  assert.equal(add('b', most / 2, most / 2, true), 'complete');
});

test('a message of the same key may follow, with a lifetime of its own', () => {
  const { clock, reassembly } = create();
  assert.equal(reassembly.add(piece(0, 700)).kind, 'complete');
  clock.advance(10_000);
  assert.equal(reassembly.add(piece(0, 300)).kind, 'incomplete');
  clock.advance(10_000);
  assert.equal(reassembly.add(piece(300, 700)).kind, 'complete');
});
