import assert from 'node:assert/strict';
import { test } from 'node:test';
import { idBytes } from '../../../../src/base/ids.ts';
import { resourceOfAor } from '../../../../src/usages/sip/registration.ts';
import {
  certificate,
  config,
  domain,
  fetched,
  nodeId,
  startMs,
} from '../../adapter/support/world.ts';
import { bob, createLookupWorld, route, uri } from './support/lookup-world.ts';

const key = (byte: number) => nodeId(byte);

test('[R7904-4.2-02] [R7904-4.2-03] step 1 fetches Kind 1 at H(AOR) without keys', () => {
  const { ring, put, resolve } = createLookupWorld();
  put(bob, [fetched(key(0x31), bob, route(nodeId(0xa1)), startMs)]);
  const resolution = resolve(bob);
  assert.deepEqual(ring.log.fetches, [{ resource: resourceOfAor(bob), keys: undefined }]);
  assert.deepEqual(
    resolution.routes.map((r) => r.nodeId),
    [nodeId(0xa1)],
  );
  assert.ok(resolution.found);
});

test('[R7904-4.2-04] AOR results are followed, loops end (A-50)', () => {
  const { ring, put, resolve } = createLookupWorld();
  const charlie = `charlie@${domain}`;
  put(bob, [fetched(key(0x31), bob, uri(`sip:${charlie}`), startMs)]);
  put(charlie, [
    fetched(key(0x32), charlie, route(nodeId(0xa2)), startMs),
    fetched(key(0x33), charlie, uri(bob), startMs),
  ]);
  const resolution = resolve(bob);
  assert.deepEqual(
    resolution.routes.map((r) => [r.aor, r.nodeId]),
    [[charlie, nodeId(0xa2)]],
  );
  assert.ok(resolution.truncated);
  assert.equal(ring.log.fetches.length, 2);
});

test('[R7904-8.2.1-01] a chain of 100 forwards is cut', () => {
  const { ring, put, resolve } = createLookupWorld();
  for (let i = 0; i < 100; i++) {
    const aor = `u${i}@${domain}`;
    put(aor, [fetched(key(0x31), aor, uri(`u${i + 1}@${domain}`), startMs)]);
  }
  const resolution = resolve(`u0@${domain}`);
  assert.ok(resolution.truncated && resolution.routes.length === 0 && resolution.found);
  assert.equal(ring.log.fetches.length, 6);
});

test('a bush of forwards is cut as well', () => {
  const { ring, put, resolve } = createLookupWorld();
  put(
    bob,
    Array.from({ length: 60 }, (_, i) => fetched(key(i + 1), bob, uri(`x${i}@${domain}`), startMs)),
  );
  assert.ok(resolve(bob).truncated);
  assert.equal(ring.log.fetches.length, 16);
});

test('[R7904-4.2-05] duplicate destination lists are removed, the newest record stays', () => {
  const { put, resolve } = createLookupWorld();
  put(bob, [
    fetched(key(0x31), bob, route(nodeId(0xa1)), startMs - 1000),
    fetched(key(0x32), bob, route(nodeId(0xa1)), startMs - 10),
    fetched(key(0x33), bob, route(nodeId(0xa2)), startMs - 500),
    fetched(key(0x34), bob, uri(`${bob};gr=ARChoaGhoaGhoaGhoaGhoaGh`), startMs - 2000),
  ]);
  assert.deepEqual(
    resolve(bob).routes.map((r) => [r.nodeId, r.storageTimeMs]),
    [
      [nodeId(0xa1), startMs - 10],
      [nodeId(0xa2), startMs - 500],
    ],
  );
});

test('a bad, expired, removed or foreign value never hides the others', () => {
  const { ring, put, resolve } = createLookupWorld();
  ring.config = config({ badNodes: [nodeId(0xbb)] });
  const good = route(nodeId(0xa1));
  put(bob, [
    fetched(key(0x30), bob, good.subarray(1), startMs),
    fetched(key(0x31), bob, Uint8Array.of(9, 0, 0), startMs),
    fetched(key(0x32), bob, route(nodeId(0xa2)), startMs - 1_300_000),
    fetched(key(0x33), bob, route(nodeId(0xa3)), startMs, { exists: false }),
    fetched(key(0x34), 'eve@lab.example', route(nodeId(0xa4)), startMs),
    fetched(key(0x35), bob, route(nodeId(0xa5)), startMs, { key: idBytes(nodeId(0x36)) }),
    fetched(key(0x37), bob, route(nodeId(0xbb)), startMs),
    fetched(key(0x38), bob, route(nodeId(0xa6)), startMs, {
      signer: certificate(key(0x38), undefined),
    }),
    fetched(key(0x39), bob, good, startMs),
  ]);
  assert.deepEqual(
    resolve(bob).routes.map((r) => r.nodeId),
    [nodeId(0xa1)],
  );
});

test('[R7904-4.2-06] AORs of other domains are handed back', () => {
  const { ring, put, resolve } = createLookupWorld();
  put(bob, [fetched(key(0x31), bob, uri('carol@outside.example'), startMs)]);
  const resolution = resolve(bob);
  assert.deepEqual(resolution.external, ['carol@outside.example']);
  assert.equal(ring.log.fetches.length, 1);
});

test('results are used again for a second, failures and absences never', () => {
  const { clock, ring, lookup, put, resolve } = createLookupWorld();
  assert.ok(!resolve(bob).found);
  assert.equal(lookup.cached(bob), undefined);
  put(bob, [fetched(key(0x31), bob, route(nodeId(0xa1)), startMs)]);
  resolve(bob);
  assert.equal(lookup.cached(bob)?.routes.length, 1);
  lookup.forget(bob);
  assert.equal(lookup.cached(bob), undefined);
  resolve(bob);
  clock.run(1000);
  assert.equal(lookup.cached(bob), undefined);
  ring.fetchError = { code: 0, reason: 'timeout', text: '' };
  assert.equal(resolve(bob).failed?.reason, 'timeout');
  assert.equal(lookup.cached(bob), undefined);
});

test('lookups of one AOR at the same time share one Fetch', () => {
  const { clock, ring, lookup } = createLookupWorld();
  let answers = 0;
  for (let i = 0; i < 5; i++) lookup.resolve(bob, () => answers++);
  clock.run(10);
  assert.equal(answers, 5);
  assert.equal(ring.log.fetches.length, 1);
});
