/**
 * Which Node-IDs a name has. The mapping is keyed by (user name, enrolling account): the same
 * adapter gets the same Node-ID for a user again, two adapters that serve one user never share one.
 * RFC 6940 §11.3.
 */
import { nodeIdFromBytes, parseNodeId } from '../../base/ids.ts';
import type { NodeId } from '../../base/ids.ts';
import type { Random } from '../../ports/random.ts';
import type { Store } from '../../ports/store.ts';
import { loadRecords, putRecord } from './records.ts';
import type { Mutation } from './records.ts';

export interface NodeIdAssignments {
  /** The first `count` Node-IDs of the pair; new ones are random and nobody else's. */
  assign(userName: string, account: string, count: number): Mutation<readonly NodeId[]>;
  /** What the pair has, without assigning. */
  find(userName: string, account: string): readonly NodeId[];
  /** Takes all Node-IDs of a user name away, whoever enrolled it; later ones will differ. */
  withdrawName(userName: string): Mutation<readonly NodeId[]>;
  /** Takes away all that an account enrolled. */
  withdrawAccount(account: string): Mutation<readonly NodeId[]>;
}

const prefix = 'authority/node-ids/';

/** Loads all assignments. @throws DamagedRecordError */
export function createNodeIdAssignments(deps: {
  readonly store: Store;
  readonly random: Random;
  /** Bytes, 16 to 20. */
  readonly nodeIdLength: number;
}): NodeIdAssignments {
  const byName = new Map<string, Map<string, readonly NodeId[]>>();
  const taken = new Set<NodeId>();
  loadRecords(deps.store, prefix, (_key, { userName, account, nodeIds }) => {
    if (typeof userName !== 'string' || typeof account !== 'string' || !Array.isArray(nodeIds)) {
      return false;
    }
    const ids = nodeIds.map((id) => (typeof id === 'string' ? parseNodeId(id) : undefined));
    const valid = ids.filter((id) => id !== undefined);
    if (valid.length !== ids.length) return false;
    remember(userName, account, valid);
    return true;
  });

  function remember(userName: string, account: string, nodeIds: readonly NodeId[]): void {
    let byAccount = byName.get(userName);
    if (byAccount === undefined) {
      byAccount = new Map<string, readonly NodeId[]>();
      byName.set(userName, byAccount);
    }
    byAccount.set(account, nodeIds);
    for (const id of nodeIds) taken.add(id);
  }

  function randomNodeId(): NodeId {
    for (;;) {
      const id = nodeIdFromBytes(deps.random.bytes(deps.nodeIdLength));
      // All zeros and all ones have other meanings (RFC 6940 §3, §6.6.2).
      if (!taken.has(id) && !/^(?:0+|f+)$/.test(id)) return id;
    }
  }

  function withdraw(
    pairs: readonly (readonly [userName: string, account: string])[],
  ): Mutation<readonly NodeId[]> {
    const withdrawn: NodeId[] = [];
    for (const [userName, account] of pairs) {
      const byAccount = byName.get(userName);
      withdrawn.push(...(byAccount?.get(account) ?? []));
      byAccount?.delete(account);
      if (byAccount?.size === 0) byName.delete(userName);
    }
    return {
      value: withdrawn,
      operations: pairs.map(([userName, account]) => ({ delete: keyOf(userName, account) })),
    };
  }

  return {
    find: (userName, account) => byName.get(userName)?.get(account) ?? [],
    assign(userName, account, count) {
      const known = byName.get(userName)?.get(account) ?? [];
      if (known.length >= count) return { value: known.slice(0, count), operations: [] };
      const nodeIds = [...known];
      while (nodeIds.length < count) {
        const id = randomNodeId();
        taken.add(id);
        nodeIds.push(id);
      }
      remember(userName, account, nodeIds);
      const record = putRecord(keyOf(userName, account), { userName, account, nodeIds });
      return { value: nodeIds, operations: [record] };
    },
    withdrawName(userName) {
      const accounts = [...(byName.get(userName)?.keys() ?? [])];
      return withdraw(accounts.map((account) => [userName, account] as const));
    },
    withdrawAccount(account) {
      const names = [...byName].filter(([, byAccount]) => byAccount.has(account));
      return withdraw(names.map(([userName]) => [userName, account] as const));
    },
  };
}

/** Names hold no space. */
function keyOf(userName: string, account: string): string {
  return `${prefix}${account} ${userName}`;
}
