/** Periodic work and announcements of one peer, with exact times and all others played by the test. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { limits } from '../../../../src/base/limits.ts';
import { success } from '../../../../src/base/outcome.ts';
import { decodeExact } from '../../../../src/wire/codec.ts';
import { joinReq } from '../../../../src/wire/reload/join-leave-update.ts';
import { messageCodes } from '../../../../src/wire/reload/message-codes.ts';
import { after as behind } from '../../../../src/topology/chord/ring.ts';
import { accepted, idOf, lonePeer, memberWith, unanswered, type LonePeer } from './lone-peer.ts';

const [p1, s1, s2] = [idOf(0x60), idOf(0xa0), idOf(0xc0)];
const self = idOf(0x80);
const position = behind(self);
const slow = { chordUpdateIntervalS: 1_000_000, chordPingIntervalS: 1_000_000 };

const told = (peer: LonePeer) => peer.updates().map(({ to, atMs }) => [to, atMs]);
const successorPings = (peer: LonePeer) => peer.pings.filter(({ via }) => via === undefined);

test('changes within 5 ms are one announcement, and announcements are 50 ms apart', () => {
  const peer = memberWith([p1, s1], { config: slow });
  const startMs = peer.nowMs();
  peer.meet(s2);
  peer.meet(idOf(0x90));
  peer.advance(4);
  assert.deepEqual(peer.updates(p1), []);
  peer.advance(1);
  assert.deepEqual(
    peer.updates(p1).map(({ atMs }) => atMs - startMs),
    [5],
  );
  peer.meet(idOf(0x70));
  peer.advance(200);
  assert.deepEqual(
    peer.updates(p1).map(({ atMs }) => atMs - startMs),
    [5, 55],
  );
});

test('an announcement is left out for who has heard the same, and repeated for who has not got it', () => {
  const peer = memberWith([p1, s1], { config: slow });
  peer.meet(s2);
  peer.advance(100);
  for (const { done, to } of peer.requests) done(to === s1 ? unanswered : accepted);
  peer.clear();
  const client = idOf(0x99);
  peer.linkUp(client);
  peer.topology.linkSuspect(client, true);
  peer.topology.linkSuspect(client, false);
  peer.advance(100);
  assert.deepEqual(
    told(peer).map(([to]) => to),
    [s1, client],
  );
});

test('silent neighbors are not announced', () => {
  const peer = memberWith([p1, s1, s2], { config: slow });
  peer.topology.linkSuspect(s1, true);
  peer.advance(100);
  const [update] = peer.updates(s2);
  assert.ok(update?.type === 'neighbors');
  assert.deepEqual(update.successors, [s2, p1]);
  assert.deepEqual(update.predecessors, [p1, s2]);
});

test('an Update tells the whole seconds since the start', () => {
  const peer = memberWith([p1], { config: slow });
  peer.advance(123_999 - peer.nowMs());
  peer.topology.sendUpdateTo(p1);
  peer.advance(0);
  const [update] = peer.updates(p1).filter(({ type }) => type === 'full');
  assert.equal(update?.uptime, 123);
});

test('Updates sent are counted by type', () => {
  const peer = lonePeer(self, { config: slow });
  const counts = () =>
    ['peer_ready', 'neighbors', 'full'].map((type) =>
      peer.trace.count('chord_updates_sent_total', type),
    );
  peer.topology.join(true);
  peer.meet(p1);
  peer.advance(50);
  assert.deepEqual(counts(), [0, 1, 0]);
  peer.topology.sendUpdateTo(p1);
  peer.advance(0);
  assert.deepEqual(counts(), [0, 1, 1]);
});

test('[R6940-6.4.2.3-02] who is owed an Update gets it once its link is up', () => {
  const peer = memberWith([p1], { config: slow });
  peer.topology.sendUpdateTo(s1);
  peer.advance(1000);
  assert.deepEqual(peer.updates(s1), []);
  peer.linkUp(s1);
  assert.deepEqual(
    peer.updates(s1).map(({ type }) => type),
    ['full'],
  );
  peer.advance(1000);
  assert.equal(peer.updates(s1).filter(({ type }) => type === 'full').length, 1);
});

test('the debts of Updates are bounded; the oldest goes first', () => {
  const peer = memberWith([p1], { config: slow });
  const { updatesOwed } = limits.topology;
  const ids = Array.from({ length: updatesOwed + 1 }, (_, i) => idOf(0x81 + (i % 100)));
  const distinct = ids.map(
    (id, i) => `${id.slice(0, 28)}${i.toString(16).padStart(4, '0')}` as typeof p1,
  );
  for (const id of distinct) peer.topology.sendUpdateTo(id);
  const [first, second] = distinct as [typeof p1, typeof p1];
  peer.linkUp(first);
  peer.linkUp(second);
  assert.deepEqual(
    peer.updates().map(({ to }) => to),
    [second],
  );
});

test('[R6940-10.7.4.1-01] each neighbor gets an Update per interval, the first after half of one here', () => {
  const peer = lonePeer(self, {
    config: { chordUpdateIntervalS: 100, chordPingIntervalS: 10_000 },
  });
  peer.topology.join(true);
  peer.meet(p1, s1);
  peer.advance(1000);
  peer.clear();
  peer.advance(300_000);
  for (const id of [p1, s1]) {
    assert.deepEqual(
      peer.updates(id).map(({ atMs }) => atMs),
      [50_000, 150_000, 250_000],
    );
  }
  peer.linkDown(s1);
  peer.clear();
  peer.advance(100_000);
  assert.deepEqual(peer.updates(s1), []);
  assert.equal(peer.updates(p1).length, 2, 'the loss and the interval');
});

test('the position behind ours is asked for every two seconds; a nearer successor is attached to', () => {
  const peer = memberWith([p1, s1, s2], { config: slow });
  peer.advance(10_000);
  const pings = successorPings(peer);
  assert.deepEqual(
    pings.map(({ resource }) => resource),
    new Array(5).fill(position),
  );
  assert.deepEqual(
    new Set(pings.slice(1).map((ping, i) => ping.atMs - (pings[i]?.atMs ?? 0))),
    new Set([2000]),
  );
  for (const answer of [s1, s2, self]) pings[0]?.done(success(answer));
  pings[1]?.done(unanswered);
  assert.deepEqual(peer.attaches, []);
  pings[2]?.done(success(idOf(0x90)));
  assert.deepEqual(
    peer.attaches.map(({ target, via }) => [target, via]),
    [[{ kind: 'node', nodeId: idOf(0x90) }, s1]],
  );
  const alone = memberWith([], { config: slow });
  alone.advance(10_000);
  assert.deepEqual(alone.pings, []);
});

test('[R6940-10.7.4.4-01] [R6940-10.7.4.4-02] once a minute the bootstrap node is asked who follows us', () => {
  const peer = lonePeer(self, { config: slow });
  peer.topology.join(true);
  peer.meet(p1, s1);
  peer.bootstrap = p1;
  peer.advance(200_000);
  const checks = peer.pings.filter(({ via }) => via === p1);
  assert.deepEqual(
    checks.map(({ resource, atMs }) => [resource, atMs]),
    [1000, 61_000, 121_000, 181_000].map((atMs) => [position, atMs]),
  );
  for (const answer of [s1, self]) checks[0]?.done(success(answer));
  assert.equal(peer.trace.count('chord_partitions_found_total'), 0);
});

test('[R6940-10.7.4.4-03] another successor in the answer is a partition: it is attached to and hears our tables', () => {
  const peer = memberWith([p1, s1], { config: slow });
  peer.bootstrap = p1;
  const foreign = idOf(0x88);
  peer.advance(60_000);
  peer.clear();
  peer.advance(60_000);
  peer.pings.find(({ via }) => via === p1)?.done(success(foreign));
  assert.equal(peer.trace.count('chord_partitions_found_total'), 1);
  const attach = peer.attaches.find(({ via }) => via === p1);
  assert.ok(attach);
  assert.deepEqual(attach.target, { kind: 'node', nodeId: foreign });
  peer.linked.add(foreign);
  attach.done(success(foreign));
  assert.ok(peer.updates(foreign).length > 0);
  assert.deepEqual(peer.askedOf(messageCodes.joinReq), [], 'it has a successor of its own');
});

test('[R6940-10.7.1-08] a peer without neighbors looks after 1, 2, 4 … 30 seconds and asks to join', () => {
  const peer = lonePeer(self, { discovers: true, config: slow });
  peer.topology.join(true);
  peer.advance(100_000);
  const times = peer.discoveries.map(({ atMs }) => atMs / 1000);
  assert.deepEqual(times, [1, 3, 7, 15, 31, 61, 91]);
  peer.linked.add(s1);
  peer.topology.linkUp(s1);
  peer.discoveries.at(-1)?.done(success(s1));
  assert.deepEqual(
    peer.pings.map(({ resource, via }) => [resource, via]),
    [[position, s1]],
  );
  peer.pings[0]?.done(success(s1));
  assert.deepEqual(peer.askedOf(messageCodes.joinReq), [s1]);
  assert.deepEqual(
    told(peer),
    [[s1, peer.nowMs()]],
    'and hears at once that we are no member of it',
  );
  const body = peer.requests.find(({ code }) => code === messageCodes.joinReq)?.body;
  assert.equal(decodeExact(joinReq, body ?? new Uint8Array()).joiningPeerId, self);
});

test('a peer without neighbors asks a node that it had to attach to first', () => {
  const peer = lonePeer(self, { discovers: true, config: slow });
  peer.topology.join(true);
  peer.advance(1000);
  peer.linkUp(s1);
  peer.discoveries[0]?.done(success(s1));
  peer.pings[0]?.done(success(s2));
  assert.deepEqual(peer.askedOf(messageCodes.joinReq), []);
  const [attach] = peer.attaches;
  assert.deepEqual([attach?.target, attach?.via], [{ kind: 'node', nodeId: s2 }, s1]);
  peer.linkUp(s2);
  attach?.done(success(s2));
  assert.deepEqual(peer.askedOf(messageCodes.joinReq), [s2]);
});

test('a peer that loses its last neighbor looks again from the first pause on', () => {
  const peer = lonePeer(self, { discovers: true, config: slow });
  peer.topology.join(true);
  peer.advance(100_000);
  peer.meet(s1);
  peer.clear();
  peer.linkDown(s1);
  const lostMs = peer.nowMs();
  peer.advance(10_000);
  assert.deepEqual(
    peer.discoveries.map(({ atMs }) => atMs - lostMs),
    [1000, 3000, 7000],
  );
});

test('a link made only for the partition check is closed when nothing was found', () => {
  const bootstrap = idOf(0x10);
  for (const wasLinked of [true, false]) {
    const peer = memberWith([p1, s1], { discovers: true, config: slow });
    peer.advance(60_000);
    peer.clear();
    if (wasLinked) peer.linkUp(bootstrap);
    peer.advance(60_000);
    if (!wasLinked) peer.linkUp(bootstrap);
    peer.discoveries[0]?.done(success(bootstrap));
    peer.pings.find(({ via }) => via === bootstrap)?.done(success(s1));
    assert.deepEqual(peer.closed, wasLinked ? [] : [bootstrap]);
  }
  const failing = memberWith([p1, s1], { discovers: true, config: slow });
  failing.advance(120_000);
  failing.clear();
  failing.advance(60_000);
  const asked = failing.pings.length;
  failing.discoveries[0]?.done(unanswered);
  assert.equal(failing.pings.length, asked);
  assert.deepEqual(
    failing.pings.filter(({ via }) => via !== undefined),
    [],
  );
});

/** A full neighborhood, so that others are fingers or useless. */
const crowd = [0x76, 0x77, 0x78, 0x79, 0x7a, 0x81, 0x82, 0x83, 0x84, 0x85].map(idOf);

test('a link of ours that has been useless for a whole period is closed; those of others stay', () => {
  const peer = memberWith(crowd, { config: slow });
  const [ours, others] = [idOf(0xfe), idOf(0xfd)];
  peer.meet(idOf(0xc0), idOf(0xc1), others);
  peer.attaches.length = 0;
  peer.pings.length = 0;
  // The position behind ours is told to be owned by a node far away only in a partition.
  peer.bootstrap = idOf(0x76);
  peer.advance(60_000);
  peer.clear();
  peer.advance(60_000);
  peer.pings.find(({ via }) => via === peer.bootstrap)?.done(success(ours));
  const attach = peer.attaches.find(
    ({ target }) => target.kind === 'node' && target.nodeId === ours,
  );
  peer.linkUp(ours);
  attach?.done(success(ours));
  const linkedMs = peer.nowMs();
  let closedMs = 0;
  while (peer.closed.length === 0 && closedMs < 120_000) {
    peer.advance(1000);
    closedMs += 1000;
  }
  assert.deepEqual(peer.closed, [ours]);
  assert.ok(closedMs > 30_000 && closedMs <= 60_000, `${closedMs}`);
  assert.ok(linkedMs > 0);
});

test('the link to the bootstrap node that told of a partition is closed when it is useless', () => {
  const peer = memberWith(crowd, { discovers: true, config: slow });
  const bootstrap = idOf(0xfe);
  peer.advance(60_000);
  const discovery = peer.discoveries[0];
  peer.clear();
  peer.linkUp(bootstrap);
  discovery?.done(success(bootstrap));
  peer.pings.find(({ via }) => via === bootstrap)?.done(success(idOf(0x50)));
  assert.deepEqual(peer.closed, []);
  peer.advance(60_000);
  assert.deepEqual(peer.closed, [bootstrap]);
});

test('a link of ours is needed while the other side names us', () => {
  const peer = memberWith(crowd, { config: slow });
  const ours = idOf(0xfe);
  peer.bootstrap = idOf(0x76);
  peer.advance(60_000);
  peer.clear();
  peer.advance(60_000);
  peer.pings.find(({ via }) => via === peer.bootstrap)?.done(success(ours));
  peer.linkUp(ours);
  peer.attaches
    .find(({ target }) => target.kind === 'node' && target.nodeId === ours)
    ?.done(success(ours));
  peer.topology.linkSuspect(ours, true);
  peer.update(ours, [self], []);
  peer.advance(200_000);
  assert.deepEqual(peer.closed, []);
  peer.update(ours, [idOf(0x76)], []);
  peer.advance(60_000);
  assert.deepEqual(peer.closed, [ours]);
});
