/** Join tokens: they expire, have limited uses, can be revoked, and fix the served scope of the new adapter. */
import { sha256 } from '../../base/hash.ts';
import { limits } from '../../base/limits.ts';
import { failure, success } from '../../base/outcome.ts';
import type { Outcome } from '../../base/outcome.ts';
import { hexEncode, utf8Encode } from '../../base/text.ts';
import type { Random } from '../../ports/random.ts';
import type { Store, StoreOperation } from '../../ports/store.ts';
import { loadRecords, putRecord } from './records.ts';
import type { Mutation } from './records.ts';
import { checkScope } from './served-scope.ts';
import type { ServedScope } from './served-scope.ts';

/** What may be shown of a token. */
export interface TokenSummary {
  /** First digits of the hash of the secret; names the token to `revoke`. */
  readonly id: string;
  readonly scope: ServedScope;
  readonly usesLeft: number;
  readonly createdMs: number;
  readonly expiresMs: number;
}

export interface JoinTokens {
  list(nowMs: number): readonly TokenSummary[];
  create(
    options: { readonly scope: ServedScope; readonly uses: number; readonly lifetimeMs: number },
    nowMs: number,
  ): Outcome<Mutation<{ readonly token: TokenSummary; readonly secret: string }>>;
  /** Takes one use. An unknown, expired, revoked and used-up secret are the same to the one who asks. */
  redeem(secret: string, nowMs: number): Outcome<Mutation<TokenSummary>>;
  revoke(id: string): Outcome<Mutation<TokenSummary>>;
}

const prefix = 'authority/token/';
const idDigits = 12;
const maxUses = 10_000;

/** Loads all tokens; only hashes of the secrets are stored. @throws DamagedRecordError */
export function createJoinTokens(deps: {
  readonly store: Store;
  readonly random: Random;
}): JoinTokens {
  const byHash = new Map<string, TokenSummary>();
  loadRecords(deps.store, prefix, (hash, { scope, usesLeft, createdMs, expiresMs }) => {
    const checked = checkScope(scope);
    const valid =
      checked.ok &&
      typeof usesLeft === 'number' &&
      typeof createdMs === 'number' &&
      typeof expiresMs === 'number';
    if (!valid) return false;
    const id = hash.slice(0, idDigits);
    byHash.set(hash, { id, scope: checked.value, usesLeft, createdMs, expiresMs });
    return true;
  });

  function drop(hash: string): StoreOperation {
    byHash.delete(hash);
    return { delete: prefix + hash };
  }

  function dropExpired(nowMs: number): readonly StoreOperation[] {
    const expired = [...byHash].filter(([, token]) => token.expiresMs <= nowMs);
    return expired.map(([hash]) => drop(hash));
  }

  return {
    list: (nowMs) => [...byHash.values()].filter((token) => token.expiresMs > nowMs),
    create({ scope, uses, lifetimeMs }, nowMs) {
      if (!Number.isInteger(uses) || uses < 1 || uses > maxUses) {
        return failure(`a join token has 1 to ${maxUses} uses`);
      }
      if (!(lifetimeMs > 0)) return failure('the lifetime of a join token is above 0');
      const operations = [...dropExpired(nowMs)];
      if (byHash.size >= limits.authority.tokens) return failure('there are too many join tokens');
      const secret = hexEncode(deps.random.bytes(24));
      const hash = hashOf(secret);
      const id = hash.slice(0, idDigits);
      const token = { id, scope, usesLeft: uses, createdMs: nowMs, expiresMs: nowMs + lifetimeMs };
      byHash.set(hash, token);
      operations.push(putRecord(prefix + hash, token));
      return success({ value: { token, secret }, operations });
    },
    redeem(secret, nowMs) {
      const hash = hashOf(secret);
      const token = byHash.get(hash);
      if (token === undefined || token.expiresMs <= nowMs) {
        return failure('the join token is unknown, used up, revoked or expired');
      }
      const left = { ...token, usesLeft: token.usesLeft - 1 };
      if (left.usesLeft === 0) return success({ value: left, operations: [drop(hash)] });
      byHash.set(hash, left);
      return success({ value: left, operations: [putRecord(prefix + hash, left)] });
    },
    revoke(id) {
      const found = [...byHash].find(([, token]) => token.id === id);
      if (found === undefined) return failure(`there is no join token ${id}`);
      return success({ value: found[1], operations: [drop(found[0])] });
    },
  };
}

function hashOf(secret: string): string {
  return hexEncode(sha256(utf8Encode(secret)));
}
