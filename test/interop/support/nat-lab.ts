/**
 * Networks behind NATs, made of network namespaces: two hosts, each behind a NAT of its own, and a
 * public host. Needs root, iproute2 and nftables; no interface of the machine is touched.
 *
 *   a 10.0.1.2 ─ nat 198.51.100.101 ─┐
 *   b 10.0.2.2 ─ nat 198.51.100.102 ─┴─ public 198.51.100.20
 */
import { spawnSync } from 'node:child_process';
import { without } from './tools.ts';

export type NatKind =
  /** One port for all destinations; only who was sent to may answer (RFC 4787 §4.1, §5). */
  | 'cone'
  /** Another port for each destination. */
  | 'symmetric';

export interface NatLab {
  /** What to put before a command so that it runs there. */
  within(host: 'a' | 'b' | 'public'): readonly string[];
  close(): void;
}

export const natAddresses = { a: '10.0.1.2', b: '10.0.2.2', public: '198.51.100.20' } as const;

/** `false` when such networks can be made here, else the reason why not. */
export function withoutNatLab(...programs: readonly string[]): string | false {
  if (process.getuid?.() !== 0) return 'needs root, for network namespaces';
  const missing = without('ip', 'nft', 'sysctl', ...programs);
  if (missing !== false) return missing;
  const probe = `chordial-probe-${String(process.pid)}`;
  const made = spawnSync('ip', ['netns', 'add', probe]).status === 0;
  if (made) spawnSync('ip', ['netns', 'del', probe]);
  return made ? false : 'needs permission to make network namespaces';
}

export function createNatLab(kinds: { readonly a: NatKind; readonly b: NatKind }): NatLab {
  const names = ['public', 'nat-a', 'nat-b', 'a', 'b'] as const;
  const nameOf = (name: string): string => `chordial-${String(process.pid)}-${name}`;
  const on = (name: string, ...command: string[]): void => {
    run('ip', 'netns', 'exec', nameOf(name), ...command);
  };

  function close(): void {
    for (const name of names) spawnSync('ip', ['netns', 'del', nameOf(name)]);
  }

  function build(): void {
    for (const name of names) {
      run('ip', 'netns', 'add', nameOf(name));
      on(name, 'ip', 'link', 'set', 'lo', 'up');
    }
    on('public', 'ip', 'link', 'add', 'wan', 'type', 'bridge');
    on('public', 'ip', 'addr', 'add', `${natAddresses.public}/24`, 'dev', 'wan');
    on('public', 'ip', 'link', 'set', 'wan', 'up');
    for (const [host, number] of [
      ['a', 1],
      ['b', 2],
    ] as const) {
      const nat = `nat-${host}`;
      join(nat, 'wan', 'public', `to-${host}`);
      on('public', 'ip', 'link', 'set', `to-${host}`, 'master', 'wan');
      on(nat, 'ip', 'addr', 'add', `198.51.100.10${String(number)}/24`, 'dev', 'wan');
      join(host, 'eth0', nat, 'lan');
      on(nat, 'ip', 'addr', 'add', `10.0.${String(number)}.1/24`, 'dev', 'lan');
      on(host, 'ip', 'addr', 'add', `${natAddresses[host]}/24`, 'dev', 'eth0');
      on(host, 'ip', 'route', 'add', 'default', 'via', `10.0.${String(number)}.1`);
      on(nat, 'sysctl', '-qw', 'net.ipv4.ip_forward=1');
      run('ip', 'netns', 'exec', nameOf(nat), 'nft', '--', rules(kinds[host]));
    }
    // As in public: what goes to private addresses is lost on the way, without an error.
    on('public', 'ip', 'route', 'add', 'default', 'via', '198.51.100.101');
  }

  /** A cable between two namespaces. */
  function join(one: string, oneEnd: string, other: string, otherEnd: string): void {
    const peer = ['peer', 'name', otherEnd, 'netns', nameOf(other)];
    run('ip', 'link', 'add', oneEnd, 'netns', nameOf(one), 'type', 'veth', ...peer);
    on(one, 'ip', 'link', 'set', oneEnd, 'up');
    on(other, 'ip', 'link', 'set', otherEnd, 'up');
  }

  try {
    build();
  } catch (error) {
    close();
    throw error;
  }
  return { within: (host) => ['ip', 'netns', 'exec', nameOf(host)], close };
}

/** What comes from outside unasked is dropped before it can take a port of the NAT for itself. */
function rules(kind: NatKind): string {
  const how = kind === 'cone' ? 'masquerade' : 'masquerade fully-random';
  return `
    table ip nat {
      chain post {
        type nat hook postrouting priority 100; policy accept;
        oifname "wan" ${how}
      }
    }
    table ip filter {
      chain through {
        type filter hook forward priority 0; policy accept;
        iifname "wan" ct state new drop
      }
      chain to {
        type filter hook input priority 0; policy accept;
        iifname "wan" ct state new meta l4proto { tcp, udp } drop
      }
    }`;
}

function run(program: string, ...args: readonly string[]): void {
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr}`);
}
