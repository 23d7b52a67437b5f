import { hostPort } from '../../node/sip-addresses.ts';
import { createAdminClient } from '../admin-client.ts';
import { parseCommand, print, type Command } from '../command.ts';
import { settingsOf } from '../data-dir.ts';

const help = `Usage: chordial ring

Shows this box's place in the ring: its neighbors, fingers and links.

Example: chordial ring --json`;

interface RingAnswer {
  readonly self: string;
  readonly state: string;
  readonly predecessors: readonly string[];
  readonly successors: readonly string[];
  readonly fingers: readonly string[];
  readonly links: readonly {
    readonly nodeId: string;
    readonly remote: { readonly address: string; readonly port: number };
    readonly rttMs?: number;
    readonly suspect: boolean;
  }[];
}

export const ringCommand: Command = {
  name: 'ring',
  summary: 'show the ring as this box sees it',
  help,
  async run(args) {
    const parsed = parseCommand(args, { name: 'ring' });
    const ring = (await createAdminClient(settingsOf(parsed), parsed.dir).get(
      '/api/ring',
    )) as RingAnswer;
    const link = (nodeId: string): string => {
      const found = ring.links.find((l) => l.nodeId === nodeId);
      if (found === undefined) return 'no link';
      const rtt = found.rttMs === undefined ? '' : `  ${found.rttMs.toFixed(1)} ms`;
      return `${hostPort(found.remote)}${rtt}${found.suspect ? '  SUSPECT' : ''}`;
    };
    print(parsed.json, ring, [
      `${ring.self}  (this box, ${ring.state})`,
      ...ring.predecessors.map((id, i) => `  predecessor ${i + 1}  ${id}  ${link(id)}`),
      ...ring.successors.map((id, i) => `  successor ${i + 1}    ${id}  ${link(id)}`),
      ...[...new Set(ring.fingers)].map((id) => `  finger         ${id}  ${link(id)}`),
    ]);
    return 0;
  },
};
