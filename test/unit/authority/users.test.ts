import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { limits } from '../../../src/base/limits.ts';
import { createUserAccounts } from '../../../src/authority/core/users.ts';
import type { UserAccounts } from '../../../src/authority/core/users.ts';
import { DamagedRecordError } from '../../../src/authority/core/records.ts';
import { createAccountCopy, readFeedPage } from '../../../src/node/enrollment-accounts.ts';
import type { AccountCopy } from '../../../src/node/enrollment-accounts.ts';
import { createMemoryStore, write } from './memory-store.ts';
import { createHost } from './support.ts';

function createUsers() {
  const host = createHost();
  const users = createUserAccounts(host);
  write(host.store.data, users.startup);
  return { ...host, users };
}

test('verifiers are those of HTTP digest, and no password is stored', () => {
  const { users, commitOk, store } = createUsers();
  const alice = commitOk(users.add('alice', 'söcret'));
  const a1 = Buffer.from('alice:lab.example:söcret', 'utf8');
  assert.equal(alice.ha1Md5, createHash('md5').update(a1).digest('hex'));
  assert.equal(alice.ha1Sha256, createHash('sha256').update(a1).digest('hex'));
  const long = Buffer.from('alice@lab.example:lab.example:söcret', 'utf8');
  assert.equal(alice.ha1Md5AtDomain, createHash('md5').update(long).digest('hex'));
  assert.equal(alice.ha1Sha256AtDomain, createHash('sha256').update(long).digest('hex'));
  assert.equal(alice.aor, 'alice@lab.example');
  const kept = [...store.data.values()].map((value) => Buffer.from(value).toString()).join();
  assert.doesNotMatch(kept, /cret/);
});

test('names: user or user@domain of ours; digest name is unique in the realm', () => {
  const { users, commitOk } = createUsers();
  assert.equal(commitOk(users.add('bob@LAB.example', 'pw')).digestUserName, 'bob');
  assert.equal(
    commitOk(users.add('bob@second.example', 'pw')).digestUserName,
    'bob@second.example',
  );
  assert.equal(users.find('bob@second.example')?.ha1Md5AtDomain, undefined);
  assert.equal(users.find('bob')?.aor, 'bob@lab.example');
  assert.equal(users.count(), 2);
  assert.equal(users.add('bob', 'pw').ok, false);
  for (const name of [
    '',
    'a b',
    'a\u0000b',
    'a:b',
    'ä',
    '.a',
    'a..b',
    'a@',
    'a@other.example',
    'adapter-1@nodes.lab.example',
    'x'.repeat(65),
    'a@b@lab.example',
  ]) {
    assert.equal(users.add(name, 'pw').ok, false, JSON.stringify(name));
  }
  assert.ok(users.add('+49.30-1*#'.replace('#', '~'), 'pw').ok);
  assert.equal(users.add('carol', '').ok, false);
  assert.equal(users.add('carol', 'x'.repeat(257)).ok, false);
});

test('[R6940-11.3-07] user names and passwords are compared byte by byte', () => {
  const { users, commitOk } = createUsers();
  commitOk(users.add('alice', 'pass\u00e9'));
  assert.ok(users.authenticate('alice', 'pass\u00e9') !== undefined);
  assert.equal(users.authenticate('alice', 'passe\u0301'), undefined);
  assert.equal(users.authenticate('Alice', 'pass\u00e9'), undefined);
  assert.equal(users.authenticate('nobody', 'pass\u00e9'), undefined);
});

test('a disabled user cannot authenticate until enabled', () => {
  const { users, commitOk } = createUsers();
  commitOk(users.add('alice', 'pw'));
  commitOk(users.setEnabled('alice', false));
  assert.equal(users.authenticate('alice', 'pw'), undefined);
  commitOk(users.setEnabled('alice', true));
  assert.ok(users.authenticate('alice', 'pw') !== undefined);
  const again = users.setEnabled('alice', true);
  assert.deepEqual(again.ok && again.value.operations, []);
});

test('accounts, versions and removals survive a restart', () => {
  const host = createUsers();
  const { users, commitOk } = host;
  commitOk(users.add('alice', 'a'));
  commitOk(users.add('bob', 'b'));
  commitOk(users.remove('bob'));
  commitOk(users.setPassword('alice', 'c'));
  const again = createUserAccounts(host);
  assert.equal(again.version(), users.version());
  assert.deepEqual([...again.list()], [...users.list()]);
  const { epoch } = users.page(0, '', 'all');
  assert.deepEqual(again.page(2, epoch, 'all'), users.page(2, epoch, 'all'));
  assert.deepEqual(again.page(2, epoch, 'all').removed, ['bob@lab.example']);
  assert.equal(again.find('bob'), undefined);
});

test('a damaged record is named', () => {
  const host = createUsers();
  host.commitOk(host.users.add('alice', 'a'));
  host.store.data.set(
    'authority/user/alice@lab.example',
    new TextEncoder().encode('{"version":1}'),
  );
  assert.throws(() => createUserAccounts(host), DamagedRecordError);
  host.store.data.delete('authority/user/alice@lab.example');
  host.store.data.set('authority/user/bob@lab.example', Uint8Array.of(0xff));
  assert.throws(() => createUserAccounts(host), /bob@lab\.example/);
});

/** Follows to the end of the feed. */
function follow(users: UserAccounts, copy: AccountCopy, scope: 'all' | string[] = 'all'): number {
  for (let pages = 1; ; pages++) {
    const { epoch, version } = copy.position();
    const page = { ...users.page(version, epoch, scope), configSequence: 0 };
    const received = readFeedPage(new TextEncoder().encode(JSON.stringify(page)));
    assert.ok(received !== undefined);
    copy.apply(received);
    if (!page.more) return pages;
  }
}

function newCopy(store = createMemoryStore()): AccountCopy {
  const copy = createAccountCopy(store);
  assert.ok(copy.ok, copy.ok ? '' : copy.error);
  return copy.value;
}

function sorted(accounts: Iterable<{ aor: string }>): unknown[] {
  return [...accounts].sort((a, b) => (a.aor < b.aor ? -1 : 1));
}

test('a follower gets changes once, in pages, and knows when it has all', () => {
  const { users, commitOk } = createUsers();
  const total = limits.authority.feedPageEntries * 2 + 5;
  for (let i = 0; i < total; i++) commitOk(users.add(`user${i}`, 'pw'));
  const copy = newCopy();
  const seen: string[] = [];
  copy.onChange((change) => seen.push(change.kind));
  assert.equal(follow(users, copy), 3);
  assert.equal(copy.count(), total);
  assert.equal(seen.length, total);
  follow(users, copy);
  assert.equal(seen.length, total);
  commitOk(users.setEnabled('user3', false));
  commitOk(users.remove('user4'));
  follow(users, copy);
  assert.deepEqual(seen.slice(total), ['set', 'removed']);
  assert.equal(copy.lookup('user3')?.enabled, false);
  assert.equal(copy.lookup('user4'), undefined);
});

test('a follower that has everything is told nothing, also when there is nothing', () => {
  const { users, commitOk } = createUsers();
  const copy = newCopy();
  follow(users, copy);
  const idle = () => users.page(copy.position().version, copy.position().epoch, 'all');
  assert.deepEqual([idle().reset, idle().version], [false, 0]);
  commitOk(users.add('alice', 'pw'));
  follow(users, copy);
  assert.deepEqual([idle().reset, idle().version, idle().set], [false, 1, []]);
});

test('a follower of another history starts over and drops what is gone', () => {
  const first = createUsers();
  first.commitOk(first.users.add('old', 'pw'));
  first.commitOk(first.users.add('both', 'pw'));
  const copy = newCopy();
  follow(first.users, copy);
  const second = { ...createHost('another'), users: undefined };
  const users = createUserAccounts(second);
  second.commitOk(users.add('both', 'pw'));
  second.commitOk(users.add('new', 'pw'));
  follow(users, copy);
  assert.deepEqual(sorted(copy.accounts()), sorted(users.list()));
});

test('a scope that changes makes the follower start over', () => {
  const { users, commitOk } = createUsers();
  commitOk(users.add('a1', 'pw'));
  commitOk(users.add('b1', 'pw'));
  const copy = newCopy();
  follow(users, copy, ['a*@lab.example']);
  assert.deepEqual(
    [...copy.accounts()].map((a) => a.aor),
    ['a1@lab.example'],
  );
  follow(users, copy, ['b*@lab.example']);
  assert.deepEqual(
    [...copy.accounts()].map((a) => a.aor),
    ['b1@lab.example'],
  );
});

test('a copy that was interrupted in the middle of a full copy begins again', () => {
  const { users, commitOk } = createUsers();
  for (let i = 0; i < limits.authority.feedPageEntries + 5; i++) commitOk(users.add(`u${i}`, 'x'));
  const store = createMemoryStore();
  const copy = newCopy(store);
  copy.apply({ ...users.page(0, '', 'all'), configSequence: 0 });
  const reopened = newCopy(store);
  assert.deepEqual(reopened.position(), { epoch: '', version: 0 });
  assert.equal(reopened.count(), limits.authority.feedPageEntries);
  commitOk(users.remove('u1'));
  follow(users, reopened);
  assert.deepEqual(sorted(newCopy(store).accounts()), sorted(users.list()));
});

test('removals that were forgotten force a full copy', () => {
  const { users, commitOk } = createUsers();
  commitOk(users.add('first', 'pw'));
  commitOk(users.add('stays', 'pw'));
  const copy = newCopy();
  follow(users, copy);
  commitOk(users.remove('first'));
  for (let i = 0; i < 2 * limits.authority.removedUsers + 1; i++) {
    commitOk(users.add('x' + String(i), 'pw'));
    commitOk(users.remove('x' + String(i)));
  }
  const { epoch, version } = copy.position();
  assert.equal(users.page(version, epoch, 'all').reset, true);
  follow(users, copy);
  assert.deepEqual(
    [...copy.accounts()].map((a) => a.aor),
    ['stays@lab.example'],
  );
});

test('whatever happens, a follower ends with the accounts of the authority', () => {
  const step = fc.record({
    what: fc.constantFrom('add', 'remove', 'disable', 'enable', 'password', 'follow', 'restart'),
    who: fc.constantFrom('a', 'b', 'c', 'd'),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const host = createHost();
      let users = createUserAccounts(host);
      write(host.store.data, users.startup);
      const copyStore = createMemoryStore();
      let copy = newCopy(copyStore);
      for (const { what, who } of steps) {
        const outcome = {
          add: () => users.add(who, 'pw'),
          remove: () => users.remove(who),
          disable: () => users.setEnabled(who, false),
          enable: () => users.setEnabled(who, true),
          password: () => users.setPassword(who, what),
          follow: () => undefined,
          restart: () => undefined,
        }[what]();
        if (outcome?.ok === true) host.commit(outcome.value);
        if (what === 'follow') follow(users, copy);
        if (what === 'restart') {
          users = createUserAccounts(host);
          copy = newCopy(copyStore);
        }
      }
      follow(users, copy);
      assert.deepEqual(sorted(copy.accounts()), sorted(users.list()));
      assert.deepEqual(sorted(newCopy(copyStore).accounts()), sorted(users.list()));
    }),
    { numRuns: 100 },
  );
});

test('a page that is no page is refused', () => {
  for (const text of [
    '',
    '[]',
    '{}',
    '{"epoch":"x","version":1,"reset":true,"more":false,"configSequence":0,"set":[{}],"removed":[]}',
  ]) {
    assert.equal(readFeedPage(new TextEncoder().encode(text)), undefined);
  }
});

test('all verifiers come back after a restart; accounts made before there were two names still load', () => {
  const { users, commitOk, store } = createUsers();
  const alice = commitOk(users.add('alice', 'one'));
  const again = createUserAccounts({ ...createHost(), store });
  assert.deepEqual(again.find('alice'), alice);
  const changed = again.setPassword('alice', 'two');
  assert.ok(changed.ok);
  assert.notEqual(changed.value.value.ha1Md5AtDomain, alice.ha1Md5AtDomain);

  const key = 'authority/user/alice@lab.example';
  const { ha1Md5AtDomain, ha1Sha256AtDomain, ...old } = JSON.parse(
    Buffer.from(store.data.get(key) ?? []).toString(),
  ) as Record<string, unknown>;
  assert.ok(ha1Md5AtDomain !== undefined && ha1Sha256AtDomain !== undefined);
  store.data.set(key, Buffer.from(JSON.stringify(old)));
  const loaded = createUserAccounts({ ...createHost(), store }).find('alice');
  assert.equal(loaded?.ha1Md5, alice.ha1Md5);
  assert.equal(loaded.ha1Md5AtDomain, undefined);
});
