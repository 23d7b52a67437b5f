/** What can go wrong with the processes and the network of a simulated ring, and how it ends. */
import { checkRing } from './checkers/ring.ts';
import type { CrashOptions, SimulatedPeer } from './peer.ts';
import type { SimulatedRing } from './ring.ts';

/** Longest time in which a healed ring has to be right again. */
export const healLimitMs = 300_000;

export function crash(ring: SimulatedRing, peer: SimulatedPeer, options: CrashOptions): void {
  peer.crash(options);
  if (options.keepsDisk !== true) ring.losses.lost(peer);
}

/** Two peers die at once that follow each other on the ring; `at` counts from the lowest Node-ID. */
export function crashAdjacent(ring: SimulatedRing, at: number, options: CrashOptions): void {
  const ordered = ring.living().sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1));
  for (const step of [0, 1]) {
    const victim = ordered[(at + step) % ordered.length];
    if (victim !== undefined) crash(ring, victim, options);
  }
}

export function crashPair(ring: SimulatedRing, options: CrashOptions): void {
  crashAdjacent(ring, ring.world.prng.below(ring.living().length), options);
}

/** Freezes a process for some time, as SIGSTOP and SIGCONT do. */
export function stall(ring: SimulatedRing, peer: SimulatedPeer, forMs: number): void {
  const { run } = peer.host;
  isolated(ring, forMs);
  peer.host.stall();
  ring.world.after(forMs, () => {
    if (peer.host.run === run) peer.host.resume();
  });
}

/** Cuts the network between groups of peers for some time. */
export function partition(
  ring: SimulatedRing,
  groupOf: (index: number) => number,
  forMs: number,
): void {
  isolated(ring, forMs);
  ring.network.reach((from, to) => groupOf(from) === groupOf(to));
  ring.world.after(forMs, () => ring.network.reach(undefined));
}

/** For some time what the peer sends reaches nobody; what others send it arrives. */
export function oneWay(ring: SimulatedRing, peer: SimulatedPeer, forMs: number): void {
  const { index } = peer.host;
  isolated(ring, forMs);
  ring.network.reach((from) => from !== index);
  ring.world.after(forMs, () => ring.network.reach(undefined));
}

function isolated({ records, world }: SimulatedRing, forMs: number): void {
  records.served.away(world.nowMs, world.nowMs + forMs);
}

/** Lets the ring converge; a checker says later whether it did so in time. */
export function heal(ring: SimulatedRing): void {
  const { world, healings } = ring;
  const startedMs = world.nowMs;
  const healed = world.runUntil(() => checkRing(ring) === undefined, healLimitMs, 500);
  healings.push(healed ? world.nowMs - startedMs : Infinity);
}
