import { createAdminClient } from '../admin-client.ts';
import { parseCommand, print, type Command } from '../command.ts';
import { settingsOf } from '../data-dir.ts';

const help = `Usage: chordial status

Shows whether this box is well, its ring, its phones and its calls.

Example: chordial status`;

interface StatusAnswer {
  readonly health: string;
  readonly version: string;
  readonly pid: number;
  readonly uptimeS: number;
  readonly domain: string;
  readonly roles: readonly string[];
  readonly nodeId?: string;
  readonly ring?: { readonly state: string; readonly links: readonly unknown[] };
  readonly sip?: { readonly callsRinging: number; readonly bindings: number };
  readonly authority?: { readonly connected: boolean; readonly accounts: number };
  readonly users?: number;
  readonly registrations?: readonly {
    readonly aor: string;
    readonly bindings: number;
    readonly overlay: string;
  }[];
}

export const statusCommand: Command = {
  name: 'status',
  summary: 'show the state of this box',
  help,
  async run(args) {
    const parsed = parseCommand(args, { name: 'status' });
    const client = createAdminClient(settingsOf(parsed), parsed.dir);
    const status = (await client.get('/api/status')) as StatusAnswer;
    const registrations = status.registrations ?? [];
    print(parsed.json, status, [
      `${status.domain}: ${status.health}, up ${Math.round(status.uptimeS)} s, pid ${status.pid}, version ${status.version}, roles: ${status.roles.join(', ')}`,
      ...(status.nodeId === undefined ? [] : [`node ${status.nodeId}`]),
      ...(status.ring === undefined
        ? []
        : [`ring: ${status.ring.state}, ${status.ring.links.length} links`]),
      ...(status.authority === undefined
        ? []
        : [
            `authority: ${status.authority.connected ? 'connected' : 'away; known accounts go on to work'}, ${status.authority.accounts} accounts`,
          ]),
      ...(status.users === undefined ? [] : [`users: ${status.users}`]),
      ...(status.sip === undefined
        ? []
        : [`phones: ${status.sip.bindings}, calls ringing: ${status.sip.callsRinging}`]),
      ...registrations.map((r) => `  ${r.aor}  phones: ${r.bindings}  overlay: ${r.overlay}`),
    ]);
    return status.health === 'ok' ? 0 : 1;
  },
};
