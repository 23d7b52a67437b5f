/** What bindings cost in memory: a lab of one adapter, before and after N phones have registered. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startLab } from '../test/interop/support/lab.ts';
import { temporaryFolder } from '../test/support/temporary-folder.ts';
import { type MemoryFigures, memoryOf } from './load/inspect.ts';
import { createSipLoad } from './load/sip-client.ts';

const { values } = parseArgs({
  options: {
    bindings: { type: 'string', default: '10000' },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) {
  console.log(`Usage: node bench/memory.ts [--bindings N]

Memory of an adapter after garbage collection: before, with N bindings, and when each was refreshed twice.
Transactions have ended (RFC 3261, Timer J) before each reading. Takes two minutes; Linux only.

Example: node bench/memory.ts --bindings 10000`);
  process.exit(0);
}
const bindings = Number(values.bindings);
/** Timer J, and the time by which what is remembered of transactions may live longer. */
const transactionsMs = 40_000;
const inFlight = 16;

const config = join(temporaryFolder('chordial-bench'), 'memory.json');
writeFileSync(config, JSON.stringify({ log: { level: 'warn' }, sip: { authenticate: false } }));
const lab = await startLab({ adapters: 1, config, readyWithinMs: 60_000 });
try {
  const pid = lab.adapters[0]?.pid ?? 0;
  const load = await createSipLoad({
    address: '127.0.0.1',
    port: 0,
    boxAddress: '127.0.0.11',
    boxPort: 5060,
    domain: lab.domain,
  });
  const registerAll = async (from: number, count: number): Promise<void> => {
    let next = from;
    const worker = async (): Promise<void> => {
      while (next < from + count) {
        const status = await load.refresh(`phone${String(next++).padStart(6, '0')}`);
        if (status !== 200) throw new Error(`a REGISTER ended with ${String(status)}`);
      }
    };
    await Promise.all(Array.from({ length: inFlight }, worker));
  };
  const settled = async (): Promise<MemoryFigures> => {
    await setTimeout(transactionsMs);
    return await memoryOf(pid);
  };

  // Code is compiled and tables of transactions exist before the first reading.
  await registerAll(bindings, 500);
  const before = await settled();
  await registerAll(0, bindings);
  const registered = await settled();
  await registerAll(0, bindings);
  await registerAll(0, bindings);
  const refreshed = await settled();
  load.close();
  report('before', before, before);
  report(`${String(bindings)} bindings`, registered, before);
  report('refreshed twice', refreshed, before);
} finally {
  await lab.stop();
}
process.exit(0);

function report(name: string, now: MemoryFigures, before: MemoryFigures): void {
  const mebi = (bytes: number): string => (bytes / 2 ** 20).toFixed(1).padStart(7);
  console.log(
    `${name.padEnd(18)} heap ${mebi(now.heapBytes)} MiB (${mebi(now.heapBytes - before.heapBytes)})` +
      `   pss ${mebi(now.pssBytes)} MiB (${mebi(now.pssBytes - before.pssBytes)})`,
  );
}
