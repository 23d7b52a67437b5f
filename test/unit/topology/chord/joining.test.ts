/** The join of one node, step by step, with the ring played by the test. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { NodeId } from '../../../../src/base/ids.ts';
import { success } from '../../../../src/base/outcome.ts';
import { decodeExact, encodeToBytes } from '../../../../src/wire/codec.ts';
import { chordUpdate } from '../../../../src/wire/reload/chord.ts';
import { joinReq } from '../../../../src/wire/reload/join-leave-update.ts';
import { messageCodes } from '../../../../src/wire/reload/message-codes.ts';
import { routeQueryReq } from '../../../../src/wire/reload/route-query.ts';
import { after } from '../../../../src/topology/chord/ring.ts';
import { accepted, idOf, lonePeer, noBytes, unanswered, type LonePeer } from './lone-peer.ts';

const self = idOf(0x80);
const [bootstrap, admitting, next, before] = [0x10, 0xa0, 0xc0, 0x60].map(idOf) as [
  NodeId,
  NodeId,
  NodeId,
  NodeId,
];
const slow = { chordUpdateIntervalS: 1_000_000, chordPingIntervalS: 1_000_000 };

const firstAttaches = (peer: LonePeer) =>
  peer.attaches.filter(({ target }) => target.kind === 'resource');
const joins = (peer: LonePeer) => peer.askedOf(messageCodes.joinReq);
const retries = (peer: LonePeer) => peer.trace.count('chord_join_retries_total');

function started(): LonePeer {
  const peer = lonePeer(self, { config: slow });
  peer.bootstrap = bootstrap;
  peer.linkUp(bootstrap);
  peer.topology.join(false);
  return peer;
}

/** Linked with the admitting peer. */
function attached(): LonePeer {
  const peer = started();
  peer.linkUp(admitting);
  peer.attaches[0]?.done(success(admitting));
  return peer;
}

function attachNeighbors(peer: LonePeer): void {
  for (const id of [next, before]) {
    const attach = peer.attaches.find(
      ({ target }) => target.kind === 'node' && target.nodeId === id,
    );
    assert.ok(attach, `${id} is attached to`);
    peer.linkUp(id);
    attach.done(success(id));
    peer.ready(id);
  }
}

/** All neighbors are attached; the fingers are sought. */
function surrounded(): LonePeer {
  const peer = attached();
  peer.update(admitting, [before], [next]);
  attachNeighbors(peer);
  return peer;
}

/** The Join is sent. */
function asking(): LonePeer {
  const peer = surrounded();
  peer.advance(0);
  for (const { target, done } of peer.attaches) if (target.kind === 'resource') done(unanswered);
  peer.advance(1500);
  assert.deepEqual(joins(peer), [admitting]);
  return peer;
}

function answerJoin(peer: LonePeer): void {
  peer.requests.find(({ code }) => code === messageCodes.joinReq)?.done(accepted);
}

test('[R6940-10.5-02] [R6940-10.5-14] the first step is an Attach to n+1 with send_update, through the bootstrap peer', () => {
  const peer = started();
  assert.equal(peer.topology.state, 'joining');
  assert.deepEqual(
    peer.attaches.map(({ target, via, sendUpdate }) => [target, via, sendUpdate]),
    [[{ kind: 'resource', resource: after(self) }, bootstrap, true]],
  );
  peer.advance(100_000);
  assert.equal(peer.attaches.length, 1, 'the Attach ends by itself');
});

test('attempts to join pause longer and longer, up to 8 s, with jitter', () => {
  const peer = started();
  const pauses: number[] = [];
  for (let i = 0; i < 8; i++) {
    const failedMs = peer.nowMs();
    peer.attaches.at(-1)?.done(unanswered);
    const count = peer.attaches.length;
    while (peer.attaches.length === count) peer.advance(0.5);
    pauses.push(peer.nowMs() - failedMs);
  }
  assert.deepEqual(pauses, [187.5, 375, 750, 1500, 3000, 6000, 6000, 6000]);
  assert.equal(retries(peer), 8);
});

test('an Attach that comes back to ourselves is no admitting peer', () => {
  const peer = started();
  peer.attaches[0]?.done(success(self));
  assert.equal(retries(peer), 1);
  peer.advance(200);
  assert.equal(firstAttaches(peer).length, 2);
});

test('without a bootstrap peer the discovery is repeated, and a link that comes up ends the wait', () => {
  const peer = lonePeer(self, { discovers: true, config: slow });
  peer.topology.join(false);
  assert.deepEqual(peer.attaches, []);
  assert.deepEqual(
    peer.discoveries.map(({ atMs }) => atMs),
    [0],
  );
  peer.advance(16_000);
  assert.deepEqual(
    peer.discoveries.map(({ atMs }) => atMs),
    [0, 8000, 16_000],
  );
  peer.bootstrap = bootstrap;
  peer.linkUp(bootstrap);
  assert.equal(firstAttaches(peer).length, 1);
});

test('a link that comes up during the pause after a failure does not shorten it', () => {
  const peer = started();
  peer.attaches[0]?.done(unanswered);
  peer.linkUp(idOf(0x20));
  assert.equal(peer.attaches.length, 1);
  peer.advance(188);
  assert.equal(peer.attaches.length, 2);
});

test('the tables of the admitting peer are asked for again after 2 s', () => {
  const peer = attached();
  peer.advance(1999);
  assert.deepEqual(peer.askedOf(messageCodes.routeQueryReq), []);
  peer.advance(1);
  assert.deepEqual(peer.askedOf(messageCodes.routeQueryReq), [admitting]);
  const query = decodeExact(routeQueryReq, peer.requests.at(-1)?.body ?? noBytes);
  assert.equal(query.sendUpdate, true);
  assert.deepEqual(query.destination, { type: 'resource', resource: after(self) });
  assert.deepEqual(peer.pings, []);
});

test('[R6940-10.5-15] [R6940-10.5-16] [R6940-10.5-17] without its tables the successors are found by Pings through it', () => {
  const peer = attached();
  peer.advance(4000);
  const [first] = peer.pings;
  assert.deepEqual([first?.resource, first?.via], [after(self), admitting]);
  first?.done(success(admitting));
  const second = peer.pings[1];
  assert.deepEqual([second?.resource, second?.via], [after(admitting), admitting]);
  assert.deepEqual(joins(peer), []);
  second?.done(success(next));
  assert.deepEqual(joins(peer), [admitting]);
  const sought = peer.attaches.map(({ target, via }) =>
    target.kind === 'node' ? [target.nodeId, via] : [],
  );
  assert.deepEqual(sought.at(-1), [next, admitting]);
});

test('a ring of one has no second successor; a Ping without answer ends in another attempt', () => {
  const peer = attached();
  peer.advance(4000);
  peer.pings[0]?.done(success(idOf(0xb0)));
  peer.pings[1]?.done(success(idOf(0xb0)));
  assert.deepEqual(
    peer.attaches.flatMap(({ target }) => (target.kind === 'node' ? [target.nodeId] : [])),
    [idOf(0xb0)],
  );
  assert.deepEqual(joins(peer), [admitting]);

  const silent = attached();
  silent.advance(4000);
  silent.pings[0]?.done(unanswered);
  silent.advance(59_999);
  assert.equal(retries(silent), 0);
  silent.advance(1);
  assert.equal(retries(silent), 1);
});

test('a successor whose own successor does not answer is enough for the Join', () => {
  const peer = attached();
  peer.advance(4000);
  peer.pings[0]?.done(success(next));
  peer.pings[1]?.done(unanswered);
  assert.deepEqual(joins(peer), [admitting]);
  assert.deepEqual(
    peer.attaches.flatMap(({ target }) => (target.kind === 'node' ? [target.nodeId] : [])),
    [next],
  );
});

test('the first fingers get a second and a half', () => {
  const crowd = [0x7b, 0x7c, 0x7d, 0x7e, 0x7f, 0x82, 0x83, 0x84, 0x85, 0x81].map(idOf);
  const peer = started();
  for (const id of crowd) peer.linkUp(id);
  peer.attaches[0]?.done(success(idOf(0x81)));
  for (const id of crowd) peer.ready(id);
  assert.ok(firstAttaches(peer).length > 1, 'fingers are sought');
  peer.advance(1499);
  assert.deepEqual(joins(peer), []);
  peer.advance(1);
  assert.deepEqual(joins(peer), [idOf(0x81)]);
});

test('tables that come while the Pings are under way are used like those that come in time', () => {
  const peer = attached();
  peer.advance(4000);
  peer.update(admitting, [before], [next]);
  attachNeighbors(peer);
  peer.advance(1500);
  assert.deepEqual(joins(peer), [admitting]);
});

test('tables that come before the Attach has ended are not waited for', () => {
  const peer = started();
  peer.linkUp(admitting);
  peer.update(admitting, [before], [next]);
  attachNeighbors(peer);
  peer.attaches[0]?.done(success(admitting));
  peer.advance(1500);
  assert.deepEqual(joins(peer), [admitting]);
});

test('[R6940-10.5-03] all coming neighbors are attached to at once through who named them, before the Join', () => {
  const peer = attached();
  peer.update(admitting, [before], [next]);
  const sought = peer.attaches.flatMap(({ target, via }) =>
    target.kind === 'node' ? [[target.nodeId, via]] : [],
  );
  assert.deepEqual(sought.sort(), [
    [before, admitting],
    [next, admitting],
  ]);
  peer.advance(10_000);
  assert.deepEqual(joins(peer), []);
});

test('a neighbor that cannot be attached three times is left out', () => {
  const peer = attached();
  peer.update(admitting, [before], [next]);
  const attempts = (id: NodeId) =>
    peer.attaches.filter(({ target }) => target.kind === 'node' && target.nodeId === id);
  peer.linkUp(next);
  attempts(next)[0]?.done(success(next));
  peer.ready(next);
  for (let i = 0; i < 3; i++) {
    assert.equal(attempts(before).length, i + 1);
    assert.deepEqual(joins(peer), []);
    attempts(before).at(-1)?.done(unanswered);
    if (i < 2) peer.advance(1000 * 2 ** i);
  }
  peer.advance(1500);
  assert.deepEqual(joins(peer), [admitting]);
});

test('[R6940-10.5-05] the Join names us; from its answer on data for our range is accepted', () => {
  const peer = asking();
  const body = peer.requests.find(({ code }) => code === messageCodes.joinReq)?.body ?? noBytes;
  const request = decodeExact(joinReq, body);
  assert.equal(request.joiningPeerId, self);
  assert.equal(request.overlaySpecificData.length, 0);
  const ours = idOf(0x70) as string as ReturnType<typeof after>;
  assert.equal(peer.topology.isResponsible(ours), true);
  assert.deepEqual(peer.topology.nextHop(ours), { kind: 'self' });
  assert.equal(surrounded().topology.isResponsible(ours), false);
  answerJoin(peer);
  assert.equal(peer.topology.isResponsible(ours), true);
  assert.equal(peer.topology.state, 'joining');
});

test('[R6940-10.5-08] [R6940-10.5-12] the Update that names us as predecessor ends the join, and everybody hears it', () => {
  const peer = asking();
  answerJoin(peer);
  peer.clear();
  peer.update(next, [self, admitting], []);
  peer.update(admitting, [before], [next]);
  assert.equal(peer.topology.state, 'joining', 'another one, or without us');
  peer.update(admitting, [self, before], [next]);
  assert.equal(peer.topology.state, 'joined');
  assert.deepEqual(peer.changes.slice(0, 2), ['state', 'range']);
  peer.advance(50);
  assert.deepEqual(
    peer
      .updates()
      .map(({ to }) => to)
      .sort(),
    [bootstrap, before, admitting, next].sort(),
  );
  peer.clear();
  peer.advance(100_000);
  assert.deepEqual(joins(peer), []);
  assert.equal(retries(peer), 0);
  assert.deepEqual(new Set(peer.closed), new Set([bootstrap]), 'the way in is not needed any more');
});

test('the Join is said again on a link that took the place of the one to the admitting peer', () => {
  for (const answer of [() => undefined, answerJoin]) {
    const peer = asking();
    answer(peer);
    peer.linkUp(next);
    assert.deepEqual(joins(peer), [admitting]);
    peer.linkUp(admitting);
    assert.deepEqual(joins(peer), [admitting, admitting]);
    peer.requests.filter(({ code }) => code === messageCodes.joinReq)[1]?.done(accepted);
    peer.update(admitting, [self, before], [next]);
    assert.equal(peer.topology.state, 'joined');
    assert.equal(retries(peer), 0);
  }
});

test('who is named and linked but no member keeps a node waiting for 4 s, whoever is not linked longer', () => {
  const linkedOnly = (...ids: readonly NodeId[]): LonePeer => {
    const peer = attached();
    peer.update(admitting, [before], [next]);
    for (const id of ids) {
      peer.linkUp(id);
      peer.attaches
        .find(({ target }) => target.kind === 'node' && target.nodeId === id)
        ?.done(success(id));
    }
    peer.advance(3999);
    assert.deepEqual(joins(peer), []);
    return peer;
  };
  const silent = linkedOnly(next, before);
  silent.advance(1501);
  assert.deepEqual(joins(silent), [admitting]);
  const open = linkedOnly(next);
  open.advance(1501);
  assert.deepEqual(joins(open), []);
});

test('an Update that was sent before one that has come already says nothing, not even that we are admitted', () => {
  const peer = asking();
  const say = (uptime: number, predecessors: readonly NodeId[]): void => {
    const lists = { predecessors, successors: [next] };
    const update = encodeToBytes(chordUpdate, { uptime, type: 'neighbors', ...lists });
    assert.ok(peer.topology.handleUpdate(admitting, update).ok);
  };
  say(100, [before]);
  say(99, [self, before]);
  assert.equal(peer.topology.state, 'joining');
  peer.linkUp(admitting);
  say(3, [before]);
  assert.equal(peer.topology.state, 'joining', 'it may have started anew before the link');
  say(3, [self, before]);
  assert.equal(peer.topology.state, 'joined');
});

test('the Update may come before the answer to the Join', () => {
  const peer = asking();
  peer.update(admitting, [self, before], [next]);
  assert.equal(peer.topology.state, 'joined');
  answerJoin(peer);
  peer.advance(100_000);
  assert.equal(peer.topology.state, 'joined');
  assert.equal(retries(peer), 0);
});

test('a refused Join, a lost admitting peer and a transfer without end lead to another attempt', () => {
  const refused = asking();
  refused.requests.find(({ code }) => code === messageCodes.joinReq)?.done(unanswered);
  assert.equal(retries(refused), 1);
  assert.equal(refused.topology.isResponsible(idOf(0x70) as never), false);

  for (const answer of [() => undefined, answerJoin]) {
    const lost = asking();
    answer(lost);
    lost.linkDown(next);
    assert.equal(retries(lost), 0);
    lost.linkDown(admitting);
    assert.equal(retries(lost), 1);
  }

  const deserted = surrounded();
  for (const id of [admitting, next, before]) deserted.linkDown(id);
  deserted.advance(1500);
  assert.equal(retries(deserted), 1);

  const endless = asking();
  answerJoin(endless);
  endless.advance(59_999);
  assert.equal(retries(endless), 0);
  endless.advance(1);
  assert.equal(retries(endless), 1);
});

test('when somebody else was admitted in between, that one is attached to and asked', () => {
  const peer = asking();
  answerJoin(peer);
  const between = idOf(0x90);
  peer.update(admitting, [idOf(0x70), before], [next]);
  assert.equal(peer.topology.isResponsible(idOf(0x70) as never), true, 'that one comes before us');
  peer.update(admitting, [between, before], [next]);
  const attach = peer.attaches.find(
    ({ target }) => target.kind === 'node' && target.nodeId === between,
  );
  assert.ok(attach);
  assert.equal(attach.via, admitting);
  peer.linkUp(between);
  attach.done(success(between));
  peer.ready(between);
  const lower = peer.attaches.find(
    ({ target }) => target.kind === 'node' && target.nodeId === idOf(0x70),
  );
  peer.linkUp(idOf(0x70));
  lower?.done(success(idOf(0x70)));
  peer.ready(idOf(0x70));
  peer.advance(1500);
  assert.deepEqual(joins(peer), [admitting, between]);
});

test('while the successors are sought by Pings, links that come up change nothing', () => {
  const peer = attached();
  peer.advance(4000);
  peer.linkUp(idOf(0x20));
  peer.advance(5000);
  assert.deepEqual([joins(peer), retries(peer)], [[], 0]);
});
