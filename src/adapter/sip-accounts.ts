import type { Account as DirectoryAccount, AccountDirectory } from '../ports/accounts.ts';
import type { Account, Accounts } from '../sip/auth/accounts.ts';

/** Accounts as the digest check wants them; converted once each. */
export function sipAccounts(directory: AccountDirectory): Accounts {
  const converted = new WeakMap<DirectoryAccount, Account>();
  return {
    lookup(user) {
      const account = directory.lookup(user);
      if (account === undefined) return undefined;
      let known = converted.get(account);
      if (known === undefined) {
        known = {
          aor: account.aor,
          ha1Md5: account.ha1Md5,
          ha1Sha256: account.ha1Sha256,
          ha1Md5AtDomain: account.ha1Md5AtDomain,
          ha1Sha256AtDomain: account.ha1Sha256AtDomain,
          ha1Sha512t256: account.ha1Sha512t256,
          ha1Sha512t256AtDomain: account.ha1Sha512t256AtDomain,
          enabled: account.enabled,
          redirected: account.redirected === true,
        };
        converted.set(account, known);
      }
      return known;
    },
  };
}
