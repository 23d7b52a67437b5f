/** `npm run sim -- --peers N --seed S [--lookups L] [--scenario NAME] [--json]` */
import { parseArgs } from 'node:util';
import { runScenario, scenarioNames, type RunReport } from '../src/sim/scenario.ts';

const usage = `usage: npm run sim -- [--peers N] [--seed S] [--lookups L] [--scenario ${scenarioNames.join('|')}] [--json]`;

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
const seed = String(values['seed']);
const json = values['json'] === true;
(json ? process.stderr : process.stdout).write(`seed ${seed}\n`);
const startedMs = performance.now();
const report = runScenario({
  peers: count('peers', String(values['peers']), 3, 20_000),
  seed,
  lookups: count('lookups', String(values['lookups']), 0, 1_000_000),
  scenario,
  cpuUs() {
    const { user, system } = process.cpuUsage();
    return user + system;
  },
});
process.stdout.write(
  json
    ? `${JSON.stringify({ ...report, seed: /^\d{1,15}$/.test(seed) ? Number(seed) : seed })}\n`
    : readable(report, performance.now() - startedMs),
);
if (Object.values(report.checkers).some((verdict) => verdict !== 'ok')) process.exitCode = 1;
