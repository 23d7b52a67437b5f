/** Many lookups of stored values, and how they went. */
import type { SimulatedPeer } from './peer.ts';
import type { LookupResult, StoredRecord } from './records.ts';
import type { SimulatedRing } from './ring.ts';

export interface LookupFigures {
  /** Forwards of the Fetch request, 0 when the asking peer is responsible itself. */
  readonly hops: {
    readonly mean: number;
    readonly p50: number;
    readonly p95: number;
    readonly max: number;
  };
  /** Part of the lookups that found the value. */
  readonly success: number;
  /** Part of the lookups that found it before the first end-to-end retransmission. */
  readonly firstTry: number;
}

export interface LookupPlan {
  readonly count: number;
  /** Time between two lookups. */
  readonly gapMs: number;
  /** How one is made; absent: a plain Fetch. */
  readonly find?: (
    from: SimulatedPeer,
    record: StoredRecord,
    done: (result: LookupResult) => void,
  ) => void;
  /** Who asks; absent: any living peer. */
  readonly asks?: () => SimulatedPeer;
  /** One line now and then about how far they are. */
  readonly progress?: (line: string) => void;
}

const limitMs = 120_000;
const tellEveryMs = 60_000;

/** Looks up random records that are not excused; lookups of peers that die meanwhile do not count. */
export function makeLookups(ring: SimulatedRing, plan: LookupPlan): LookupFigures {
  const { world, network } = ring;
  const lastsMs = world.nowMs + plan.count * plan.gapMs + limitMs;
  const records = lasting(ring, lastsMs);
  const { fetchForwards } = network.meter;
  fetchForwards.clear();
  const open = new Map<number, { readonly from: SimulatedPeer; readonly run: number }>();
  let started = 0;
  let found = 0;
  let first = 0;
  for (let i = 0; i < plan.count; i++) {
    world.after(i * plan.gapMs, () => {
      started++;
      const record = records[world.prng.below(Math.max(1, records.length))];
      const from = (plan.asks ?? ring.anyLiving)();
      if (record === undefined || ring.losses.excused.has(record)) return;
      open.set(i, { from, run: from.host.run });
      (plan.find ?? ring.records.lookup)(from, record, (result) => {
        if (!open.delete(i)) return;
        ended++;
        if (!result.found) return;
        found++;
        if (result.elapsedMs < ring.config.reliabilityTimerMs) first++;
      });
    });
  }
  let ended = 0;
  let toldMs = world.nowMs;
  const isOver = (): boolean => {
    for (const [i, { from, run }] of open) if (from.host.run !== run || !from.alive) open.delete(i);
    if (world.nowMs - toldMs >= tellEveryMs) {
      toldMs = world.nowMs;
      plan.progress?.(`${started} lookups, ${ended} ended: ${found} found, ${first} at first try`);
    }
    return started === plan.count && open.size === 0;
  };
  world.runUntil(isOver, plan.count * plan.gapMs + limitMs, 500);
  const total = ended + open.size;
  const hops = [...fetchForwards.values()];
  while (hops.length < found) hops.push(0);
  return {
    hops: distribution(hops),
    success: share(found, total),
    firstTry: share(first, total),
  };
}

/** Acknowledged records that live until then and whose holders were not all lost. */
export function lasting(ring: SimulatedRing, untilMs: number): StoredRecord[] {
  return ring.records.all.filter(
    (one) => one.acknowledged && one.lastsMs > untilMs && !ring.losses.excused.has(one),
  );
}

function share(part: number, of: number): number {
  return of === 0 ? 1 : part / of;
}

function distribution(values: number[]): LookupFigures['hops'] {
  values.sort((a, b) => a - b);
  const at = (part: number): number => values[Math.floor(part * (values.length - 1))] ?? 0;
  const sum = values.reduce((total, value) => total + value, 0);
  const mean = values.length === 0 ? 0 : Math.round((sum / values.length) * 1000) / 1000;
  return { mean, p50: at(0.5), p95: at(0.95), max: at(1) };
}
