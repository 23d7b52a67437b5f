/** An adapter's copy of the accounts it serves: fed page by page, durable, usable without the authority. */
import { limits } from '../base/limits.ts';
import { failure, success } from '../base/outcome.ts';
import type { Outcome } from '../base/outcome.ts';
import { utf8Decode, utf8Encode } from '../base/text.ts';
import { readForwarding } from '../ports/accounts.ts';
import type { Account, AccountChange, AccountDirectory, FeedPage } from '../ports/accounts.ts';
import type { Store, StoreOperation } from '../ports/store.ts';

export interface AccountCopy extends AccountDirectory {
  /** What to ask the feed for next. */
  position(): { readonly epoch: string; readonly version: number };
  count(): number;
  /** Takes a page over, in memory at once and then on disk. */
  apply(page: FeedPage): void;
}

const keys = { account: 'accounts/user/', position: 'accounts/position' };

/** Loads the copy. The error names the damaged record. */
export function createAccountCopy(store: Store): Outcome<AccountCopy> {
  const byAor = new Map<string, Account>();
  const byDigestName = new Map<string, Account>();
  const listeners = new Set<(change: AccountChange) => void>();
  for (const [key, value] of store.entries(keys.account)) {
    const account = readAccount(parseJson(utf8Decode(value)));
    if (account === undefined) return failure(`the record ${key} of the account copy is damaged`);
    byAor.set(account.aor, account);
    byDigestName.set(account.digestUserName, account);
  }
  let position = { epoch: '', version: 0 };
  const stored = store.get(keys.position);
  if (stored !== undefined) {
    const { epoch, version } = fieldsOf(parseJson(utf8Decode(stored)));
    if (typeof epoch !== 'string' || typeof version !== 'number') {
      return failure(`the record ${keys.position} of the account copy is damaged`);
    }
    position = { epoch, version };
  }
  /** During a full copy: what no page has named yet. */
  let unconfirmed: Set<string> | undefined;

  function tell(change: AccountChange): void {
    for (const listener of listeners) listener(change);
  }

  function set(account: Account): AccountChange | undefined {
    const known = byAor.get(account.aor);
    if (known !== undefined && sameAccount(known, account)) return undefined;
    byAor.set(account.aor, account);
    byDigestName.set(account.digestUserName, account);
    return { kind: 'set', account };
  }

  function remove(aor: string): AccountChange | undefined {
    const known = byAor.get(aor);
    if (known === undefined) return undefined;
    byAor.delete(aor);
    byDigestName.delete(known.digestUserName);
    return { kind: 'removed', aor };
  }

  return success({
    position: () => position,
    count: () => byAor.size,
    lookup: (name) => byDigestName.get(name) ?? byAor.get(name),
    accounts: () => byAor.values(),
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    apply(page) {
      if (page.reset) unconfirmed = new Set(byAor.keys());
      const changes: (AccountChange | undefined)[] = [];
      for (const account of page.set) {
        unconfirmed?.delete(account.aor);
        if (byAor.size < limits.authority.users) changes.push(set(account));
      }
      for (const aor of page.removed) {
        unconfirmed?.delete(aor);
        changes.push(remove(aor));
      }
      if (!page.more && unconfirmed !== undefined) {
        for (const aor of unconfirmed) changes.push(remove(aor));
        unconfirmed = undefined;
      }
      const happened = changes.filter((change) => change !== undefined);
      const moved = page.epoch !== position.epoch || page.version !== position.version;
      position = { epoch: page.epoch, version: page.version };
      if (happened.length === 0 && !moved) return;
      // A full copy that is interrupted begins again after a restart.
      const durable = unconfirmed === undefined ? position : { epoch: '', version: 0 };
      store.write([...happened.map(operationOf), putJson(keys.position, durable)]);
      for (const change of happened) tell(change);
    },
  });
}

/** Reads one answer of the feed; `undefined` when it is none. */
export function readFeedPage(body: Uint8Array): FeedPage | undefined {
  const fields = fieldsOf(parseJson(utf8Decode(body)));
  const { epoch, version, reset, more, set, removed, configSequence } = fields;
  const valid =
    typeof epoch === 'string' &&
    typeof version === 'number' &&
    typeof reset === 'boolean' &&
    typeof more === 'boolean' &&
    typeof configSequence === 'number' &&
    Array.isArray(set) &&
    Array.isArray(removed);
  if (!valid) return undefined;
  const accounts = set.map(readAccount).filter((account) => account !== undefined);
  const gone = removed.filter((aor) => typeof aor === 'string');
  if (accounts.length !== set.length || gone.length !== removed.length) return undefined;
  return { epoch, version, reset, more, set: accounts, removed: gone, configSequence };
}

function operationOf(change: AccountChange): StoreOperation {
  return change.kind === 'set'
    ? putJson(keys.account + change.account.aor, change.account)
    : { delete: keys.account + change.aor };
}

function putJson(key: string, value: object): StoreOperation {
  return { put: key, value: utf8Encode(JSON.stringify(value)) };
}

function sameAccount(a: Account, b: Account): boolean {
  return (
    a.digestUserName === b.digestUserName &&
    a.enabled === b.enabled &&
    a.redirected === b.redirected &&
    a.ha1Md5 === b.ha1Md5 &&
    a.ha1Sha256 === b.ha1Sha256 &&
    a.ha1Md5AtDomain === b.ha1Md5AtDomain &&
    a.ha1Sha256AtDomain === b.ha1Sha256AtDomain &&
    a.ha1Sha512t256 === b.ha1Sha512t256 &&
    a.ha1Sha512t256AtDomain === b.ha1Sha512t256AtDomain &&
    JSON.stringify(a.forwarding) === JSON.stringify(b.forwarding)
  );
}

function readAccount(value: unknown): Account | undefined {
  const fields = fieldsOf(value);
  const { aor, digestUserName, enabled, ha1Md5, ha1Sha256 } = fields;
  const { ha1Md5AtDomain, ha1Sha256AtDomain } = fields;
  const { ha1Sha512t256, ha1Sha512t256AtDomain } = fields;
  const valid =
    typeof aor === 'string' &&
    typeof digestUserName === 'string' &&
    typeof enabled === 'boolean' &&
    typeof ha1Md5 === 'string' &&
    typeof ha1Sha256 === 'string';
  if (!valid) return undefined;
  const forwarding = readForwarding(fields['forwarding']);
  return {
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
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
    ? (value as Readonly<Record<string, unknown>>)
    : {};
}

function parseJson(text: string | undefined): unknown {
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
