/**
 * User accounts and their feed. A record holds digest verifiers (RFC 8760 H(A1)), never a password;
 * every change gets the next version, and followers ask for what came after the version they have.
 */
import { constantTimeEqual, md5Hex, sha256Hex, sha512t256Hex } from '../../base/hash.ts';
import { limits } from '../../base/limits.ts';
import { failure, success } from '../../base/outcome.ts';
import type { Outcome } from '../../base/outcome.ts';
import { hexEncode, latin1Decode, latin1Encode, utf8Encode } from '../../base/text.ts';
import { type Account, type FeedPage, readForwarding } from '../../ports/accounts.ts';
import type { Random } from '../../ports/random.ts';
import type { Store, StoreOperation } from '../../ports/store.ts';
import { type ForwardingChange, changeForwarding } from './forwarding.ts';
import { parseUserName } from './names.ts';
import type { NameRules, UserName } from './names.ts';
import { DamagedRecordError, loadRecords, putRecord } from './records.ts';
import type { Mutation } from './records.ts';
import { isServed } from './served-scope.ts';
import type { ServedScope } from './served-scope.ts';

export interface UserAccounts {
  /** To be written before anything else when the store is new. */
  readonly startup: readonly StoreOperation[];
  /** Of the latest change. */
  version(): number;
  count(): number;
  list(): Iterable<Account>;
  /** By user name or AOR. */
  find(name: string): Account | undefined;
  add(name: string, password: string): Outcome<Mutation<Account>>;
  setPassword(name: string, password: string): Outcome<Mutation<Account>>;
  setEnabled(name: string, enabled: boolean): Outcome<Mutation<Account>>;
  /** Changes some of the user's forwarding rules. */
  setForwarding(name: string, change: ForwardingChange): Outcome<Mutation<Account>>;
  /** True: the user's phones are told where to send their calls instead of having them forwarded. */
  setRedirected(name: string, redirected: boolean): Outcome<Mutation<Account>>;
  remove(name: string): Outcome<Mutation<Account>>;
  /** The enabled account of that name when the password is right; compares the UTF-8 bytes (RFC 6940 §11.3). */
  authenticate(name: string, password: string): Account | undefined;
  /** What changed after `since` for an adapter of that scope; bounded, `more` says that the next page waits. */
  page(since: number, epoch: string, scope: ServedScope): Omit<FeedPage, 'configSequence'>;
}

interface Versioned {
  readonly version: number;
  /** `undefined` for a removed user. */
  readonly account: Account | undefined;
}

interface LogEntry {
  readonly version: number;
  readonly aor: string;
}

const keys = { user: 'authority/user/', removed: 'authority/removed/', feed: 'authority/feed' };

/** Loads all accounts. @throws DamagedRecordError */
export function createUserAccounts(deps: {
  readonly store: Store;
  readonly random: Random;
  readonly rules: NameRules;
}): UserAccounts {
  const { store, rules } = deps;
  const startup: StoreOperation[] = [];
  const byAor = loadUsers(store);
  /** Ascending versions; entries that a later change replaced are dropped now and then. */
  let log: LogEntry[] = [...byAor]
    .map(([aor, { version }]) => ({ version, aor }))
    .sort((a, b) => a.version - b.version);
  let liveCount = [...byAor.values()].filter(({ account }) => account !== undefined).length;
  const feed = loadFeed();
  let version = Math.max(feed.floor, log.at(-1)?.version ?? 0);

  /** Followers that are behind `floor` may have missed a removal and start over. */
  function loadFeed(): { readonly epoch: string; floor: number } {
    let found: { epoch: string; floor: number } | undefined;
    loadRecords(store, keys.feed, (_id, { epoch, floor }) => {
      if (typeof epoch !== 'string' || typeof floor !== 'number') return false;
      found = { epoch, floor };
      return true;
    });
    if (found !== undefined) return found;
    if (byAor.size > 0) throw new DamagedRecordError(keys.feed);
    const created = { epoch: hexEncode(deps.random.bytes(8)), floor: 0 };
    startup.push(putRecord(keys.feed, created));
    return created;
  }

  function lookup(name: string): Outcome<Account> {
    const parsed = parseUserName(name, rules);
    if (!parsed.ok) return parsed;
    const account = byAor.get(parsed.value.aor)?.account;
    return account === undefined
      ? failure(`there is no user ${parsed.value.aor}`)
      : success(account);
  }

  function change(aor: string, account: Account | undefined): readonly StoreOperation[] {
    const before = byAor.get(aor);
    version++;
    if (before?.account !== undefined) liveCount--;
    if (account !== undefined) liveCount++;
    byAor.set(aor, { version, account });
    log.push({ version, aor });
    const operations: StoreOperation[] =
      account === undefined
        ? [{ delete: keys.user + aor }, putRecord(keys.removed + aor, { version })]
        : [putRecord(keys.user + aor, { ...account, version }), { delete: keys.removed + aor }];
    return [...operations, ...forgetOldRemovals()];
  }

  /** Keeps log and tombstones in proportion to the accounts. */
  function forgetOldRemovals(): readonly StoreOperation[] {
    const slack = limits.authority.removedUsers;
    if (log.length <= 2 * byAor.size + slack && byAor.size - liveCount <= 2 * slack) return [];
    const current = log.filter((entry) => byAor.get(entry.aor)?.version === entry.version);
    const removed = current.filter((entry) => byAor.get(entry.aor)?.account === undefined);
    const excess = removed.slice(0, Math.max(0, removed.length - slack));
    for (const { aor } of excess) byAor.delete(aor);
    log = current.filter((entry) => byAor.has(entry.aor));
    const last = excess.at(-1);
    if (last === undefined) return [];
    feed.floor = last.version;
    return [
      ...excess.map(({ aor }) => ({ delete: keys.removed + aor })),
      putRecord(keys.feed, feed),
    ];
  }

  function firstAfter(since: number): number {
    let low = 0;
    let high = log.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((log[middle]?.version ?? 0) > since) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  const accounts: UserAccounts = {
    startup,
    version: () => version,
    count: () => liveCount,
    *list() {
      for (const { account } of byAor.values()) if (account !== undefined) yield account;
    },
    find(name) {
      const found = lookup(name);
      return found.ok ? found.value : undefined;
    },
    add(name, password) {
      const parsed = parseUserName(name, rules);
      if (!parsed.ok) return parsed;
      const { aor, digestUserName } = parsed.value;
      if (byAor.get(aor)?.account !== undefined) return failure(`the user ${aor} exists already`);
      if (liveCount >= limits.authority.users) return failure('there are too many users');
      const checked = checkPassword(password);
      if (!checked.ok) return checked;
      const verifiers = verifiersOf(parsed.value, rules.overlayName, password);
      const account = { aor, digestUserName, enabled: true, ...verifiers };
      return success({ value: account, operations: change(aor, account) });
    },
    setPassword(name, password) {
      const found = lookup(name);
      if (!found.ok) return found;
      const checked = checkPassword(password);
      if (!checked.ok) return checked;
      const { aor } = found.value;
      const verifiers = verifiersOf(found.value, rules.overlayName, password);
      const account = { ...found.value, ...verifiers };
      return success({ value: account, operations: change(aor, account) });
    },
    setEnabled(name, enabled) {
      const found = lookup(name);
      if (!found.ok) return found;
      const account = { ...found.value, enabled };
      if (found.value.enabled === enabled) return success({ value: account, operations: [] });
      return success({ value: account, operations: change(account.aor, account) });
    },
    setForwarding(name, wanted) {
      const found = lookup(name);
      if (!found.ok) return found;
      const changed = changeForwarding(found.value.forwarding, wanted, rules);
      if (!changed.ok) return changed;
      const account = withOption(found.value, 'forwarding', changed.value);
      return success({ value: account, operations: change(account.aor, account) });
    },
    setRedirected(name, redirected) {
      const found = lookup(name);
      if (!found.ok) return found;
      const account = withOption(found.value, 'redirected', redirected ? true : undefined);
      return success({ value: account, operations: change(account.aor, account) });
    },
    remove(name) {
      const found = lookup(name);
      if (!found.ok) return found;
      return success({ value: found.value, operations: change(found.value.aor, undefined) });
    },
    authenticate(name, password) {
      const account = accounts.find(name);
      const userName = account?.digestUserName ?? '';
      const { ha1Sha256 } = digestVerifiers(userName, rules.overlayName, password);
      const expected = account?.ha1Sha256 ?? '0'.repeat(64);
      const right = constantTimeEqual(latin1Encode(ha1Sha256), latin1Encode(expected));
      return right && account?.enabled === true ? account : undefined;
    },
    page(since, epoch, scope) {
      const ownEpoch = epochOf(feed.epoch, scope);
      const reset = epoch !== ownEpoch || since < feed.floor || since > version;
      const first = firstAfter(reset ? 0 : since);
      const end = Math.min(log.length, first + limits.authority.feedPageEntries);
      const set: Account[] = [];
      const removed: string[] = [];
      for (const entry of log.slice(first, end)) {
        const current = byAor.get(entry.aor);
        if (current?.version !== entry.version || !isServed(scope, entry.aor)) continue;
        if (current.account !== undefined) set.push(current.account);
        else if (!reset) removed.push(entry.aor);
      }
      const more = end < log.length;
      const reached = more ? (log[end - 1]?.version ?? version) : version;
      return { epoch: ownEpoch, version: reached, reset, more, set, removed };
    },
  };
  return accounts;
}

/** The account with the option, or without it. */
function withOption<K extends 'forwarding' | 'redirected'>(
  account: Account,
  name: K,
  value: Account[K] | undefined,
): Account {
  if (value !== undefined) return { ...account, [name]: value };
  const plain = { ...account };
  Reflect.deleteProperty(plain, name);
  return plain;
}

/** What administrators are shown of an account: all but its verifiers. */
export type UserSummary = Pick<
  Account,
  'aor' | 'digestUserName' | 'enabled' | 'forwarding' | 'redirected'
>;

export function summaryOfUser(account: Account): UserSummary {
  const { aor, digestUserName, enabled, forwarding, redirected } = account;
  return {
    aor,
    digestUserName,
    enabled,
    ...(forwarding === undefined ? {} : { forwarding }),
    ...(redirected === undefined ? {} : { redirected }),
  };
}

/** H(A1) over the UTF-8 bytes of name, realm and password; RFC 8760 §2.4. */
export function digestVerifiers(
  userName: string,
  realm: string,
  password: string,
): Required<Pick<Account, 'ha1Md5' | 'ha1Sha256' | 'ha1Sha512t256'>> {
  const a1 = latin1Decode(utf8Encode(`${userName}:${realm}:${password}`));
  return { ha1Md5: md5Hex(a1), ha1Sha256: sha256Hex(a1), ha1Sha512t256: sha512t256Hex(a1) };
}

/** For both names that a phone may send: `user` and `user@domain`. */
function verifiersOf(
  { aor, digestUserName }: UserName,
  realm: string,
  password: string,
): Omit<Account, 'aor' | 'digestUserName' | 'enabled' | 'forwarding' | 'redirected'> {
  const plain = digestVerifiers(digestUserName, realm, password);
  if (digestUserName === aor) return plain;
  const atDomain = digestVerifiers(aor, realm, password);
  return {
    ...plain,
    ha1Md5AtDomain: atDomain.ha1Md5,
    ha1Sha256AtDomain: atDomain.ha1Sha256,
    ha1Sha512t256AtDomain: atDomain.ha1Sha512t256,
  };
}

function checkPassword(password: string): Outcome<void> {
  if (password === '' || password.length > limits.authority.passwordLength) {
    return failure(`a password has 1 to ${limits.authority.passwordLength} characters`);
  }
  return success(undefined);
}

/** Another scope sees another history: a follower whose scope changed starts over. */
function epochOf(epoch: string, scope: ServedScope): string {
  return scope === 'all'
    ? epoch
    : `${epoch}-${sha256Hex(latin1Decode(utf8Encode(JSON.stringify(scope)))).slice(0, 16)}`;
}

function loadUsers(store: Store): Map<string, Versioned> {
  const byAor = new Map<string, Versioned>();
  loadRecords(store, keys.user, (aor, fields) => {
    const { version, digestUserName, enabled, ha1Md5, ha1Sha256 } = fields;
    const { ha1Md5AtDomain, ha1Sha256AtDomain } = fields;
    const { ha1Sha512t256, ha1Sha512t256AtDomain } = fields;
    const forwarding = readForwarding(fields['forwarding']);
    const valid =
      typeof version === 'number' &&
      typeof digestUserName === 'string' &&
      typeof enabled === 'boolean' &&
      typeof ha1Md5 === 'string' &&
      typeof ha1Sha256 === 'string';
    if (!valid) return false;
    const account: Account = {
      aor,
      digestUserName,
      enabled,
      ha1Md5,
      ha1Sha256,
      ...(typeof ha1Md5AtDomain === 'string' ? { ha1Md5AtDomain } : {}),
      ...(typeof ha1Sha256AtDomain === 'string' ? { ha1Sha256AtDomain } : {}),
      ...(typeof ha1Sha512t256 === 'string' ? { ha1Sha512t256 } : {}),
      ...(typeof ha1Sha512t256AtDomain === 'string' ? { ha1Sha512t256AtDomain } : {}),
      ...(forwarding === undefined ? {} : { forwarding }),
      ...(fields['redirected'] === true ? { redirected: true } : {}),
    };
    byAor.set(aor, { version, account });
    return true;
  });
  loadRecords(store, keys.removed, (aor, { version }) => {
    if (typeof version !== 'number') return false;
    byAor.set(aor, { version, account: undefined });
    return true;
  });
  return byAor;
}
