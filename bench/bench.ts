/**
 * `npm run bench`: CPU microseconds per operation. The system figures count user and system time of
 * all threads of the adapters' processes, sockets included; the load comes from this process.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startLab, type Lab } from '../test/interop/support/lab.ts';
import { temporaryFolder } from '../test/support/temporary-folder.ts';
import { cpuUsOf } from './load/process-cpu.ts';
import { createSipLoad, type SipLoad } from './load/sip-client.ts';
import { microBenchmarks } from './micro.ts';
import { overlayBenchmarks } from './overlay-bench.ts';
import type { BenchResult } from './result.ts';
import { sipServerBenchmarks } from './sip-server.ts';

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    seconds: { type: 'string', default: '3' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(`Usage: npm run bench -- [--json] [--only TEXT] [--seconds S]

CPU microseconds per operation for codec, signatures, registrar, proxy, overlay and link.
--only runs the groups whose name contains TEXT: micro, server, overlay, sip.

Example: npm run bench -- --json --only sip`);
  process.exit(0);
}
const seconds = Number(values.seconds);
const results: BenchResult[] = [];
const wanted = (group: string): boolean => group.includes(values.only);

if (wanted('micro')) report(await microBenchmarks(seconds));
if (wanted('server')) report(await sipServerBenchmarks(seconds));
if (wanted('overlay')) report(await overlayBenchmarks(seconds));
if (wanted('sip')) {
  await withLab({ sip: { authenticate: false } }, openBenchmarks);
  await withLab({}, authenticatedBenchmarks);
}
if (values.json) console.log(JSON.stringify({ results }));
process.exit(0);

function report(more: readonly BenchResult[]): void {
  for (const result of more) {
    results.push(result);
    const { name, cpuUs, perSecond, n } = result;
    console.error(
      `${name.padEnd(28)}${cpuUs.toFixed(1).padStart(10)} µs${perSecond.toFixed(0).padStart(10)} /s  n=${n}`,
    );
  }
}

async function withLab(settings: object, run: (lab: Lab) => Promise<void>): Promise<void> {
  const config = join(temporaryFolder('chordial-bench'), 'bench.json');
  writeFileSync(config, JSON.stringify({ log: { level: 'warn' }, ...settings }));
  const lab = await startLab({ adapters: 2, config });
  try {
    await run(lab);
  } finally {
    await lab.stop();
  }
}

async function loadAt(k: number, lab: Lab): Promise<SipLoad> {
  return await createSipLoad({
    address: '127.0.0.1',
    port: 0,
    boxAddress: `127.0.0.${10 + k}`,
    boxPort: 5060,
    domain: lab.domain,
  });
}

async function openBenchmarks(lab: Lab): Promise<void> {
  const near = await loadAt(1, lab);
  const far = await loadAt(2, lab);
  const local = pidsOf(lab, [1]);
  const both = pidsOf(lab, [1, 2]);
  for (const user of ['alice', 'bob', 'carol']) await near.register(user, `${user}pw`, user);
  await far.register('dave', 'davepw', 'dave');
  report([
    await measure('refresh-register', local, 32, async () => await near.refresh('alice')),
    await measure('local-call', local, 16, async () => await near.call('alice', '', 'bob')),
    await measure('cross-adapter-call', both, 16, async () => await near.call('alice', '', 'dave')),
  ]);
  near.close();
  far.close();
}

async function authenticatedBenchmarks(lab: Lab): Promise<void> {
  const near = await loadAt(1, lab);
  const local = pidsOf(lab, [1]);
  for (const user of ['alice', 'bob']) await near.register(user, `${user}pw`, user);
  report([
    await measure(
      'authenticated-register',
      local,
      32,
      async () => await near.register('alice', 'alicepw', 'alice'),
    ),
    await measure(
      'authenticated-local-call',
      local,
      16,
      async () => await near.call('alice', 'alicepw', 'bob'),
    ),
  ]);
  near.close();
}

function pidsOf(lab: Lab, boxes: readonly number[]): number[] {
  return lab.adapters.filter((a) => boxes.includes(a.adapter)).map((a) => a.pid);
}

/** Keeps `concurrency` operations in flight; a short warm-up is not counted. */
async function measure(
  name: string,
  pids: readonly number[],
  concurrency: number,
  operation: () => Promise<number>,
): Promise<BenchResult> {
  await inFlight(concurrency, performance.now() + 1000, operation);
  const cpuBefore = cpuUsOf(pids);
  const started = performance.now();
  const n = await inFlight(concurrency, started + seconds * 1000, operation);
  const elapsedS = (performance.now() - started) / 1000;
  return { name, cpuUs: (cpuUsOf(pids) - cpuBefore) / n, perSecond: n / elapsedS, n };
}

async function inFlight(
  concurrency: number,
  end: number,
  operation: () => Promise<number>,
): Promise<number> {
  let done = 0;
  const worker = async (): Promise<void> => {
    while (performance.now() < end) {
      const status = await operation();
      if (status !== 200) throw new Error(`an operation ended with ${status}`);
      done++;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return done;
}
