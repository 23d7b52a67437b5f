/** Sending Updates (RFC 6940 §6.4.2.3, §10.7): who gets which, coalesced, without repetitions. */
import type { NodeId } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import type { Timer } from '../../ports/clock.ts';
import { encodeToBytes } from '../../wire/codec.ts';
import { chordUpdate, type ChordUpdate } from '../../wire/reload/chord.ts';
import { messageCodes } from '../../wire/reload/message-codes.ts';
import type { TopologyHost } from '../plugin.ts';
import { sameIds, type Neighbors } from './neighbor-table.ts';
import type { PeerTable } from './peers.ts';
import { timing } from './timing.ts';

export interface Announcer {
  /** Our tables have changed: tells all linked nodes soon (§10.7.3); those that know already are left out. */
  tablesChanged(): void;
  /** Sends our tables to one node now (type neighbors). */
  sendTables(id: NodeId): void;
  /** Checks that the node is there (type peer_ready). */
  sendReady(id: NodeId): void;
  /** Sends type full now, or once there is a link and we are part of the ring. */
  oweFull(id: NodeId): void;
  /** Sends what is owed to the node, after its link came up. */
  payFull(id: NodeId): void;
  /** Sends all that is owed, after we became part of the ring. */
  payAll(): void;
  stop(): void;
}

export function createAnnouncer(
  host: TopologyHost,
  peers: PeerTable,
  inRing: () => boolean,
): Announcer {
  const { clock } = host;
  const startedMs = clock.monotonicMs();
  const sent = {
    peerReady: host.trace.counter('chord_updates_sent_total', { type: 'peer_ready' }),
    neighbors: host.trace.counter('chord_updates_sent_total', { type: 'neighbors' }),
    full: host.trace.counter('chord_updates_sent_total', { type: 'full' }),
  };
  const owed = new Set<NodeId>();
  let timer: Timer | undefined;
  let lastMs = -Infinity;

  function uptimeS(): number {
    return Math.min(0xffff_ffff, Math.floor((clock.monotonicMs() - startedMs) / 1000));
  }

  function send(id: NodeId, update: ChordUpdate, onFailure?: () => void): void {
    sent[update.type].add();
    host.request(id, messageCodes.updateReq, encodeToBytes(chordUpdate, update), (outcome) => {
      const peer = peers.get(id);
      if (peer !== undefined) peer.doubted = false;
      if (!outcome.ok) onFailure?.();
    });
  }

  function sendTables(id: NodeId): void {
    const tables = awakeNeighbors(peers);
    const peer = peers.get(id);
    if (peer !== undefined) peer.announced = tables;
    send(id, { uptime: uptimeS(), type: 'neighbors', ...tables }, () => {
      if (peer !== undefined) peer.announced = undefined;
    });
  }

  function sendFull(id: NodeId): void {
    const tables = awakeNeighbors(peers);
    const peer = peers.get(id);
    if (peer !== undefined) peer.announced = tables;
    send(id, { uptime: uptimeS(), type: 'full', ...tables, fingers: peers.fingers().ids() });
  }

  function announce(): void {
    timer = undefined;
    lastMs = clock.monotonicMs();
    if (!inRing()) return;
    const tables = awakeNeighbors(peers);
    for (const id of [...host.linkedNodes()]) {
      const peer = peers.get(id);
      if (peer?.announced === undefined || !sameTables(peer.announced, tables)) sendTables(id);
    }
  }

  function payFull(id: NodeId): void {
    if (inRing() && host.isLinked(id) && owed.delete(id)) sendFull(id);
  }

  return {
    tablesChanged() {
      if (timer !== undefined) return;
      const sinceLastMs = clock.monotonicMs() - lastMs;
      const delayMs = Math.max(timing.announceCoalesceMs, timing.announceGapMs - sinceLastMs);
      timer = clock.after('chord-announce', delayMs, announce);
    },
    sendTables,
    sendReady: (id) => send(id, { uptime: uptimeS(), type: 'peerReady' }),
    oweFull(id) {
      owed.delete(id);
      if (owed.size >= limits.topology.updatesOwed)
        owed.delete(owed.values().next().value as NodeId);
      owed.add(id);
      clock.after('chord-full-update', 0, () => payFull(id));
    },
    payFull,
    payAll() {
      for (const id of [...owed]) payFull(id);
    },
    stop() {
      timer?.cancel();
      owed.clear();
    },
  };
}

/** What we tell others: our Neighbor Table without the members that are silent right now. */
export function awakeNeighbors(peers: PeerTable): Neighbors {
  const { predecessors, successors } = peers.neighbors();
  const awake = (id: NodeId): boolean => peers.get(id)?.suspect === false;
  return { predecessors: predecessors.filter(awake), successors: successors.filter(awake) };
}

function sameTables(a: Neighbors, b: Neighbors): boolean {
  return sameIds(a.predecessors, b.predecessors) && sameIds(a.successors, b.successors);
}
