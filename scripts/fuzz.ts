/** `npm run fuzz`: hostile input against all parsers, then against a running lab. */
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { parseArgs } from 'node:util';
import { createPrng, type Prng } from '../src/base/prng.ts';
import { hostile, mutate } from '../test/fuzz/mutate.ts';
import { fuzzTargets, type FuzzTarget } from '../test/fuzz/targets.ts';
import { startLab, type Lab } from '../test/interop/support/lab.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '30' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000_007) },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
const seconds = Number(values.seconds);
if (values.help || !(seconds > 0)) {
  console.log(`Usage: npm run fuzz -- --seconds S [--seed X] [--json]

Half of the time goes to the parsers, half to the servers of a running lab. Exit code 1 on a crash,
a hang, a cost that grows faster than the input, or memory that grows without bound.

Example: npm run fuzz -- --seconds 60 --seed 7`);
  process.exit(values.help ? 0 : 2);
}
console.error(`seed ${values.seed}`);
const findings: string[] = [];
const parserInputs = fuzzParsers();
const serverInputs = await fuzzServers();
for (const finding of findings) console.error(`FINDING: ${finding}`);
if (values.json) {
  console.log(JSON.stringify({ seed: values.seed, parserInputs, serverInputs, findings }));
} else {
  console.log(
    `${fuzzTargets.length} parsers: ${parserInputs} inputs; servers: ${serverInputs} inputs; ${findings.length} findings`,
  );
}
process.exit(findings.length === 0 ? 0 : 1);

function fuzzParsers(): number {
  let inputs = 0;
  for (const target of fuzzTargets) checkLinear(target);
  const end = performance.now() + seconds * 500;
  const prng = createPrng(values.seed);
  while (performance.now() < end) {
    for (const target of fuzzTargets) {
      for (let i = 0; i < 200; i++) {
        const sample = target.samples[prng.below(target.samples.length)];
        if (sample === undefined) continue;
        attemptRun(target, mutate(sample, prng));
        inputs++;
      }
    }
  }
  return inputs;
}

function attemptRun(target: FuzzTarget, input: Uint8Array): void {
  const started = performance.now();
  try {
    target.run(input);
  } catch (error) {
    findings.push(`${target.name} threw ${String(error)} on ${Buffer.from(input).toString('hex')}`);
  }
  if (performance.now() - started > 1000) {
    findings.push(`${target.name} took over a second on ${input.length} bytes`);
  }
}

/**
 * 64 kB may cost at most twelve times what 8 kB cost, by the median of the CPU time. An input whose
 * first bytes claim a length that 8 kB do not hold is refused at once and read only when longer; such
 * a step is told from growth by the next step, to 512 kB.
 */
function checkLinear(target: FuzzTarget): void {
  const [small, large, huge] = [8192, 65_536, 524_288].map((size) => hostile(target.samples, size));
  for (const [index, input] of (small ?? []).entries()) {
    const larger = large?.[index];
    const hugest = huge?.[index];
    if (larger === undefined || hugest === undefined) continue;
    if (growth(target, input, larger) <= 12 || growth(target, larger, hugest) <= 12) continue;
    const piece = JSON.stringify(Buffer.from(input.subarray(-24)).toString('latin1'));
    findings.push(`${target.name}: 64 kB cost over 12 times 8 kB (family ${index}: ${piece})`);
  }
}

/** The least of three readings, because the collector disturbs single ones. */
function growth(target: FuzzTarget, input: Uint8Array, larger: Uint8Array): number {
  let ratio = Infinity;
  for (let again = 0; again < 3 && ratio > 12; again++) {
    ratio = Math.min(ratio, medianUs(target, larger) / Math.max(medianUs(target, input), 20));
  }
  return ratio;
}

function medianUs(target: FuzzTarget, input: Uint8Array): number {
  const readings: number[] = [];
  for (let i = 0; i < 9; i++) {
    const before = process.cpuUsage();
    attemptRun(target, input);
    const used = process.cpuUsage(before);
    readings.push(used.user + used.system);
  }
  return readings.sort((a, b) => a - b)[4] ?? 0;
}

async function fuzzServers(): Promise<number> {
  const prng = createPrng(`${values.seed}-servers`);
  const lab = await startLab({ adapters: 2 });
  let inputs = 0;
  try {
    const before = residentKb(lab);
    const end = performance.now() + seconds * 500;
    const socket = createSocket('udp4');
    while (performance.now() < end) {
      for (let i = 0; i < 200; i++) {
        const input = sipInput(prng);
        socket.send(input, 5060, '127.0.0.11');
        inputs++;
      }
      for (const port of [5060, 5061, 5066, 6084, 6085, 8080]) {
        await sendStream(port, sipInput(prng));
        inputs++;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    socket.close();
    for (const { adapter, admin } of lab.adapters) {
      const health = await fetch(`${admin}/health`, { signal: AbortSignal.timeout(5000) }).catch(
        () => undefined,
      );
      if (health?.ok !== true) findings.push(`adapter ${adapter} is not healthy after the run`);
    }
    const grown = residentKb(lab) - before;
    if (grown > 200_000) findings.push(`adapter 1 grew by ${grown} kB`);
  } catch (error) {
    findings.push(`a server failed: ${String(error)}`);
  } finally {
    await lab.stop();
  }
  return inputs;
}

function sipInput(prng: Prng): Uint8Array {
  const target = fuzzTargets[prng.below(fuzzTargets.length)];
  const samples = target?.samples ?? [];
  const sample = samples[prng.below(samples.length)] ?? new Uint8Array(1);
  return mutate(prng.below(4) === 0 ? sample : (fuzzTargets[0]?.samples[0] ?? sample), prng);
}

function residentKb(lab: Lab): number {
  const pid = lab.adapters[0]?.pid ?? process.pid;
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
}

async function sendStream(port: number, input: Uint8Array): Promise<void> {
  await new Promise<void>((resolve) => {
    const socket = connect(port, '127.0.0.11', () => socket.end(input));
    const done = (): void => {
      socket.destroy();
      resolve();
    };
    socket.on('error', done);
    socket.on('close', done);
    socket.setTimeout(200, done);
    socket.resume();
  });
}
