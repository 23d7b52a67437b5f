/**
 * Periodic work (RFC 6940 §10.7.4): Updates to the neighbors, a look at the position behind ours,
 * the partition check, and closing links that nobody needs.
 */
import { emptyBytes } from '../../base/bytes.ts';
import type { NodeId } from '../../base/ids.ts';
import type { Timer } from '../../ports/clock.ts';
import { randomUnit } from '../../ports/random.ts';
import { encodeToBytes } from '../../wire/codec.ts';
import { joinReq } from '../../wire/reload/join-leave-update.ts';
import { messageCodes } from '../../wire/reload/message-codes.ts';
import type { TopologyHost } from '../plugin.ts';
import type { Learner } from './learn.ts';
import type { PeerTable } from './peers.ts';
import { after, strictlyBetween } from './ring.ts';
import { timing } from './timing.ts';
import type { Announcer } from './updates.ts';

export interface Stabiliser {
  begin(): void;
  /** The Neighbor Table changed. */
  neighborsChanged(): void;
  stop(): void;
}

export interface StabiliserDependencies {
  readonly host: TopologyHost;
  readonly peers: PeerTable;
  readonly learner: Learner;
  readonly announcer: Announcer;
  readonly inRing: () => boolean;
}

export function createStabiliser(dependencies: StabiliserDependencies): Stabiliser {
  const { host, peers, learner, announcer, inRing } = dependencies;
  const { clock, self, random } = host;
  const updateTimers = new Map<NodeId, Timer>();
  const timers: { successor?: Timer; partition?: Timer; prune?: Timer } = {};
  let isolatedMs: number = timing.isolatedCheckMs;
  /** Links that were useless at the last look. */
  let useless = new Set<NodeId>();
  const partitions = host.trace.counter('chord_partitions_found_total');

  const jittered = (ms: number): number => ms * (0.75 + randomUnit(random) / 2);
  const isIsolated = (): boolean => peers.neighbors().successors.length === 0;

  /** One Update per neighbor and interval, each with its own offset (RFC 6940 §10.7.4.1). */
  function updateNeighborTimers(): void {
    const { predecessors, successors } = peers.neighbors();
    const neighbors = new Set([...successors, ...predecessors]);
    for (const [id, timer] of updateTimers) {
      if (neighbors.has(id)) continue;
      timer.cancel();
      updateTimers.delete(id);
    }
    const intervalMs = host.config().chordUpdateIntervalS * 1000;
    for (const id of neighbors) {
      if (!updateTimers.has(id)) armUpdate(id, intervalMs * randomUnit(random));
    }
  }

  function armUpdate(id: NodeId, delayMs: number): void {
    const fire = (): void => {
      armUpdate(id, host.config().chordUpdateIntervalS * 1000);
      if (inRing()) announcer.sendTables(id);
    };
    updateTimers.set(id, clock.after('chord-update', delayMs, fire));
  }

  /** The owner of n+1 must be our successor; silence makes the link suspect it (§10.7.1). */
  function checkSuccessor(): void {
    timers.successor = clock.after('chord-successor', jittered(timing.successorCheckMs), () => {
      checkSuccessor();
      const successor = peers.neighbors().successors[0];
      if (successor === undefined || !inRing()) return;
      host.pingResource(after(self), undefined, (outcome) => {
        if (!outcome.ok || !inRing()) return;
        if (strictlyBetween(self, outcome.value, successor)) {
          learner.attach(outcome.value, successor);
        }
      });
    });
  }

  function schedulePartitionCheck(): void {
    timers.partition?.cancel();
    const delayMs = isIsolated() ? isolatedMs : timing.partitionCheckMs;
    timers.partition = clock.after('chord-partition', jittered(delayMs), () => {
      isolatedMs = isIsolated()
        ? Math.min(timing.isolatedCheckMaxMs, isolatedMs * 2)
        : timing.isolatedCheckMs;
      schedulePartitionCheck();
      if (inRing()) discover();
    });
  }

  function discover(): void {
    if (host.discoverBootstrap !== undefined) {
      const linked = new Set(host.linkedNodes());
      host.discoverBootstrap((outcome) => {
        if (!outcome.ok || !inRing()) return;
        const wasLinked = linked.has(outcome.value);
        const peer = peers.get(outcome.value);
        if (!wasLinked && peer !== undefined) peer.ours = true;
        checkPartition(outcome.value, wasLinked);
      });
      return;
    }
    const bootstrap = host.bootstrapPeer();
    if (bootstrap !== undefined) checkPartition(bootstrap, true);
  }

  /** Asks through the bootstrap node who follows us; somebody else than our successor: merge. */
  function checkPartition(bootstrap: NodeId, wasLinked: boolean): void {
    host.pingResource(after(self), bootstrap, (outcome) => {
      if (!inRing()) return;
      const found = outcome.ok ? outcome.value : self;
      if (found === self || found === peers.neighbors().successors[0]) {
        // The link was made for this question; bootstrap nodes would gather one from every peer.
        if (!wasLinked && !isNeeded(bootstrap)) host.closeLink(bootstrap, 'not needed any more');
        return;
      }
      partitions.add();
      host.trace.log('warn', 'chord-partition', { found, bootstrap });
      const alone = isIsolated();
      const meet = (): void => {
        announcer.sendTables(found);
        if (alone) sendJoin(found);
      };
      if (host.isLinked(found)) meet();
      else learner.attach(found, bootstrap, (made) => made && inRing() && meet());
    });
  }

  /** A peer that lost all successors behaves like a joining node (RFC 6940 §10.7.1). */
  function sendJoin(to: NodeId): void {
    const body = encodeToBytes(joinReq, {
      joiningPeerId: self,
      overlaySpecificData: emptyBytes,
    });
    host.request(to, messageCodes.joinReq, body, () => undefined);
  }

  /** Closes links we asked for that have been in none of the tables for a whole period. */
  function prune(): void {
    timers.prune = clock.after('chord-prune', jittered(timing.pruneMs), () => {
      prune();
      const now = new Set<NodeId>();
      if (inRing()) for (const id of uselessLinks()) now.add(id);
      for (const id of now) if (useless.has(id)) host.closeLink(id, 'not needed any more');
      useless = now;
    });
  }

  function uselessLinks(): NodeId[] {
    const found: NodeId[] = [];
    for (const peer of peers.all()) if (peer.ours && !isNeeded(peer.id)) found.push(peer.id);
    return found;
  }

  /** In our tables, or we are in those of the other side as far as it told us. */
  function isNeeded(id: NodeId): boolean {
    const { predecessors, successors } = peers.neighbors();
    if (predecessors.includes(id) || successors.includes(id)) return true;
    if (peers.fingers().ids().includes(id)) return true;
    return peers.get(id)?.namesUs === true;
  }

  return {
    begin() {
      updateNeighborTimers();
      checkSuccessor();
      schedulePartitionCheck();
      prune();
    },
    neighborsChanged() {
      updateNeighborTimers();
      if (isIsolated()) {
        isolatedMs = timing.isolatedCheckMs;
        schedulePartitionCheck();
      }
    },
    stop() {
      for (const timer of updateTimers.values()) timer.cancel();
      timers.successor?.cancel();
      timers.partition?.cancel();
      timers.prune?.cancel();
    },
  };
}
