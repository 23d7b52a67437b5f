/**
 * `npm run lab`: one authority and N adapters on loopback, each its own process.
 * Adapter k: SIP on 127.0.0.(10+k):5060 (UDP, TCP), :5061 (TLS), :5066 (WS); links on :6084; admin on :8080.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { createAdminClient } from '../src/cli/admin-client.ts';
import { isMember } from '../src/cli/box/membership.ts';
import { settingsFiles } from '../src/cli/data-dir.ts';
import { initOverlay } from '../src/cli/init-overlay.ts';
import { joinOverlay } from '../src/cli/join-overlay.ts';
import { loadSettings, type Settings } from '../src/node/settings.ts';

const help = `Usage: npm run lab -- --adapters N [--links tls|dtls|tls+dtls|dtls-ice] [--domain lab.example]
                          [--dir DIR] [--keylog FILE] [--config FILE] [--base N]

Starts one authority and N adapters (1 to 200) on loopback and prints one JSON line each, then {"ready":true}.
Users alice, bob, carol, dave; the password is the name followed by "pw". Ends on SIGINT or SIGTERM.
With --base the authority is 127.0.0.N and adapter k 127.0.0.(N+k), for a second lab beside the first.
With --dir the data stays and the next start with the same folder goes on from it.

Example: npm run lab -- --adapters 3`;

const { values } = parseArgs({
  options: {
    adapters: { type: 'string', default: '3' },
    domain: { type: 'string', default: 'lab.example' },
    dir: { type: 'string' },
    keylog: { type: 'string' },
    links: { type: 'string', default: 'tls' },
    config: { type: 'string' },
    base: { type: 'string', default: '10' },
    help: { type: 'boolean', default: false },
  },
});
const count = Number(values.adapters);
const base = Number(values.base);
const authorityAddress = `127.0.0.${base}`;
const isBase = Number.isInteger(base) && base >= 2 && base + count <= 254;
if (values.help || !Number.isInteger(count) || count < 1 || count > 200 || !isBase) {
  console.log(help);
  process.exit(values.help ? 0 : 2);
}
const dir = resolve(values.dir ?? mkdtempSync(join(tmpdir(), 'chordial-lab-')));
const cli = resolve('src/main.ts');
const users = ['alice', 'bob', 'carol', 'dave'];
const children: ChildProcess[] = [];
let stopping = false;

process.on('SIGINT', () => void stop(0));
process.on('SIGTERM', () => void stop(0));

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  await stop(1);
}

async function main(): Promise<void> {
  const authorityDir = join(dir, 'authority');
  if (!existsSync(join(authorityDir, 'chordial.json'))) {
    const remember = {
      authority: {
        enabled: true,
        address: authorityAddress,
        port: 8443,
        publicHost: authorityAddress,
      },
      adapter: { enabled: false },
      admin: { address: authorityAddress, port: 8080 },
    };
    const settings = settingsWith({
      domain: values.domain,
      link: { protocol: values.links },
      ...remember,
    });
    await initOverlay({
      dir: authorityDir,
      settings,
      remember,
      bootstrap: [`127.0.0.${base + 1}:6084`],
      users: users.map((name) => ({ name, password: `${name}pw` })),
    });
  }
  start('authority', authorityDir);
  await reachable(`http://${authorityAddress}:8080`);
  await joinMissing(authorityDir);
  for (let k = 1; k <= count; k++) start(`adapter-${k}`, join(dir, `adapter-${k}`));
  await ringComplete();
  for (let k = 1; k <= count; k++) {
    const status = await statusOf(k);
    console.log(
      JSON.stringify({
        adapter: k,
        sip: `127.0.0.${base + k}:5060`,
        admin: adminOf(k),
        nodeId: status?.nodeId,
        pid: status?.pid,
      }),
    );
  }
  console.log('{"ready":true}');
}

/** Makes members of the adapters that are none yet. */
async function joinMissing(authorityDir: string): Promise<void> {
  const missing: number[] = [];
  for (let k = 1; k <= count; k++) {
    if (!isMember(join(dir, `adapter-${k}`))) missing.push(k);
  }
  if (missing.length === 0) return;
  const client = createAdminClient(settingsOfDirectory(authorityDir), authorityDir);
  const { token } = (await client.send('POST', '/api/tokens', {
    uses: missing.length,
    lifetimeS: 3600,
  })) as { token: string };
  for (const k of missing) {
    const address = `127.0.0.${base + k}`;
    const remember = {
      link: {
        address,
        keyLog: values.keylog === undefined ? '' : resolve(values.keylog),
      },
      sip: { address },
      admin: { address, port: 8080 },
    };
    await joinOverlay({
      dir: join(dir, `adapter-${k}`),
      settings: settingsWith({}),
      token,
      remember,
    });
  }
}

/** Defaults, the values given, and the file of --config. */
function settingsWith(given: object): Settings {
  const folder = mkdtempSync(join(tmpdir(), 'chordial-lab-'));
  try {
    const file = join(folder, 'settings.json');
    writeFileSync(file, JSON.stringify(given));
    return loaded([file, ...configFiles()]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function settingsOfDirectory(folder: string): Settings {
  return loaded(settingsFiles(folder, []));
}

function loaded(files: readonly string[]): Settings {
  const settings = loadSettings(files, {}, {});
  if (!settings.ok) throw new Error(settings.error);
  return settings.value;
}

function configFiles(): string[] {
  return values.config === undefined ? [] : [resolve(values.config)];
}

function start(name: string, folder: string): void {
  const log = openSync(join(folder, 'log.jsonl'), 'a', 0o600);
  const extra = name === 'authority' ? [] : configFiles().flatMap((file) => ['--config', file]);
  const child = spawn(process.execPath, [cli, 'start', '--dir', folder, ...extra], {
    stdio: ['ignore', 'ignore', log],
  });
  children.push(child);
  child.on('exit', (code, signal) => {
    if (stopping || signal === 'SIGKILL') return;
    console.error(
      `${name} ended with ${String(code ?? signal)}; its log: ${join(folder, 'log.jsonl')}`,
    );
    console.error(readFileSync(join(folder, 'log.jsonl'), 'utf8').split('\n').slice(-4).join('\n'));
  });
}

function adminOf(k: number): string {
  return `http://127.0.0.${base + k}:8080`;
}

interface Status {
  readonly nodeId: string;
  readonly pid: number;
  readonly ring?: {
    readonly state: string;
    readonly predecessors: readonly string[];
    readonly successors: readonly string[];
  };
}

async function statusOf(k: number): Promise<Status | undefined> {
  try {
    const response = await fetch(`${adminOf(k)}/api/status`, { signal: AbortSignal.timeout(2000) });
    return (await response.json()) as Status;
  } catch {
    return undefined;
  }
}

/** Every adapter has joined and its neighbors are its true ones. */
async function ringComplete(): Promise<void> {
  const limit = performance.now() + 20_000 + count * 2500;
  let problem = 'no adapter answered';
  while (performance.now() < limit) {
    const all = await Promise.all(Array.from({ length: count }, (_, index) => statusOf(index + 1)));
    const present = all.filter((status) => status !== undefined);
    if (present.length === count) {
      const ids = present.map((status) => status.nodeId).sort();
      const wrong = present.find((status) => {
        const at = ids.indexOf(status.nodeId);
        const ring = status.ring;
        if (ring?.state !== 'joined') return true;
        if (count === 1) return false;
        return (
          ring.successors[0] !== ids[(at + 1) % count] ||
          ring.predecessors[0] !== ids[(at - 1 + count) % count]
        );
      });
      if (wrong === undefined) return;
      problem = `node ${wrong.nodeId} is ${wrong.ring?.state ?? 'without a ring'}`;
    } else {
      problem = `${count - present.length} adapters do not answer on their admin port`;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`The ring is not complete: ${problem}. Logs are in ${dir}.`);
}

async function reachable(url: string): Promise<void> {
  for (let attempt = 0; attempt < 300; attempt++) {
    try {
      await fetch(`${url}/health`, { signal: AbortSignal.timeout(1000) });
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  throw new Error(`${url} does not answer; logs are in ${dir}.`);
}

async function stop(code: number): Promise<void> {
  if (stopping) return;
  stopping = true;
  const running = children.filter((child) => child.exitCode === null && child.signalCode === null);
  await Promise.all(
    running.map(
      async (child) =>
        await new Promise<void>((resolve) => {
          const hard = setTimeout(() => child.kill('SIGKILL'), 8000);
          child.on('exit', () => {
            clearTimeout(hard);
            resolve();
          });
          child.kill('SIGCONT');
          child.kill('SIGTERM');
        }),
    ),
  );
  if (code === 0 && values.dir === undefined) rmSync(dir, { recursive: true, force: true });
  process.exit(code);
}
