/** Asks the running box over its admin port. */
import type { Settings } from '../node/settings.ts';
import { CommandError } from './command.ts';
import { readAdminToken } from './data-dir.ts';

export interface AdminClient {
  get(path: string): Promise<unknown>;
  send(method: 'POST' | 'DELETE', path: string, body?: object): Promise<unknown>;
}

export function createAdminClient(settings: Settings, dir: string): AdminClient {
  const base = adminUrl(settings);

  async function call(method: string, path: string, body: object | undefined): Promise<unknown> {
    let response: Response;
    try {
      response = await fetch(`${base}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${readAdminToken(dir)}`,
          'content-type': 'application/json',
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(15_000),
      });
    } catch (error) {
      if (error instanceof CommandError) throw error;
      throw new CommandError(
        `no box answers on ${base}; start it with: chordial start --dir ${dir}`,
      );
    }
    const answer = (await response.json().catch(() => ({}))) as { error?: string };
    if (!response.ok && response.status !== 503) {
      throw new CommandError(answer.error ?? `${base}${path} answered ${response.status}`);
    }
    return answer;
  }

  return {
    get: async (path) => await call('GET', path, undefined),
    send: async (method, path, body) => await call(method, path, body),
  };
}

/** Where the admin port is reached from this machine, without a slash at the end. */
export function adminUrl(settings: Settings): string {
  const { address, port } = settings.admin;
  const host = address === '0.0.0.0' ? '127.0.0.1' : address === '::' ? '[::1]' : bracket(address);
  return `http://${host}:${port}`;
}

function bracket(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}
