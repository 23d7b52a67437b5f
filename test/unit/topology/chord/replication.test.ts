/** Where one peer copies its data and when, with exact times and all others played by the test. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResourceId } from '../../../../src/base/ids.ts';
import { limits } from '../../../../src/base/limits.ts';
import { success } from '../../../../src/base/outcome.ts';
import { idOf, lonePeer, memberWith, settle, unanswered, type LonePeer } from './lone-peer.ts';

const [p3, p2, p1] = [idOf(0x20), idOf(0x40), idOf(0x60)];
const [s1, s2, s3] = [idOf(0xa0), idOf(0xc0), idOf(0xe0)];
const self = idOf(0x80);
const copied = success(undefined);
const slow = { chordUpdateIntervalS: 1_000_000, chordPingIntervalS: 1_000_000 };
const replicas = (peer: LonePeer) =>
  peer.copies
    .filter(({ replicaNumber }) => replicaNumber > 0)
    .map(({ from, to, target, replicaNumber }) => ({ from, to, target, replicaNumber }));
const handOvers = (peer: LonePeer) =>
  peer.copies
    .filter(({ replicaNumber }) => replicaNumber === 0)
    .map(({ from, to, target }) => ({ from, to, target }));

function ring(): LonePeer {
  return memberWith([p3, p2, p1, s1, s2, s3], { config: slow });
}

test('[R6940-10.7.3-06] a new successor gets a replica of the whole range 50 ms later, with its number', () => {
  const peer = ring();
  const closer = idOf(0x90);
  peer.meet(closer);
  peer.advance(49);
  assert.deepEqual(replicas(peer), []);
  peer.advance(1);
  assert.deepEqual(replicas(peer), [{ from: p1, to: self, target: closer, replicaNumber: 1 }]);
  peer.copies[0]?.done(copied);
  settle(peer);
  peer.meet(idOf(0x98));
  peer.advance(50);
  assert.deepEqual(replicas(peer), [{ from: p1, to: self, target: idOf(0x98), replicaNumber: 2 }]);
});

test('[R6940-10.7.1-03] in place of a lost successor the next one gets its replica after 30 s', () => {
  const peer = ring();
  peer.linkDown(s1);
  peer.advance(29_999);
  assert.deepEqual(replicas(peer), []);
  peer.advance(1);
  assert.deepEqual(replicas(peer), [{ from: p1, to: self, target: s3, replicaNumber: 2 }]);
});

test('a second loss does not make the first one wait longer', () => {
  const peer = ring();
  peer.linkDown(s1);
  peer.advance(20_000);
  peer.linkDown(s2);
  peer.advance(10_000);
  assert.deepEqual(
    replicas(peer).map(({ target }) => target),
    [s3, p3],
  );
});

test('a successor that comes back before the pause is over makes a copy needless', () => {
  const peer = ring();
  peer.linkDown(s1);
  peer.advance(10_000);
  peer.meet(s1);
  settle(peer);
  peer.advance(60_000);
  assert.deepEqual(
    replicas(peer).filter(({ target }) => target === s3),
    [],
  );
});

test('a copy that failed is repeated after 5 s', () => {
  const peer = ring();
  peer.meet(idOf(0x90));
  peer.advance(50);
  peer.copies[0]?.done(unanswered);
  peer.advance(4999);
  assert.equal(replicas(peer).length, 1);
  peer.advance(1);
  assert.equal(replicas(peer).length, 2);
  peer.copies[1]?.done(copied);
  peer.advance(60_000);
  assert.equal(replicas(peer).length, 2);
});

test('a range that grows is copied a second later, only the new part', () => {
  const peer = ring();
  peer.linkDown(p1);
  peer.advance(999);
  assert.deepEqual(replicas(peer), []);
  peer.advance(1);
  assert.deepEqual(replicas(peer), [
    { from: p2, to: p1, target: s1, replicaNumber: 1 },
    { from: p2, to: p1, target: s2, replicaNumber: 2 },
  ]);
});

test('a range that shrinks leaves nothing to copy, and counts as covered', () => {
  const peer = ring();
  const closer = idOf(0x70);
  peer.meet(closer);
  settle(peer);
  peer.advance(60_000);
  assert.deepEqual(replicas(peer), []);
  peer.linkDown(closer);
  peer.advance(1000);
  assert.deepEqual(
    replicas(peer).map(({ from, to }) => [from, to]),
    [
      [p1, closer],
      [p1, closer],
    ],
  );
});

test('no more than two hand-overs run at once, and none waits for replicas', () => {
  const peer = ring();
  peer.meet(idOf(0x90), idOf(0x98));
  peer.advance(5000);
  assert.equal(replicas(peer).length, 2);
  peer.meet(idOf(0x68), idOf(0x70), idOf(0x78));
  peer.advance(5000);
  assert.equal(handOvers(peer).length, 2);
  const [first, second] = peer.copies.filter(({ replicaNumber }) => replicaNumber === 0);
  first?.done(copied);
  assert.equal(handOvers(peer).length, 3);
  second?.done(unanswered);
  peer.copies.at(-1)?.done(copied);
  peer.advance(4999);
  assert.equal(handOvers(peer).length, 3);
  peer.advance(1);
  assert.equal(handOvers(peer).length, 4);
});

test('an owner gets its part again when the range was ours once more in between', () => {
  const peer = ring();
  peer.topology.linkSuspect(p1, true);
  peer.advance(2000);
  peer.topology.linkSuspect(p1, false);
  peer.advance(50);
  assert.deepEqual(handOvers(peer), [{ from: p2, to: p1, target: p1 }]);
  peer.copies.at(-1)?.done(copied);
  peer.topology.linkSuspect(p1, true);
  peer.advance(2000);
  peer.topology.linkSuspect(p1, false);
  peer.advance(50);
  assert.equal(handOvers(peer).length, 2);
  assert.deepEqual(handOvers(peer)[1], { from: p2, to: p1, target: p1 });
});

test('when the peer that answered for one that is back is lost, the next one hands over in its place', () => {
  const peer = ring();
  peer.topology.linkSuspect(p2, true);
  peer.advance(2000);
  peer.topology.linkSuspect(p2, false);
  peer.advance(44_000);
  assert.deepEqual(handOvers(peer), [], 'that is for the peer between us');
  peer.linkDown(p1);
  peer.advance(50);
  assert.deepEqual(handOvers(peer), [{ from: p3, to: p2, target: p2 }]);
});

test('nobody hands over to those that have been there for long', () => {
  const peer = ring();
  peer.linkDown(p1);
  peer.advance(50);
  assert.deepEqual(handOvers(peer), []);
  const later = ring();
  later.topology.linkSuspect(p2, true);
  later.advance(2000);
  later.topology.linkSuspect(p2, false);
  later.advance(45_000);
  later.linkDown(p1);
  later.advance(50);
  assert.deepEqual(handOvers(later), []);
});

test('a new predecessor is given what it owns now, once', () => {
  const peer = ring();
  const closer = idOf(0x70);
  peer.meet(closer);
  peer.advance(49);
  assert.deepEqual(handOvers(peer), []);
  peer.advance(1);
  assert.deepEqual(handOvers(peer), [{ from: p1, to: closer, target: closer }]);
  for (const copy of peer.copies) copy.done(copied);
  peer.advance(40_000);
  assert.equal(handOvers(peer).length, 1);
});

test('a hand-over that fails is tried three times, 5 s apart', () => {
  const peer = ring();
  peer.meet(idOf(0x70));
  peer.advance(50);
  for (let tries = 1; tries <= 3; tries++) {
    assert.equal(handOvers(peer).length, tries);
    peer.copies.at(-1)?.done(unanswered);
    peer.advance(4999);
    assert.equal(handOvers(peer).length, tries);
    peer.advance(1);
  }
  assert.equal(handOvers(peer).length, 3);
});

test('hand-overs beyond the bound are counted, put off, and made once there is room', () => {
  const peer = memberWith([idOf(0x40), idOf(0xc0)]);
  const owners = Array.from({ length: limits.topology.rangeCopies + 8 }, (_, i) => idOf(0x41 + i));
  for (const owner of owners) {
    peer.meet(owner);
    peer.advance(60);
  }
  assert.equal(handOvers(peer).length, 2);
  assert.ok(peer.trace.count('chord_range_copies_refused_total') > 0);
  let done = 0;
  for (let seconds = 0; seconds < 12; seconds++) {
    while (done < peer.copies.length) peer.copies[done++]?.done(copied);
    peer.advance(1000);
  }
  assert.deepEqual(new Set(handOvers(peer).map(({ target }) => target)), new Set(owners));
});

test('two rings that merge: every new owner in sight gets its part, those seen later too', () => {
  const peer = memberWith([s1], { config: slow });
  peer.meet(idOf(0x50));
  peer.advance(50);
  assert.deepEqual(handOvers(peer), [{ from: s1, to: idOf(0x50), target: idOf(0x50) }]);
  for (const copy of peer.copies.splice(0)) copy.done(copied);
  peer.meet(idOf(0x30), idOf(0x70));
  peer.advance(50);
  for (const copy of peer.copies) copy.done(copied);
  assert.deepEqual(
    handOvers(peer).filter(({ target }) => target !== idOf(0x50)),
    [
      { from: s1, to: idOf(0x30), target: idOf(0x30) },
      { from: idOf(0x50), to: idOf(0x70), target: idOf(0x70) },
    ],
  );
});

test('a silent owner gets its part when it is back', () => {
  const peer = ring();
  const closer = idOf(0x70);
  peer.meet(closer);
  peer.topology.linkSuspect(closer, true);
  peer.advance(1000);
  assert.deepEqual(handOvers(peer), []);
  for (const copy of peer.copies) copy.done(copied);
  peer.topology.linkSuspect(closer, false);
  peer.advance(1000);
  assert.deepEqual(handOvers(peer), [{ from: p1, to: closer, target: closer }]);
});

test('[R6940-10.7.3-08] what three predecessors keep better is dropped after 45 s of rest', () => {
  const peer = ring();
  peer.meet(idOf(0x10));
  peer.advance(44_999);
  assert.deepEqual(peer.drops, []);
  for (const copy of peer.copies.splice(0)) copy.done(copied);
  peer.advance(1);
  assert.equal(peer.drops.length, 1);
  const keeps = (firstByte: number) => peer.drops[0]?.(idOf(firstByte) as string as ResourceId);
  assert.deepEqual([0x10, 0x20, 0x21, 0x80, 0x81].map(keeps), [false, false, true, true, false]);
});

test('nothing is dropped while a copy is under way, in small rings, or before rest', () => {
  const peer = ring();
  peer.meet(idOf(0x70));
  peer.advance(44_000);
  peer.meet(idOf(0x10));
  peer.advance(44_000);
  assert.deepEqual(peer.drops, [], 'the tables moved in between');
  peer.advance(45_000);
  assert.deepEqual(peer.drops, [], 'a copy is under way');
  for (const copy of peer.copies.splice(0)) copy.done(copied);
  for (let i = 0; i < 50; i++) {
    peer.advance(1000);
    for (const copy of peer.copies.splice(0)) copy.done(copied);
  }
  assert.equal(peer.drops.length, 1);

  const small = memberWith([p1, p2], { config: slow });
  small.meet(idOf(0x68));
  small.linkDown(idOf(0x68));
  settle(small);
  small.advance(100_000);
  assert.deepEqual(small.drops, []);
});

test('who has just formed the ring with others linked gives them replicas after the hold-down', () => {
  const peer = lonePeer(self, { config: slow });
  peer.meet(s1, s2);
  peer.topology.join(true);
  peer.advance(29_999);
  assert.deepEqual(replicas(peer), []);
  peer.advance(1);
  assert.deepEqual(
    replicas(peer).map(({ target }) => target),
    [s1, s2],
  );
});

test('the range of a predecessor that falls silent is copied a second later, although it is still in the tables', () => {
  const peer = ring();
  peer.topology.linkSuspect(p1, true);
  peer.advance(999);
  assert.deepEqual(replicas(peer), []);
  peer.advance(1);
  assert.deepEqual(
    replicas(peer).map(({ from, to, target }) => [from, to, target]),
    [
      [p2, p1, s1],
      [p2, p1, s2],
    ],
  );
});

test('copies that are due at different times are made each at its own', () => {
  const peer = ring();
  peer.linkDown(p1);
  peer.advance(500);
  const closer = idOf(0x90);
  peer.meet(closer);
  peer.advance(50);
  assert.deepEqual(
    replicas(peer).map(({ target }) => target),
    [closer],
  );
  peer.advance(949);
  assert.equal(replicas(peer).length, 1, 'a change in the tables begins the second anew');
  peer.advance(1);
  assert.deepEqual(
    replicas(peer).map(({ target }) => target),
    [closer, s1],
  );
});
