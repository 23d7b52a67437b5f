/** Scenarios: what happens to a simulated ring, and the report of one run. */
import type { Checker } from './checkers/checker.ts';
import { checkAcknowledged } from './checkers/acknowledged.ts';
import { checkBounds } from './checkers/bounds.ts';
import { checkReplicas } from './checkers/replicas.ts';
import { checkResponsible } from './checkers/responsible.ts';
import { checkRing } from './checkers/ring.ts';
import { makeLookups, type LookupFigures } from './lookups.ts';
import type { Latency } from './network.ts';
import { scenarios } from './scenarios/index.ts';
import type { Scenario } from './scenarios/scenario.ts';
import { steady } from './scenarios/steady.ts';
import { createSimulatedRing, type SimulatedRing } from './ring.ts';
import { createWorld } from './world.ts';

export interface RunOptions {
  readonly peers: number;
  readonly seed: string;
  readonly lookups: number;
  readonly scenario: string;
  readonly latency?: Latency;
  /** Simulated minutes of scenarios that go on for a while; 30 when absent. */
  readonly minutes?: number;
  /** CPU time used so far (µs); measurements do not touch the course of the run. */
  readonly cpuUs?: () => number;
}

export interface RunReport extends LookupFigures {
  readonly scenario: string;
  readonly peers: number;
  readonly seed: string;
  /** Values whose three holders were lost within one hold-down. */
  readonly excused: number;
  /** Messages that came back to a node they had passed, of all sent. */
  readonly revisits: number;
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

const checkers: Readonly<Record<string, Checker>> = {
  ring: checkRing,
  responsible: checkResponsible,
  replicas: checkReplicas,
  acknowledged: checkAcknowledged,
  bounds: checkBounds,
};

export const scenarioNames: readonly string[] = Object.keys(scenarios);

const joinGapMs = 50;
/** Larger rings begin formed, but for this many peers or one in twenty. */
const leastJoining = 250;
const joinLimitMs = 300_000;
/** Until the last fingers are found. */
const quietMs = 30_000;
/** Long enough for dropping what is not needed and for closing such links. */
const settleMs = 100_000;
const lookupGapMs = 5;
const longestLookupsMs = 40_000;
const lookupLimitMs = 60_000;

/** Runs one scenario to its end; an unknown name is the caller's to refuse. */
export function runScenario(options: RunOptions): RunReport {
  const startUs = options.cpuUs?.() ?? 0;
  const scenario = (scenarios[options.scenario] ?? (() => steady))();
  const world = createWorld(options.seed);
  const ring = createSimulatedRing(world, {
    ...scenario,
    peers: options.peers,
    latency: options.latency ?? scenario.latency ?? { minimumMs: 0.3, maximumMs: 20 },
  });
  const formedMs = form(ring);
  world.run(quietMs);
  storeValues(ring, Math.max(50, Math.min(1000, options.peers)));
  const { lookups: count } = options;
  const own = scenario.disturb(ring, { lookups: count, minutes: options.minutes ?? 30 });

  const gapMs = Math.min(lookupGapMs, longestLookupsMs / Math.max(1, count));
  const figures = own ?? makeLookups(ring, { count, gapMs });
  world.run(settleMs);
  const verdicts: Record<string, string> = {};
  for (const [name, check] of Object.entries(checkers)) verdicts[name] = check(ring) ?? 'ok';
  verdicts['lookups'] = judge(figures, scenario, options.peers) ?? 'ok';
  const living = ring.living();
  const { meter } = ring.network;
  return {
    scenario: options.scenario,
    peers: options.peers,
    seed: options.seed,
    ...figures,
    excused: ring.losses.excused.size,
    revisits: meter.revisits / Math.max(1, meter.messages),
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

/** Starts everybody; the time from the last start until all tables were right. */
function form(ring: SimulatedRing): number {
  const { world, peers } = ring;
  const joining = Math.min(peers.length, Math.max(leastJoining, Math.ceil(peers.length / 20)));
  ring.startAll(joinGapMs, peers.length - joining);
  world.run(joinGapMs * joining);
  const startedMs = world.nowMs;
  world.runUntil(() => checkRing(ring) === undefined, joinLimitMs, 500);
  return Math.round(world.nowMs - startedMs);
}

function judge(figures: LookupFigures, scenario: Scenario, peers: number): string | undefined {
  const least = scenario.leastSuccess?.(peers) ?? 1;
  if (figures.success < least) return `${figures.success} found, not ${least}`;
  return scenario.demand?.(figures, peers);
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
