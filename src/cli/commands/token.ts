import { createAdminClient } from '../admin-client.ts';
import { CommandError, parseCommand, print, type Command } from '../command.ts';
import { settingsOf } from '../data-dir.ts';

const help = `Usage: chordial token create [--uses N] [--hours N]
       chordial token list
       chordial token revoke ID

A join token lets a box into the overlay: it names the authority, its root certificate and a
secret. It expires (default: 24 hours) and works a limited number of times (default: once).

Example: chordial token create --uses 2`;

interface ListedToken {
  readonly id: string;
  readonly usesLeft: number;
  readonly expiresMs: number;
}

export const tokenCommand: Command = {
  name: 'token',
  summary: 'create, list and revoke join tokens',
  help,
  async run(args) {
    const parsed = parseCommand(args, {
      name: 'token',
      words: 2,
      options: { uses: { type: 'string' }, hours: { type: 'string' } },
    });
    const [action = '', id = ''] = parsed.positionals;
    const client = createAdminClient(settingsOf(parsed), parsed.dir);
    switch (action) {
      case 'create': {
        const uses = Number(parsed.options['uses'] ?? 1);
        const hours = Number(parsed.options['hours'] ?? 24);
        if (!Number.isInteger(uses) || uses < 1)
          throw new CommandError('--uses needs a whole number from 1', 2);
        if (!(hours > 0)) throw new CommandError('--hours needs a number above 0', 2);
        const created = (await client.send('POST', '/api/tokens', {
          uses,
          lifetimeS: Math.round(hours * 3600),
        })) as { token: string };
        print(parsed.json, created, [
          'On the box that joins, run:',
          `  chordial join ${created.token}`,
          'then:',
          '  chordial start',
        ]);
        return 0;
      }
      case 'list': {
        const tokens = (await client.get('/api/tokens')) as ListedToken[];
        const lines = tokens.map(
          (token) =>
            `${token.id}  uses left: ${token.usesLeft}  expires ${new Date(token.expiresMs).toISOString()}`,
        );
        print(parsed.json, tokens, lines.length === 0 ? ['no tokens'] : lines);
        return 0;
      }
      case 'revoke':
        if (id === '')
          throw new CommandError('"token revoke" needs the id; "token list" shows it', 2);
        print(parsed.json, await client.send('DELETE', `/api/tokens/${encodeURIComponent(id)}`), [
          `${id} revoked`,
        ]);
        return 0;
      default:
        throw new CommandError(`unknown action "${action}"\n\n${help}`, 2);
    }
  },
};
