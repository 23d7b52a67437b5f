import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createAdapterAccounts } from '../../../src/authority/core/adapters.ts';
import { createBadNodes } from '../../../src/authority/core/bad-nodes.ts';
import { createEnrollment } from '../../../src/authority/core/enrollment.ts';
import type { CsrNames, EnrollmentRequest } from '../../../src/authority/core/enrollment.ts';
import { createFailureLimiter } from '../../../src/authority/core/failure-limiter.ts';
import { createNodeIdAssignments } from '../../../src/authority/core/node-ids.ts';
import { checkScope, isServed } from '../../../src/authority/core/served-scope.ts';
import { createJoinTokens } from '../../../src/authority/core/tokens.ts';
import { createUserAccounts } from '../../../src/authority/core/users.ts';
import { limits } from '../../../src/base/limits.ts';
import { parseNodeId } from '../../../src/base/ids.ts';
import { formatJoinToken, parseJoinToken } from '../../../src/ports/join-token.ts';
import { createHost, rules } from './support.ts';

function createParts() {
  const host = createHost();
  const users = createUserAccounts(host);
  const adapters = createAdapterAccounts(host);
  const nodeIds = createNodeIdAssignments({ ...host, nodeIdLength: 16 });
  const enrollment = createEnrollment({
    rules,
    users,
    adapters,
    nodeIds,
    keyTypes: ['ecdsa-p256', 'rsa'],
  });
  host.commitOk(users.add('alice', 'pw'));
  host.commitOk(users.add('bob', 'pw'));
  const decide = (
    username: string,
    password: string,
    userName: string | undefined,
    further: Partial<EnrollmentRequest> = {},
  ) => {
    const names: CsrNames = { keyType: 'ecdsa-p256', userName };
    const request = { username, password, nodeids: undefined, csr: () => names, ...further };
    const decision = enrollment.decide(request);
    if (decision.ok) host.commit(decision.value);
    return decision;
  };
  const grant = (...args: Parameters<typeof decide>) => {
    const decision = decide(...args);
    assert.ok(decision.ok, decision.ok ? '' : decision.error);
    return decision.value.value;
  };
  const refusal = (...args: Parameters<typeof decide>): string => {
    const decision = decide(...args);
    return decision.ok ? `issued ${decision.value.value.userName}` : decision.error;
  };
  return { ...host, users, adapters, nodeIds, enrollment, decide, grant, refusal };
}

const alice = 'alice@lab.example';

test('[R6940-11.3-12] the account is checked first; the request is not even read without', () => {
  const { refusal } = createParts();
  const csr = (): never => assert.fail('the request was read');
  assert.equal(refusal('alice', 'no', alice, { csr }), 'failed_authentication');
  assert.equal(
    refusal('alice', 'pw', alice, { password: undefined, csr }),
    'failed_authentication',
  );
  assert.equal(refusal('x', 'pw', alice, { username: undefined, csr }), 'failed_authentication');
});

test('[R6940-11.3-21] a user enrolls for its own name only, however it writes it', () => {
  const { grant, refusal } = createParts();
  for (const name of [undefined, 'alice', alice, 'alice@LAB.example']) {
    assert.equal(grant('alice', 'pw', name).userName, alice);
  }
  assert.equal(grant(alice, 'pw', alice).purpose, 'user');
  for (const name of [
    'bob',
    'bob@lab.example',
    'Alice',
    'alice@x',
    'alice\u0000',
    'alice@lab.example\u0000',
    ' ',
  ]) {
    assert.equal(refusal('alice', 'pw', name), 'username_not_available');
  }
});

test('[R6940-11.3-26] the number of Node-IDs, and the kind of key', () => {
  const { grant, refusal } = createParts();
  const most = limits.authority.nodeIdsPerCertificate;
  assert.equal(grant('alice', 'pw', alice, { nodeids: String(most) }).nodeIds.length, most);
  for (const nodeids of ['0', String(most + 1), '-1', '1.5', 'x', '', '9999999']) {
    assert.equal(refusal('alice', 'pw', alice, { nodeids }), 'Node-IDs_not_available', nodeids);
  }
  const csr = () => ({ keyType: 'ed25519', userName: alice }) as const;
  assert.equal(refusal('alice', 'pw', alice, { csr }), 'bad_CSR');
  assert.equal(refusal('alice', 'pw', alice, { csr: () => undefined }), 'bad_CSR');
});

test('[R6940-11.3-19] one Node-ID per user and account; durable', () => {
  const parts = createParts();
  const { commitOk, adapters, grant, nodeIds, store, random } = parts;
  const one = commitOk(adapters.create('all', 0));
  const two = commitOk(adapters.create('all', 0));
  const at = ({ account, password }: typeof one) => grant(account.name, password, alice).nodeIds;
  const first = at(one);
  assert.deepEqual(at(one), first);
  assert.notDeepEqual(at(two), first);
  assert.notDeepEqual(grant('alice', 'pw', alice).nodeIds, first);
  const node = grant(one.account.name, one.password, undefined);
  assert.equal(node.purpose, 'node');
  assert.equal(node.userName, one.account.name);
  const reloaded = createNodeIdAssignments({ store, random, nodeIdLength: 16 });
  assert.deepEqual(reloaded.find(alice, one.account.name), first);
  const withdrawn = nodeIds.withdrawName(alice);
  assert.equal(withdrawn.value.length, 3);
  parts.commit(withdrawn);
  assert.notDeepEqual(at(one), first);
  const ofOne = nodeIds.withdrawAccount(one.account.name);
  assert.equal(ofOne.value.length, 2);
});

test('[R6940-11.3-15][R6940-11.3-16] Node-IDs come from the random port alone, all bits of it', () => {
  const { random, store } = createHost();
  const ids = createNodeIdAssignments({ store, random, nodeIdLength: 16 });
  const other = createNodeIdAssignments({ ...createHost(), nodeIdLength: 16 });
  const seen = new Set<string>();
  const ones = new Array<number>(128).fill(0);
  for (let i = 0; i < 1000; i++) {
    const [id = ''] = ids.assign(`user${i}@lab.example`, 'account', 1).value;
    // Other names, same chance: the request has no influence.
    assert.equal(other.assign('x'.repeat(i + 1), 'y', 1).value[0], id);
    seen.add(id);
    const bits = BigInt(`0x${id}`);
    for (let bit = 0; bit < 128; bit++) if ((bits >> BigInt(bit)) & 1n) ones[bit]!++;
  }
  assert.equal(seen.size, 1000);
  assert.ok(ones.every((count) => count > 400 && count < 600));
});

test('adapters: scope, revocation, reserved names', () => {
  const { commitOk, adapters, refusal, users, store, random } = createParts();
  const { account, password } = commitOk(adapters.create(['a*@lab.example'], 5));
  assert.match(account.name, /^adapter-[0-9a-f]{12}@nodes\.lab\.example$/);
  assert.equal(users.add(account.name, 'pw').ok, false);
  assert.equal(refusal(account.name, password, alice), `issued ${alice}`);
  assert.equal(refusal(account.name, password, 'bob@lab.example'), 'username_not_available');
  assert.equal(refusal(account.name, `${password}x`, alice), 'failed_authentication');
  commitOk(users.setEnabled('alice', false));
  assert.equal(refusal(account.name, password, alice), 'username_not_available');
  commitOk(adapters.setEnabled(account.name, false));
  assert.equal(refusal(account.name, password, undefined), 'failed_authentication');
  const reloaded = createAdapterAccounts({ store, random, rules });
  assert.equal(reloaded.find(account.name)?.enabled, false);
  assert.doesNotMatch(
    [...store.data.values()].map((value) => Buffer.from(value).toString()).join(),
    new RegExp(password),
  );
});

test('served scopes', () => {
  assert.ok(isServed('all', alice));
  assert.ok(isServed([alice], alice));
  assert.ok(isServed(['*@lab.example'], alice));
  assert.ok(isServed(['al*@lab.example'], alice));
  assert.ok(!isServed(['b*@lab.example', 'alice@other.example'], alice));
  assert.ok(!isServed(['alice@lab*lab.example'], alice), 'the ends must not overlap');
  for (const bad of [[], 'some', ['a'], ['*@*'], ['a b@c'], [1], undefined]) {
    assert.equal(checkScope(bad).ok, false, JSON.stringify(bad));
  }
});

test('join tokens: uses, time, revocation, only hashes stored, restart', () => {
  const { store, random, commitOk } = createHost();
  const tokens = createJoinTokens({ store, random });
  const made = commitOk(tokens.create({ scope: 'all', uses: 2, lifetimeMs: 100 }, 1000));
  assert.doesNotMatch(
    [...store.data].map(([key, value]) => key + Buffer.from(value).toString()).join(),
    new RegExp(made.secret),
  );
  assert.equal(tokens.redeem('guess', 1000).ok, false);
  assert.equal(commitOk(tokens.redeem(made.secret, 1000)).usesLeft, 1);
  const reloaded = createJoinTokens({ store, random });
  assert.equal(reloaded.list(1000)[0]?.usesLeft, 1);
  assert.equal(reloaded.redeem(made.secret, 1100).ok, false);
  commitOk(reloaded.redeem(made.secret, 1099));
  assert.equal(reloaded.redeem(made.secret, 1099).ok, false);
  assert.equal(createJoinTokens({ store, random }).list(1000).length, 0);

  const other = commitOk(reloaded.create({ scope: 'all', uses: 1, lifetimeMs: 100 }, 1000));
  commitOk(reloaded.revoke(other.token.id));
  assert.equal(reloaded.redeem(other.secret, 1000).ok, false);
  assert.equal(reloaded.revoke(other.token.id).ok, false);
  for (const [uses, lifetimeMs] of [
    [0, 1],
    [1.5, 1],
    [1, 0],
    [1, Number.NaN],
  ] as const) {
    assert.equal(reloaded.create({ scope: 'all', uses, lifetimeMs }, 0).ok, false);
  }
});

test('the text of a join token', () => {
  const token = { url: 'https://10.0.0.1:8443', rootFingerprint: 'ab'.repeat(32), secret: 's3?>' };
  const text = formatJoinToken(token);
  assert.match(text, /^chordial1\.[A-Za-z0-9_-]+$/);
  assert.deepEqual(parseJoinToken(` ${text}\n`), { ok: true, value: token });
  for (const damaged of [
    '',
    'chordial1.',
    text.slice(0, -2),
    `x${text}`,
    'chordial1.e30',
    `${text}!`,
  ]) {
    const parsed = parseJoinToken(damaged);
    assert.equal(parsed.ok, false, damaged);
    assert.ok(!parsed.error.includes('s3?>'));
  }
  for (const wrong of [{ url: 'http://a' }, { rootFingerprint: 'x' }, { secret: '' }]) {
    assert.equal(parseJoinToken(formatJoinToken({ ...token, ...wrong })).ok, false);
  }
});

test('bad nodes leave the list when their certificates have expired', () => {
  const { store, commit } = createHost();
  const [a, b] = ['aa', 'bb'].map((byte) => parseNodeId(byte.repeat(16))!);
  const bad = createBadNodes({ store });
  commit(bad.add([b!], 200, 0));
  commit(bad.add([a!], 100, 0));
  assert.deepEqual(bad.list(50), [a, b]);
  assert.deepEqual(bad.list(150), [b]);
  const reloaded = createBadNodes({ store });
  assert.ok(reloaded.has(a!));
  commit(reloaded.add([], 0, 150));
  assert.equal([...store.data.keys()].length, 1);
});

test('failures are bounded per source, refill with time, and do not pile up', () => {
  const { failureBurst, failureRefillMs, failureSources } = limits.authority;
  const limiter = createFailureLimiter();
  for (let i = 0; i < failureBurst; i++) {
    assert.equal(limiter.isBlocked('a', 0), false);
    limiter.failed('a', 0);
  }
  assert.equal(limiter.isBlocked('a', 0), true);
  assert.equal(limiter.isBlocked('b', 0), false);
  for (let i = 0; i < 100; i++) limiter.failed('a', 0);
  assert.equal(limiter.isBlocked('a', failureRefillMs), false);
  for (let i = 0; i < failureSources; i++) limiter.failed(`s${i}`, 0);
  assert.equal(limiter.isBlocked('a', 0), false, 'the oldest source is forgotten');
});
