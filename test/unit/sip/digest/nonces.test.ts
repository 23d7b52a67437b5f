import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPrng } from '../../../../src/base/prng.ts';
import type { Clock } from '../../../../src/ports/clock.ts';
import type { DigestCredentials } from '../../../../src/sip/digest/digest.ts';
import { createNonces } from '../../../../src/sip/digest/nonces.ts';

function world(lifetimeS = 300): {
  clock: Clock & { nowMs: number };
  readonly make: (key?: number, previous?: readonly number[]) => ReturnType<typeof createNonces>;
} {
  const clock = {
    nowMs: 1_700_000_000_000,
    monotonicMs: () => 0,
    wallMs: () => clock.nowMs,
    after: () => ({ cancel: () => undefined }),
  };
  const keyOf = (seed: number): Uint8Array => new Uint8Array(32).fill(seed);
  return {
    clock,
    make: (key = 1, previous = []) =>
      createNonces({
        keys: [key, ...previous].map(keyOf),
        clock,
        random: createPrng(`nonces ${String(key)}`),
        lifetimeS,
      }),
  };
}

function use(nonce: string, nc: string | undefined, response = 'ab'.repeat(16)): DigestCredentials {
  return {
    username: 'a',
    realm: 'r',
    nonce,
    uri: 'sip:r',
    response,
    algorithm: 'MD5',
    cnonce: 'c',
    opaque: undefined,
    qop: nc === undefined ? undefined : 'auth',
    nc,
  };
}

function digits(seed: number): string {
  return seed.toString(16).padStart(12, '0').padEnd(32, '0');
}

test('a fresh nonce is accepted once per answer', () => {
  const nonces = world().make();
  const nonce = nonces.create();
  assert.notEqual(nonces.create(), nonce);
  assert.equal(nonces.check(use(nonce, '00000001')), 'fresh');
  assert.equal(nonces.check(use(nonce, '00000002')), 'fresh');
});

test('[S3261-22.4-05] a repeated count with the same answer is a replay', () => {
  const nonces = world().make();
  const nonce = nonces.create();
  assert.equal(nonces.check(use(nonce, '00000001')), 'fresh');
  assert.equal(nonces.check(use(nonce, '00000001')), 'replayed');
  const old = nonces.create();
  assert.equal(nonces.check(use(old, undefined)), 'fresh');
  assert.equal(nonces.check(use(old, undefined)), 'replayed');
});

test('a constant count with another answer passes, within a bound', () => {
  const nonces = world().make();
  const nonce = nonces.create();
  const verdicts = new Set<string>();
  for (let i = 0; i < 64; i++) verdicts.add(nonces.check(use(nonce, '00000001', digits(i))));
  assert.deepEqual([...verdicts], ['fresh']);
  assert.equal(nonces.check(use(nonce, '00000001', digits(64))), 'stale');
  assert.equal(nonces.check(use(nonce, '00000001', digits(0))), 'replayed');
});

test('counts may come a little out of order, not far behind', () => {
  const nonces = world().make();
  const nonce = nonces.create();
  for (let i = 1; i <= 500; i++) {
    assert.equal(nonces.check(use(nonce, i.toString(16).padStart(8, '0'), digits(i))), 'fresh');
  }
  assert.equal(nonces.check(use(nonce, '000001f3', digits(9001))), 'fresh');
  assert.equal(nonces.check(use(nonce, '00000001', digits(9002))), 'replayed');
  assert.equal(nonces.check(use(nonce, '000001f0', digits(0x1f0))), 'replayed');
});

test('[S3261-22.4-04] an old nonce is stale, a foreign one is foreign', () => {
  const { clock, make } = world(300);
  const nonces = make();
  const nonce = nonces.create();
  clock.nowMs += 300_000;
  assert.equal(nonces.check(use(nonce, '00000001')), 'fresh');
  clock.nowMs += 1000;
  assert.equal(nonces.check(use(nonce, '00000002')), 'stale');
  for (const foreign of [
    '',
    'x',
    nonce.slice(2),
    `${nonce}00`,
    nonce.replace(/^./, 'f'),
    make(2).create(),
  ]) {
    assert.equal(nonces.check(use(foreign, '00000001')), 'foreign', foreign);
  }
});

test('nonces survive a restart and a rotation of the key', () => {
  const { make } = world();
  const nonce = make(1).create();
  assert.equal(make(1).check(use(nonce, '00000001')), 'fresh');
  assert.equal(make(2, [1]).check(use(nonce, '00000001')), 'fresh');
  assert.equal(make(2).check(use(nonce, '00000001')), 'foreign');
});

test('a key that comes while running signs from then on; one that goes verifies no more', () => {
  const { clock } = world();
  const keys = [new Uint8Array(32).fill(1)];
  const nonces = createNonces({ keys, clock, random: createPrng('live'), lifetimeS: 300 });
  const [first, unused] = [nonces.create(), nonces.create()];
  keys.unshift(new Uint8Array(32).fill(2));
  const second = nonces.create();
  assert.equal(nonces.check(use(first, '00000001')), 'fresh');
  assert.equal(world().make(2).check(use(second, '00000001')), 'fresh');
  keys.pop();
  assert.equal(nonces.check(use(unused, '00000001')), 'foreign');
});

test('what a full memory of one nonce lets go of is covered by the window', () => {
  const nonces = world().make();
  const nonce = nonces.create();
  const count = (i: number): string => i.toString(16).padStart(8, '0');
  for (let i = 1; i <= 64; i++) {
    assert.equal(nonces.check(use(nonce, count(i), digits(i))), 'fresh', String(i));
  }
  assert.equal(nonces.check(use(nonce, count(65), digits(65))), 'fresh');
  for (let i = 34; i <= 65; i++) {
    assert.equal(nonces.check(use(nonce, count(i), digits(i))), 'replayed', String(i));
  }
  assert.equal(nonces.check(use(nonce, count(33), digits(999))), 'replayed', 'too far behind');
  assert.equal(nonces.check(use(nonce, count(34), digits(999))), 'fresh', 'just within');
  for (let i = 66; i <= 400; i++) {
    assert.equal(nonces.check(use(nonce, count(i), digits(i))), 'fresh', String(i));
  }
});

test('a nonce holds its time, chance and proof, and counts from when it was made', () => {
  const { clock, make } = world(300);
  const nonces = make();
  const nonce = nonces.create();
  assert.equal(nonce.length, 48);
  assert.equal(nonce.slice(0, 8), Math.floor(clock.nowMs / 1000).toString(16));
  clock.nowMs -= 300_000;
  assert.equal(nonces.check(use(nonce, '00000001')), 'fresh', 'a clock may be set back');
  clock.nowMs -= 1_000;
  assert.equal(nonces.check(use(nonce, '00000002')), 'stale');
});

test('counts that are no numbers count as none', () => {
  const nonces = world().make();
  const nonce = nonces.create();
  assert.equal(nonces.check(use(nonce, 'xyz')), 'fresh');
  assert.equal(nonces.check(use(nonce, undefined)), 'replayed');
  assert.equal(nonces.check(use(nonce, '00000000')), 'replayed');
});
