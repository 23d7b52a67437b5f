/** What chord-reactive switches, whom changes are told to, and how first fingers are found. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeId, ResourceId } from '../../../../src/base/ids.ts';
import { messageCodes } from '../../../../src/wire/reload/message-codes.ts';
import { fingerIndex, fingerStart } from '../../../../src/topology/chord/ring.ts';
import { timing } from '../../../../src/topology/chord/timing.ts';
import { at, ringOf, updates } from './settled-ring.ts';

/** Updates of a peer that lost a successor, and so no part of its range, within a second. */
function toldAfterLoss(chordReactive: boolean): { readonly told: number; readonly links: number } {
  const { ring, peers } = ringOf(9);
  ring.run(60_000);
  ring.config = { ...ring.config, chordReactive };
  const subject = at(peers, 0);
  const dead = at(peers, 2);
  const others = new Set([...subject.links].filter((id) => id !== dead.id));
  ring.kill(dead);
  const killedMs = ring.clock.monotonicMs();
  ring.run(1000);
  const told = new Set(
    updates(ring, killedMs, subject.id)
      .map(({ to }) => to)
      .filter((id) => others.has(id)),
  );
  return { told: told.size, links: others.size };
}

test('[R6940-11.1-28] with chord-reactive a changed Neighbor Table is told at once, without it at the next interval', () => {
  const reactive = toldAfterLoss(true);
  assert.ok(reactive.links >= 7);
  assert.equal(reactive.told, reactive.links);
  const periodic = toldAfterLoss(false);
  assert.equal(periodic.links, reactive.links);
  assert.equal(periodic.told, 0);
});

test('[R6940-11.1-28] with chord-reactive a lost finger is sought at once, without it at the next interval', () => {
  for (const chordReactive of [true, false]) {
    const { ring, peers } = ringOf(40);
    ring.run(60_000);
    ring.config = { ...ring.config, chordReactive };
    const subject = at(peers, 0);
    const { fingers, predecessors, successors } = subject.topology.snapshot();
    assert.ok(fingers.some((id) => fingerIndex(subject.id, id) === 1));
    const near = [...predecessors, ...successors];
    ring.pings.length = 0;
    for (const id of [...subject.links]) {
      if (fingerIndex(subject.id, id) === 1 && !near.includes(id)) ring.unlink(subject.id, id);
    }
    ring.run(2000);
    const sought = ring.pings.filter(
      ({ from, resource }) =>
        from === subject.id && fingerIndex(subject.id, resource as string as NodeId) === 1,
    );
    assert.equal(sought.length > 0, chordReactive);
  }
});

test('[R6940-6.4.2.3-01] a peer whose predecessor is gone tells every node that it is linked with', () => {
  const { ring, peers } = ringOf(12);
  ring.run(60_000);
  const heir = at(peers, 5);
  ring.kill(at(peers, 4));
  const killedMs = ring.clock.monotonicMs();
  ring.run(500);
  const told = new Set(updates(ring, killedMs, heir.id).map(({ to }) => to));
  assert.ok(heir.links.size >= 6);
  for (const id of heir.links) assert.ok(told.has(id), `${id} was not told`);
});

test('[R6940-3-05] no new replica before the successor replacement hold-down time of 30 s', () => {
  assert.equal(timing.successorHoldDownMs, 30_000);
  const { ring, peers } = ringOf(9);
  ring.run(60_000);
  const subject = at(peers, 0);
  ring.copies.length = 0;
  ring.kill(at(peers, 1));
  const own = (): number =>
    ring.copies.filter(({ source, replica }) => source === subject.id && replica > 0).length;
  ring.run(30_000);
  assert.equal(own(), 0);
  ring.run(1000);
  assert.ok(own() > 0);
});

test('[R6940-10.7.4.2-06] first fingers cost one Attach each: faster and less than a random Ping and an Attach', () => {
  const { ring, peers } = ringOf(40);
  const joining = ring.addPeer();
  ring.attaches.length = 0;
  ring.pings.length = 0;
  ring.sent.length = 0;
  ring.join(joining, peers[0]);
  ring.run(3000);
  const join = ring.sent.find(
    ({ from, code }) => from === joining.id && code === messageCodes.joinReq,
  );
  assert.ok(join);
  const first = ring.attaches.filter(
    ({ from, target, atMs }) =>
      from === joining.id && target.kind === 'resource' && atMs <= join.atMs,
  );
  const asked = first.flatMap(({ target }) =>
    target.kind === 'resource' ? [target.resource] : [],
  );
  const starts = Array.from({ length: 8 }, (_, i) => fingerStart(joining.id, i + 1));
  const sought = asked.filter((resource) => starts.includes(resource));
  assert.ok(sought.includes(starts[0] as ResourceId));
  assert.equal(new Set(sought).size, sought.length, 'each start once');
  const searches = ring.pings.filter(
    ({ from, atMs, resource }) =>
      from === joining.id &&
      atMs <= join.atMs &&
      fingerIndex(joining.id, resource as string as NodeId) <= 3,
  );
  assert.deepEqual(searches, []);
});
