import type { NodeId } from '../../base/ids.ts';
import { addOffset, idBits, strictlyBetween } from '../../topology/chord/ring.ts';
import { misbehaviours, spoil } from '../bad-topology.ts';
import { makeLookups } from '../lookups.ts';
import type { SimulatedPeer } from '../peer.ts';
import type { LookupResult, SimulatedRing, StoredRecord } from '../ring.ts';
import type { Scenario } from './scenario.ts';

/** One peer in twenty cheats; each way of cheating in turn. */
const oneIn = 20;
const firstHops = 5;
/** Places behind the resource at which holders of replicas are looked for, in mean distances of peers. */
const replicaPlaces = [0.7, 1.5, 2.5, 3.5];
/** Longer than the values live, so that a peer with such a clock takes all it holds for expired. */
const forgetfulMs = 2 * 86_400_000;

const isBad = (index: number): boolean => index % oneIn === oneIn - 1;
const behaviourOf = (index: number): number => Math.floor(index / oneIn) % misbehaviours.length;

export function createBadPeers(): Scenario {
  let active = false;
  const accomplices: NodeId[] = [];
  return {
    summary: 'one peer in twenty drops, misroutes, hijacks, lies about its tables or truncates',
    topology(index, honest) {
      const how = misbehaviours[behaviourOf(index)];
      if (!isBad(index) || how === undefined) return honest;
      return spoil(
        honest,
        how,
        () => active,
        () => accomplices,
      );
    },
    disturb(ring, { lookups }) {
      active = true;
      for (const { nodeId, host } of ring.peers) {
        if (!isBad(host.index)) continue;
        accomplices.push(nodeId);
        if (misbehaviours[behaviourOf(host.index)] === 'truncate') {
          host.drift({ offsetMs: forgetfulMs, ppm: 0 });
        }
      }
      ring.world.run(60_000);
      const figures = makeLookups(ring, {
        count: lookups,
        gapMs: 20,
        asks: () => anyHonest(ring),
        find: (from, record, done) => findStubbornly(ring, from, record, done),
      });
      active = false;
      return figures;
    },
    leastSuccess: (peers) => (peers <= 200 ? 0.95 : 0.9),
  };
}

function anyHonest(ring: SimulatedRing): SimulatedPeer {
  let peer = ring.anyLiving();
  while (isBad(peer.host.index)) peer = ring.anyLiving();
  return peer;
}

/** Several first hops one after the other, then the holders of the replicas. */
function findStubbornly(
  ring: SimulatedRing,
  from: SimulatedPeer,
  record: StoredRecord,
  done: (result: LookupResult) => void,
): void {
  const startedMs = ring.world.nowMs;
  const hops: (NodeId | undefined)[] = [undefined, ...disjointHops(from, record)];
  const end = (found: boolean): void => done({ found, elapsedMs: ring.world.nowMs - startedMs });

  function tryNext(): void {
    if (hops.length === 0) {
      askHolders();
      return;
    }
    const via = hops.shift();
    const how = { holders: 'all', ...(via === undefined ? {} : { via }) } as const;
    ring.lookup(from, record, ({ found }) => (found ? end(true) : tryNext()), how);
  }

  function askHolders(): void {
    const spacing = (1n << BigInt(idBits)) / BigInt(ring.peers.length);
    const asked = new Set<NodeId>();
    let open = replicaPlaces.length;
    let over = false;
    const ended = (found: boolean): void => {
      open--;
      if (over || (!found && open > 0)) return;
      over = true;
      end(found);
    };
    for (const step of replicaPlaces) {
      const resource = addOffset(record.resource, (spacing * BigInt(step * 10)) / 10n);
      from.overlay.ping([{ type: 'resource', resource }], (outcome) => {
        const at = outcome.ok ? outcome.value.answeredBy : undefined;
        if (at === undefined || asked.has(at)) {
          ended(false);
          return;
        }
        asked.add(at);
        ring.lookup(from, record, ({ found }) => ended(found), { at });
      });
    }
  }

  tryNext();
}

/** Linked peers before the resource, the nearest first, and one behind it. */
function disjointHops(from: SimulatedPeer, { resource }: StoredRecord): NodeId[] {
  const { routable } = from.topology.snapshot();
  const ahead = routable.filter((id) => strictlyBetween(from.nodeId, id, resource));
  const clockwise = (id: NodeId): string => (id > from.nodeId ? '0' : '1') + id;
  ahead.sort((a, b) => (clockwise(a) < clockwise(b) ? 1 : -1));
  return ahead.slice(1, firstHops);
}
