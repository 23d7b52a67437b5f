/**
 * Joining (RFC 6940 §10.5, §11.4, A-48): Attach to the owner of n+1 over the bootstrap link, Attach
 * to the coming neighbors through that admitting peer, first fingers, Join, wait for its Update.
 */
import { emptyBytes } from '../../base/bytes.ts';
import type { NodeId } from '../../base/ids.ts';
import type { Timer } from '../../ports/clock.ts';
import { randomUnit } from '../../ports/random.ts';
import { encodeToBytes } from '../../wire/codec.ts';
import { joinReq } from '../../wire/reload/join-leave-update.ts';
import { messageCodes } from '../../wire/reload/message-codes.ts';
import { routeQueryReq } from '../../wire/reload/route-query.ts';
import type { TopologyHost } from '../plugin.ts';
import type { Learner } from './learn.ts';
import type { Neighbors } from './neighbor-table.ts';
import type { PeerTable } from './peers.ts';
import { after, strictlyBetween } from './ring.ts';
import { timing } from './timing.ts';

export interface Joiner {
  start(): void;
  /** A link came up or went down, an Update came, an Attach ended. */
  step(): void;
  /** Another link took the place of the one with that node: what we asked for on it is forgotten. */
  linkReplaced(id: NodeId): void;
  /** The lists of an Update that just came, as sent (ourselves included), nearest first. */
  updateFrom(from: NodeId, lists: Neighbors): void;
  /** The Join was accepted and data may arrive for our coming range. */
  readonly receiving: boolean;
  stop(): void;
}

export interface JoinerDependencies {
  readonly host: TopologyHost;
  readonly peers: PeerTable;
  readonly learner: Learner;
  /** Attaches to the first fingers; `done` when all attempts have ended. */
  readonly findFingers: (done: () => void) => void;
  /** The admitting peer has named us as its predecessor. */
  readonly admitted: () => void;
}

type Phase =
  /** Not joining, or done. */
  | { readonly name: 'off' }
  /** Waits for a bootstrap link or for the end of a pause. */
  | { readonly name: 'bootstrap' }
  /** Attach to n+1 under way. */
  | { readonly name: 'attach' }
  /** Linked with the admitting peer, its tables are to come. */
  | { readonly name: 'tables'; readonly admitting: NodeId; asked: number }
  /** Attaching to the coming neighbors; `patient`: those that are linked may still say that they are members. */
  | { readonly name: 'neighbors'; patient: boolean }
  | { readonly name: 'fingers' }
  /** JoinReq sent. */
  | { readonly name: 'join'; readonly admitting: NodeId }
  /** JoinAns came, the range is being transferred. */
  | { readonly name: 'transfer'; readonly admitting: NodeId };

/** Attempts to attach one coming neighbor before the Join goes out without it. */
const neighborTries = 3;

export function createJoiner(dependencies: JoinerDependencies): Joiner {
  const { host, peers, learner } = dependencies;
  const { clock, self, trace } = host;
  let phase: Phase = { name: 'off' };
  let timer: Timer | undefined;
  let attempts = 0;
  const retries = trace.counter('chord_join_retries_total');

  function enter(next: Phase): void {
    timer?.cancel();
    timer = undefined;
    phase = next;
  }

  /** The same for a bounded time: leaving the phase cancels the timer. */
  function enterFor(timeoutMs: number, next: Phase, expired: () => void): void {
    enter(next);
    timer = clock.after(`chord-join-${next.name}`, timeoutMs, () => {
      timer = undefined;
      expired();
    });
  }

  /** Begins again after a pause that doubles from attempt to attempt. */
  function retry(reason: string): void {
    retries.add();
    const longestMs = Math.min(timing.joinRetryMaxMs, timing.joinRetryMs * 2 ** attempts);
    attempts = Math.min(attempts + 1, 16);
    trace.log(attempts > 4 ? 'warn' : 'debug', 'chord-join-retry', { reason, attempt: attempts });
    const pauseMs = longestMs * (0.5 + randomUnit(host.random) / 2);
    enterFor(pauseMs, { name: 'bootstrap' }, attachFirst);
  }

  function attachFirst(): void {
    const bootstrap = host.bootstrapPeer();
    if (bootstrap === undefined) {
      awaitBootstrap();
      return;
    }
    const attempt: Phase = { name: 'attach' };
    enter(attempt);
    host.attach(
      { kind: 'resource', resource: after(self) },
      { via: bootstrap, sendUpdate: true },
      (outcome) => {
        if (phase !== attempt) return;
        if (!outcome.ok) retry(outcome.error);
        else if (outcome.value === self) retry('the Attach came back');
        else awaitTables(outcome.value);
      },
    );
  }

  /** A link that comes up ends the wait; without one the discovery is repeated. */
  function awaitBootstrap(): void {
    enterFor(timing.joinRetryMaxMs, { name: 'bootstrap' }, attachFirst);
    host.discoverBootstrap?.(() => step());
  }

  function awaitTables(admitting: NodeId): void {
    const waiting: Phase = { name: 'tables', admitting, asked: 0 };
    const expired = (): void => {
      if (waiting.asked++ === 0) {
        askForTables(admitting);
        enterFor(timing.joinUpdateWaitMs, waiting, expired);
      } else {
        exploreFrom(admitting);
      }
    };
    enterFor(timing.joinUpdateWaitMs, waiting, expired);
    step();
  }

  function askForTables(admitting: NodeId): void {
    const body = encodeToBytes(routeQueryReq, {
      sendUpdate: true,
      destination: { type: 'resource', resource: after(self) },
      overlaySpecificData: emptyBytes,
    });
    host.request(admitting, messageCodes.routeQueryReq, body, () => undefined);
  }

  /** Without the admitting peer's tables: Ping for the successors one by one (RFC 6940 §10.5). */
  function exploreFrom(admitting: NodeId): void {
    const exploring: Phase = { name: 'neighbors', patient: true };
    enterFor(timing.joinTransferWaitMs, exploring, () => retry('neighbors could not be attached'));
    host.pingResource(after(self), admitting, (first) => {
      if (phase !== exploring || !first.ok) return;
      learner.attach(first.value, admitting);
      host.pingResource(after(first.value), admitting, (second) => {
        if (phase !== exploring) return;
        if (second.ok && second.value !== first.value) learner.attach(second.value, admitting);
        sendJoin(admitting);
      });
    });
  }

  function awaitNeighbors(): void {
    const waiting: Phase & { patient: boolean } = { name: 'neighbors', patient: true };
    enterFor(timing.joinTransferWaitMs, waiting, () => retry('neighbors could not be attached'));
    clock.after('chord-join-silent', timing.joinSilentWaitMs, () => {
      waiting.patient = false;
      if (phase === waiting) step();
    });
    step();
  }

  /** Whoever is named, linked and silent joins as well, and would wait for us as long as we for it. */
  function isComplete(patient: boolean): boolean {
    return learner.missing(neighborTries).every((id) => !patient && host.isLinked(id));
  }

  function step(): void {
    switch (phase.name) {
      case 'bootstrap':
        if (timer === undefined || host.bootstrapPeer() === undefined) return;
        if (attempts === 0) attachFirst();
        return;
      case 'tables':
        if (peers.get(phase.admitting)?.heard === true) {
          awaitNeighbors();
        }
        return;
      case 'neighbors':
        learner.pursue();
        if (peers.routable().length === 0) return;
        if (isComplete(phase.patient)) fingers();
        return;
      case 'join':
      case 'transfer':
        if (!host.isLinked(phase.admitting)) retry('the admitting peer is gone');
        return;
      case 'off':
      case 'attach':
      case 'fingers':
        return;
    }
  }

  function fingers(): void {
    const waiting: Phase = { name: 'fingers' };
    const goOn = (): void => {
      if (phase !== waiting) return;
      const successor = peers.neighbors().successors[0];
      if (successor === undefined) retry('the admitting peer is gone');
      else sendJoin(successor);
    };
    enterFor(timing.joinFingersWaitMs, waiting, goOn);
    dependencies.findFingers(goOn);
  }

  function sendJoin(admitting: NodeId): void {
    const sent: Phase = { name: 'join', admitting };
    enter(sent);
    const body = encodeToBytes(joinReq, {
      joiningPeerId: self,
      overlaySpecificData: emptyBytes,
    });
    host.request(admitting, messageCodes.joinReq, body, (outcome) => {
      if (phase !== sent) return;
      if (!outcome.ok) {
        retry(outcome.error);
        return;
      }
      enterFor(timing.joinTransferWaitMs, { name: 'transfer', admitting }, () =>
        retry('the transfer did not end'),
      );
    });
  }

  return {
    start: attachFirst,
    step,
    linkReplaced(id) {
      if ((phase.name === 'join' || phase.name === 'transfer') && phase.admitting === id) {
        sendJoin(id);
      }
    },
    updateFrom(from, lists) {
      if ((phase.name !== 'join' && phase.name !== 'transfer') || from !== phase.admitting) return;
      const before = lists.predecessors[0];
      if (before === self) {
        enter({ name: 'off' });
        dependencies.admitted();
      } else if (before !== undefined && strictlyBetween(self, before, from)) {
        // Somebody else was admitted between us and this peer: that one admits us now.
        awaitNeighbors();
      }
    },
    get receiving() {
      return phase.name === 'join' || phase.name === 'transfer';
    },
    stop() {
      enter({ name: 'off' });
    },
  };
}
