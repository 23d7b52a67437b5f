/** Two-byte names of linked nodes. RFC 6940 §6.3.2.2. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { createPrng } from '../../../src/base/prng.ts';
import type { Random } from '../../../src/ports/random.ts';
import { createConnectionSlots } from '../../../src/overlay/connection-slots.ts';
import { evenRandom, idOf, numbered } from './support/parts.ts';

const slots = 4096;

const chance = (seed: string): Random => {
  const prng = createPrng(seed);
  return { u32: () => prng.u32(), bytes: (length) => prng.bytes(length) };
};

test('every linked node has a name of its own, with the first bit set', () => {
  const table = createConnectionSlots(evenRandom);
  const ids = new Set<number>();
  for (let i = 0; i < slots; i++) {
    table.linked(numbered(i));
    const id = table.idOf(numbered(i));
    assert.ok(id !== undefined && id >= 0x8000 && id <= 0xffff);
    assert.equal(table.nodeOf(id), numbered(i));
    ids.add(id);
  }
  assert.equal(ids.size, slots);
  table.linked(numbered(slots));
  assert.equal(table.idOf(numbered(slots)), undefined, 'all names are taken');
});

test('[R6940-6.3.2.2-09] [R6940-6.3.2.2-10] [R6940-6.3.2.2-11] slots rotate, generations begin anywhere and count on', () => {
  const table = createConnectionSlots(chance('one'));
  table.linked(idOf('1'));
  const first = table.idOf(idOf('1')) as number;
  assert.equal(first & 0xfff, 0);
  assert.equal(table.nodeOf(first), idOf('1'));
  table.unlinked(idOf('1'));
  assert.equal(table.nodeOf(first), undefined);
  table.linked(idOf('2'));
  assert.equal((table.idOf(idOf('2')) as number) & 0xfff, 1);
  // Once round: the first slot again, one generation later.
  for (let slot = 2; slot < slots; slot++) {
    table.linked(idOf('3'));
    table.unlinked(idOf('3'));
  }
  table.linked(idOf('4'));
  const reused = table.idOf(idOf('4')) as number;
  assert.equal(reused & 0xfff, 0);
  assert.equal((reused >> 12) & 7, (((first >> 12) & 7) + 1) & 7);
  assert.equal(table.nodeOf(first), undefined);
  assert.equal(reused & 0x8000, 0x8000);
  const begins = ['a', 'b', 'c', 'd', 'e', 'f'].map((seed) => {
    const other = createConnectionSlots(chance(seed));
    other.linked(idOf('1'));
    return other.idOf(idOf('1'));
  });
  assert.ok(new Set(begins).size > 1);
});

test('a node that is linked again keeps its name', () => {
  const table = createConnectionSlots(evenRandom);
  table.linked(numbered(1));
  const id = table.idOf(numbered(1));
  table.linked(numbered(1));
  assert.equal(table.idOf(numbered(1)), id);
  table.unlinked(numbered(2));
  table.unlinked(numbered(1));
  assert.equal(table.idOf(numbered(1)), undefined);
  assert.equal(table.nodeOf(id ?? 0), undefined);
});

test('names go around before one is used again; those in use are passed over', () => {
  const table = createConnectionSlots(evenRandom);
  const slotOf = (i: number): number => (table.idOf(numbered(i)) ?? 0) & (slots - 1);
  for (let i = 0; i < slots; i++) table.linked(numbered(i));
  const old = table.idOf(numbered(2)) ?? 0;
  for (const i of [2, 5]) table.unlinked(numbered(i));
  table.linked(numbered(slots));
  table.linked(numbered(slots + 1));
  assert.deepEqual([slotOf(slots), slotOf(slots + 1)], [2, 5]);
  assert.equal(table.nodeOf(old), undefined, 'a late response does not reach the next user');
});

test('a slot has eight generations', () => {
  const table = createConnectionSlots(evenRandom);
  const names = Array.from({ length: 9 }, (_, round) => {
    for (let i = 0; i < slots; i++) {
      table.linked(numbered(i));
      if (i > 0) table.unlinked(numbered(i));
    }
    const id = table.idOf(numbered(0)) ?? 0;
    assert.equal(id & (slots - 1), 0, `round ${round}`);
    table.unlinked(numbered(0));
    return id;
  });
  assert.equal(new Set(names.slice(0, 8)).size, 8);
  assert.equal(names[8], names[0]);
});
