/** Scenarios: what happens to a simulated ring, and the report of one run. */
import type { Checker } from './checkers/checker.ts';
import { checkAcknowledged } from './checkers/acknowledged.ts';
import { checkBounds } from './checkers/bounds.ts';
import { checkConvergence } from './checkers/convergence.ts';
import { checkLoops } from './checkers/loops.ts';
import { checkReplicas } from './checkers/replicas.ts';
import { checkResponsible } from './checkers/responsible.ts';
import { checkRing } from './checkers/ring.ts';
import { checkValues } from './checkers/values.ts';
import type { Xml } from '../ports/xml.ts';
import { makeLookups, type LookupFigures } from './lookups.ts';
import type { Latency } from './network.ts';
import { createSimulatedRing, type AuthorityFactory, type SimulatedRing } from './ring.ts';
import { scenarios } from './scenarios/index.ts';
import type { Scenario } from './scenarios/scenario.ts';
import { steady } from './scenarios/steady.ts';
import { storeValues } from './storing.ts';
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
  /** One line about how far the run is. */
  readonly progress?: (line: string) => void;
  /** Who certifies and how signatures are made; absent: keyed hashes. */
  readonly authority?: AuthorityFactory;
  /** With it the ring has signed configuration documents. */
  readonly xml?: Xml;
}

/** What a run comes to, whatever the scenario. */
export interface RunReport extends LookupFigures {
  readonly peers: number;
  readonly seed: string;
  /** Means over the peers, joins included. */
  readonly perPeer: { readonly messages: number; readonly bytes: number; readonly cpuUs: number };
  readonly traceHash: string;
  /** `ok` or the first thing that is wrong, by the name of the checker. */
  readonly checkers: Readonly<Record<string, string>>;
  readonly details: RunDetails;
}

export interface RunDetails {
  /** Values whose three holders were lost within one hold-down. */
  readonly excused: number;
  /** Values that were stored and confirmed. */
  readonly acknowledged: number;
  /** Older values handed out after newer ones had been confirmed. */
  readonly rolledBack: number;
  /** Part of the messages that came back to a node they had passed. */
  readonly revisits: number;
  readonly longestWay: number;
  /** From the start of the last peer until all tables were right (ms, in steps of half a second). */
  readonly formedMs: number;
  /** Longest time from the end of a harm until all tables were right (ms). */
  readonly healedMs: number;
  /** Peers linked with all others. */
  readonly fullyLinked: number;
  readonly mostLinks: number;
  readonly simulatedMs: number;
  readonly events: number;
}

const checkers: Readonly<Record<string, Checker>> = {
  convergence: checkConvergence,
  ring: checkRing,
  responsible: checkResponsible,
  replicas: checkReplicas,
  acknowledged: checkAcknowledged,
  values: checkValues,
  bounds: checkBounds,
  loops: checkLoops,
};

export const scenarioNames: readonly string[] = Object.keys(scenarios);

const joinGapMs = 50;
/** Larger rings begin formed, but for this many peers or one in twenty. */
const leastJoining = 100;
const joinLimitMs = 300_000;
/** Until the last fingers are found. */
const quietMs = 30_000;
/** After the last change of the ring: long enough for dropping what is not needed and for closing such links. */
const settleMs = 100_000;
/** After the last lookup, however long they took. */
const leastSettleMs = 10_000;
const lookupGapMs = 5;
const longestLookupsMs = 40_000;

/** Runs one scenario to its end; an unknown name is the caller's to refuse. */
export function runScenario(options: RunOptions): RunReport {
  const startUs = options.cpuUs?.() ?? 0;
  const scenario = (scenarios[options.scenario] ?? (() => steady))();
  const world = createWorld(options.seed);
  const tell = options.progress ?? ((): void => undefined);
  const progress = (line: string): void => tell(`${Math.round(world.nowMs / 1000)} s: ${line}`);
  const ring = createSimulatedRing(world, {
    ...scenario,
    ...options,
    latency: options.latency ?? scenario.latency ?? { minimumMs: 0.3, maximumMs: 20 },
  });
  const formedMs = form(ring, progress);
  let changedMs = world.nowMs;
  progress(`${ring.living().length} peers, tables right ${formedMs} ms after the last start`);
  world.run(quietMs);
  storeValues(ring, Math.max(50, Math.min(1000, options.peers)));
  progress(`${ring.records.all.filter((one) => one.acknowledged).length} values acknowledged`);
  const { lookups: count } = options;
  const own = scenario.disturb(ring, { lookups: count, minutes: options.minutes ?? 30, progress });
  if (options.scenario !== 'steady') {
    changedMs = world.nowMs;
    progress('disturbed and healed');
  }

  const gapMs = Math.min(lookupGapMs, longestLookupsMs / Math.max(1, count));
  const figures = own ?? makeLookups(ring, { count, gapMs });
  progress(`${count} lookups, ${(figures.success * 100).toFixed(2)} % succeeded`);
  world.run(Math.max(leastSettleMs, changedMs + settleMs - world.nowMs));
  const verdicts: Record<string, string> = {};
  for (const [name, check] of Object.entries(checkers)) verdicts[name] = check(ring) ?? 'ok';
  verdicts['lookups'] = judge(figures, scenario, options.peers) ?? 'ok';
  progress('checked');
  return report(ring, options, {
    figures,
    formedMs,
    verdicts,
    usedUs: (options.cpuUs?.() ?? 0) - startUs,
  });
}

function report(
  ring: SimulatedRing,
  { peers, seed }: RunOptions,
  run: {
    readonly figures: LookupFigures;
    readonly formedMs: number;
    readonly verdicts: Readonly<Record<string, string>>;
    readonly usedUs: number;
  },
): RunReport {
  const { world, records, network } = ring;
  const { meter } = network;
  const living = ring.living();
  return {
    peers,
    seed,
    ...run.figures,
    perPeer: {
      messages: Math.round(meter.messages / peers),
      bytes: Math.round(meter.bytes / peers),
      cpuUs: Math.round(run.usedUs / peers),
    },
    traceHash: world.traceHash(),
    checkers: run.verdicts,
    details: {
      excused: ring.losses.excused.size,
      acknowledged: records.all.filter((one) => one.acknowledged).length,
      rolledBack: records.served.rolledBack,
      revisits: meter.revisits / Math.max(1, meter.messages),
      longestWay: meter.longestWay,
      formedMs: run.formedMs,
      healedMs: Math.max(0, ...ring.healings),
      fullyLinked: living.filter(
        (peer) => peer.overlay.snapshot().links.length >= living.length - 1,
      ).length,
      mostLinks: ring.peaks.links,
      simulatedMs: Math.round(world.nowMs),
      events: world.events,
    },
  };
}

/** Starts everybody; the time from the last start until all tables were right. */
function form(ring: SimulatedRing, progress: (line: string) => void): number {
  const { world, peers } = ring;
  const joining = Math.min(peers.length, Math.max(leastJoining, Math.ceil(peers.length / 20)));
  const startingMs = ring.startAll(joinGapMs, peers.length - joining);
  progress(`${peers.length - joining} peers are a ring, ${joining} join`);
  world.run(startingMs);
  progress('all have started');
  const startedMs = world.nowMs;
  world.runUntil(() => checkRing(ring) === undefined, joinLimitMs, 500);
  return Math.round(world.nowMs - startedMs);
}

function judge(figures: LookupFigures, scenario: Scenario, peers: number): string | undefined {
  const least = scenario.leastSuccess?.(peers) ?? 1;
  if (figures.success < least) return `${figures.success} found, not ${least}`;
  return scenario.demand?.(figures, peers);
}
