import type { NodeId } from '../../base/ids.ts';
import { addOffset, idBits, strictlyBetween } from '../../topology/chord/ring.ts';
import { cutAnswers, replayAnswers } from '../bad-links.ts';
import { misbehaviours, spoil } from '../bad-topology.ts';
import { lasting, makeLookups } from '../lookups.ts';
import type { SimulatedPeer } from '../peer.ts';
import type { LookupResult, StoredRecord } from '../records.ts';
import type { SimulatedRing } from '../ring.ts';
import { updateSome } from '../storing.ts';
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
  const isActive = (): boolean => active;
  const accomplices: NodeId[] = [];
  return {
    summary:
      'one peer in twenty drops, misroutes, hijacks, lies about its tables, truncates or replays',
    topology(index, honest) {
      const how = misbehaviours[behaviourOf(index)];
      if (!isBad(index) || how === undefined) return honest;
      return spoil(honest, how, isActive, () => accomplices);
    },
    tamper(index, host, identity) {
      const how = isBad(index) ? misbehaviours[behaviourOf(index)] : undefined;
      if (how === 'truncate') return cutAnswers(isActive);
      return how === 'replay' ? replayAnswers(host, identity, isActive) : undefined;
    },
    disturb(ring, { lookups, progress }) {
      letThemLearn(ring);
      active = true;
      ring.records.served.expectRollbacks();
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
      progress(`${ring.records.served.rolledBack} older values were served by replaying peers`);
      return figures;
    },
    leastSuccess: (peers) => (peers <= 200 ? 0.95 : 0.9),
  };
}

/** Every value is asked for several times, so that replaying peers see it, and then becomes another. */
function letThemLearn(ring: SimulatedRing): void {
  lasting(ring, ring.world.nowMs + 60_000).forEach((record, i) => {
    for (let round = 0; round < 3; round++) {
      ring.world.after(i * 5 + round * 1000, () => {
        ring.records.lookup(ring.anyLiving(), record, () => undefined);
      });
    }
  });
  ring.world.run(15_000);
  updateSome(ring, 1);
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
    ring.records.lookup(from, record, ({ found }) => (found ? end(true) : tryNext()), how);
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
        ring.records.lookup(from, record, ({ found }) => ended(found), { at });
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
