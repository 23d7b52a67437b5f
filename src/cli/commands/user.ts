import { createAdminClient } from '../admin-client.ts';
import { CommandError, parseCommand, print, readSecret, type Command } from '../command.ts';
import { settingsOf } from '../data-dir.ts';

const help = `Usage: chordial user add NAME [--password-stdin]
       chordial user list
       chordial user passwd NAME [--password-stdin]
       chordial user disable NAME | enable NAME | remove NAME

Users live at the authority; run this on the box that runs it. A change is in force on every box
within two seconds. Without --password-stdin, "add" makes a password and prints it once.

Example: chordial user add alice`;

interface ListedUser {
  readonly aor: string;
  readonly enabled: boolean;
}

export const userCommand: Command = {
  name: 'user',
  summary: 'add, list, change and remove users',
  help,
  async run(args) {
    const parsed = parseCommand(args, {
      name: 'user',
      words: 2,
      options: { 'password-stdin': { type: 'boolean' } },
    });
    const [action = '', name = ''] = parsed.positionals;
    const client = createAdminClient(settingsOf(parsed), parsed.dir);
    if (action === 'list') {
      const users = (await client.get('/api/users')) as ListedUser[];
      const lines = users.map((user) => `${user.aor}${user.enabled ? '' : '  (disabled)'}`);
      print(parsed.json, users, lines.length === 0 ? ['no users yet'] : lines);
      return 0;
    }
    if (name === '') throw new CommandError(`"user ${action}" needs a user name\n\n${help}`, 2);
    const path = `/api/users/${encodeURIComponent(name)}`;
    switch (action) {
      case 'add':
      case 'passwd': {
        const given = parsed.options['password-stdin'] === true;
        const password = given ? await readSecret('Password') : newPassword();
        if (password === '') throw new CommandError('the password is empty', 2);
        const answer =
          action === 'add'
            ? await client.send('POST', '/api/users', { name, password })
            : await client.send('POST', `${path}/password`, { password });
        const { aor } = answer as { aor: string };
        const shown = given ? {} : { password };
        print(parsed.json, { aor, ...shown }, [
          `${aor} ${action === 'add' ? 'added' : 'changed'}`,
          ...(given ? [] : [`password: ${password}`]),
        ]);
        return 0;
      }
      case 'disable':
      case 'enable':
        print(parsed.json, await client.send('POST', `${path}/${action}`, {}), [
          `${name} ${action}d`,
        ]);
        return 0;
      case 'remove':
        print(parsed.json, await client.send('DELETE', path), [`${name} removed`]);
        return 0;
      default:
        throw new CommandError(`unknown action "${action}"\n\n${help}`, 2);
    }
  },
};

/** 96 random bits in letters and digits that are hard to confuse. */
export function newPassword(): string {
  const alphabet = 'abcdefghjkmnpqrstuvwxyz23456789';
  const bytes = crypto.getRandomValues(new Uint8Array(20));
  return Array.from(bytes, (byte) => alphabet[byte % alphabet.length]).join('');
}
