/** Addresses of this machine: which ones stand for the box, and which one to show to a given phone. */
import { networkInterfaces, hostname } from 'node:os';
import { BlockList, isIPv6 } from 'node:net';
import type { Flow } from '../../ports/flow.ts';

/** Addresses of the machine, outward ones first, loopback last. */
export function machineAddresses(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((entries) => entries ?? []);
  const usable = all.filter((entry) => !entry.address.startsWith('fe80:'));
  const outward = usable.filter((entry) => !entry.internal).map((entry) => entry.address);
  const loopback = usable.filter((entry) => entry.internal).map((entry) => entry.address);
  return [...outward.sort(byFamily), ...loopback.sort(byFamily)];
}

/** A listening address that is one address, not "all of them". */
export function isSpecific(address: string): boolean {
  return address !== '0.0.0.0' && address !== '::';
}

/** Everything by which phones may name this box. */
export function ownHosts(listening: readonly string[], aliases: readonly string[]): string[] {
  const specific = listening.filter(isSpecific);
  const all = specific.length < listening.length ? machineAddresses() : [];
  const named = specific.length < listening.length ? [hostname(), 'localhost'] : [];
  return [...new Set([...specific, ...all, ...named, ...aliases])];
}

/** The machine's address on the network of the remote one, else its first outward address. */
function addressFacing(remote: string): string {
  const family = isIPv6(remote) ? 'IPv6' : 'IPv4';
  const entries = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter((entry) => entry.family === family);
  for (const entry of entries) {
    const network = new BlockList();
    const prefix = Number(entry.cidr?.split('/')[1] ?? (family === 'IPv6' ? 128 : 32));
    network.addSubnet(entry.address, prefix, family === 'IPv6' ? 'ipv6' : 'ipv4');
    if (network.check(remote, family === 'IPv6' ? 'ipv6' : 'ipv4')) return entry.address;
  }
  const outward = entries.find((entry) => !entry.internal) ?? entries[0];
  return outward?.address ?? (family === 'IPv6' ? '::1' : '127.0.0.1');
}

/**
 * What a phone is told to send to: on a secure flow a name that has a certificate (RFC 5922 §7.5), on a
 * wildcard listener the address that faces it; `undefined` when that is the flow's own address.
 */
export function shownAddress(
  flow: Pick<Flow, 'secure' | 'local' | 'remote'>,
  secureName: string | undefined,
): { host: string; port: number } | undefined {
  if (flow.secure && secureName !== undefined) return { host: secureName, port: flow.local.port };
  if (isSpecific(flow.local.address)) return undefined;
  return { host: addressFacing(flow.remote.address), port: flow.local.port };
}

function byFamily(a: string, b: string): number {
  return Number(a.includes(':')) - Number(b.includes(':'));
}
