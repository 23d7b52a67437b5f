import type { Forwarding } from '../../ports/accounts.ts';
import { createAdminClient, type AdminClient } from '../admin-client.ts';
import {
  CommandError,
  parseCommand,
  print,
  readSecret,
  type Command,
  type CommonArguments,
} from '../command.ts';
import { settingsOf } from '../data-dir.ts';

const help = `Usage: chordial user add NAME [--password-stdin]
       chordial user list
       chordial user passwd NAME [--password-stdin]
       chordial user disable NAME | enable NAME | remove NAME
       chordial user forward NAME [rules]
       chordial user redirect NAME on | off

Users live at the authority; run this on the box that runs it. A change is in force on every box
within two seconds. In an overlay without authority every box has users of its own.
Without --password-stdin, "add" makes a password and prints it once.

"forward" says what is done with a user's calls; "off" removes a rule, no rules at all show them:
  --always PLACE          all calls go there
  --busy PLACE            when the phone is busy
  --no-answer PLACE       when nobody answers ...
  --after SECONDS         ... for this long (1 to 180; default 20)
  --unregistered PLACE    when no phone can be reached
  --dnd on|off            callers get "busy" at once
  --group NAME,NAME,...   these ring together instead of phones of the user's own
A PLACE is a user, a SIP URI (sip:bob@elsewhere.example) or a number (+4930123).

"redirect" says what is done with the calls that a user makes: with "on" the user's phones are told
where the other user can be reached (302) and call there by themselves; "off" (usual): this box and
its overlay carry the call.

Example: chordial user add alice`;

interface ListedUser {
  readonly aor: string;
  readonly enabled: boolean;
  readonly forwarding?: Forwarding;
  readonly redirected?: true;
}

const forwardingOptions = {
  always: { type: 'string' },
  busy: { type: 'string' },
  'no-answer': { type: 'string' },
  after: { type: 'string' },
  unregistered: { type: 'string' },
  dnd: { type: 'string' },
  group: { type: 'string' },
} as const;

export const userCommand: Command = {
  name: 'user',
  summary: 'add, list, change and remove users',
  help,
  async run(args) {
    const parsed = parseCommand(args, {
      name: 'user',
      words: 3,
      options: { 'password-stdin': { type: 'boolean' }, ...forwardingOptions },
    });
    const [action = '', name = '', how] = parsed.positionals;
    if (how !== undefined && action !== 'redirect') {
      throw new CommandError(`unexpected "${how}"; "chordial user --help" shows what there is`, 2);
    }
    const client = createAdminClient(settingsOf(parsed), parsed.dir);
    if (action === 'list') {
      const users = (await client.get('/api/users')) as ListedUser[];
      const lines = users.map(
        (user) =>
          `${user.aor}${user.enabled ? '' : '  (disabled)'}${user.redirected === true ? '  (redirected)' : ''}`,
      );
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
      case 'forward': {
        const change = forwardingChange(parsed.options);
        const user =
          Object.keys(change).length === 0
            ? await listedUser(client, name)
            : ((await client.send('POST', `${path}/forwarding`, change)) as ListedUser);
        print(parsed.json, { aor: user.aor, forwarding: user.forwarding ?? {} }, [
          user.aor,
          ...forwardingLines(user.forwarding),
        ]);
        return 0;
      }
      case 'redirect': {
        if (how !== 'on' && how !== 'off') {
          throw new CommandError(`"user redirect NAME" needs on or off\n\n${help}`, 2);
        }
        const user = await client.send('POST', `${path}/redirect`, { redirected: how === 'on' });
        print(parsed.json, user, [
          `${(user as ListedUser).aor}: calls are ${how === 'on' ? 'redirected' : 'forwarded'}`,
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

/** Fields of the JSON body; `null` removes a rule. */
function forwardingChange(options: CommonArguments['options']): Record<string, unknown> {
  const change: Record<string, unknown> = {};
  const given = (option: keyof typeof forwardingOptions, read: (text: string) => unknown): void => {
    const text = options[option];
    if (typeof text !== 'string') return;
    change[fieldOf[option]] = text === 'off' ? null : read(text);
  };
  given('always', String);
  given('busy', String);
  given('no-answer', String);
  given('unregistered', String);
  given('after', (text) => (/^\d+$/.test(text) ? Number(text) : text));
  given('group', (text) => text.split(',').filter((member) => member !== ''));
  given('dnd', (text) => {
    if (text !== 'on') throw new CommandError('--dnd is on or off', 2);
    return true;
  });
  return change;
}

const fieldOf: Readonly<Record<keyof typeof forwardingOptions, keyof Forwarding>> = {
  always: 'always',
  busy: 'busy',
  'no-answer': 'noAnswer',
  after: 'noAnswerAfterS',
  unregistered: 'unregistered',
  dnd: 'doNotDisturb',
  group: 'group',
};

async function listedUser(client: AdminClient, name: string): Promise<ListedUser> {
  const users = (await client.get('/api/users')) as ListedUser[];
  const found = users.find(({ aor }) => aor === name || aor.startsWith(`${name}@`));
  if (found === undefined) throw new CommandError(`there is no user ${name}`);
  return found;
}

function forwardingLines(forwarding: Forwarding | undefined): string[] {
  if (forwarding === undefined) return ['  no forwarding'];
  const { always, busy, doNotDisturb, group, noAnswer, noAnswerAfterS, unregistered } = forwarding;
  const lines: string[] = [];
  if (doNotDisturb === true) lines.push('  do not disturb');
  if (always !== undefined) lines.push(`  always: ${always}`);
  if (group !== undefined) lines.push(`  group: ${group.join(', ')}`);
  if (busy !== undefined) lines.push(`  busy: ${busy}`);
  if (noAnswer !== undefined) lines.push(`  no answer: ${noAnswer}`);
  if (noAnswerAfterS !== undefined) lines.push(`  after: ${String(noAnswerAfterS)} s`);
  if (unregistered !== undefined) lines.push(`  unregistered: ${unregistered}`);
  return lines;
}

/** 96 random bits in letters and digits that are hard to confuse. */
export function newPassword(): string {
  const alphabet = 'abcdefghjkmnpqrstuvwxyz23456789';
  const bytes = crypto.getRandomValues(new Uint8Array(20));
  return Array.from(bytes, (byte) => alphabet[byte % alphabet.length]).join('');
}
