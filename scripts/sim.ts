/**
 * `npm run sim -- --peers N --seed S [--lookups L] [--scenario NAME] [--minutes M] [--seeds N] [--json]`
 * `--seeds N` runs N seeds one after the other, random ones unless `--seed` gives the first.
 */
import { parseArgs } from 'node:util';
import { spawnSync } from 'node:child_process';
import { runScenario, scenarioNames, type RunReport } from '../src/sim/scenario.ts';

const usage = `usage: npm run sim -- [--peers N] [--seed S] [--seeds N] [--lookups L] [--minutes M] [--scenario ${scenarioNames.join('|')}] [--json]`;

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
        seed: { type: 'string', default: String(Date.now()) },
        seeds: { type: 'string', default: '1' },
        minutes: { type: 'string', default: '30' },
        lookups: { type: 'string', default: '1000' },
        scenario: { type: 'string', default: 'steady' },
        json: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    return fail(error instanceof Error ? error.message : String(error));
  }
}

function readable(report: RunReport, wallMs: number): string {
  const { hops, perPeer } = report;
  const lines = [
    `peers ${report.peers}, scenario ${report.scenario}, ${Math.round(report.simulatedMs / 1000)} s simulated in ${Math.round(wallMs)} ms`,
    `ring right ${report.formedMs} ms after the last start; ${report.fullyLinked} peers linked with all others`,
    `hops: mean ${hops.mean}, median ${hops.p50}, 95 % ${hops.p95}, max ${hops.max}`,
    `lookups: ${(report.success * 100).toFixed(2)} % found, ${(report.firstTry * 100).toFixed(2)} % at first try`,
    `excused ${report.excused}, back at a node they had passed: ${(report.revisits * 1e6).toFixed(1)} of a million messages`,
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
const first = String(values['seed']);
const seedCount = count('seeds', String(values['seeds']), 1, 10_000);
const seeds = Array.from({ length: seedCount }, (_, i) => (i === 0 ? first : `${first}.${i}`));
const json = values['json'] === true;
const peers = count('peers', String(values['peers']), 3, 20_000);
const lookups = count('lookups', String(values['lookups']), 0, 1_000_000);
const minutes = count('minutes', String(values['minutes']), 1, 1440);
// The heap may grow with the number of peers and no further; V8 wants to know that from the start.
const heapFlag = `--max-old-space-size=${700 + Math.ceil(peers * 0.65)}`;
if (process.execArgv.includes(heapFlag)) runAll();
else {
  const args = [heapFlag, ...process.argv.slice(1), '--seed', first];
  process.exitCode = spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1;
}

function runAll(): void {
  for (const seed of seeds) {
    (json ? process.stderr : process.stdout).write(`seed ${seed}\n`);
    const startedMs = performance.now();
    const report = runScenario({ peers, seed, lookups, scenario, minutes, cpuUs });
    const wallMs = Math.round(performance.now() - startedMs);
    const maxRssMb = Math.round(process.resourceUsage().maxRSS / 1024);
    const named = /^\d{1,15}$/.test(seed) ? Number(seed) : seed;
    process.stdout.write(
      json
        ? `${JSON.stringify({ ...report, seed: named, wallMs, maxRssMb })}\n`
        : readable(report, wallMs),
    );
    if (Object.values(report.checkers).some((verdict) => verdict !== 'ok')) process.exitCode = 1;
  }
}

function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}
