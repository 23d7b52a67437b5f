/** The search for fingers by one peer, with exact times and all others played by the test. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPrng } from '../../../../src/base/prng.ts';
import { success } from '../../../../src/base/outcome.ts';
import { after, fingerIndex, fingerStart } from '../../../../src/topology/chord/ring.ts';
import { idOf, lonePeer, memberWith } from './lone-peer.ts';

const self = idOf(0x80);
const slow = { chordUpdateIntervalS: 1_000_000, chordPingIntervalS: 1_000_000 };

/** Neighbors on all sides so near that all of the ring beyond them is left to fingers. */
const crowd = [0x7b, 0x7c, 0x7d, 0x7e, 0x7f, 0x81, 0x82, 0x83, 0x84, 0x85].map(idOf);

test('[R6940-10.7.4.2-01] the places beyond the neighbors are searched after a change, with growing pauses', () => {
  const peer = lonePeer(self, { config: slow });
  peer.topology.join(true);
  peer.advance(100_000);
  peer.meet(...crowd);
  peer.clear();
  const changedMs = peer.nowMs();
  peer.advance(100_000);
  const far = fingerStart(self, 1);
  assert.deepEqual(
    peer.pings.filter(({ resource }) => resource === far).map(({ atMs }) => atMs - changedMs),
    [500, 1500, 3500, 7500, 15_500, 31_500],
  );
  const indexes = new Set(
    peer.pings
      .filter(({ resource }) => resource !== after(self))
      .map(({ resource }) => fingerIndex(self, resource)),
  );
  assert.deepEqual([...indexes], [1, 2, 3, 4, 5]);
});

test('a peer that knows its neighbors already when it becomes part of the ring searches at once', () => {
  const peer = lonePeer(self, { config: slow });
  peer.meet(...crowd);
  peer.topology.join(true);
  peer.advance(500);
  assert.deepEqual(
    peer.pings.filter(({ resource }) => resource === fingerStart(self, 1)).map(({ atMs }) => atMs),
    [500],
  );
});

test('who answers from the place is attached to; who lies elsewhere settles the question until the next change', () => {
  const peer = lonePeer(self, { config: slow });
  peer.topology.join(true);
  peer.meet(...crowd);
  peer.clear();
  peer.advance(500);
  const ping = peer.pings.find(({ resource }) => resource === fingerStart(self, 1));
  ping?.done(success(idOf(0x10)));
  assert.deepEqual(
    peer.attaches.map(({ target, via }) => [target, via]),
    [[{ kind: 'node', nodeId: idOf(0x10) }, undefined]],
  );
  for (const other of peer.pings) if (other !== ping) other.done(success(idOf(0x7b)));
  peer.attaches[0]?.done(success(idOf(0x10)));
  peer.meet(idOf(0x10));
  peer.pings.length = 0;
  peer.advance(1000);
  const again = peer.pings.filter(({ resource }) => resource !== after(self));
  assert.ok(
    again.every(({ resource }) => fingerIndex(self, resource) !== 1),
    'the near half of entry 1 is well filled',
  );
});

test('a quiet ring searches one place per period, at a random id of it', () => {
  const peer = memberWith(crowd, { config: { ...slow, chordPingIntervalS: 100 } });
  peer.advance(100_000);
  const searches = peer.pings.filter(({ resource }) => resource !== after(self));
  assert.deepEqual(
    searches.map(({ atMs }) => atMs),
    [100_000],
  );
  for (const { resource } of searches) assert.equal(fingerIndex(self, resource), 1);
  assert.notEqual(searches[0]?.resource, fingerStart(self, 1));
  peer.clear();
  peer.advance(100_000);
  assert.equal(peer.pings.filter(({ resource }) => resource !== after(self)).length, 1);
});

test('the searches of quiet periods spread over the whole of the far place', () => {
  const prng = createPrng('places');
  const random = { u32: () => prng.u32(), bytes: (length: number) => prng.bytes(length) };
  const peer = memberWith(crowd, { config: { ...slow, chordPingIntervalS: 100 }, random });
  peer.advance(20_000_000);
  const searches = peer.pings
    .map(({ resource }) => resource)
    .filter((resource) => resource !== after(self) && fingerIndex(self, resource) === 1);
  assert.ok(searches.length > 50);
  const firstDigits = new Set(searches.map((resource) => resource[0]));
  assert.deepEqual([...firstDigits].sort(), ['0', '1', '2', '3']);
  const lastDigits = new Set(searches.map((resource) => resource.at(-1)));
  assert.ok(lastDigits.size > 8);

  const counts = [1, 2, 3].map(
    (index) => peer.pings.filter(({ resource }) => fingerIndex(self, resource) === index).length,
  );
  assert.ok(counts.every((count) => count > 5));
  assert.deepEqual(
    counts.toSorted((a, b) => b - a),
    counts,
    'far ones are searched more often',
  );
});

test('[R6940-10.7.2-02] a lost finger is searched at once with reactive recovery, else not', () => {
  for (const chordReactive of [true, false]) {
    const peer = memberWith([...crowd, idOf(0x10)], { config: { ...slow, chordReactive } });
    peer.linkDown(idOf(0x10));
    const [search] = peer.pings;
    assert.equal(search !== undefined, chordReactive);
    if (search !== undefined) assert.equal(fingerIndex(self, search.resource), 1);
    peer.clear();
    peer.advance(499);
    assert.deepEqual(
      peer.pings.filter(({ resource }) => resource !== after(self)),
      [],
    );
    peer.advance(1);
    assert.equal(
      peer.pings.some(({ resource }) => resource === fingerStart(self, 1)),
      chordReactive,
    );
  }
});

test('searches are counted', () => {
  const peer = lonePeer(self, { config: slow });
  peer.topology.join(true);
  peer.meet(...crowd);
  peer.clear();
  peer.advance(500);
  const searches = peer.pings.filter(({ resource }) => resource !== after(self)).length;
  assert.ok(searches > 0);
  assert.equal(peer.trace.count('chord_finger_searches_total'), searches);
});
