/**
 * Filling the Finger Table (RFC 6940 §10.5, §10.7.2, §10.7.4.2). The ring's size shows in our own
 * neighborhood: after a change there the ranges are searched anew, with growing pauses; in a quiet
 * ring one invalid entry is searched per chord-ping-interval.
 */
import type { NodeId } from '../../base/ids.ts';
import type { Timer } from '../../ports/clock.ts';
import { randomUnit } from '../../ports/random.ts';
import type { TopologyHost } from '../plugin.ts';
import { isWellPlaced, placeLength, placeOf, placeStart, type Place } from './finger-table.ts';
import type { Learner } from './learn.ts';
import { showsWholeRing } from './neighbor-table.ts';
import type { PeerTable } from './peers.ts';
import { addOffset, idBits, inRange } from './ring.ts';
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
  /** Owner found for the start of a place since the last change, although it lies further on. */
  const settled = new Map<Place, NodeId>();
  let settleTimer: Timer | undefined;
  let settleMs: number = timing.fingerSettleMs;
  let periodTimer: Timer | undefined;
  const searches = host.trace.counter('chord_finger_searches_total');

  /** Places that are not in sight of the Neighbor Table, the farthest entry first. */
  function distant(): Place[] {
    const neighbors = peers.neighbors();
    if (showsWholeRing(neighbors, neighborsPerSide)) return [];
    const lastSuccessor = neighbors.successors.at(-1) as NodeId;
    const found: Place[] = [];
    const fingers = peers.fingers();
    for (let index = 1; index <= fingers.size; index++) {
      for (const place of fingers.places(index)) {
        if (!inRange(self, addOffset(self, placeStart(place)), lastSuccessor)) found.push(place);
      }
    }
    return found;
  }

  function needsSearch(place: Place): boolean {
    const held = peers.fingers().at(place);
    if (held !== undefined && isWellPlaced(self, place, held)) return false;
    return held === undefined || settled.get(place) !== held;
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
    for (const place of wanted) {
      searches.add();
      const resource = addOffset(self, placeStart(place));
      const target = { kind: 'resource', resource } as const;
      host.attach(target, { sendUpdate: true }, (outcome) => {
        if (outcome.ok) settled.set(place, outcome.value);
        ended();
      });
    }
  }

  /** Pings into the place and attaches to the answerer when it belongs there. */
  function search(place: Place, offset: bigint): void {
    searches.add();
    host.pingResource(addOffset(self, offset), undefined, (outcome) => {
      if (!outcome.ok || !inRing()) return;
      const id = outcome.value;
      const known = peers.get(id);
      if (placeOf(self, id) !== place || known?.heard === true) settled.set(place, id);
      else if (known === undefined) learner.attach(id, undefined);
      else learner.ask(id);
    });
  }

  function settle(): void {
    settleTimer = undefined;
    if (!inRing()) return;
    for (const place of distant()) if (needsSearch(place)) search(place, placeStart(place));
    if (settleMs >= timing.fingerSettleMaxMs) return;
    settleMs *= 2;
    settleTimer = clock.after('chord-fingers', jittered(settleMs), settle);
  }

  function settleAgain(): void {
    settleMs = timing.fingerSettleMs;
    settleTimer?.cancel();
    settleTimer = clock.after('chord-fingers', jittered(settleMs), settle);
  }

  /** One search, exponentially weighted towards the far entries, at a random place of the range. */
  function periodic(): void {
    armPeriod();
    if (!inRing()) return;
    for (const place of distant()) {
      if (peers.fingers().at(place) !== undefined || randomUnit(host.random) < 0.5) continue;
      search(place, randomOffset(place));
      return;
    }
  }

  function randomOffset(place: Place): bigint {
    let random = 0n;
    for (let i = 0; i < idBits / 32; i++) random = (random << 32n) | BigInt(host.random.u32());
    return placeStart(place) + (random & (placeLength(place) - 1n));
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
      settleAgain();
    },
    lost(id) {
      const place = placeOf(self, id);
      settled.delete(place);
      if (!host.config().chordReactive || !inRing()) return;
      if (peers.fingers().at(place) !== undefined || !distant().includes(place)) return;
      search(place, randomOffset(place));
      // A random id of a thinly peopled place may belong to a peer behind it.
      settleAgain();
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
