/** What can go wrong with the processes and the network of a simulated ring. */
import type { SimulatedPeer } from './peer.ts';
import type { SimulatedRing } from './ring.ts';

export interface CrashOptions {
  /** The other sides are not told, as after a power cut. */
  readonly silently: boolean;
}

export function crash(peer: SimulatedPeer, options: CrashOptions): void {
  peer.crash(options.silently);
}

/** Freezes a process for some time, as SIGSTOP and SIGCONT do. */
export function stall(ring: SimulatedRing, peer: SimulatedPeer, forMs: number): void {
  const { run } = peer.host;
  peer.host.stall();
  ring.world.after(forMs, () => {
    if (peer.host.run === run) peer.host.resume();
  });
}

/** Cuts the network between the peers with an index below `size` and the others, for some time. */
export function partition(ring: SimulatedRing, size: number, forMs: number): void {
  ring.network.reach((from, to) => from < size === to < size);
  ring.world.after(forMs, () => ring.network.reach(undefined));
}
