/** Two boxes behind NATs and one in public: links and calls find their way by ICE. */
import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { temporaryFolder } from '../support/temporary-folder.ts';
import { createNatLab, natAddresses, withoutNatLab } from './support/nat-lab.ts';
import type { NatKind, NatLab } from './support/nat-lab.ts';
import { runSipp } from './support/sipp.ts';
import { until } from './support/wait.ts';

const domain = 'nat.example';
const turnPort = 3478;
const turnUser = 'relay:secret';
const places = ['public', 'a', 'b'] as const;
type Place = (typeof places)[number];

interface Remote {
  readonly remote: { readonly address: string; readonly port: number };
}

interface Status {
  readonly nodeId: string;
  readonly ring?: {
    readonly state: string;
    readonly links: readonly (Remote & { readonly nodeId: string })[];
  };
  readonly connections: { readonly open: readonly Remote[] };
}

/** Programs in the networks, all ended by `end`. */
function programs(lab: NatLab, folder: string) {
  const running: ChildProcess[] = [];
  const chordial = [process.execPath, resolve('src/main.ts')];
  const split = (place: Place, command: readonly string[]): [string, string[]] => {
    const [program = '', ...args] = [...lab.within(place), ...command];
    return [program, args];
  };
  const dirOf = (place: Place): string[] => ['--dir', join(folder, place)];
  return {
    /** Runs a command of ours to its end. */
    run(place: Place, args: readonly string[], input = ''): string {
      const all = split(place, [...chordial, ...args, ...dirOf(place)]);
      const { status, stdout, stderr } = spawnSync(...all, { encoding: 'utf8', input });
      assert.equal(status, 0, `chordial ${args.join(' ')}\n${stdout}\n${stderr}`);
      return stdout;
    },
    start(place: Place, command: readonly string[] = [...chordial, 'start', ...dirOf(place)]) {
      running.push(spawn(...split(place, command), { stdio: 'ignore' }));
    },
    status(place: Place): Status | undefined {
      const url = `http://${natAddresses[place]}:8080/api/status`;
      const { stdout } = spawnSync(...split(place, ['curl', '-s', '-m', '2', url]), {
        encoding: 'utf8',
      });
      return stdout === '' ? undefined : (JSON.parse(stdout) as Status);
    },
    log(place: Place): string {
      const file = join(folder, `${place}.log`);
      return existsSync(file) ? readFileSync(file, 'utf8') : '';
    },
    async end(): Promise<void> {
      const left = running.filter(({ exitCode, signalCode }) => (exitCode ?? signalCode) === null);
      await Promise.all(
        left.map(async (child) => {
          const ended = new Promise((done) => child.once('close', done));
          child.kill('SIGTERM');
          const hard = setTimeout(() => child.kill('SIGKILL'), 8000);
          await ended;
          clearTimeout(hard);
        }),
      );
    },
  };
}

type Programs = ReturnType<typeof programs>;

async function startBoxes(on: Programs, folder: string, relayed: boolean): Promise<void> {
  const set = (values: Readonly<Record<string, string>>): string[] =>
    Object.entries(values).flatMap(([key, value]) => ['--set', `${key}=${value}`]);
  const own = (place: Place): string[] => {
    const address = natAddresses[place];
    return set({
      ...{ 'sip.address': address, 'link.address': address, 'admin.address': address },
      'log.file': join(folder, `${place}.log`),
      // The public box tells the overlay of the server, the others find it there.
      ...(relayed && place === 'public'
        ? { 'link.announcedTurn': `${natAddresses.public}:${String(turnPort)}` }
        : {}),
      ...(relayed ? { 'link.turnCredentials': turnUser } : {}),
    });
  };
  const authority = set({
    domain,
    'authority.enabled': 'true',
    'authority.address': natAddresses.public,
    'authority.publicHost': natAddresses.public,
  });
  on.run('public', ['init', '--links', 'dtls-ice', ...authority, ...own('public')]);
  on.start('public');
  const joined = (place: Place): boolean => on.status(place)?.ring?.state === 'joined';
  await until('the public box runs', () => joined('public'), 20_000);
  for (const user of ['alice', 'bob']) {
    on.run('public', ['user', 'add', user, '--password-stdin'], `${user}pw\n`);
  }
  const created = on.run('public', ['token', 'create', '--uses', '2', '--json']);
  const { token } = JSON.parse(created) as { token: string };
  for (const place of ['a', 'b'] as const) {
    on.run(place, ['join', token, ...own(place)]);
    on.start(place);
  }
  const linked = (place: Place): boolean => on.status(place)?.ring?.links.length === 2;
  await until('all boxes are linked', () => places.every((p) => joined(p) && linked(p)), 45_000);
}

async function call(lab: NatLab): Promise<void> {
  const phone = (place: 'a' | 'b') => ({
    local: natAddresses[place],
    within: lab.within(place),
    proxy: `${natAddresses[place]}:5060`,
  });
  const register = await runSipp({
    ...phone('b'),
    scenario: 'register.xml',
    port: 6070,
    args: [
      ...['-s', 'bob', '-key', 'domain', domain, '-au', 'bob', '-ap', 'bobpw'],
      ...['-key', 'contact', `sip:bob@${natAddresses.b}:6062`, '-key', 'exp', '60'],
    ],
  });
  assert.equal(register.status, 0, register.output);
  const callee = runSipp({
    local: natAddresses.b,
    within: lab.within('b'),
    scenario: 'uas.xml',
    port: 6062,
    args: ['-mi', natAddresses.b, '-mp', '6100', '-rtp_echo'],
  });
  const caller = await runSipp({
    ...phone('a'),
    scenario: 'uac.xml',
    port: 6072,
    args: [
      ...['-mi', natAddresses.a, '-mp', '6300', '-s', 'bob', '-key', 'domain', domain],
      ...['-key', 'user', 'alice', '-au', 'alice', '-ap', 'alicepw'],
    ],
  });
  assert.equal(caller.status, 0, caller.output);
  assert.equal((await callee).status, 0);
}

/** TURN on the public host, as an operator would run it. */
function startTurn(on: Programs, folder: string): void {
  const files = ['pidfile', 'db', 'log-file'].flatMap((name) => [
    `--${name}`,
    join(folder, `turn-${name}`),
  ]);
  on.start('public', [
    ...['turnserver', '-n', '-L', natAddresses.public, '-p', String(turnPort)],
    ...['--lt-cred-mech', '-u', turnUser, '-r', domain, '--no-tls', '--no-dtls', '--no-cli'],
    ...['--min-port', '50000', '--max-port', '50200', ...files],
  ]);
}

function linkTo(status: Status | undefined, nodeId: string | undefined): Remote | undefined {
  return status?.ring?.links.find((link) => link.nodeId === nodeId);
}

async function linkAndCall(kind: NatKind, relayed: boolean): Promise<void> {
  const folder = temporaryFolder('chordial-nat');
  const lab = createNatLab({ a: kind, b: kind });
  const on = programs(lab, folder);
  try {
    if (relayed) startTurn(on, folder);
    await startBoxes(on, folder, relayed);
    const [a, b] = [on.status('a'), on.status('b')];
    const ends = [linkTo(a, b?.nodeId), linkTo(b, a?.nodeId)];
    const addresses = ends.map((end) => end?.remote.address);
    // Of two ends one at least sees the relay, where there is one.
    if (relayed) assert.ok(addresses.includes(natAddresses.public), addresses.join());
    else assert.deepEqual(addresses, ['198.51.100.102', '198.51.100.101']);
    await call(lab);
    const [connection] = on.status('a')?.connections.open ?? [];
    assert.ok(connection !== undefined);
    assert.notEqual(connection.remote.port, ends[0]?.remote.port);
    for (const place of places) assert.ok(!on.log(place).includes('secret'), 'no secret in logs');
  } catch (error) {
    for (const place of places) console.error(`${place}:\n${on.log(place).slice(-3000)}`);
    throw error;
  } finally {
    await on.end();
    lab.close();
  }
}

describe('boxes behind NATs that keep one port', { skip: withoutNatLab('sipp', 'curl') }, () => {
  test('are linked directly and carry a call', () => linkAndCall('cone', false));
});

describe(
  'boxes behind NATs with a port for each destination',
  { skip: withoutNatLab('sipp', 'curl', 'turnserver') },
  () => {
    test('are linked through a TURN server found in the overlay and carry a call', () =>
      linkAndCall('symmetric', true));
  },
);
