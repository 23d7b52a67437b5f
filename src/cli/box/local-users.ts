/**
 * The users of a box in an overlay without authority: kept at the box itself, with certificates that
 * it signs with their own keys. Nothing protects their names (RFC 6940 §11.3.1).
 */
import type { AuthorityAdmin } from '../../admin/sources.ts';
import {
  createUserAccounts,
  summaryOfUser,
  type UserAccounts,
} from '../../authority/core/users.ts';
import { DamagedRecordError, type Mutation } from '../../authority/core/records.ts';
import { failure, success, type Outcome } from '../../base/outcome.ts';
import { createAccountCopy } from '../../node/enrollment-accounts.ts';
import { createUserIdentities } from '../../node/enrollment-identities.ts';
import type { FeedFollower } from '../../node/feed-follower.ts';
import { saslPrep } from '../../node/saslprep.ts';
import { createSelfSignedNode } from '../../node/self-signed.ts';
import type { Account } from '../../ports/accounts.ts';
import type { KeyType } from '../../ports/certificates.ts';
import type { OverlayConfig } from '../../ports/overlay-config.ts';
import type { Store, StoreOperation } from '../../ports/store.ts';
import { selfSignedNodeIds } from '../../trust/node-id.ts';
import type { Platform } from './platform.ts';

export interface LocalUsers {
  readonly follower: FeedFollower;
  readonly admin: AuthorityAdmin;
}

const dayMs = 86_400_000;
export const selfSignedLifetimeMs = { node: 365 * dayMs, user: 30 * dayMs };

/** Loads what is kept; the error names a damaged record. */
export function createLocalUsers(options: {
  readonly platform: Platform;
  readonly store: Store;
  readonly config: () => OverlayConfig;
  readonly keyType: KeyType;
}): Outcome<LocalUsers> {
  const { platform, store, config } = options;
  const { clock, random, verifier, signatures, trace } = platform;
  const copy = createAccountCopy(store);
  if (!copy.ok) return copy;
  const accounts = copy.value;
  let users: UserAccounts;
  try {
    const rules = { overlayName: config().overlayName.toLowerCase(), domains: [] };
    users = createUserAccounts({ store, random, rules });
  } catch (error) {
    if (error instanceof DamagedRecordError) return failure(error.message);
    throw error;
  }
  if (users.startup.length > 0) store.write(users.startup);
  const identities = createUserIdentities({
    store,
    clock,
    verifier,
    signatures,
    trace,
    accounts,
    keyType: options.keyType,
    async enroll(_csr, _publicKey, { aor, privateKey }) {
      const made = await createSelfSignedNode({
        config: config(),
        userName: aor,
        keyType: options.keyType,
        nodeIdsOf: selfSignedNodeIds,
        verifier,
        nowMs: clock.wallMs(),
        lifetimeMs: selfSignedLifetimeMs.user,
        privateKey,
      });
      return made.ok
        ? success(made.value.certificate)
        : failure({ reason: 'unknown', text: made.error });
    },
  });
  if (!identities.ok) return identities;

  /** What changed reaches the directory in the pages that a feed would give. */
  function follow(): void {
    for (;;) {
      const { version, epoch } = accounts.position();
      const page = users.page(version, epoch, 'all');
      accounts.apply({ ...page, configSequence: config().sequence });
      if (!page.more) return;
    }
  }

  async function change(mutation: Outcome<Mutation<Account>>): Promise<Outcome<object>> {
    if (!mutation.ok) return mutation;
    const written = await write(store, mutation.value.operations);
    if (!written.ok) return written;
    follow();
    return success(summaryOfUser(mutation.value.value));
  }

  const noTokens = failure(
    'this overlay has no authority: give the new box a copy of the configuration document and join with --document FILE',
  );
  return success({
    follower: {
      accounts,
      identityFor: (aor) => identities.value.identityFor(aor),
      onIdentity: (listener) => identities.value.onIdentity(listener),
      onConfig: () => () => undefined,
      state: () => ({
        connected: true,
        lastAnswerMs: undefined,
        version: accounts.position().version,
        accounts: accounts.count(),
        pendingIdentities: identities.value.pending(),
      }),
      useCertificate: () => undefined,
      start() {
        follow();
        identities.value.start();
      },
      async stop() {
        identities.value.stop();
        await Promise.resolve();
      },
    },
    admin: {
      async addUser(name, password) {
        const prepared = saslPrep(password);
        return prepared.ok ? await change(users.add(name, prepared.value)) : unusable(prepared);
      },
      async setPassword(name, password) {
        const prepared = saslPrep(password);
        return prepared.ok
          ? await change(users.setPassword(name, prepared.value))
          : unusable(prepared);
      },
      setForwarding: async (name, wanted) => await change(users.setForwarding(name, wanted)),
      setRedirected: async (name, redirected) =>
        await change(users.setRedirected(name, redirected)),
      setEnabled: async (name, enabled) => await change(users.setEnabled(name, enabled)),
      removeUser: async (name) => await change(users.remove(name)),
      listUsers: () => [...users.list()].map(summaryOfUser),
      createToken: async () => await Promise.resolve(noTokens),
      listTokens: () => [],
      revokeToken: async () => await Promise.resolve(noTokens),
    },
  });
}

function unusable({ error }: { readonly error: string }): Outcome<never> {
  return failure(`the password ${error}`);
}

async function write(store: Store, operations: readonly StoreOperation[]): Promise<Outcome<void>> {
  return await new Promise((resolve) => {
    if (operations.length === 0) resolve(success(undefined));
    else store.write(operations, resolve);
  });
}
