/**
 * Learning of closer peers (RFC 6940 §10.6, §10.7.3): Updates name nodes; those that belong in the
 * Neighbor Table are attached to, source-routed through the peer that named them.
 */
import { emptyBytes } from '../../base/bytes.ts';
import type { NodeId } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import type { Timer } from '../../ports/clock.ts';
import { encodeToBytes } from '../../wire/codec.ts';
import { messageCodes } from '../../wire/reload/message-codes.ts';
import { routeQueryReq } from '../../wire/reload/route-query.ts';
import type { TopologyHost } from '../plugin.ts';
import { nearest, type Neighbors } from './neighbor-table.ts';
import { isMember, type PeerTable } from './peers.ts';
import { inRange } from './ring.ts';
import { timing } from './timing.ts';

export interface Learner {
  /** Attaches to the nodes that the Neighbor Table lacks, and asks silent ones for their tables. */
  pursue(): void;
  /** {@link Learner.pursue}, if one of the nodes just named may belong in the Neighbor Table. */
  consider(named: Neighbors): void;
  /**
   * Nodes named by members that would be neighbors and are not members yet, leaving out those that
   * could not be attached `tries` times.
   */
  missing(tries: number): readonly NodeId[];
  /** Attaches to one node; false when it is linked, avoided, being attached, or too many are. */
  attach(id: NodeId, via: NodeId | undefined, done?: (linked: boolean) => void): boolean;
  /** Asks a linked node that says nothing for its tables. */
  ask(id: NodeId): void;
  /** Nodes named by one that is leaving; considered until it is gone. */
  hint(ids: readonly NodeId[], from: NodeId): void;
  /** The node is to be left alone for at least this long. */
  avoid(id: NodeId, forMs: number): void;
  linkUp(id: NodeId): void;
  linkDown(id: NodeId): void;
  stop(): void;
}

export interface LearnerEvents {
  /** A link that we asked for is there. */
  attached(id: NodeId): void;
  /** An Attach failed; the node is avoided from now on. */
  failed(id: NodeId): void;
  /** Whether to attach at all; a joining node does so at once, a member lets the other side begin. */
  mode(): 'off' | 'joining' | 'member';
}

interface Avoided {
  untilMs: number;
  failures: number;
}

const { neighborsPerSide, attachesAtOnce, avoidedNodes } = limits.topology;

export function createLearner(
  host: TopologyHost,
  peers: PeerTable,
  events: LearnerEvents,
): Learner {
  const { clock, self } = host;
  const avoided = new Map<NodeId, Avoided>();
  const attaching = new Set<NodeId>();
  const hints = new Map<NodeId, readonly NodeId[]>();
  /** When a linked candidate was first seen silent, or last asked. */
  const nudged = new Map<NodeId, number>();
  let wakeUp: { readonly dueMs: number; readonly timer: Timer } | undefined;
  let stopped = false;
  const failures = host.trace.counter('chord_attach_failures_total');

  function isAvoided(id: NodeId): boolean {
    const entry = avoided.get(id);
    return entry !== undefined && entry.untilMs > clock.monotonicMs();
  }

  /** Members and what they name, each with a peer that named it; only what may come into the table. */
  function candidates(skip: (id: NodeId) => boolean): Map<NodeId, NodeId | undefined> {
    const known = new Map<NodeId, NodeId | undefined>();
    const isNear = arc();
    const offer = (ids: readonly NodeId[], reporter: NodeId): void => {
      for (const id of ids) {
        if (isNear(id) && id !== self && !known.has(id) && !skip(id)) known.set(id, reporter);
      }
    };
    for (const peer of peers.all()) {
      if (isMember(peer) && isNear(peer.id)) known.set(peer.id, undefined);
    }
    for (const peer of peers.all()) {
      if (!isMember(peer) || peer.suspect) continue;
      offer(peer.successors, peer.id);
      offer(peer.predecessors, peer.id);
    }
    for (const [from, ids] of hints) offer(ids, from);
    return known;
  }

  /** Whether an id lies between our farthest neighbors; everything does while the table is not full. */
  function arc(): (id: NodeId) => boolean {
    const { predecessors, successors } = peers.neighbors();
    const first = predecessors[neighborsPerSide - 1];
    const last = successors[neighborsPerSide - 1];
    if (first === undefined || last === undefined || successors.includes(first)) return () => true;
    return (id) => id === first || inRange(first, id, last);
  }

  /** Named nodes that would be in the Neighbor Table, with the peer that named them. */
  function wanted(skip: (id: NodeId) => boolean): Map<NodeId, NodeId | undefined> {
    const known = candidates(skip);
    const ideal = nearest(self, [...known.keys()].sort(), neighborsPerSide);
    const lacking = new Map<NodeId, NodeId | undefined>();
    for (const id of [...ideal.successors, ...ideal.predecessors]) {
      const peer = peers.get(id);
      if (peer === undefined || !isMember(peer)) lacking.set(id, known.get(id));
    }
    return lacking;
  }

  function pursue(): void {
    const mode = events.mode();
    if (mode === 'off') return;
    let again = false;
    for (const [id, reporter] of wanted(isAvoided)) {
      const peer = peers.get(id);
      if (peer !== undefined) {
        if (!peer.suspect) nudge(id);
        again = true;
      } else if (mode === 'joining' || yielded(id)) {
        if (!attach(id, reporter)) again = true;
      } else {
        again = true;
      }
    }
    if (again) wake(timing.attachYieldMs);
    else wakeForAvoided();
  }

  /** Looks again when the first avoided node may be tried. */
  function wakeForAvoided(): void {
    const now = clock.monotonicMs();
    let firstMs = Infinity;
    for (const { untilMs } of avoided.values()) {
      if (untilMs > now && untilMs < firstMs) firstMs = untilMs;
    }
    if (firstMs !== Infinity) wake(firstMs - now);
  }

  /** A stranger inside the arc that our neighbors span. */
  function mayBeCloser(id: NodeId): boolean {
    if (id === self) return false;
    const peer = peers.get(id);
    if (peer !== undefined && isMember(peer)) return false;
    return arc()(id);
  }

  /** True once the other side has had its time to attach to us: joining nodes do, and smaller ones. */
  function yielded(id: NodeId): boolean {
    const since = nudged.get(id);
    if (since === undefined) {
      note(id);
      return false;
    }
    const waitMs = self < id ? timing.attachYieldMs : 2 * timing.attachYieldMs;
    return clock.monotonicMs() - since >= waitMs;
  }

  /** Asks a linked node that others name as a ring member for its tables. */
  function nudge(id: NodeId): void {
    const since = nudged.get(id);
    if (since === undefined) {
      note(id);
      return;
    }
    if (clock.monotonicMs() - since < timing.nudgeMs) return;
    note(id);
    ask(id);
  }

  function ask(id: NodeId): void {
    const body = encodeToBytes(routeQueryReq, {
      sendUpdate: true,
      destination: { type: 'node', nodeId: id },
      overlaySpecificData: emptyBytes,
    });
    host.request(id, messageCodes.routeQueryReq, body, () => undefined);
  }

  function note(id: NodeId): void {
    nudged.delete(id);
    if (nudged.size >= avoidedNodes) nudged.delete(nudged.keys().next().value as NodeId);
    nudged.set(id, clock.monotonicMs());
  }

  function wake(delayMs: number): void {
    const dueMs = clock.monotonicMs() + delayMs;
    if (wakeUp !== undefined && wakeUp.dueMs <= dueMs) return;
    wakeUp?.timer.cancel();
    const timer = clock.after('chord-pursue', delayMs, () => {
      wakeUp = undefined;
      pursue();
    });
    wakeUp = { dueMs, timer };
  }

  function attach(id: NodeId, via: NodeId | undefined, done?: (linked: boolean) => void): boolean {
    if (id === self || host.isLinked(id) || attaching.has(id) || isAvoided(id)) return false;
    if (attaching.size >= attachesAtOnce) return false;
    attaching.add(id);
    const options = via !== undefined && host.isLinked(via) ? { via } : {};
    host.attach({ kind: 'node', nodeId: id }, { ...options, sendUpdate: true }, (outcome) => {
      attaching.delete(id);
      if (stopped) return;
      const linked = outcome.ok || host.isLinked(id);
      if (linked) {
        const peer = peers.get(id);
        if (peer !== undefined) peer.ours = true;
        events.attached(id);
      } else {
        failures.add();
        const failed = (avoided.get(id)?.failures ?? 0) + 1;
        setAvoided(id, Math.min(timing.avoidMaxMs, timing.avoidMs * 2 ** (failed - 1)), failed);
        events.failed(id);
      }
      done?.(linked);
    });
    return true;
  }

  function setAvoided(id: NodeId, forMs: number, count: number): void {
    avoided.delete(id);
    if (avoided.size >= avoidedNodes) avoided.delete(avoided.keys().next().value as NodeId);
    avoided.set(id, { untilMs: clock.monotonicMs() + forMs, failures: count });
    wake(forMs);
  }

  return {
    pursue() {
      forgetOld();
      pursue();
    },
    consider(named) {
      if (named.successors.some(mayBeCloser) || named.predecessors.some(mayBeCloser)) pursue();
    },
    missing: (tries) => [
      ...wanted((id) => (avoided.get(id)?.failures ?? 0) >= tries && isAvoided(id)).keys(),
    ],
    attach,
    ask,
    avoid(id, forMs) {
      const entry = avoided.get(id);
      // The link of a node that said Leave goes down soon after: that does not shorten the time.
      const leftMs = (entry?.untilMs ?? 0) - clock.monotonicMs();
      setAvoided(id, Math.max(forMs, leftMs), entry?.failures ?? 0);
    },
    hint(ids, from) {
      if (hints.size < attachesAtOnce) hints.set(from, ids);
    },
    linkUp(id) {
      avoided.delete(id);
      nudged.delete(id);
      // Should it turn out to be a neighbor that says nothing, it will be asked.
      wake(timing.nudgeMs);
    },
    linkDown: (id) => hints.delete(id),
    stop() {
      stopped = true;
      wakeUp?.timer.cancel();
    },
  };

  /** Forgets failures that are long past, so that a node which is named again gets a fresh start. */
  function forgetOld(): void {
    const now = clock.monotonicMs();
    for (const [id, entry] of avoided) {
      if (entry.untilMs + timing.avoidMaxMs < now) avoided.delete(id);
    }
  }
}
