/**
 * Imports the test files given as arguments; node:test runs them in this process. The last line says
 * how much processor time that took. A process that waits for nothing ends with 3: node:test would
 * wait for ever for a test whose callback was never called.
 */
import { resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { pathToFileURL } from 'node:url';

const intervalMs = 250;
const busyMs = 10;
const idleLimitMs = 3_000;

let idleMs = 0;
let seen = performance.eventLoopUtilization();
setInterval(() => {
  const now = performance.eventLoopUtilization();
  const { active, idle } = performance.eventLoopUtilization(now, seen);
  seen = now;
  idleMs = active > busyMs ? 0 : idleMs + idle;
  if (idleMs < idleLimitMs) return;
  process.stdout.write('not ok: waits for nothing\n');
  process.exit(3);
}, intervalMs).unref();

process.on('exit', () => {
  const { user, system } = process.cpuUsage();
  process.stdout.write(`used ${Math.round((user + system) / 1_000)} ms\n`);
});

for (const file of process.argv.slice(2)) await import(pathToFileURL(resolve(file)).href);
