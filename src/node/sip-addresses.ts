import { isIPv6 } from 'node:net';
import type { TransportAddress } from '../ports/connection.ts';

export function familyOf(address: string): 4 | 6 {
  return isIPv6(address) ? 6 : 4;
}

/** `192.0.2.1:5060`, `[2001:db8::1]:5060`. */
export function hostPort(address: TransportAddress): string {
  const host = address.address.includes(':') ? `[${address.address}]` : address.address;
  return `${host}:${String(address.port)}`;
}

/** The reverse of {@link hostPort}. */
export function parseHostPort(text: string): TransportAddress | undefined {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const address = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return address === undefined || port < 1 || port > 65535 ? undefined : { address, port };
}

/** A SIP listener that could not be opened. */
export interface SipListenError extends Error {
  /** Name of the listener. */
  readonly listener: string;
}

/** Says in one line which listener could not be opened, where and why. */
export function listenError(
  listener: { readonly name: string; readonly transport: string } & TransportAddress,
  cause: Error,
): SipListenError {
  const code = (cause as NodeJS.ErrnoException).code ?? cause.message;
  const why =
    code === 'EADDRINUSE'
      ? 'the port is in use (EADDRINUSE)'
      : code === 'EACCES'
        ? 'permission denied (EACCES)'
        : code;
  const text = `cannot listen on ${listener.transport} ${hostPort(listener)}: ${why}`;
  return Object.assign(new Error(`SIP listener ${listener.name}: ${text}`, { cause }), {
    listener: listener.name,
  });
}

/** `::ffff:192.0.2.1` as `192.0.2.1`; zones are left out. */
export function plainAddress(address: string | undefined): string {
  if (address === undefined) return '';
  const mapped =
    address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
  const zone = mapped.indexOf('%');
  return zone < 0 ? mapped : mapped.slice(0, zone);
}
