/** Small parts of a peer, each on its own. */
import { test } from 'node:test';
import assert from 'node:assert/strict';
import { UsageError } from '../../../src/base/assert.ts';
import type { KindId, NodeId, ResourceId } from '../../../src/base/ids.ts';
import { limits } from '../../../src/base/limits.ts';
import { createConfigOffers } from '../../../src/overlay/config-offers.ts';
import { createConnectionSlots } from '../../../src/overlay/connection-slots.ts';
import { chunkSizes } from '../../../src/overlay/fragments.ts';
import { createIdentities } from '../../../src/overlay/identities.ts';
import { noIceLinkTypes, usesIce } from '../../../src/overlay/link-types.ts';
import { createPlaceMemory, placeName } from '../../../src/overlay/place-memory.ts';
import { following } from '../../../src/overlay/queries.ts';
import { createRateLimit } from '../../../src/overlay/rate-limit.ts';
import { hasDuplicates, timesPassed } from '../../../src/overlay/routed-message.ts';
import { decodeExact } from '../../../src/wire/codec.ts';
import { configUpdateReq } from '../../../src/wire/reload/config-update.ts';
import { destinationKey, type Destination } from '../../../src/wire/reload/destination.ts';
import { messageCodes } from '../../../src/wire/reload/message-codes.ts';
import { createCountingTrace } from '../link/fakes.ts';
import { createFakeClock } from '../../support/fake-clock.ts';
import { createIdentity } from './support/fake-keys.ts';
import { evenRandom, idOf, notedTransactions, numbered } from './support/parts.ts';
import { testConfig } from './support/world.ts';

const [self, other, third] = [idOf('5'), idOf('8'), idOf('9')];
const resource = idOf('7') as string as ResourceId;
const node = (nodeId: NodeId): Destination => ({ type: 'node', nodeId });

test('a rate is a burst and then so much per second, never more than the burst', () => {
  const rate = createRateLimit({ perSecond: 2, burst: 3 });
  const taken = (nowMs: number): number => {
    let count = 0;
    while (rate.take(nowMs)) count++;
    return count;
  };
  assert.equal(taken(1000), 3);
  assert.equal(taken(1499), 0);
  assert.equal(taken(1500), 1);
  assert.equal(taken(2500), 2);
  assert.equal(taken(100_000), 3);
});

test('a place remembers the newest value while that lives', () => {
  const clock = createFakeClock();
  const memory = createPlaceMemory(clock);
  assert.equal(memory.remainingS('p'), 0);
  assert.equal(memory.isRolledBack('p', 1), false);
  memory.saw('p', 100, 60);
  assert.equal(memory.remainingS('p'), 60);
  assert.deepEqual(
    [99, 100, 101].map((ms) => memory.isRolledBack('p', ms)),
    [true, false, false],
  );
  clock.advance(1);
  memory.saw('p', 99, 500);
  assert.equal(memory.remainingS('p'), 60, 'an older one changes nothing; rounded up');
  memory.saw('p', 100, 30);
  assert.equal(memory.remainingS('p'), 30);
  clock.advance(29_999);
  assert.equal(memory.remainingS('p'), 1);
  clock.advance(1);
  assert.equal(memory.remainingS('p'), 0);
  assert.equal(memory.isRolledBack('p', 1), false);
  memory.saw('p', 5, 60);
  assert.equal(memory.remainingS('p'), 60, 'after that any value counts');
});

test('places are many but not endless, and of different kinds and keys', () => {
  const clock = createFakeClock();
  const memory = createPlaceMemory(clock);
  const most = limits.overlay.rememberedPlaces;
  for (let i = 0; i < most; i++) memory.saw(`${i}`, 1, 60);
  memory.saw('0', 2, 60);
  memory.saw('one more', 1, 60);
  assert.deepEqual(
    ['0', '1', '2'].map((place) => memory.remainingS(place)),
    [60, 0, 60],
  );
  const names = [
    placeName(resource, 1, {}),
    placeName(resource, 2, {}),
    placeName(self as string as ResourceId, 1, {}),
    placeName(resource, 1, { index: 0 }),
    placeName(resource, 1, { index: 1 }),
    placeName(resource, 1, { key: Uint8Array.of(1) }),
    placeName(resource, 1, { key: Uint8Array.of(0) }),
  ];
  assert.equal(new Set(names).size, names.length);
});

test('hosted identities answer for their Node-IDs, the own one for the rest', () => {
  const clock = createFakeClock();
  const own = createIdentity(clock, [self], 'own');
  const user = createIdentity(clock, [other, third, self], 'user');
  const identities = createIdentities(own);
  assert.equal(identities.self, self);
  assert.deepEqual([identities.of(other), identities.isHosted(other)], [own, false]);
  identities.host(user);
  assert.deepEqual([identities.of(other), identities.of(third)], [user, user]);
  assert.deepEqual([identities.of(self), identities.isHosted(self)], [own, false]);
  assert.equal(identities.size, 2);
  identities.unhost(other);
  assert.deepEqual([identities.of(other), identities.of(third)], [own, user]);
  assert.throws(() => createIdentities(createIdentity(clock, [], 'nobody')), UsageError);
});

test('a node that goes by a list of link types offers what both it and the overlay can do', () => {
  const both = ['TLS-TCP-FH-NO-ICE', 'DTLS-UDP-SR-NO-ICE'] as const;
  const types = (
    protocols: readonly string[],
    able: readonly (typeof both)[number][],
    secret = false,
  ) =>
    noIceLinkTypes(
      {
        overlayLinkProtocols: protocols,
        sharedSecret: secret ? ({} as never) : undefined,
      },
      able,
    );
  assert.deepEqual(types(['TLS'], both), both);
  assert.deepEqual(types(['TLS'], ['DTLS-UDP-SR-NO-ICE']), ['DTLS-UDP-SR-NO-ICE']);
  assert.deepEqual(types(['DTLS-UDP-SR-NO-ICE'], both), ['DTLS-UDP-SR-NO-ICE']);
  assert.deepEqual(types(['something'], both), []);
  assert.deepEqual(types(['TLS'], both, true), ['TLS-TCP-FH-NO-ICE']);
  assert.deepEqual([usesIce({ noIce: true }), usesIce({ noIce: false })], [false, true]);
});

test('an offer of the document goes to one node once per request lifetime and sequence', () => {
  const clock = createFakeClock();
  const transactions = notedTransactions();
  let config = testConfig;
  const trace = createCountingTrace();
  const offers = createConfigOffers({
    clock,
    trace,
    config: () => config,
    transactions: () => transactions as never,
  });
  offers.offer(other, [node(other)]);
  offers.offer(other, [node(other)]);
  assert.equal(transactions.notes.length, 1);
  const [first] = transactions.notes;
  assert.deepEqual(first?.request.destinations, [node(other)]);
  assert.equal(first.request.messageCode, messageCodes.configUpdateReq);
  assert.equal(first.request.anyResponder, false);
  assert.deepEqual(decodeExact(configUpdateReq, first.request.body), {
    type: 'config',
    configData: testConfig.document,
  });
  offers.offer(third, [node(self)]);
  assert.equal(transactions.notes[1]?.request.anyResponder, true, 'the list does not name it');
  config = { ...testConfig, sequence: testConfig.sequence + 1 };
  offers.offer(other, [node(other)]);
  assert.equal(transactions.notes.length, 3);
  clock.advance(5 * testConfig.reliabilityTimerMs - 1);
  offers.offer(other, [node(other)]);
  assert.equal(transactions.notes.length, 3);
  clock.advance(1);
  offers.offer(other, [node(other)]);
  assert.equal(transactions.notes.length, 4);
  assert.equal(trace.count('overlay_config_offers_total'), 4);
  for (let i = 0; i < limits.overlay.configUpdatesRemembered; i++) offers.offer(numbered(i), []);
  offers.offer(other, [node(other)]);
  assert.equal(transactions.notes.length, 5 + limits.overlay.configUpdatesRemembered);
});

test('of the Kinds that a node lacks it is told those that the document defines', () => {
  const clock = createFakeClock();
  const transactions = notedTransactions();
  const [kind] = testConfig.requiredKinds;
  assert.ok(kind);
  const block = Uint8Array.of(1, 2, 3);
  const offers = createConfigOffers({
    clock,
    trace: createCountingTrace(),
    config: () => ({
      ...testConfig,
      requiredKinds: [
        { ...kind, block },
        { ...kind, kind: 77 },
      ],
    }),
    transactions: () => transactions as never,
  });
  offers.offerKinds(other, [77, 78] as KindId[]);
  assert.equal(transactions.notes.length, 0, 'there is nothing to tell');
  offers.offerKinds(other, [kind.kind, 77] as KindId[]);
  offers.offerKinds(other, [kind.kind, 77] as KindId[]);
  assert.equal(transactions.notes.length, 1);
  const [note] = transactions.notes;
  assert.deepEqual(note?.request.destinations, [node(other)]);
  assert.deepEqual(decodeExact(configUpdateReq, note.request.body), {
    type: 'kind',
    kinds: [block],
  });
});

test('a slot is kept while linked, comes in rotation, and its old name leads nowhere', () => {
  const slots = createConnectionSlots(evenRandom);
  assert.equal(slots.idOf(other), undefined);
  slots.linked(other);
  slots.linked(third);
  const [first, second] = [slots.idOf(other) ?? 0, slots.idOf(third) ?? 0];
  assert.equal(first & 0x8000, 0x8000);
  assert.deepEqual([first & 0xfff, second & 0xfff], [0, 1]);
  assert.deepEqual([slots.nodeOf(first), slots.nodeOf(second)], [other, third]);
  slots.linked(other);
  assert.equal(slots.idOf(other), first);
  slots.unlinked(other);
  slots.unlinked(self);
  assert.equal(slots.nodeOf(first), undefined);
  assert.equal(slots.idOf(other), undefined);
  slots.linked(self);
  assert.equal((slots.idOf(self) ?? 0) & 0xfff, 2);
  for (let i = 3; i < 4096; i++) slots.linked(numbered(i));
  slots.linked(other);
  const reused = slots.idOf(other) ?? 0;
  assert.equal(reused & 0xfff, 0);
  assert.equal((reused >> 12) & 7, (((first >> 12) & 7) + 1) % 8);
  assert.equal(slots.nodeOf(first), undefined);
  slots.linked(numbered(1));
  assert.equal(slots.idOf(numbered(1)), undefined, 'all slots are taken');
});

test('chunks are of almost one size, or of the smallest and a rest', () => {
  assert.deepEqual(chunkSizes(1000, 1000), [1000]);
  assert.deepEqual(chunkSizes(1001, 1000), [501, 500]);
  assert.deepEqual(chunkSizes(3001, 1000), [751, 750, 750, 750]);
  assert.deepEqual(chunkSizes(1000, 255), [1000], 'too little room');
  assert.deepEqual(chunkSizes(512, 256), [256, 256]);
  assert.deepEqual(chunkSizes(513, 256), [256, 256, 1]);
  assert.deepEqual(chunkSizes(300, 256), [256, 44]);
  assert.deepEqual(chunkSizes(511, 300), [256, 255]);
});

test('equal entries of a list are found', () => {
  assert.equal(hasDuplicates([], destinationKey), false);
  assert.equal(hasDuplicates([node(self)], destinationKey), false);
  assert.equal(hasDuplicates([node(self), node(other)], destinationKey), false);
  assert.equal(hasDuplicates([node(self), node(self)], destinationKey), true);
  assert.equal(hasDuplicates([node(self), node(other), node(self)], destinationKey), true);
  const passed = (...ids: readonly NodeId[]) =>
    timesPassed(self, { viaList: ids.map(node) } as never);
  assert.deepEqual(
    [passed(), passed(other), passed(self, other), passed(self, self)],
    [0, 0, 1, 2],
  );
});

test('the id behind a Node-ID, around the end', () => {
  assert.equal(following(idOf('0')), `${'0'.repeat(31)}1`);
  assert.equal(following(idOf('f')), '0'.repeat(32));
  assert.equal(following('ff'.repeat(20) as NodeId).length, 40);
  assert.equal(following('0f'.padEnd(32, 'f') as NodeId), '1'.padEnd(32, '0'));
});
