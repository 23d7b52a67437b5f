/**
 * Filling the Finger Table (RFC 6940 §10.5, §10.7.2, §10.7.4.2). The ring's size shows in our own
 * neighborhood: after a change there the ranges are searched anew, with growing pauses; in a quiet
 * ring one invalid entry is searched per chord-ping-interval.
 */
import type { NodeId } from '../../base/ids.ts';
import type { Timer } from '../../ports/clock.ts';
import { randomUnit } from '../../ports/random.ts';
import type { TopologyHost } from '../plugin.ts';
import { isWellPlaced } from './finger-table.ts';
import type { Learner } from './learn.ts';
import { showsWholeRing } from './neighbor-table.ts';
import type { PeerTable } from './peers.ts';
import { addOffset, fingerIndex, fingerStart, idBits, inRange } from './ring.ts';
import { timing } from './timing.ts';
import { limits } from '../../base/limits.ts';

export interface FingerSearch {
  /** The first fingers of a joining node; `done` when all attempts have ended. */
  initial(done: () => void): void;
  /** Our Neighbor Table changed: the ring grows or shrinks. */
  neighborhoodChanged(): void;
  /** A routable peer was lost: with reactive recovery its entry is searched at once (§10.7.2). */
  lost(id: NodeId): void;
  begin(): void;
  stop(): void;
}

const { neighborsPerSide } = limits.topology;

export function createFingerSearch(
  host: TopologyHost,
  peers: PeerTable,
  learner: Learner,
  inRing: () => boolean,
): FingerSearch {
  const { clock, self } = host;
  /** Owner found for the start of a range since the last change, although it lies further on. */
  const settled = new Map<number, NodeId>();
  let settleTimer: Timer | undefined;
  let settleMs: number = timing.fingerSettleMs;
  let periodTimer: Timer | undefined;
  const searches = host.trace.counter('chord_finger_searches_total');

  /** Entries whose range is not in sight of the Neighbor Table. */
  function distant(): number[] {
    const neighbors = peers.neighbors();
    if (showsWholeRing(neighbors, neighborsPerSide)) return [];
    const lastSuccessor = neighbors.successors.at(-1) as NodeId;
    const found: number[] = [];
    const { size } = peers.fingers();
    for (let index = 1; index <= size; index++) {
      if (inRange(self, fingerStart(self, index), lastSuccessor)) break;
      found.push(index);
    }
    return found;
  }

  function needsSearch(index: number): boolean {
    const held = peers.fingers().entry(index);
    if (held !== undefined && isWellPlaced(self, index, held)) return false;
    return held === undefined || settled.get(index) !== held;
  }

  function initial(done: () => void): void {
    const wanted = distant().filter(needsSearch);
    let open = wanted.length;
    const ended = (): void => {
      if (--open === 0) done();
    };
    if (open === 0) {
      clock.after('chord-no-fingers', 0, done);
      return;
    }
    for (const index of wanted) {
      searches.add();
      const target = { kind: 'resource', resource: fingerStart(self, index) } as const;
      host.attach(target, { sendUpdate: true }, (outcome) => {
        if (outcome.ok) {
          const peer = peers.get(outcome.value);
          if (peer !== undefined) peer.ours = true;
          settled.set(index, outcome.value);
        }
        ended();
      });
    }
  }

  /** Pings into the range and attaches to the answerer when it belongs there. */
  function search(index: number, offset: bigint): void {
    searches.add();
    host.pingResource(addOffset(self, offset), undefined, (outcome) => {
      if (!outcome.ok || !inRing()) return;
      const id = outcome.value;
      const known = peers.get(id);
      if (fingerIndex(self, id) !== index || known?.heard === true) settled.set(index, id);
      else if (known === undefined) learner.attach(id, undefined);
    });
  }

  const startOffset = (index: number): bigint => 1n << BigInt(idBits - index);

  function settle(): void {
    settleTimer = undefined;
    if (!inRing()) return;
    for (const index of distant()) if (needsSearch(index)) search(index, startOffset(index));
    if (settleMs >= timing.fingerSettleMaxMs) return;
    settleMs *= 2;
    settleTimer = clock.after('chord-fingers', jittered(settleMs), settle);
  }

  /** One search, exponentially weighted towards the far entries, at a random place of the range. */
  function periodic(): void {
    armPeriod();
    if (!inRing()) return;
    for (const index of distant()) {
      if (peers.fingers().entry(index) !== undefined || randomUnit(host.random) < 0.5) continue;
      search(index, randomOffset(index));
      return;
    }
  }

  function randomOffset(index: number): bigint {
    const start = startOffset(index);
    let random = 0n;
    for (let i = 0; i < idBits / 32; i++) random = (random << 32n) | BigInt(host.random.u32());
    return start + (random & (start - 1n));
  }

  function jittered(ms: number): number {
    return ms * (0.75 + randomUnit(host.random) / 2);
  }

  function armPeriod(): void {
    const periodMs = host.config().chordPingIntervalS * 1000;
    periodTimer = clock.after('chord-finger-period', periodMs, periodic);
  }

  return {
    initial,
    neighborhoodChanged() {
      settled.clear();
      settleMs = timing.fingerSettleMs;
      settleTimer?.cancel();
      settleTimer = clock.after('chord-fingers', jittered(settleMs), settle);
    },
    lost(id) {
      const index = fingerIndex(self, id);
      settled.delete(index);
      if (!host.config().chordReactive || !inRing()) return;
      if (peers.fingers().entry(index) !== undefined || !distant().includes(index)) return;
      search(index, randomOffset(index));
    },
    begin() {
      periodTimer?.cancel();
      armPeriod();
    },
    stop() {
      settleTimer?.cancel();
      periodTimer?.cancel();
    },
  };
}
