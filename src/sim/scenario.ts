/** Scenarios: what happens to a simulated ring, and the report of one run. */
import type { Checker } from './checkers/checker.ts';
import { checkAcknowledged } from './checkers/acknowledged.ts';
import { checkBounds } from './checkers/bounds.ts';
import { checkReplicas } from './checkers/replicas.ts';
import { checkResponsible } from './checkers/responsible.ts';
import { checkRing } from './checkers/ring.ts';
import { crash, partition, stall, type CrashOptions } from './faults.ts';
import type { Latency } from './network.ts';
import { createSimulatedRing, type SimulatedRing } from './ring.ts';
import { createWorld } from './world.ts';

export interface RunOptions {
  readonly peers: number;
  readonly seed: string;
  readonly lookups: number;
  readonly scenario: string;
  readonly latency?: Latency;
  /** CPU time used so far (µs); measurements do not touch the course of the run. */
  readonly cpuUs?: () => number;
}

export interface RunReport {
  readonly scenario: string;
  readonly peers: number;
  readonly seed: string;
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
  /** Means over the peers, joins included. */
  readonly perPeer: { readonly messages: number; readonly bytes: number; readonly cpuUs: number };
  /** From the start of the last peer until all tables were right (ms, in steps of half a second). */
  readonly formedMs: number;
  /** Peers linked with all others. */
  readonly fullyLinked: number;
  readonly simulatedMs: number;
  readonly events: number;
  readonly traceHash: string;
  readonly checkers: Readonly<Record<string, string>>;
}

type Scenario = (ring: SimulatedRing) => void;

const checkers: Readonly<Record<string, Checker>> = {
  ring: checkRing,
  responsible: checkResponsible,
  replicas: checkReplicas,
  acknowledged: checkAcknowledged,
  bounds: checkBounds,
};

const scenarios: Readonly<Record<string, Scenario>> = {
  /** All join, values are stored, everybody looks them up. */
  steady: () => undefined,
  /** Two adjacent peers die at once; what was acknowledged must still be found. */
  crash(ring) {
    crashPair(ring, { silently: false });
  },
  /** The same by a power cut: nobody is told. */
  'crash-silent'(ring) {
    crashPair(ring, { silently: true });
  },
  /** One peer is frozen for 20 s and goes on. */
  stall(ring) {
    stall(ring, ring.anyLiving(), 20_000);
    ring.world.run(5000);
  },
  /** All peers die and come back with their disks. */
  restart(ring) {
    for (const peer of ring.living()) crash(peer, { silently: false });
    ring.world.run(1000);
    ring.restartAll(joinGapMs);
    ring.world.run(joinGapMs * ring.peers.length);
    ring.world.runUntil(() => checkRing(ring) === undefined, joinLimitMs, 500);
  },
  /** The network falls apart into two halves for two minutes. */
  partition(ring) {
    partition(ring, Math.floor(ring.peers.length / 2), 120_000);
    ring.world.run(120_000);
    ring.world.runUntil(() => checkRing(ring) === undefined, joinLimitMs, 500);
  },
};

export const scenarioNames: readonly string[] = Object.keys(scenarios);

const joinGapMs = 50;
/** Above this number of peers the others are there from the beginning. */
const mostJoining = 500;
const joinLimitMs = 300_000;
/** Until the last fingers are found. */
const quietMs = 30_000;
/** Long enough for dropping what is not needed and for closing such links. */
const settleMs = 100_000;
const lookupGapMs = 2;
const lookupLimitMs = 60_000;

/** Runs one scenario to its end; an unknown name is the caller's to refuse. */
export function runScenario(options: RunOptions): RunReport {
  const startUs = options.cpuUs?.() ?? 0;
  const world = createWorld(options.seed);
  const latency = options.latency ?? { minimumMs: 0.3, maximumMs: 20 };
  const ring = createSimulatedRing(world, { peers: options.peers, latency });
  const joining = Math.min(options.peers, mostJoining);
  ring.startAll(joinGapMs, options.peers - joining);
  world.run(joinGapMs * joining);
  const startedMs = world.nowMs;
  world.runUntil(() => checkRing(ring) === undefined, joinLimitMs, 500);
  const formedMs = Math.round(world.nowMs - startedMs);
  world.run(quietMs);
  storeValues(ring, Math.max(50, Math.min(1000, options.peers)));
  scenarios[options.scenario]?.(ring);

  const figures = lookups(ring, options.lookups);
  world.run(settleMs);
  const verdicts: Record<string, string> = {};
  for (const [name, check] of Object.entries(checkers)) verdicts[name] = check(ring) ?? 'ok';
  const living = ring.living();
  const { meter } = ring.network;
  return {
    scenario: options.scenario,
    peers: options.peers,
    seed: options.seed,
    ...figures,
    perPeer: {
      messages: Math.round(meter.messages / options.peers),
      bytes: Math.round(meter.bytes / options.peers),
      cpuUs: Math.round(((options.cpuUs?.() ?? 0) - startUs) / options.peers),
    },
    formedMs,
    fullyLinked: living.filter((peer) => peer.overlay.snapshot().links.length >= living.length - 1)
      .length,
    simulatedMs: Math.round(world.nowMs),
    events: world.events,
    traceHash: world.traceHash(),
    checkers: verdicts,
  };
}

/** Stores and waits until all that can be acknowledged is. */
function storeValues(ring: SimulatedRing, count: number): void {
  let open = count;
  for (let i = 0; i < count; i++) {
    ring.world.after(i * lookupGapMs, () => {
      ring.store((record, outcome) => {
        if (outcome.ok) ring.confirm(record, outcome.value, () => open--);
        else open--;
      });
    });
  }
  ring.world.runUntil(() => open === 0, lookupLimitMs);
}

function crashPair(ring: SimulatedRing, options: CrashOptions): void {
  const ordered = ring.living().sort((a, b) => (a.nodeId < b.nodeId ? -1 : 1));
  const at = ring.world.prng.below(ordered.length);
  for (const step of [0, 1]) {
    const victim = ordered[(at + step) % ordered.length];
    if (victim !== undefined) crash(victim, options);
  }
}

function lookups(
  ring: SimulatedRing,
  count: number,
): Pick<RunReport, 'hops' | 'success' | 'firstTry'> {
  const { world, network, records } = ring;
  network.meter.fetchForwards.clear();
  let open = count;
  let found = 0;
  let first = 0;
  for (let i = 0; i < count; i++) {
    world.after(i * lookupGapMs, () => {
      const record = records[world.prng.below(records.length)];
      if (record === undefined) return;
      ring.lookup(ring.anyLiving(), record, (result) => {
        open--;
        if (!result.found) return;
        found++;
        if (result.elapsedMs < ring.config.reliabilityTimerMs) first++;
      });
    });
  }
  world.runUntil(() => open === 0, count * lookupGapMs + lookupLimitMs);
  const hops = [...network.meter.fetchForwards.values()];
  while (hops.length < found) hops.push(0);
  return { hops: distribution(hops), success: share(found, count), firstTry: share(first, count) };
}

function share(part: number, of: number): number {
  return of === 0 ? 1 : part / of;
}

function distribution(values: number[]): RunReport['hops'] {
  values.sort((a, b) => a - b);
  const at = (part: number): number => values[Math.floor(part * (values.length - 1))] ?? 0;
  const sum = values.reduce((total, value) => total + value, 0);
  const mean = values.length === 0 ? 0 : Math.round((sum / values.length) * 1000) / 1000;
  return { mean, p50: at(0.5), p95: at(0.95), max: at(1) };
}
