/**
 * Connectivity checks and their conclusion for one stream with one component, full ICE with regular
 * nomination. RFC 5245 §5.8, §7, §8 as RFC 6940 §6.5.1.10 cites them; RFC 8445 §7, §8.
 */
import { limits } from '../../base/limits.ts';
import type { Outcome } from '../../base/outcome.ts';
import type { Clock, Timer } from '../../ports/clock.ts';
import type { TransportAddress } from '../../ports/connection.ts';
import { randomU64, type Random } from '../../ports/random.ts';
import { bindingError, bindingSuccess } from '../../wire/stun/binding-answer.ts';
import { encodeStun, type ReceivedStun } from '../../wire/stun/message.ts';
import { addressKey, sameAddress } from './address.ts';
import {
  candidatePriority,
  type Base,
  type LocalCandidate,
  type RemoteCandidate,
} from './candidates.ts';
import { createCheckList, type Pair } from './check-list.ts';
import type { IceCounters } from './counters.ts';
import type { Source } from './gatherer.ts';
import { examineBinding, type IncomingCheck } from './incoming-check.ts';
import { bestValid, nominationWaitMs, validPriority } from './nomination.ts';
import type { IcePacer } from './pacer.ts';
import type { Answer, StunRequests, Transaction } from './stun-requests.ts';
import type { IceRole } from './types.ts';

export interface Checks {
  /** Begins; ends in `selected` or `failed` within limits.ice.checksMs, never inside this call. */
  start(far: FarEnd, role: IceRole): void;
  /** A Binding request; before `start` too, when it waits for its time. */
  request(message: ReceivedStun, source: Source): void;
  /** True for addresses that the far end told or proved. */
  knows(from: TransportAddress): boolean;
  /** Asks the far end of the selected pair whether it is still there. */
  probe(done: (alive: boolean) => void): Transaction | undefined;
  /** A base ended: its pairs with it. */
  drop(base: Base): void;
  stop(): void;
}

export interface FarEnd {
  readonly ufrag: string;
  readonly key: Uint8Array;
  readonly candidates: readonly RemoteCandidate[];
}

export interface ChecksDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly pacer: IcePacer;
  readonly count: IceCounters;
  readonly requests: StunRequests<Source>;
  readonly own: { readonly ufrag: string; readonly key: Uint8Array };
  readonly candidates: () => readonly LocalCandidate[];
  readonly events: {
    /** Again only when a controlling far end nominates a better pair later (aggressively). */
    selected(pair: Pair): void;
    failed(reason: string): void;
  };
}

interface EarlyCheck {
  readonly source: Source;
  readonly check: IncomingCheck;
}

export function createChecks(dependencies: ChecksDependencies): Checks {
  const { clock, random, pacer, count, requests, own, events } = dependencies;
  let role: IceRole = 'controlling';
  let tieBreaker = randomU64(random);
  let far: FarEnd | undefined;
  let selected: Pair | undefined;
  let stopped = false;
  let remotes: RemoteCandidate[] = [];
  let locals: LocalCandidate[] = [];
  let learned = 0;
  const early = new Map<string, EarlyCheck>();
  const list = createCheckList(() => role);
  const plainAnswers = createAllowance(clock);
  let checkTimer: Timer | undefined;
  let nominationTimer: Timer | undefined;
  let settleTimer: Timer | undefined;
  let lastCheckMs = Number.NEGATIVE_INFINITY;
  let firstValidMs: number | undefined;

  /** Ordinary and triggered checks leave at the pace of RFC 8445 §14.2 while there are any. */
  function wake(): void {
    if (checkTimer !== undefined || stopped) return;
    const dueMs = lastCheckMs + limits.ice.paceMs - clock.monotonicMs();
    checkTimer = clock.after('ice-check', Math.max(0, dueMs), () => {
      const pair = list.next();
      checkTimer = undefined;
      if (pair === undefined) return;
      checkTimer = clock.after('ice-check', pacer.book(), () => {
        checkTimer = undefined;
        lastCheckMs = clock.monotonicMs();
        check(pair);
        wake();
      });
    });
  }

  function check(pair: Pair): void {
    if (far === undefined) return;
    const sentRole = role;
    const nominating = role === 'controlling' && pair.nominated;
    const priority = candidatePriority('prflx', pair.local.base.place);
    pair.transaction?.quiet();
    pair.state = 'in-progress';
    const transaction = requests.send(
      {
        method: 'binding',
        attributes: {
          username: `${far.ufrag}:${own.ufrag}`,
          priority,
          ...(nominating ? { useCandidate: true } : {}),
          ...roleAttribute(),
        },
        key: far.key,
        maximumRtoMs: limits.ice.checkRtoMaximumMs,
        transmit: (bytes) => {
          pair.local.base.send(bytes, pair.remote.address);
        },
      },
      (outcome) => {
        const isCurrent = pair.transaction === transaction;
        if (isCurrent) pair.transaction = undefined;
        conclude(pair, outcome, { sentRole, nominating, priority, isCurrent });
      },
    );
    pair.transaction = transaction;
  }

  /** RFC 6940 §6.5.1.9: always there, although RELOAD decides the roles beforehand. */
  function roleAttribute(): { iceControlling: bigint } | { iceControlled: bigint } {
    return role === 'controlling' ? { iceControlling: tieBreaker } : { iceControlled: tieBreaker };
  }

  interface Sent {
    readonly sentRole: IceRole;
    readonly nominating: boolean;
    readonly priority: number;
    /** False for a check that a triggered one has replaced. */
    readonly isCurrent: boolean;
  }

  /** RFC 5245 §7.1.3. */
  function conclude(pair: Pair, outcome: Outcome<Answer<Source>>, sent: Sent): void {
    if (stopped) return;
    if (outcome.ok && outcome.value.message.attributes.errorCode?.code === 487) {
      if (role === sent.sentRole) switchRole();
      if (selected === undefined) list.trigger(pair);
      wake();
      return;
    }
    const mapped = outcome.ok ? symmetricMapping(pair, outcome.value) : undefined;
    if (!outcome.ok || mapped === undefined) {
      if (sent.isCurrent) fail(pair);
      evaluate();
      return;
    }
    pair.valid = { local: localFor(pair, mapped, sent.priority), rttMs: outcome.value.rttMs };
    if (sent.isCurrent) pair.state = 'succeeded';
    list.unfreeze(pair.foundation);
    if (sent.nominating) select(pair);
    evaluate();
    wake();
  }

  /** The answer must come from where the check went to, to where it came from (§7.1.3.1). */
  function symmetricMapping(pair: Pair, answer: Answer<Source>): TransportAddress | undefined {
    const { message, source } = answer;
    if (message.class !== 'success' || source.base !== pair.local.base) return undefined;
    if (!sameAddress(source.from, pair.remote.address)) return undefined;
    return message.attributes.xorMappedAddress;
  }

  function fail(pair: Pair): void {
    pair.state = 'failed';
    pair.valid = undefined;
    if (role === 'controlling') pair.nominated = false;
  }

  /** The candidate that the far end saw; a new peer-reflexive one when we did not know it (§7.1.3.2.1). */
  function localFor(pair: Pair, mapped: TransportAddress, priority: number): LocalCandidate {
    const { base } = pair.local;
    const known = locals.find((c) => c.base === base && sameAddress(c.address, mapped));
    if (known !== undefined) return known;
    const candidate: LocalCandidate = {
      type: 'prflx',
      address: mapped,
      base,
      related: base.address,
      foundation: pair.local.foundation,
      priority,
    };
    locals.push(candidate);
    return candidate;
  }

  function switchRole(): void {
    count.roleConflict.add();
    role = role === 'controlling' ? 'controlled' : 'controlling';
    tieBreaker = randomU64(random);
    for (const pair of list.pairs) pair.nominated = false;
  }

  /** RFC 5245 §8.1: controlling agents nominate, controlled ones follow. */
  function evaluate(): void {
    if (stopped || far === undefined) return;
    if (role === 'controlled') {
      const nominated = list.pairs.filter((pair) => pair.nominated);
      const best = bestValid(role, nominated);
      if (best !== undefined && isBetter(best)) select(best);
      return;
    }
    if (selected !== undefined || list.pairs.some((pair) => pair.nominated)) return;
    const best = bestValid(role, list.pairs);
    if (best === undefined) return;
    const now = clock.monotonicMs();
    firstValidMs ??= now;
    const waitMs = firstValidMs + nominationWaitMs(role, best, list.pairs) - now;
    nominationTimer?.cancel();
    if (waitMs > 0) {
      nominationTimer = clock.after('ice-nominate', waitMs, evaluate);
      return;
    }
    best.nominated = true;
    list.trigger(best);
    wake();
  }

  function isBetter(pair: Pair): boolean {
    if (selected === undefined) return true;
    return pair !== selected && validPriority(role, pair) > validPriority(role, selected);
  }

  /** Unused candidates are freed at once (RFC 6940 §6.5.1.10.2): the owner closes their bases. */
  function select(pair: Pair): void {
    if (selected === undefined) {
      settleTimer?.cancel();
      nominationTimer?.cancel();
      list.stop();
    }
    selected = pair;
    events.selected(pair);
  }

  /** RFC 5245 §7.2.1.1; in RELOAD only a far end in error makes this happen. True: refused. */
  function conflicts(check: IncomingCheck): boolean {
    if (check.senderRole !== role) return false;
    const mineWins = tieBreaker >= check.tieBreaker;
    if (mineWins === (role === 'controlling')) return true;
    switchRole();
    return false;
  }

  function request(message: ReceivedStun, source: Source): void {
    const examined = examineBinding(message, source.from, own);
    if (examined.kind !== 'check') {
      if (examined.kind === 'refused') count.unauthenticated.add();
      if (examined.answer !== undefined && plainAnswers.take()) {
        source.base.send(examined.answer, source.from);
      }
      return;
    }
    const { check } = examined;
    const refused = far !== undefined && conflicts(check);
    const answer = refused
      ? bindingError(message, 487, 'Role Conflict')
      : bindingSuccess(message, source.from);
    source.base.send(encodeStun(answer, own.key), source.from);
    if (refused) return;
    if (far === undefined) keepEarly(source, check);
    else learn(source, check);
  }

  /** Checks may overtake the AttachAns. RFC 5245 §7.2. */
  function keepEarly(source: Source, check: IncomingCheck): void {
    const key = `${source.base.place} ${source.base.relayed} ${addressKey(source.from)}`;
    const useCandidate = check.useCandidate || early.get(key)?.check.useCandidate === true;
    if (early.size >= limits.ice.earlyChecks && !early.has(key)) count.full.add();
    else early.set(key, { source, check: { ...check, useCandidate } });
  }

  /** RFC 5245 §7.2.1.3 to §7.2.1.5. */
  function learn({ base, from }: Source, { priority, useCandidate }: IncomingCheck): void {
    let remote = remotes.find(({ address }) => sameAddress(address, from));
    if (remote === undefined) {
      if (learned >= limits.ice.peerReflexiveCandidates) {
        count.full.add();
        return;
      }
      learned += 1;
      remote = { type: 'prflx', address: from, foundation: `prflx ${learned}`, priority };
      remotes.push(remote);
    }
    const local = locals.find((c) => c.base === base && sameAddress(c.address, base.address));
    if (local === undefined) return;
    const pair = list.find(base, from) ?? list.add(local, remote);
    const follows = useCandidate && role === 'controlled';
    if (selected !== undefined && !follows) return;
    if (pair.state === 'in-progress') pair.transaction?.quiet();
    if (pair.state !== 'succeeded') list.trigger(pair);
    if (follows) pair.nominated = true;
    evaluate();
    wake();
  }

  return {
    start(farEnd, initialRole) {
      far = farEnd;
      role = initialRole;
      remotes = [...farEnd.candidates];
      locals = [...dependencies.candidates()];
      list.form(locals, remotes);
      for (const { source, check } of early.values()) {
        if (check.senderRole !== role) learn(source, check);
      }
      early.clear();
      const none = list.pairs.length === 0;
      settleTimer = clock.after('ice-settle', none ? 0 : limits.ice.checksMs, () => {
        events.failed(none ? 'no candidates of one address family' : 'no check succeeded');
      });
      wake();
    },
    request(message, source) {
      if (!stopped) request(message, source);
    },
    knows: (from) =>
      remotes.some(({ address }) => sameAddress(address, from)) ||
      [...early.values()].some(({ source }) => sameAddress(source.from, from)),
    probe(done) {
      const pair = selected;
      if (pair === undefined || far === undefined) return undefined;
      return requests.send(
        {
          method: 'binding',
          attributes: {
            username: `${far.ufrag}:${own.ufrag}`,
            priority: candidatePriority('prflx', pair.local.base.place),
            ...roleAttribute(),
          },
          key: far.key,
          attempts: 1,
          transmit: (bytes) => {
            pair.local.base.send(bytes, pair.remote.address);
          },
        },
        (outcome) => {
          done(outcome.ok && outcome.value.message.class === 'success');
        },
      );
    },
    drop(base) {
      for (const pair of list.pairs) {
        if (pair.local.base !== base) continue;
        pair.transaction?.cancel();
        pair.transaction = undefined;
        fail(pair);
      }
      evaluate();
    },
    stop() {
      stopped = true;
      checkTimer?.cancel();
      nominationTimer?.cancel();
      settleTimer?.cancel();
      list.stop();
    },
  };
}

/** Unsigned answers are few: they can be asked for by anybody, in anybody's name. */
function createAllowance(clock: Clock): { take(): boolean } {
  let second = -1;
  let used = 0;
  return {
    take() {
      const now = Math.floor(clock.monotonicMs() / 1000);
      if (now !== second) {
        second = now;
        used = 0;
      }
      used += 1;
      return used <= limits.ice.plainAnswersPerSecond;
    },
  };
}
