import { createAdminClient } from '../admin-client.ts';
import { CommandError, parseCommand, print, type Command } from '../command.ts';
import { settingsOf } from '../data-dir.ts';

const help = `Usage: chordial lookup AOR

Resolves an address of record through the overlay, now, and shows every record found.

Example: chordial lookup bob@lab.example`;

interface LookupAnswer {
  readonly aor: string;
  readonly local: readonly { readonly contact: string; readonly expiresInS: number }[];
  readonly targets: readonly {
    readonly nodeId: string;
    readonly prefs: { readonly sip: boolean; readonly sips: boolean; readonly q: number };
  }[];
  readonly external: readonly string[];
}

export const lookupCommand: Command = {
  name: 'lookup',
  summary: 'show where an address of record is registered',
  help,
  async run(args) {
    const parsed = parseCommand(args, { name: 'lookup', words: 1 });
    const aor = (parsed.positionals[0] ?? '').replace(/^sips?:/, '');
    if (aor === '') throw new CommandError(`lookup needs an address of record\n\n${help}`, 2);
    const client = createAdminClient(settingsOf(parsed), parsed.dir);
    const found = (await client.get(`/api/lookup?aor=${encodeURIComponent(aor)}`)) as LookupAnswer;
    const lines = [
      ...found.local.map((b) => `  phone at this box  ${b.contact}  expires in ${b.expiresInS} s`),
      ...found.targets.map(({ nodeId, prefs }) => {
        const schemes = [...(prefs.sip ? ['sip'] : []), ...(prefs.sips ? ['sips'] : [])].join(', ');
        return `  adapter ${nodeId}  ${schemes}  q ${prefs.q / 1000}`;
      }),
      ...found.external.map((uri) => `  forwarded to ${uri}`),
    ];
    print(parsed.json, found, [
      lines.length === 0 ? `${found.aor} is not registered` : found.aor,
      ...lines,
    ]);
    return 0;
  },
};
