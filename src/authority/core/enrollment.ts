/** Who gets a certificate for which name: the rules of RFC 6940 §11.3 with the served scopes of adapters. */
import { limits } from '../../base/limits.ts';
import type { NodeId } from '../../base/ids.ts';
import { failure, success } from '../../base/outcome.ts';
import type { Outcome } from '../../base/outcome.ts';
import type { KeyType } from '../../ports/certificates.ts';
import type { AdapterAccount, AdapterAccounts } from './adapters.ts';
import { parseUserName } from './names.ts';
import type { NameRules } from './names.ts';
import type { NodeIdAssignments } from './node-ids.ts';
import type { Mutation } from './records.ts';
import { isServed } from './served-scope.ts';
import type { UserAccounts } from './users.ts';

/** The bodies of a refusal; RFC 6940 §11.3. */
export type EnrollmentRefusal =
  'failed_authentication' | 'username_not_available' | 'Node-IDs_not_available' | 'bad_CSR';

/** The form of a certificate request. Absent fields are `undefined`. */
export interface EnrollmentRequest {
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** As received: a decimal number. */
  readonly nodeids: string | undefined;
  /**
   * Called only after authentication. `undefined` when there is no request, or it is malformed, or
   * its signature does not match.
   */
  readonly csr: () => CsrNames | undefined;
}

/** What a PKCS#10 request says about names and key. */
export interface CsrNames {
  readonly keyType: KeyType;
  /** `undefined` when the request names nobody: the account's own name is meant. */
  readonly userName: string | undefined;
}

/** A certificate that may be issued once the Node-IDs are durable. */
export interface EnrollmentGrant {
  readonly userName: string;
  readonly nodeIds: readonly NodeId[];
  /** `node` for an adapter's own certificate. */
  readonly purpose: 'node' | 'user';
  readonly account: string;
}

export interface Enrollment {
  decide(request: EnrollmentRequest): Outcome<Mutation<EnrollmentGrant>, EnrollmentRefusal>;
}

export function createEnrollment(deps: {
  readonly rules: NameRules;
  readonly users: UserAccounts;
  readonly adapters: AdapterAccounts;
  readonly nodeIds: NodeIdAssignments;
  readonly keyTypes: readonly KeyType[];
}): Enrollment {
  const { rules, users, adapters, nodeIds } = deps;

  /** The user name the request asks for (its own when it names none), if the account may have it. */
  function permittedName(
    account: Principal,
    requested: string | undefined,
  ): { userName: string; purpose: 'node' | 'user' } | undefined {
    if (account.kind === 'adapter') {
      const { name, scope } = account.adapter;
      if (requested === undefined || requested.toLowerCase() === name) {
        return { userName: name, purpose: 'node' };
      }
      const user = users.find(requested);
      if (user?.enabled !== true || !isServed(scope, user.aor)) return undefined;
      return { userName: user.aor, purpose: 'user' };
    }
    const parsed = parseUserName(requested ?? account.aor, rules);
    if (!parsed.ok || parsed.value.aor !== account.aor) return undefined;
    return { userName: account.aor, purpose: 'user' };
  }

  function authenticate(name: string, password: string): Principal | undefined {
    const adapter = adapters.authenticate(name, password);
    if (adapter !== undefined) return { kind: 'adapter', adapter };
    const user = users.authenticate(name, password);
    return user && { kind: 'user', aor: user.aor };
  }

  return {
    decide({ username, password, nodeids, csr }) {
      if (username === undefined || password === undefined) return failure('failed_authentication');
      const account = authenticate(username, password);
      if (account === undefined) return failure('failed_authentication');
      const names = csr();
      if (names === undefined || !deps.keyTypes.includes(names.keyType)) return failure('bad_CSR');
      const permitted = permittedName(account, names.userName);
      if (permitted === undefined) return failure('username_not_available');
      const count = requestedCount(nodeids);
      if (count === undefined) return failure('Node-IDs_not_available');
      const accountName = account.kind === 'adapter' ? account.adapter.name : account.aor;
      const assigned = nodeIds.assign(permitted.userName, accountName, count);
      return success({
        value: { ...permitted, nodeIds: assigned.value, account: accountName },
        operations: assigned.operations,
      });
    },
  };
}

type Principal =
  | { readonly kind: 'adapter'; readonly adapter: AdapterAccount }
  | { readonly kind: 'user'; readonly aor: string };

function requestedCount(nodeids: string | undefined): number | undefined {
  if (nodeids === undefined) return 1;
  if (!/^[0-9]{1,3}$/.test(nodeids.trim())) return undefined;
  const count = Number(nodeids);
  return count >= 1 && count <= limits.authority.nodeIdsPerCertificate ? count : undefined;
}
