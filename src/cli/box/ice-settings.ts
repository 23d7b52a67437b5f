/** Settings about ICE as text, read with an error that names the setting. */
import { isIP } from 'node:net';
import type { TransportAddress } from '../../ports/connection.ts';
import type { TurnServer } from '../../link/ice/types.ts';
import { CommandError } from '../command.ts';

/** `address:port`, brackets around IPv6. Throws CommandError. */
export function hostPort(setting: string, text: string): TransportAddress {
  const colon = text.lastIndexOf(':');
  const address = text.slice(0, Math.max(0, colon)).replace(/^\[|\]$/g, '');
  const port = Number(text.slice(colon + 1));
  if (isIP(address) === 0 || !Number.isInteger(port) || port < 1 || port > 65_535) {
    throw new CommandError(`${setting}: "${text}" is not ADDRESS:PORT`, 2);
  }
  return { address, port };
}

/** `username:password@address:port`. Throws CommandError, without the password. */
export function turnServers(entries: readonly string[]): readonly TurnServer[] {
  return entries.map((entry) => {
    const at = entry.lastIndexOf('@');
    const credentials = entry.slice(0, Math.max(0, at));
    const colon = credentials.indexOf(':');
    if (colon < 1) {
      throw new CommandError('link.turnServers: each is USERNAME:PASSWORD@ADDRESS:PORT', 2);
    }
    return {
      server: hostPort('link.turnServers', entry.slice(at + 1)),
      username: credentials.slice(0, colon),
      password: credentials.slice(colon + 1),
    };
  });
}

/** `username:password`; nothing when empty. Throws CommandError, without the password. */
export function turnCredentials(
  text: string,
): { readonly username: string; readonly password: string } | undefined {
  if (text === '') return undefined;
  const colon = text.indexOf(':');
  if (colon < 1) throw new CommandError('link.turnCredentials: must be USERNAME:PASSWORD', 2);
  return { username: text.slice(0, colon), password: text.slice(colon + 1) };
}

/** `from-to`; nothing when empty. Throws CommandError. */
export function portRange(
  text: string,
): { readonly from: number; readonly to: number } | undefined {
  if (text === '') return undefined;
  const match = /^(\d{1,5})-(\d{1,5})$/.exec(text);
  const [from, to] = [Number(match?.[1]), Number(match?.[2])];
  if (!(from >= 1024 && to >= from && to <= 65_535)) {
    throw new CommandError(`link.icePorts: "${text}" is not FROM-TO within 1024-65535`, 2);
  }
  return { from, to };
}
