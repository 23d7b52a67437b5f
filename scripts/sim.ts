/**
 * `npm run sim -- --peers N --seed S [--lookups L] [--scenario NAME] [--minutes M] [--seeds N]
 * [--real-keys] [--json]`; see docs/simulation.md. `--seeds N` runs N seeds one after the other,
 * random ones unless `--seed` gives the first.
 */
import { parseArgs } from 'node:util';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createXml } from '../src/node/xml.ts';
import { runScenario, scenarioNames, type RunReport } from '../src/sim/scenario.ts';
import { createRealAuthority } from './sim-real-keys.ts';

const usage = `usage: npm run sim -- [--peers N] [--seed S] [--seeds N] [--lookups L] [--minutes M] [--scenario ${scenarioNames.join('|')}] [--real-keys] [--json]`;

/** OpenSSL makes and checks each signature; beyond this a run takes too long. */
const mostPeersWithRealKeys = 50;
/** What a steady run may take up to so many peers. */
const allowances = [
  { peers: 1000, wallMs: 180_000, rssMb: 2048 },
  { peers: 10_000, wallMs: 1_200_000, rssMb: 8192 },
] as const;

interface Cost {
  readonly wallMs: number;
  readonly cpuMs: number;
  readonly rssMb: number;
}

function fail(reason: string): never {
  process.stderr.write(`${reason}\n${usage}\n`);
  process.exit(2);
}

function count(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < least || value > most) {
    fail(`--${name} must be a whole number from ${least} to ${most}, not ${text}`);
  }
  return value;
}

function parse(): { values: Record<string, string | boolean | undefined> } {
  try {
    return parseArgs({
      options: {
        peers: { type: 'string', default: '32' },
        seed: { type: 'string', default: randomBytes(4).readUInt32BE().toString() },
        seeds: { type: 'string', default: '1' },
        minutes: { type: 'string', default: '30' },
        lookups: { type: 'string', default: '1000' },
        scenario: { type: 'string', default: 'steady' },
        'real-keys': { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
}

function readable({ hops, perPeer, ...report }: RunReport): string {
  const lines = [
    `${report.peers} peers, seed ${report.seed}`,
    `hops: mean ${hops.mean}, median ${hops.p50}, 95 % ${hops.p95}, max ${hops.max}`,
    `lookups: ${(report.success * 100).toFixed(3)} % found, ${(report.firstTry * 100).toFixed(3)} % at first try`,
    `per peer: ${perPeer.messages} messages, ${perPeer.bytes} bytes, ${perPeer.cpuUs} µs CPU`,
    `trace ${report.traceHash}`,
    ...Object.entries(report.checkers).map(([name, verdict]) => `check ${name}: ${verdict}`),
  ];
  return `${lines.join('\n')}\n`;
}

const { values } = parse();
const scenario = String(values['scenario']);
if (!scenarioNames.includes(scenario)) {
  fail(`unknown scenario ${scenario}; there are: ${scenarioNames.join(', ')}`);
}
const realKeys = values['real-keys'] === true;
const first = String(values['seed']);
const seedCount = count('seeds', String(values['seeds']), 1, 10_000);
const seeds = Array.from({ length: seedCount }, (_, i) => (i === 0 ? first : `${first}.${i}`));
const json = values['json'] === true;
const peers = count('peers', String(values['peers']), 3, realKeys ? mostPeersWithRealKeys : 20_000);
const lookups = count('lookups', String(values['lookups']), 0, 1_000_000);
const minutes = count('minutes', String(values['minutes']), 1, 1440);
// The heap may grow with the number of peers and no further; V8 wants to know that from the start.
const heapFlag = `--max-old-space-size=${900 + Math.ceil(peers * 0.55)}`;
// Messages under way and timers outlive a small young generation, and moving them costs more than room
// for them; a large old generation is collected before it is full far more often than it has to be.
const memoryFlags = [
  `--max-semi-space-size=${peers > 2000 ? 256 : 64}`,
  `--initial-old-space-size=${400 + Math.ceil(peers * 0.45)}`,
];
if (process.execArgv.includes(heapFlag)) runAll();
else {
  const args = [heapFlag, ...memoryFlags, ...process.argv.slice(1), '--seed', first];
  process.exitCode = spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1;
}

function runAll(): void {
  (json ? process.stderr : process.stdout).write(`seeds ${seeds.join(' ')}\n`);
  for (const seed of seeds) {
    const { report, cost } = run(seed);
    const checkers = { ...report.checkers, ...judge(cost) };
    const { details, ...figures } = { ...report, checkers };
    const named = /^\d{1,15}$/.test(seed) ? Number(seed) : seed;
    process.stdout.write(
      json ? `${JSON.stringify({ ...figures, seed: named })}\n` : readable({ ...figures, details }),
    );
    tell(seed, JSON.stringify({ scenario, ...details, ...cost }));
    if (Object.values(checkers).some((verdict) => verdict !== 'ok')) process.exitCode = 1;
  }
}

function run(seed: string): { report: RunReport; cost: Cost } {
  const startedMs = performance.now();
  const startedUs = cpuUs();
  const report = runScenario({
    peers,
    seed,
    lookups,
    scenario,
    minutes,
    cpuUs,
    progress: (line) => tell(seed, line),
    ...(realKeys ? { authority: createRealAuthority, xml: createXml() } : {}),
  });
  return {
    report,
    cost: {
      wallMs: Math.round(performance.now() - startedMs),
      cpuMs: Math.round((cpuUs() - startedUs) / 1000),
      rssMb: Math.round(process.resourceUsage().maxRSS / 1024),
    },
  };
}

/** Time and memory of a steady run. */
function judge({ wallMs, rssMb }: Cost): Record<string, string> {
  const allowed = allowances.find((one) => peers <= one.peers);
  if (scenario !== 'steady' || realKeys || allowed === undefined) return {};
  return {
    time: wallMs <= allowed.wallMs ? 'ok' : `${wallMs} ms, not ${allowed.wallMs}`,
    memory: rssMb <= allowed.rssMb ? 'ok' : `${rssMb} MiB, not ${allowed.rssMb}`,
  };
}

function tell(seed: string, line: string): void {
  process.stderr.write(`[${seed}] ${line}\n`);
}

function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
