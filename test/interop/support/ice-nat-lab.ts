/**
 * Two hosts behind NATs of the Linux kernel and a network between them with coturn, in network
 * namespaces of this process; run it under `unshare -n -m`. Takes the two kinds of NAT on the
 * command line and prints what both agents found.
 */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { IceParameters, IcePath } from '../../../src/link/ice/types.ts';
import { sleep } from './wait.ts';

export interface NatResult {
  readonly path?: IcePath;
  readonly failure?: string;
  readonly heard: readonly string[];
}

const outside = '203.0.113.1';

function run(command: string): void {
  execFileSync('sh', ['-ec', command], { stdio: ['ignore', 'ignore', 'inherit'] });
}

/** Masquerading keeps the source port where it can, so it looks like a port-restricted cone. */
const masquerade: Readonly<Record<string, string>> = {
  cone: 'masquerade',
  symmetric: 'masquerade fully-random',
  blocked: 'masquerade',
};

/** A host and, unless it is `open`, its router. Returns the address of the host. */
function addSide(name: string, number: number, kind: string): string {
  run(`ip netns add h${name}; ip -n h${name} link set lo up`);
  if (kind === 'open') {
    const address = `203.0.113.${number}`;
    plugIn(`h${name}`, address);
    return address;
  }
  const [inside, host] = [`10.0.${number}.1`, `10.0.${number}.2`];
  const router = `r${name}`;
  run(`ip netns add ${router}; ip -n ${router} link set lo up`);
  plugIn(router, `203.0.113.${number}`);
  run(`ip link add in netns ${router} type veth peer name out netns h${name}
    ip -n ${router} addr add ${inside}/24 dev in; ip -n ${router} link set in up
    ip -n h${name} addr add ${host}/24 dev out; ip -n h${name} link set out up
    ip -n h${name} route add default via ${inside}
    ip netns exec ${router} sh -c 'echo 1 > /proc/sys/net/ipv4/ip_forward'`);
  const nft = (rule: string): void => {
    run(`ip netns exec ${router} nft '${rule}'`);
  };
  nft('add table ip nat');
  nft('add chain ip nat out { type nat hook postrouting priority 100 ; }');
  nft(`add rule ip nat out oifname "wan" ${masquerade[kind] ?? ''}`);
  nft('add table ip filter');
  // What nobody asked for must not make an entry of its own that takes the port.
  nft('add chain ip filter input { type filter hook input priority 0 ; }');
  nft('add rule ip filter input iifname "wan" meta l4proto udp drop');
  nft('add chain ip filter forward { type filter hook forward priority 0 ; }');
  if (kind === 'blocked') nft('add rule ip filter forward iifname "in" udp dport != 3478 drop');
  return host;
}

function plugIn(namespace: string, address: string): void {
  run(`ip link add port-${namespace} type veth peer name wan netns ${namespace}
    ip link set port-${namespace} master net; ip link set port-${namespace} up
    ip -n ${namespace} addr add ${address}/24 dev wan; ip -n ${namespace} link set wan up`);
}

interface Agent {
  readonly process: ChildProcess;
  next(): Promise<unknown>;
  tell(value: unknown): void;
}

function startAgent(namespace: string, address: string): Agent {
  const script = join(import.meta.dirname, 'ice-nat-agent.ts');
  const command = ['netns', 'exec', namespace, process.execPath, script, address, outside];
  const child = spawn('ip', command, { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    process: child,
    next: async () => JSON.parse(String((await lines.next()).value)) as unknown,
    tell: (value) => void child.stdin.write(`${JSON.stringify(value)}\n`),
  };
}

function startCoturn(folder: string): ChildProcess {
  const options = [
    ...['-n', '--no-cli', '--no-tls', '--no-dtls', '--lt-cred-mech', '--realm=overlay.example'],
    ...[`--listening-ip=${outside}`, `--relay-ip=${outside}`, '--user=peer:secret'],
    ...[`--pidfile=${folder}/pid`, `--userdb=${folder}/db`, `--log-file=${folder}/log`],
  ];
  return spawn('turnserver', options, { cwd: folder, stdio: 'ignore' });
}

const [kindA = 'open', kindB = 'open'] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'ice-nat-lab-'));
// Namespaces are named under /run; this one is ours alone.
run('mount -t tmpfs tmpfs /run; ip link set lo up');
run(`ip link add net type bridge; ip addr add ${outside}/24 dev net; ip link set net up`);
// A way to everywhere that leads nowhere: coturn gives up allocations whose data has no route at all.
run(`ip neigh add 203.0.113.254 lladdr 02:00:00:00:00:01 dev net nud permanent
  ip route add default via 203.0.113.254`);
const coturn = startCoturn(folder);
const addresses = [addSide('a', 11, kindA), addSide('b', 12, kindB)] as const;
await sleep(1000);
const one = startAgent('ha', addresses[0]);
const two = startAgent('hb', addresses[1]);
const [a, b] = (await Promise.all([one.next(), two.next()])) as [IceParameters, IceParameters];
two.tell({ remote: a, role: 'controlled' });
one.tell({ remote: b, role: 'controlling' });
const results = (await Promise.all([one.next(), two.next()])) as NatResult[];
process.stdout.write(`${JSON.stringify(results)}\n`);
one.tell('end');
two.tell('end');
await Promise.all(
  [one, two].map(async ({ process: child }) => {
    if (child.exitCode === null) await new Promise((done) => child.once('exit', done));
  }),
);
coturn.kill();
rmSync(folder, { recursive: true, force: true });
