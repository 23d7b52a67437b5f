/** The authority side of a box: the one that issues certificates and keeps the accounts. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { failure, success } from '../../base/outcome.ts';
import {
  createAuthority,
  type Authority,
  type NewOverlay,
} from '../../authority/http/authority.ts';
import type { AuthorityAdmin } from '../../admin/sources.ts';
import type { Settings } from '../../node/settings.ts';
import { CommandError } from '../command.ts';
import { machineAddresses } from './own-addresses.ts';
import { openBoxStore, type Platform } from './platform.ts';

export interface AuthorityRole {
  readonly authority: Authority;
  readonly admin: AuthorityAdmin;
  /** Serves HTTPS; rejects with a sentence that names the port when it is taken. */
  listen(): Promise<void>;
  stop(): Promise<void>;
}

export function authorityDirectory(dir: string): string {
  return join(dir, 'authority');
}

/** Its keys exist nowhere else, so an empty one would be another overlay. */
const remedy =
  'make a new overlay with "chordial init" in another directory and let every box join it anew';

/** Opens the authority of that directory, or creates it with `create`. */
export async function createAuthorityRole(
  settings: Settings,
  directory: string,
  platform: Platform,
  create?: NewOverlay,
): Promise<AuthorityRole> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const store = await openBoxStore(directory, remedy);
  const { address, port, publicHost } = settings.authority;
  const [first = '127.0.0.1'] = machineAddresses();
  const host = publicHost === '' ? first : publicHost;
  let authority: Authority;
  try {
    authority = await createAuthority({
      ...platform,
      store,
      overlayName: settings.domain,
      hosts: [host, ...machineAddresses(), 'localhost'].filter(isFirst),
      publicUrl: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
      ...(create === undefined ? {} : { create }),
    });
  } catch (error) {
    await store.close();
    throw error;
  }
  return {
    authority,
    admin: administration(authority),
    async listen() {
      const started = await authority.start({ address, port });
      if (!started.ok) throw new CommandError(`authority (authority.port): ${started.error}`);
    },
    async stop() {
      await authority.stop();
      await store.close();
    },
  };
}

function administration(authority: Authority): AuthorityAdmin {
  return {
    addUser: async (name, password) => await authority.addUser(name, password),
    setPassword: async (name, password) => await authority.setPassword(name, password),
    setForwarding: async (name, change) => await authority.setForwarding(name, change),
    setRedirected: async (name, redirected) => await authority.setRedirected(name, redirected),
    setEnabled: async (name, enabled) =>
      await (enabled ? authority.enableUser(name) : authority.disableUser(name)),
    removeUser: async (name) => await authority.removeUser(name),
    listUsers: () => authority.listUsers(),
    async createToken({ uses, lifetimeS }) {
      const issued = await authority.createToken({ uses, lifetimeMs: lifetimeS * 1000 });
      return issued.ok ? success(issued.value) : failure(issued.error);
    },
    listTokens: () => authority.listTokens(),
    revokeToken: async (id) => await authority.revokeToken(id),
  };
}

function isFirst(host: string, index: number, all: readonly string[]): boolean {
  return all.indexOf(host) === index;
}
