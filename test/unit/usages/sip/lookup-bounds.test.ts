/** What a lookup refuses, counts, remembers and leaves out. RFC 7904 §4.2. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type NodeId, nodeIdFromBytes } from '../../../../src/base/ids.ts';
import { limits } from '../../../../src/base/limits.ts';
import { encodeGr } from '../../../../src/usages/sip/gruu.ts';
import {
  encodeRegistration,
  resourceOfAor,
  routeTo,
} from '../../../../src/usages/sip/registration.ts';
import { config, domain, fetched, nodeId, startMs } from '../../adapter/support/world.ts';
import { bob, createLookupWorld, route, uri } from './support/lookup-world.ts';

const { usagesSip } = limits;
const key = nodeId(0x31);

function spread(i: number): NodeId {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setUint32(12, i);
  return nodeIdFromBytes(bytes);
}

test('a value counts until it is twice its lifetime and a minute old', () => {
  const ageMs = 2 * 600_000 + 60_000;
  const { put, resolve } = createLookupWorld();
  // The Fetch takes a millisecond.
  put(bob, [fetched(key, bob, route(nodeId(0xa1)), startMs + 2 - ageMs)]);
  assert.equal(resolve(bob).routes.length, 1);
  const later = createLookupWorld();
  later.put(bob, [fetched(key, bob, route(nodeId(0xa1)), startMs + 1 - ageMs)]);
  assert.deepEqual([later.resolve(bob).routes.length, later.resolve(bob).found], [0, false]);
});

test('values that are not usable are counted', () => {
  const { put, resolve, trace } = createLookupWorld();
  put(bob, [
    fetched(key, bob, route(nodeId(0xa1)), startMs),
    fetched(key, bob, route(nodeId(0xa1)).subarray(1), startMs),
    fetched(key, 'eve@lab.example', route(nodeId(0xa2)), startMs),
    fetched(key, bob, uri('no aor'), startMs),
    fetched(key, bob, uri('bob@bad host'), startMs),
    fetched(key, bob, uri(`${bob};gr=!`), startMs),
    fetched(
      key,
      bob,
      encodeRegistration(routeTo([{ type: 'opaque', id: Uint8Array.of(1) }], [])),
      startMs,
    ),
    fetched(key, bob, route(nodeId(0xa3)), startMs, { key: undefined }),
    fetched(key, bob, route(nodeId(0xa4)), startMs, { signer: undefined }),
  ]);
  const { routes, found, external, truncated } = resolve(bob);
  assert.deepEqual(
    routes.map(({ nodeId: node }) => node),
    [nodeId(0xa1)],
  );
  assert.deepEqual([found, external, truncated], [true, [], false]);
  assert.equal(trace.count('sip_lookup_values_refused_total'), 8);
});

test('[R7904-6-01] a GRUU among the values is a destination list', () => {
  const { put, resolve } = createLookupWorld();
  const list = [nodeId(0xa1), nodeId(0xa2)].map(
    (node) => ({ type: 'node', nodeId: node }) as const,
  );
  put(bob, [fetched(key, bob, uri(`sip:${bob};gr=${encodeGr(list)};x=1`), startMs)]);
  const found = resolve(bob).routes.map((one) => [one.destinations, one.nodeId, one.prefs.q]);
  assert.deepEqual(found, [[list, nodeId(0xa2), 1000]]);
});

test('preferences come with the route', () => {
  const { put, resolve } = createLookupWorld();
  const phone = { sip: false, sips: true, q: 250, instance: undefined, parameters: '' };
  const record = encodeRegistration(routeTo(nodeId(0xa1), [phone]));
  put(bob, [fetched(key, bob, record, startMs)]);
  const found = resolve(bob).routes.map(({ prefs }) => [prefs.sip, prefs.sips, prefs.q]);
  assert.deepEqual(found, [[false, true, 250]]);
});

test('routes are ordered: the newest first, of one age by Node-ID', () => {
  const { put, resolve } = createLookupWorld();
  put(bob, [
    fetched(key, bob, route(nodeId(0xa3)), startMs - 5),
    fetched(key, bob, route(nodeId(0xa2)), startMs - 5),
    fetched(key, bob, route(nodeId(0xa4)), startMs - 5),
    fetched(key, bob, route(nodeId(0xa9)), startMs),
    fetched(key, bob, route(nodeId(0xa1)), startMs - 9),
  ]);
  assert.deepEqual(
    resolve(bob).routes.map((found) => found.nodeId),
    [0xa9, 0xa2, 0xa3, 0xa4, 0xa1].map(nodeId),
  );
});

test('of equal age the record seen first stays', () => {
  const { put, resolve } = createLookupWorld();
  const carol = `carol@${domain}`;
  put(bob, [
    fetched(key, bob, route(nodeId(0xa1)), startMs),
    fetched(key, bob, uri(carol), startMs),
  ]);
  put(carol, [fetched(key, carol, route(nodeId(0xa1)), startMs)]);
  assert.deepEqual(
    resolve(bob).routes.map(({ aor }) => aor),
    [bob],
  );
});

test('routes and foreign addresses are bounded; what does not fit is told', () => {
  const { put, resolve } = createLookupWorld();
  const records = (count: number) =>
    Array.from({ length: count }, (_, i) => fetched(key, bob, route(spread(i + 1)), startMs));
  put(bob, records(usagesSip.routesPerResolution));
  assert.equal(resolve(bob).truncated, false);
  const more = records(usagesSip.routesPerResolution + 1);
  put(bob, [...more, fetched(key, bob, route(spread(1)), startMs + 1)]);
  const full = resolve(bob);
  assert.deepEqual([full.routes.length, full.truncated], [usagesSip.routesPerResolution, true]);
  assert.equal(full.routes[0]?.storageTimeMs, startMs + 1, 'a newer record of a known one counts');

  const outside = (count: number) =>
    Array.from({ length: count }, (_, i) => fetched(key, bob, uri(`u${i}@out.example`), startMs));
  put(bob, outside(usagesSip.externalsPerResolution));
  assert.equal(resolve(bob).truncated, false);
  put(bob, outside(usagesSip.externalsPerResolution + 1));
  const { external, truncated } = resolve(bob);
  assert.deepEqual([external.length, truncated], [usagesSip.externalsPerResolution, true]);
});

test('an AOR that is named twice is fetched once, which is no cut', () => {
  const { put, ring, resolve } = createLookupWorld();
  const [carol, dave] = [`carol@${domain}`, `dave@${domain}`];
  put(bob, [fetched(key, bob, uri(carol), startMs), fetched(key, bob, uri(dave), startMs)]);
  put(carol, [fetched(key, carol, route(nodeId(0xa1)), startMs)]);
  put(dave, [fetched(key, dave, route(nodeId(0xa2)), startMs - 1)]);
  const { routes, truncated } = resolve(bob);
  assert.deepEqual(
    routes.map(({ aor }) => aor),
    [carol, dave],
  );
  assert.equal(truncated, false);
  assert.equal(ring.log.fetches.length, 3);
});

test('the first failure is told beside what was found', () => {
  const { clock, ring, put, lookup } = createLookupWorld();
  const carol = `carol@${domain}`;
  put(bob, [
    fetched(key, bob, route(nodeId(0xa1)), startMs),
    fetched(key, bob, uri(carol), startMs),
  ]);
  const seen: unknown[] = [];
  lookup.resolve(bob, ({ routes, failed }) => seen.push(routes.length, failed?.reason));
  clock.run(1);
  ring.fetchError = { code: 0, reason: 'unreachable', text: '' };
  clock.run(10);
  assert.deepEqual(seen, [1, 'unreachable']);
  assert.equal(lookup.cached(bob), undefined, 'and it is asked again');
});

test('results are kept for the time asked for, a second at most, or not at all', () => {
  for (const [asked, keptMs] of [
    [undefined, 1000],
    [5000, 1000],
    [200, 200],
  ] as const) {
    const { clock, put, lookup } = createLookupWorld(asked);
    put(bob, [fetched(key, bob, route(nodeId(0xa1)), startMs)]);
    lookup.resolve(bob, () => undefined);
    clock.run(1);
    clock.run(keptMs - 1);
    assert.equal(lookup.cached(bob)?.aor, bob);
    clock.run(1);
    assert.equal(lookup.cached(bob), undefined);
  }
  const { put, lookup, resolve } = createLookupWorld(0);
  put(bob, [fetched(key, bob, route(nodeId(0xa1)), startMs)]);
  resolve(bob);
  assert.equal(lookup.cached(bob), undefined);
});

test('the results of 4096 AORs are kept, the one resolved longest ago goes first', () => {
  const { clock, put, lookup } = createLookupWorld();
  const aor = (i: number): string => `u${i}@${domain}`;
  const count = usagesSip.cachedResolutions;
  for (let i = 0; i <= count; i++) {
    put(aor(i), [fetched(key, aor(i), route(nodeId(0xa1)), startMs)]);
  }
  for (let i = 0; i < count; i++) lookup.resolve(aor(i), () => undefined);
  clock.run(1);
  assert.equal(lookup.cached(aor(0))?.aor, aor(0));
  lookup.resolve(aor(0), () => undefined);
  clock.run(1);
  assert.equal(lookup.cached(aor(1))?.aor, aor(1), 'resolving one anew takes no more room');
  lookup.resolve(aor(count), () => undefined);
  clock.run(1);
  assert.equal(lookup.cached(aor(1)), undefined);
  assert.equal(lookup.cached(aor(0))?.aor, aor(0));
  assert.equal(lookup.cached(aor(count))?.aor, aor(count));
});

test('lookups at once are bounded, and so are those that wait for one; refused ones are answered', () => {
  const { clock, trace, lookup, ring } = createLookupWorld();
  const refused: unknown[] = [];
  let answered = 0;
  const ask = (aor: string): void =>
    lookup.resolve(aor, (resolution) => {
      if (resolution.failed === undefined) answered++;
      else refused.push(resolution);
    });
  for (let i = 0; i < usagesSip.waitingPerResolution; i++) ask(bob);
  clock.run(0);
  assert.equal(refused.length, 0);
  ask(bob);
  assert.equal(refused.length, 0, 'never inside the call');
  clock.run(0);
  const failed = { code: 0, reason: 'invalid', text: 'too many lookups' };
  const nothing = { routes: [], external: [], found: false, truncated: false };
  assert.deepEqual(refused, [{ aor: bob, ...nothing, failed }]);
  for (let i = 1; i < usagesSip.resolutionsAtOnce; i++) ask(`u${i}@${domain}`);
  ask(`one-more@${domain}`);
  clock.run(0);
  assert.equal(refused.length, 2);
  assert.equal(trace.count('sip_lookups_refused_total'), 2);
  clock.run(1);
  assert.equal(answered, usagesSip.waitingPerResolution + usagesSip.resolutionsAtOnce - 1);
  assert.equal(ring.log.fetches.length, usagesSip.resolutionsAtOnce);
  ask(bob);
  clock.run(1);
  assert.equal(refused.length, 2, 'there is room again');
});

test('the nodes of an AOR are those of its own records, without forwards and bad nodes', () => {
  const { clock, ring, put, lookup, trace } = createLookupWorld();
  ring.config = config({ badNodes: [nodeId(0xbb)] });
  put(bob, [
    fetched(key, bob, route(nodeId(0xa1)), startMs),
    fetched(key, bob, route(nodeId(0xa2)), startMs),
    fetched(key, bob, route(nodeId(0xbb)), startMs),
    fetched(key, bob, uri(`carol@${domain}`), startMs),
    fetched(
      key,
      bob,
      encodeRegistration(routeTo([{ type: 'opaque', id: Uint8Array.of(1) }], [])),
      startMs,
    ),
    fetched(key, bob, Uint8Array.of(7), startMs),
  ]);
  const seen: unknown[] = [];
  lookup.nodesOf(bob, (nodes) => seen.push(nodes));
  assert.equal(seen.length, 0, 'never inside the call');
  clock.run(1);
  const expected: unknown[] = [new Set([nodeId(0xa1), nodeId(0xa2)])];
  assert.deepEqual(seen, expected);
  assert.deepEqual(ring.log.fetches, [{ resource: resourceOfAor(bob), keys: undefined }]);
  assert.equal(trace.count('sip_lookup_values_refused_total'), 1);
  ring.fetchError = { code: 0, reason: 'timeout', text: '' };
  lookup.nodesOf(bob, (nodes) => seen.push(nodes));
  clock.run(1);
  assert.deepEqual(seen.slice(1), [undefined]);
});
