/** The check list: pairs, their order and states, and which is checked next. RFC 5245 §5.7, §5.8, RFC 8445 §6.1.2. */
import { limits } from '../../base/limits.ts';
import type { TransportAddress } from '../../ports/connection.ts';
import { sameAddress } from './address.ts';
import { sameFamily, type Base, type LocalCandidate, type RemoteCandidate } from './candidates.ts';
import type { Transaction } from './stun-requests.ts';
import type { IceRole } from './types.ts';

export type PairState = 'frozen' | 'waiting' | 'in-progress' | 'succeeded' | 'failed';

/** What a successful check proved. */
export interface Validity {
  /** With the candidate that the far end saw: the one to compare valid pairs by. */
  readonly local: LocalCandidate;
  readonly rttMs: number;
}

export interface Pair {
  readonly local: LocalCandidate;
  readonly remote: RemoteCandidate;
  readonly foundation: string;
  state: PairState;
  valid: Validity | undefined;
  /** The check under way. */
  transaction: Transaction | undefined;
  /** Controlling: the next check nominates. Controlled: the far end nominated it. */
  nominated: boolean;
}

export interface CheckList {
  readonly pairs: readonly Pair[];
  /** Pairs every base with every remote candidate of its family, and sets the first states. */
  form(locals: readonly LocalCandidate[], remotes: readonly RemoteCandidate[]): void;
  /** Adds a pair learned from a check of the far end, waiting. */
  add(local: LocalCandidate, remote: RemoteCandidate): Pair;
  find(base: Base, remote: TransportAddress): Pair | undefined;
  /** Puts a pair into the queue of triggered checks, once. */
  trigger(pair: Pair): void;
  /** The pair to check now: triggered ones first. `undefined` when there is nothing to do. */
  next(): Pair | undefined;
  /** A check succeeded: others with its foundation may follow. */
  unfreeze(foundation: string): void;
  /** Forgets the queue; nothing more is checked of itself. */
  stop(): void;
}

/** RFC 8445 §6.1.2.3. `G`: of the controlling agent, `D`: of the controlled one. */
export function pairPriority(
  role: IceRole,
  local: { readonly priority: number },
  remote: { readonly priority: number },
): bigint {
  const own = BigInt(local.priority);
  const other = BigInt(remote.priority);
  const [g, d] = role === 'controlling' ? [own, other] : [other, own];
  return g < d ? (g << 32n) + 2n * d : (d << 32n) + 2n * g + (g > d ? 1n : 0n);
}

/** `role` is read for every comparison: a role conflict changes it. */
export function createCheckList(role: () => IceRole): CheckList {
  let pairs: Pair[] = [];
  const triggered: Pair[] = [];

  function priority(pair: Pair): bigint {
    return pairPriority(role(), pair.local, pair.remote);
  }

  function best(state: PairState): Pair | undefined {
    let found: Pair | undefined;
    for (const pair of pairs) {
      if (pair.state !== state) continue;
      if (found === undefined || priority(pair) > priority(found)) found = pair;
    }
    return found;
  }

  return {
    get pairs() {
      return pairs;
    },
    form(locals, remotes) {
      const all: Pair[] = [];
      for (const local of locals) {
        // A reflexive candidate is sent from its base, whose own pairs rank higher (§6.1.2.4).
        if (local.type !== 'host' && local.type !== 'relay') continue;
        for (const remote of remotes) {
          if (sameFamily(local.base, remote)) all.push(newPair(local, remote, 'frozen'));
        }
      }
      all.sort((a, b) => (priority(a) < priority(b) ? 1 : -1));
      pairs = all.slice(0, limits.ice.pairs);
      const begun = new Set<string>();
      for (const pair of pairs) {
        if (begun.has(pair.foundation)) continue;
        begun.add(pair.foundation);
        pair.state = 'waiting';
      }
    },
    add(local, remote) {
      const pair = newPair(local, remote, 'waiting');
      pairs.push(pair);
      return pair;
    },
    find: (base, remote) =>
      pairs.find((pair) => pair.local.base === base && sameAddress(pair.remote.address, remote)),
    trigger(pair) {
      pair.state = 'waiting';
      if (!triggered.includes(pair)) triggered.push(pair);
    },
    next() {
      for (let pair = triggered.shift(); pair !== undefined; pair = triggered.shift()) {
        // An earlier check of the pair may have been answered meanwhile; a nomination is due all the same.
        if (pair.state === 'waiting' || pair.nominated) return pair;
      }
      return best('waiting') ?? best('frozen');
    },
    unfreeze(foundation) {
      for (const pair of pairs) {
        if (pair.state === 'frozen' && pair.foundation === foundation) pair.state = 'waiting';
      }
    },
    stop() {
      triggered.length = 0;
      for (const pair of pairs) {
        pair.transaction?.cancel();
        pair.transaction = undefined;
        if (pair.state !== 'succeeded') pair.state = 'failed';
      }
    },
  };
}

function newPair(local: LocalCandidate, remote: RemoteCandidate, state: PairState): Pair {
  return {
    local,
    remote,
    foundation: `${local.foundation}:${remote.foundation}`,
    state,
    valid: undefined,
    transaction: undefined,
    nominated: false,
  };
}
