import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nodeIdFromBytes } from '../../../src/base/ids.ts';
import { limits } from '../../../src/base/limits.ts';
import { failure } from '../../../src/base/outcome.ts';
import { parseCsr } from '../../../src/node/csr.ts';
import { createAccountCopy } from '../../../src/node/enrollment-accounts.ts';
import type { AccountCopy } from '../../../src/node/enrollment-accounts.ts';
import type { EnrollError } from '../../../src/node/enrollment-client.ts';
import { createUserIdentities } from '../../../src/node/enrollment-identities.ts';
import type { UserIdentities } from '../../../src/node/enrollment-identities.ts';
import { generatePrivateKey } from '../../../src/node/keys.ts';
import { createSignatureQueue } from '../../../src/node/signature-queue.ts';
import { createVerifier } from '../../../src/node/verifier.ts';
import { createRoot, issueCertificate } from '../../../src/node/x509.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import { silentTrace } from '../../../src/ports/trace.ts';
import { createMemoryStore } from './memory-store.ts';

const dayMs = 86_400_000;
const signatures = createSignatureQueue();
const verifier = createVerifier(signatures);
const rootKey = await generatePrivateKey('ecdsa-p256');
const validity = { notBeforeMs: 0, notAfterMs: 4000 * dayMs };
const certificateDer = createRoot({ name: 'root', privateKey: rootKey, ...validity });

/** Time that moves only when told. */
function createTestClock(): Clock & { advance(ms: number): void } {
  let now = 1000 * dayMs;
  let timers: { atMs: number; fire: () => void }[] = [];
  return {
    monotonicMs: () => now,
    wallMs: () => now,
    after(_name, delayMs, fire) {
      const timer = { atMs: now + delayMs, fire };
      timers.push(timer);
      return {
        cancel() {
          timers = timers.filter((other) => other !== timer);
        },
      };
    },
    advance(ms) {
      const end = now + ms;
      for (;;) {
        const next = timers.sort((a, b) => a.atMs - b.atMs)[0];
        if (next === undefined || next.atMs > end) break;
        timers = timers.filter((timer) => timer !== next);
        now = next.atMs;
        next.fire();
      }
      now = end;
    },
  };
}

function setUp(store = createMemoryStore()) {
  const clock = createTestClock();
  const copy = createAccountCopy(store);
  assert.ok(copy.ok);
  const state = {
    requests: [] as string[],
    running: 0,
    mostRunning: 0,
    error: undefined as EnrollError | undefined,
  };
  const created = createUserIdentities({
    store,
    clock,
    verifier,
    signatures,
    trace: silentTrace,
    accounts: copy.value,
    keyType: 'ecdsa-p256',
    async enroll(csr, publicKey) {
      state.running++;
      state.mostRunning = Math.max(state.mostRunning, state.running);
      const request = parseCsr(csr);
      assert.ok(request.ok);
      const userName = request.value.userName ?? '';
      state.requests.push(userName);
      await new Promise((resolve) => setImmediate(resolve));
      state.running--;
      if (state.error !== undefined) return failure(state.error);
      const der = issueCertificate({
        publicKey,
        nodeIds: [nodeIdFromBytes(new Uint8Array(16).fill(5))],
        overlayName: 'lab.example',
        userName,
        issuer: { certificateDer, privateKey: rootKey },
        notBeforeMs: clock.wallMs() - dayMs,
        notAfterMs: clock.wallMs() + 29 * dayMs,
      });
      const certificate = verifier.parseCertificate(der);
      assert.ok(certificate.ok);
      return certificate;
    },
  });
  assert.ok(created.ok, created.ok ? '' : created.error);
  return { clock, store, state, accounts: copy.value, identities: created.value };
}

function set(accounts: AccountCopy, names: readonly string[], enabled = true): void {
  const { version } = accounts.position();
  accounts.apply({
    epoch: 'e',
    version: version + 1,
    reset: false,
    more: false,
    set: names.map((name) => ({
      aor: `${name}@lab.example`,
      digestUserName: name,
      enabled,
      ha1Md5: '',
      ha1Sha256: '',
    })),
    removed: [],
    configSequence: 0,
  });
}

async function settle({
  clock,
  holds,
}: {
  clock: { advance(ms: number): void };
  holds: () => boolean;
}) {
  const endMs = performance.now() + 3000;
  while (!holds()) {
    assert.ok(performance.now() < endMs, 'in time');
    clock.advance(limits.enrollmentClient.enrollmentGapMs);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function has(identities: UserIdentities, name: string): boolean {
  return identities.identityFor(`${name}@lab.example`) !== undefined;
}

test('all users are enrolled, a few at a time, and again after a restart only those that lack it', async () => {
  const first = setUp();
  const names = Array.from({ length: 20 }, (_, i) => `user${i}`);
  set(first.accounts, names);
  first.identities.start();
  await settle({ ...first, holds: () => first.identities.pending() === 0 });
  assert.ok(names.every((name) => has(first.identities, name)));
  assert.equal(first.state.requests.length, 20);
  assert.equal(first.state.mostRunning, limits.enrollmentClient.concurrentEnrollments);
  first.identities.stop();

  const second = setUp(first.store);
  assert.ok(
    names.every((name) => has(second.identities, name)),
    'at hand before any request',
  );
  set(second.accounts, ['late']);
  second.identities.start();
  await settle({ ...second, holds: () => has(second.identities, 'late') });
  assert.deepEqual(second.state.requests, ['late@lab.example']);
});

test('an identity is renewed after two thirds of its life, and not used after its end', async () => {
  const { clock, identities, state, accounts, ...rest } = setUp();
  set(accounts, ['alice']);
  identities.start();
  await settle({ clock, ...rest, holds: () => has(identities, 'alice') });
  const before = identities.identityFor('alice@lab.example');
  const renewed: string[] = [];
  identities.onIdentity((aor) => renewed.push(aor));
  clock.advance(18 * dayMs);
  assert.equal(state.requests.length, 1);
  clock.advance(2 * dayMs);
  await settle({ clock, ...rest, holds: () => renewed.length === 1 });
  assert.notEqual(identities.identityFor('alice@lab.example'), before);
  state.error = { reason: 'unreachable', text: '' };
  clock.advance(28 * dayMs);
  assert.ok(has(identities, 'alice'));
  clock.advance(2 * dayMs);
  assert.equal(has(identities, 'alice'), false);
});

test('an authority that is away is asked less and less often, then all goes on', async () => {
  const { clock, identities, state, accounts } = setUp();
  state.error = { reason: 'unreachable', text: '' };
  set(accounts, ['alice', 'bob']);
  identities.start();
  await settle({ clock, holds: () => state.requests.length >= 2 });
  for (let minute = 0; minute < 60; minute++) {
    clock.advance(60_000);
    for (let i = 0; i < 3; i++) await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assert.ok(state.requests.length < 200, `${state.requests.length} requests in an hour`);
  state.error = undefined;
  clock.advance(limits.enrollmentClient.retryMaxMs);
  await settle({ clock, holds: () => has(identities, 'alice') && has(identities, 'bob') });
});

test('the refusal of one user does not hold up the others', async () => {
  const { clock, identities, state, accounts } = setUp();
  state.error = { reason: 'username_not_available', text: '' };
  set(accounts, ['refused']);
  identities.start();
  await settle({ clock, holds: () => state.requests.length === 1 && state.running === 0 });
  state.error = undefined;
  set(accounts, ['alice']);
  await settle({ clock, holds: () => has(identities, 'alice') });
  assert.equal(has(identities, 'refused'), false);
  clock.advance(60_000);
  await settle({ clock, holds: () => has(identities, 'refused') });
});

test('a disabled user loses the identity, also on disk', async () => {
  const { clock, identities, store, accounts } = setUp();
  set(accounts, ['alice']);
  identities.start();
  await settle({ clock, holds: () => has(identities, 'alice') });
  set(accounts, ['alice'], false);
  assert.equal(has(identities, 'alice'), false);
  assert.equal(store.get('identities/alice@lab.example'), undefined);
  set(accounts, ['alice'], true);
  await settle({ clock, holds: () => has(identities, 'alice') });
});

test('damaged records are named', () => {
  const store = createMemoryStore();
  store.data.set('identities/alice@lab.example', new TextEncoder().encode('{"key":1}'));
  const copy = createAccountCopy(store);
  assert.ok(copy.ok);
  const { clock } = setUp();
  const created = createUserIdentities({
    store,
    clock,
    verifier,
    signatures,
    trace: silentTrace,
    accounts: copy.value,
    keyType: 'ecdsa-p256',
    enroll: () => assert.fail('nothing to enroll'),
  });
  assert.equal(created.ok, false);
  assert.match(created.error, /identities\/alice@lab\.example/);
  for (const key of ['accounts/user/alice@lab.example', 'accounts/position']) {
    const damaged = createMemoryStore();
    damaged.data.set(key, new TextEncoder().encode('[1]'));
    const loaded = createAccountCopy(damaged);
    assert.equal(loaded.ok, false);
    assert.ok(loaded.error.includes(key));
  }
});
