import { createAdminClient } from '../admin-client.ts';
import { CommandError, parseCommand, print, type Command } from '../command.ts';
import { settingsOf } from '../data-dir.ts';

const help = `Usage: chordial ban list
       chordial ban lift ADDRESS | USER

Shows whom this box keeps out for a while, and lets them in again: sources of too many wrong
passwords, users who are guessed at (only where a phone of theirs is registered may one log in),
and sources of too many requests. Every box has bans of its own. The settings auth.* and flood.*
say when bans begin and how long they last.

Example: chordial ban lift 203.0.113.7`;

interface ListedBan {
  readonly kind: 'logins' | 'user' | 'flood';
  readonly source: string;
  readonly count: number;
  readonly untilMs: number;
}

const reasons: Readonly<Record<ListedBan['kind'], string>> = {
  logins: 'wrong passwords',
  user: 'wrong passwords for this user',
  flood: 'requests dropped',
};

export const banCommand: Command = {
  name: 'ban',
  summary: 'list and lift bans of sources and users',
  help,
  async run(args) {
    const parsed = parseCommand(args, { name: 'ban', words: 2 });
    const [action = '', source = ''] = parsed.positionals;
    const client = createAdminClient(settingsOf(parsed), parsed.dir);
    switch (action) {
      case 'list': {
        const bans = (await client.get('/api/bans')) as ListedBan[];
        const lines = bans.map(
          (ban) =>
            `${ban.source}  ${reasons[ban.kind]}: ${ban.count}  until ${new Date(ban.untilMs).toISOString()}`,
        );
        print(parsed.json, bans, lines.length === 0 ? ['nobody is banned'] : lines);
        return 0;
      }
      case 'lift':
        if (source === '') {
          throw new CommandError('"ban lift" needs an address or a user; "ban list" shows them', 2);
        }
        print(parsed.json, await client.send('DELETE', `/api/bans/${encodeURIComponent(source)}`), [
          `${source} is no longer banned`,
        ]);
        return 0;
      default:
        throw new CommandError(`unknown action "${action}"\n\n${help}`, 2);
    }
  },
};
