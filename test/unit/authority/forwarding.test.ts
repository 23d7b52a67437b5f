import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createUserAccounts, summaryOfUser } from '../../../src/authority/core/users.ts';
import { changeForwarding } from '../../../src/authority/core/forwarding.ts';
import { utf8Encode } from '../../../src/base/text.ts';
import { createAccountCopy, readFeedPage } from '../../../src/node/enrollment-accounts.ts';
import { createMemoryStore, write } from './memory-store.ts';
import { createHost } from './support.ts';

const rules = { overlayName: 'lab.example', domains: ['branch.example'] };

test('places come in one spelling: AOR, SIP URI or number', () => {
  const table: readonly (readonly [string, string])[] = [
    ['bob', 'bob@lab.example'],
    ['bob@LAB.example', 'bob@lab.example'],
    ['sip:bob@lab.example', 'bob@lab.example'],
    ['dora@branch.example', 'dora@branch.example'],
    ['sip:eve@other.example;transport=tcp', 'sip:eve@other.example;transport=tcp'],
    ['+49-30-123', 'tel:+49-30-123'],
    ['tel:+4930123', 'tel:+4930123'],
  ];
  for (const [given, expected] of table) {
    assert.deepEqual(changeForwarding(undefined, { busy: given }, rules), {
      ok: true,
      value: { busy: expected },
    });
  }
});

test('what is no rule is refused, and nothing changes', () => {
  for (const change of [
    { busy: '' },
    { busy: 'a b' },
    { busy: 'sip:x@y>\r\nEvil: 1' },
    { busy: 'http://lab.example' },
    { busy: 'eve@other.example' },
    { busy: 7 },
    { noAnswerAfterS: 0 },
    { noAnswerAfterS: 181 },
    { noAnswerAfterS: '5' },
    { doNotDisturb: 'yes' },
    { group: [] },
    { group: Array.from({ length: 17 }, (_, i) => `u${String(i)}`) },
    { group: ['a b'] },
    { sometimes: 'bob' },
  ]) {
    assert.equal(changeForwarding({ busy: 'x@lab.example' }, change, rules).ok, false);
  }
});

test('rules are kept, changed one by one, follow the feed, and outlive a restart', () => {
  const host = createHost();
  const users = createUserAccounts(host);
  write(host.store.data, users.startup);
  host.commitOk(users.add('alice', 'pw'));
  host.commitOk(
    users.setForwarding('alice', { busy: 'bob', noAnswerAfterS: 5, doNotDisturb: true }),
  );
  host.commitOk(users.setForwarding('alice', { busy: null, group: ['bob', 'bob', 'carol'] }));
  const expected = {
    noAnswerAfterS: 5,
    doNotDisturb: true,
    group: ['bob@lab.example', 'carol@lab.example'],
  };
  assert.deepEqual(users.find('alice')?.forwarding, expected);
  host.commitOk(users.setPassword('alice', 'new'));
  const again = createUserAccounts(host);
  assert.deepEqual(again.find('alice')?.forwarding, expected);

  const copy = createAccountCopy(createMemoryStore());
  assert.ok(copy.ok);
  const changes: unknown[] = [];
  copy.value.onChange((change) => changes.push(change));
  const page = { ...again.page(0, '', 'all'), configSequence: 1 };
  const read = readFeedPage(utf8Encode(JSON.stringify(page)));
  assert.ok(read !== undefined);
  copy.value.apply(read);
  assert.deepEqual(copy.value.lookup('alice')?.forwarding, expected);
  host.commitOk(
    again.setForwarding('alice', { noAnswerAfterS: null, doNotDisturb: false, group: null }),
  );
  const { version, epoch } = copy.value.position();
  copy.value.apply({ ...again.page(version, epoch, 'all'), configSequence: 1 });
  assert.equal(copy.value.lookup('alice')?.forwarding, undefined);
  assert.equal(changes.length, 2);
});

test('redirection of a user follows the feed, outlives a restart, and is shown', () => {
  const host = createHost();
  const users = createUserAccounts(host);
  write(host.store.data, users.startup);
  host.commitOk(users.add('alice', 'pw'));
  assert.equal('redirected' in summaryOfUser(users.find('alice')!), false);
  host.commitOk(users.setRedirected('alice', true));
  const copyStore = createMemoryStore();
  const copy = createAccountCopy(copyStore);
  assert.ok(copy.ok);
  const feed = (from: ReturnType<typeof createUserAccounts>): void => {
    const { version, epoch } = copy.value.position();
    const page = { ...from.page(version, epoch, 'all'), configSequence: 1 };
    const read = readFeedPage(utf8Encode(JSON.stringify(page)));
    assert.ok(read !== undefined);
    copy.value.apply(read);
  };
  feed(users);
  assert.equal(copy.value.lookup('alice')?.redirected, true);
  const restarted = createAccountCopy(copyStore);
  assert.ok(restarted.ok && restarted.value.lookup('alice')?.redirected === true);
  const again = createUserAccounts(host);
  assert.equal(summaryOfUser(again.find('alice')!).redirected, true);
  host.commitOk(again.setRedirected('alice', false));
  feed(again);
  assert.equal('redirected' in copy.value.lookup('alice')!, false);
  assert.equal(again.setRedirected('nobody', true).ok, false);
});
