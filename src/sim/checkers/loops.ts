import type { SimulatedRing } from '../ring.ts';

/** Hops that a message may take beyond one for every doubling of the ring, while its tables are wrong. */
const detours = 24;

/**
 * No message goes in circles or strays. One may come back to a node: the question who follows a peer
 * is put through another node and passes that peer again (RFC 6940 §10.7.4.4, A-36), and a message
 * whose next hop fell silent may turn back. A node that sees it for the third time ends it.
 */
export function checkLoops(ring: SimulatedRing): string | undefined {
  const { circles, longestWay } = ring.network.meter;
  if (circles > 0) return `${circles} messages went in circles, up to ${longestWay} hops`;
  const most = Math.log2(ring.peers.length) + detours;
  return longestWay > most ? `a message took ${longestWay} hops` : undefined;
}
