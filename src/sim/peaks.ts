/** Looks at all living peers every few seconds, so that a table which grows and shrinks again is seen. */
import { limits } from '../base/limits.ts';
import type { SimulatedPeer } from './peer.ts';
import type { World } from './world.ts';

export interface Peaks {
  readonly links: number;
  readonly unacknowledged: number;
  readonly requests: number;
  readonly attaches: number;
  readonly replications: number;
  readonly values: number;
  /** The first bound that was not kept, with the peer. */
  readonly complaint: string | undefined;
}

const everyMs = 10_000;

/** What no peer may have more of at any time. */
const most = {
  links: limits.overlay.links,
  unacknowledged: limits.link.unacknowledgedMessages,
  requests: limits.overlay.requests,
  attaches: limits.overlay.attaches,
  replications: limits.overlay.copiesWaiting,
  values: limits.storage.resources,
} as const;

type Table = keyof typeof most;

export function createPeaks(world: World, living: () => readonly SimulatedPeer[]): Peaks {
  const peaks: Record<Table, number> = {
    links: 0,
    unacknowledged: 0,
    requests: 0,
    attaches: 0,
    replications: 0,
    values: 0,
  };
  let complaint: string | undefined;

  function note(peer: SimulatedPeer, table: Table, size: number): void {
    if (size > peaks[table]) peaks[table] = size;
    if (size > most[table]) complaint ??= `${peer.nodeId}: ${size} ${table}`;
  }

  function look(): void {
    world.after(everyMs, look);
    for (const peer of living()) {
      const { links, pending, storage } = peer.overlay.snapshot();
      note(peer, 'links', links.length);
      for (const link of links) note(peer, 'unacknowledged', link.unacknowledged);
      note(peer, 'requests', pending.requests);
      note(peer, 'attaches', pending.attaches);
      note(peer, 'replications', pending.replications);
      note(peer, 'values', storage.values);
    }
  }

  world.after(everyMs, look);
  return {
    get links() {
      return peaks.links;
    },
    get unacknowledged() {
      return peaks.unacknowledged;
    },
    get requests() {
      return peaks.requests;
    },
    get attaches() {
      return peaks.attaches;
    },
    get replications() {
      return peaks.replications;
    },
    get values() {
      return peaks.values;
    },
    get complaint() {
      return complaint;
    },
  };
}
