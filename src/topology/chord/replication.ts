/**
 * Where copies belong (RFC 6940 §10.4, §10.7.1, §10.7.3, §6.4.2.3): replicas at the two successors,
 * hand-over of what another peer owns now, deletion of what three predecessors keep better.
 */
import type { NodeId } from '../../base/ids.ts';
import { limits } from '../../base/limits.ts';
import type { Timer } from '../../ports/clock.ts';
import type { TopologyHost } from '../plugin.ts';
import type { PeerTable } from './peers.ts';
import { inRange, strictlyBetween } from './ring.ts';
import { timing } from './timing.ts';

export interface Replication {
  /** Successor 1 and 2 that are not silent. */
  replicas(): readonly NodeId[];
  /**
   * Part of the ring from now on. The peer that admitted us has given the replicas of our range to our
   * successors, unless it was in its hold-down itself; so they get them once more when that is over.
   */
  begin(): void;
  /** The tables changed while in the ring; `lost`: because a member failed or left. */
  changed(lost: boolean): void;
  /** Our range shrank from (from, self]; what we lost goes to its new owners, except `served`. */
  rangeLost(from: NodeId, served?: NodeId): void;
  stop(): void;
}

interface Coverage {
  /** The node holds a replica of (from, self]; `undefined`: of nothing yet. */
  from: NodeId | undefined;
  dueMs: number;
  copying: boolean;
}

interface Copy {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly target: NodeId;
  readonly replicaNumber: number;
  readonly done: (copied: boolean) => void;
}

/** Copies of one sort, a few at a time. */
interface Lane {
  readonly waiting: Copy[];
  running: number;
}

/** What we lost lately. */
interface Owed {
  /** It begins after this. */
  readonly from: NodeId;
  readonly untilMs: number;
  /** The new owners that got their part, and from where. */
  readonly given: Map<NodeId, NodeId>;
}

const replicaCount = 2;
const copiesAtOnce = 2;
const handOverTries = 3;

export function createReplication(
  host: TopologyHost,
  peers: PeerTable,
  inRing: () => boolean,
): Replication {
  const { clock, self } = host;
  const coverage = new Map<NodeId, Coverage>();
  const replicaLane: Lane = { waiting: [], running: 0 };
  /** Of its own: until it has got its range a new owner answers from what it had, or with nothing. */
  const handOverLane: Lane = { waiting: [], running: 0 };
  let timer: Timer | undefined;
  let dropTimer: Timer | undefined;
  let holdUntilMs = -Infinity;
  let owed: Owed | undefined;
  /** The predecessors in sight, and since when. */
  let ahead = new Map<NodeId, number>();
  const refused = host.trace.counter('chord_range_copies_refused_total');

  function replicas(): readonly NodeId[] {
    return peers.neighbors().successors.filter(isAwake).slice(0, replicaCount);
  }

  function isAwake(id: NodeId): boolean {
    return peers.get(id)?.suspect === false;
  }

  function changed(lost: boolean): void {
    const now = clock.monotonicMs();
    const wanted = replicas();
    const from = peers.rangeFrom();
    for (const id of coverage.keys()) if (!wanted.includes(id)) coverage.delete(id);
    // A further loss does not make the first one wait longer.
    if (lost && holdUntilMs <= now) holdUntilMs = now + timing.successorHoldDownMs;
    for (const id of wanted) {
      const held = coverage.get(id);
      if (held === undefined) {
        const dueMs = lost ? holdUntilMs : now + timing.copySettleMs;
        coverage.set(id, { from: undefined, dueMs, copying: false });
      } else if (held.from !== undefined && held.from !== from) {
        if (inRange(held.from, from, self)) held.from = from;
        else held.dueMs = now + timing.rangeGrownSettleMs;
      }
    }
    schedule();
    payOwed();
    standIn();
    dropLater();
  }

  function schedule(): void {
    timer?.cancel();
    timer = undefined;
    let firstMs = Infinity;
    const from = peers.rangeFrom();
    for (const held of coverage.values()) {
      if (!held.copying && held.from !== from) firstMs = Math.min(firstMs, held.dueMs);
    }
    if (firstMs === Infinity) return;
    timer = clock.after('chord-replicate', Math.max(0, firstMs - clock.monotonicMs()), replicate);
  }

  function replicate(): void {
    timer = undefined;
    if (!inRing()) return;
    const now = clock.monotonicMs();
    const from = peers.rangeFrom();
    for (const [index, id] of replicas().entries()) {
      const held = coverage.get(id);
      if (held === undefined || held.copying || held.from === from || held.dueMs > now) continue;
      held.copying = true;
      const to = held.from ?? self;
      enqueue({
        from,
        to,
        target: id,
        replicaNumber: index + 1,
        done(copied) {
          held.copying = false;
          if (copied) held.from = from;
          else held.dueMs = clock.monotonicMs() + timing.copyRetryMs;
          if (coverage.get(id) === held) schedule();
        },
      });
    }
    schedule();
  }

  function rangeLost(oldFrom: NodeId, served?: NodeId): void {
    forgetOwed();
    const from = owed !== undefined && inRange(owed.from, oldFrom, self) ? owed.from : oldFrom;
    const untilMs = clock.monotonicMs() + timing.dropSettleMs;
    const given = owed?.given ?? new Map<NodeId, NodeId>();
    // They have not got what was stored here since the range was ours again.
    for (const owner of given.keys()) if (inRange(oldFrom, owner, self)) given.delete(owner);
    owed = { from, untilMs, given };
    if (served !== undefined) owed.given.set(served, segmentFrom(served, owed.from));
    payOwed();
  }

  /** By then the data are dropped, and a later loss has nothing to do with this one. */
  function forgetOwed(): void {
    if (owed !== undefined && owed.untilMs < clock.monotonicMs()) owed = undefined;
  }

  /**
   * Gives every predecessor inside the lost range its part. Merging rings learn of each other step
   * by step, so this is repeated as long as new owners come into sight.
   */
  function payOwed(): void {
    forgetOwed();
    if (owed === undefined) return;
    const { from, given } = owed;
    for (const owner of peers.neighbors().predecessors) {
      if (owner === from || !inRange(from, owner, self)) break;
      const begin = segmentFrom(owner, from);
      const had = given.get(owner);
      if (!isAwake(owner)) continue;
      if (had !== undefined && (had === begin || inRange(had, begin, owner))) continue;
      given.set(owner, begin);
      handOver(begin, owner, 1);
    }
  }

  /**
   * A predecessor that has come back gets what it missed from the peer that answered in its place.
   * Should that one be lost soon after, we do it: we hold the replicas.
   */
  function standIn(): void {
    const now = clock.monotonicMs();
    const awake = peers.neighbors().predecessors.filter(isAwake);
    const gone = [...ahead.keys()].filter((id) => !awake.includes(id));
    ahead = new Map(awake.map((id) => [id, ahead.get(id) ?? now]));
    for (const owner of awake.slice(0, replicaCount)) {
      const isBack = now - (ahead.get(owner) ?? now) < timing.dropSettleMs;
      if (isBack && gone.some((id) => strictlyBetween(owner, id, self))) {
        handOver(segmentFrom(owner, self), owner, 1);
      }
    }
  }

  /** Where the range of a predecessor begins, as far as we see; not before `limit`. */
  function segmentFrom(owner: NodeId, limit: NodeId): NodeId {
    const { predecessors } = peers.neighbors();
    const before = predecessors[predecessors.indexOf(owner) + 1];
    return before !== undefined && strictlyBetween(limit, before, owner) ? before : limit;
  }

  function handOver(from: NodeId, owner: NodeId, attempt: number): void {
    clock.after('chord-hand-over', attempt === 1 ? timing.copySettleMs : timing.copyRetryMs, () => {
      if (!inRing() || !isAwake(owner)) {
        owed?.given.delete(owner);
        return;
      }
      enqueue({
        from,
        to: owner,
        target: owner,
        replicaNumber: 0,
        done(copied) {
          if (!copied && attempt < handOverTries) handOver(from, owner, attempt + 1);
        },
      });
    });
  }

  function enqueue(copy: Copy): void {
    const lane = copy.replicaNumber === 0 ? handOverLane : replicaLane;
    if (lane.waiting.length >= limits.topology.rangeCopies) {
      refused.add();
      clock.after('chord-copy-refused', 0, () => copy.done(false));
      return;
    }
    lane.waiting.push(copy);
    pump(lane);
  }

  function pump(lane: Lane): void {
    while (lane.running < copiesAtOnce) {
      const copy = lane.waiting.shift();
      if (copy === undefined) return;
      lane.running++;
      const { from, to, target, replicaNumber } = copy;
      host.copyRange({ from, to }, target, replicaNumber, (outcome) => {
        lane.running--;
        copy.done(outcome.ok);
        pump(lane);
      });
    }
  }

  /** Deletes what is not ours to keep, once the tables have stood still and all copies are made. */
  function dropLater(): void {
    dropTimer?.cancel();
    dropTimer = clock.after('chord-drop', timing.dropSettleMs, () => {
      dropTimer = undefined;
      if (!inRing()) return;
      if (replicaLane.running > 0 || handOverLane.running > 0) {
        dropLater();
        return;
      }
      const third = peers.neighbors().predecessors[2];
      if (third !== undefined) host.dropResources((resource) => inRange(third, resource, self));
    });
  }

  return {
    replicas,
    begin() {
      coverage.clear();
      owed = undefined;
      ahead = new Map(peers.neighbors().predecessors.map((id) => [id, -Infinity]));
      holdUntilMs = -Infinity;
      const dueMs = clock.monotonicMs() + timing.successorHoldDownMs;
      for (const id of replicas()) coverage.set(id, { from: undefined, dueMs, copying: false });
      schedule();
      dropLater();
    },
    changed,
    rangeLost,
    stop() {
      timer?.cancel();
      dropTimer?.cancel();
      replicaLane.waiting.length = 0;
      handOverLane.waiting.length = 0;
    },
  };
}
