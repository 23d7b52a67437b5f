/** Accounts of adapters: made by join tokens, with a random password of which only a hash is kept. */
import { constantTimeEqual, sha256 } from '../../base/hash.ts';
import { limits } from '../../base/limits.ts';
import { failure, success } from '../../base/outcome.ts';
import type { Outcome } from '../../base/outcome.ts';
import { hexDecode, hexEncode, utf8Encode } from '../../base/text.ts';
import type { Random } from '../../ports/random.ts';
import type { Store } from '../../ports/store.ts';
import { adapterName } from './names.ts';
import type { NameRules } from './names.ts';
import { loadRecords, putRecord } from './records.ts';
import type { Mutation } from './records.ts';
import { checkScope } from './served-scope.ts';
import type { ServedScope } from './served-scope.ts';

export interface AdapterAccount {
  /** Account name, and user name of the node's certificate. */
  readonly name: string;
  readonly scope: ServedScope;
  readonly enabled: boolean;
  readonly createdMs: number;
}

export interface AdapterAccounts {
  list(): Iterable<AdapterAccount>;
  find(name: string): AdapterAccount | undefined;
  create(
    scope: ServedScope,
    nowMs: number,
  ): Outcome<Mutation<{ readonly account: AdapterAccount; readonly password: string }>>;
  setEnabled(name: string, enabled: boolean): Outcome<Mutation<AdapterAccount>>;
  setScope(name: string, scope: ServedScope): Outcome<Mutation<AdapterAccount>>;
  /** The enabled account when the password is right. */
  authenticate(name: string, password: string): AdapterAccount | undefined;
}

interface Stored extends AdapterAccount {
  /** SHA-256 of the password; it has 256 random bits, so a slow hash would add nothing. */
  readonly passwordHash: string;
}

const prefix = 'authority/adapter/';

/** Loads all accounts. @throws DamagedRecordError */
export function createAdapterAccounts(deps: {
  readonly store: Store;
  readonly random: Random;
  readonly rules: NameRules;
}): AdapterAccounts {
  const { random, rules } = deps;
  const byName = new Map<string, Stored>();
  loadRecords(deps.store, prefix, (name, { passwordHash, scope, enabled, createdMs }) => {
    const checked = checkScope(scope);
    const valid =
      checked.ok &&
      typeof passwordHash === 'string' &&
      typeof enabled === 'boolean' &&
      typeof createdMs === 'number';
    if (!valid) return false;
    byName.set(name, { name, passwordHash, scope: checked.value, enabled, createdMs });
    return true;
  });

  function put(stored: Stored): Mutation<AdapterAccount> {
    byName.set(stored.name, stored);
    return { value: stored, operations: [putRecord(prefix + stored.name, stored)] };
  }

  function update(name: string, fields: Partial<Stored>): Outcome<Mutation<AdapterAccount>> {
    const stored = byName.get(name);
    if (stored === undefined) return failure(`there is no adapter ${name}`);
    return success(put({ ...stored, ...fields }));
  }

  return {
    list: () => byName.values(),
    find: (name) => byName.get(name),
    create(scope, nowMs) {
      if (byName.size >= limits.authority.adapters) return failure('there are too many adapters');
      const name = adapterName(hexEncode(random.bytes(6)), rules);
      const password = hexEncode(random.bytes(32));
      const passwordHash = hexEncode(sha256(utf8Encode(password)));
      const { value: account, operations } = put({
        name,
        passwordHash,
        scope,
        enabled: true,
        createdMs: nowMs,
      });
      return success({ value: { account, password }, operations });
    },
    setEnabled: (name, enabled) => update(name, { enabled }),
    setScope: (name, scope) => update(name, { scope }),
    authenticate(name, password) {
      const stored = byName.get(name.toLowerCase());
      const expected = hexDecode(stored?.passwordHash ?? '') ?? new Uint8Array(32);
      const right = constantTimeEqual(sha256(utf8Encode(password)), expected);
      return right && stored?.enabled === true ? stored : undefined;
    },
  };
}
