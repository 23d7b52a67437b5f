/** The admitting peer's side of a Join, with other nodes played by the test. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits } from '../../../../src/base/limits.ts';
import { success } from '../../../../src/base/outcome.ts';
import { errorCodes } from '../../../../src/wire/reload/errors.ts';
import { idOf, lonePeer, memberWith, unanswered, type LonePeer } from './lone-peer.ts';

const copied = success(undefined);
const [self, before, after] = [idOf(0x80), idOf(0x40), idOf(0xc0)];
/** In the range of the peer, (40, 80]. */
const [near, middle, far] = [idOf(0x78), idOf(0x60), idOf(0x48)];

function joining(...ids: readonly ReturnType<typeof idOf>[]): LonePeer {
  const peer = memberWith([before, after]);
  for (const id of ids) {
    peer.linkUp(id);
    assert.equal(peer.join(id), 0);
  }
  return peer;
}

const transfers = (peer: LonePeer) =>
  peer.copies
    .filter(({ replicaNumber }) => replicaNumber === 0)
    .map(({ from, to, target }) => [from, to, target]);

test('who is not in the ring, or not responsible for the position, admits nobody', () => {
  const idle = lonePeer();
  idle.linkUp(middle);
  assert.equal(idle.join(middle), errorCodes.notFound);
  const peer = memberWith([before, after]);
  for (const foreign of [idOf(0x20), idOf(0x90)]) {
    peer.linkUp(foreign);
    assert.equal(peer.join(foreign), errorCodes.notFound);
  }
  assert.deepEqual(peer.copies, []);
});

test('[R6940-10.5-07] [R6940-10.5-08] the range is copied first, then the node is the predecessor and hears so first', () => {
  const peer = joining(middle);
  assert.equal(peer.copies.length, 0, 'the answer comes first');
  peer.advance(0);
  assert.deepEqual(transfers(peer), [[before, middle, middle]]);
  assert.deepEqual(peer.updates(), []);
  assert.equal(peer.topology.snapshot().predecessors[0], before);

  peer.copies[0]?.done(copied);
  assert.equal(peer.topology.snapshot().predecessors[0], middle);
  const [first, ...others] = peer.updates();
  assert.equal(first?.to, middle);
  assert.deepEqual(first.type === 'neighbors' && first.predecessors, [middle, before, after]);
  assert.deepEqual(others, []);
  assert.equal(peer.trace.count('chord_joins_admitted_total'), 1);
  peer.advance(50);
  assert.deepEqual(
    peer
      .updates()
      .map(({ to }) => to)
      .sort(),
    [before, middle, after],
  );
});

test('a node that asks again while its range is being copied is admitted once', () => {
  const peer = joining(middle);
  peer.advance(0);
  assert.equal(peer.join(middle), 0);
  peer.advance(0);
  assert.equal(transfers(peer).length, 1);
  peer.copies[0]?.done(copied);
  peer.copies[1]?.done(copied);
  peer.advance(1000);
  assert.equal(transfers(peer).length, 2);
  assert.equal(peer.trace.count('chord_joins_admitted_total'), 1);
});

test('what was stored during the transfer is copied once more, and the admitted node gets no third copy', () => {
  const peer = joining(middle);
  peer.advance(0);
  peer.copies[0]?.done(copied);
  assert.equal(transfers(peer).length, 2);
  assert.deepEqual(transfers(peer)[1], transfers(peer)[0]);
  for (const copy of peer.copies) copy.done(copied);
  peer.advance(10_000);
  assert.equal(transfers(peer).length, 2);
});

test('nodes that join at once are admitted one after the other, the farthest first', () => {
  const peer = joining(near, far, middle);
  peer.advance(0);
  assert.deepEqual(
    transfers(peer).map(([, , target]) => target),
    [far],
  );
  peer.copies[0]?.done(copied);
  assert.deepEqual(
    transfers(peer).map(([from, , target]) => [from, target]),
    [
      [before, far],
      [before, far],
      [far, middle],
    ],
  );
  peer.copies[2]?.done(copied);
  assert.deepEqual(transfers(peer).at(-1), [middle, near, near]);
  peer.copies.at(-1)?.done(copied);
  assert.deepEqual(peer.topology.snapshot().predecessors.slice(0, 4), [near, middle, far, before]);
});

test('a node that asks twice is admitted once', () => {
  const peer = joining(middle);
  assert.equal(peer.join(middle), 0);
  peer.advance(0);
  assert.equal(peer.join(middle), 0, 'also during its transfer');
  peer.copies[0]?.done(copied);
  peer.advance(0);
  assert.equal(peer.trace.count('chord_joins_admitted_total'), 1);
});

test('a transfer that fails is repeated once; the second failure does not keep the node out', () => {
  const peer = joining(middle);
  peer.advance(0);
  peer.copies[0]?.done(unanswered);
  assert.equal(transfers(peer).length, 2);
  assert.equal(peer.topology.snapshot().predecessors[0], before);
  peer.copies[1]?.done(unanswered);
  assert.equal(peer.topology.snapshot().predecessors[0], middle);
});

test('a node that is gone before or during its transfer makes room for the next', () => {
  const peer = joining(near, middle, far);
  peer.linkDown(far);
  peer.advance(0);
  assert.deepEqual(
    transfers(peer).map(([, , target]) => target),
    [middle],
  );
  peer.linkDown(middle);
  peer.advance(0);
  assert.deepEqual(
    transfers(peer).map(([, , target]) => target),
    [middle, near],
  );
  peer.copies[0]?.done(copied);
  assert.deepEqual(peer.topology.snapshot().predecessors[0], before, 'a late answer is void');
  peer.copies[1]?.done(copied);
  assert.equal(peer.topology.snapshot().predecessors[0], near);
  assert.equal(peer.trace.count('chord_joins_admitted_total'), 1);
});

test('a Join counts for the link it came over, and for no other in its place', () => {
  const peer = joining(middle);
  peer.advance(0);
  peer.linkUp(middle);
  peer.copies[0]?.done(copied);
  assert.equal(peer.topology.snapshot().predecessors[0], before);
  assert.equal(peer.join(middle), 0);
  peer.advance(0);
  assert.equal(transfers(peer).length, 2);
  peer.linkUp(middle);
  peer.join(middle);
  peer.advance(0);
  assert.equal(transfers(peer).length, 3);
  peer.copies[1]?.done(copied);
  assert.equal(peer.topology.snapshot().predecessors[0], before, 'the end of an earlier transfer');
  peer.copies[2]?.done(copied);
  assert.equal(peer.topology.snapshot().predecessors[0], middle);
});

test('a node whose position was taken by another peer meanwhile is told our tables', () => {
  const peer = joining(far, middle);
  peer.advance(0);
  peer.meet(near);
  peer.clear();
  peer.linkDown(far);
  peer.advance(0);
  assert.deepEqual(transfers(peer), []);
  const [update] = peer.updates(middle);
  assert.deepEqual(update?.type === 'neighbors' && update.predecessors[0], near);
  assert.equal(peer.trace.count('chord_joins_admitted_total'), 0);
});

test('no more than a bounded number of nodes wait for admission', () => {
  const peer = memberWith([before, after]);
  const { admissionsWaiting } = limits.topology;
  for (let i = 0; i <= admissionsWaiting; i++) {
    const id = `5${i.toString(16).padStart(3, '0')}`.padEnd(32, '0') as typeof near;
    peer.linkUp(id);
    assert.equal(peer.join(id), i < admissionsWaiting ? 0 : errorCodes.inProgress, `${i}`);
  }
});

test('who leaves the ring admits nobody any more', () => {
  const peer = joining(near, middle);
  peer.advance(0);
  peer.topology.leave(() => undefined);
  peer.copies[0]?.done(copied);
  peer.advance(10_000);
  assert.equal(peer.trace.count('chord_joins_admitted_total'), 0);
  assert.deepEqual(
    peer.copies.map(({ target }) => target).filter((target) => target === near),
    [],
  );
  assert.equal(peer.topology.snapshot().self, self);
});
