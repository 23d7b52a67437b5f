import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Settings } from '../../node/settings.ts';
import type { Box } from '../box/box.ts';
import { adminUrl } from '../admin-client.ts';
import { authorityDirectory } from '../box/authority-role.ts';
import { isMember } from '../box/membership.ts';
import { machineAddresses, isSpecific } from '../box/own-addresses.ts';
import { parseCommand, print, type Command } from '../command.ts';
import { rememberedFlags, settingsOf } from '../data-dir.ts';
import { initOverlay } from '../init-overlay.ts';
import { runBox } from '../run-box.ts';
import { newPassword } from './user.ts';

const help = `Usage: chordial quickstart

On the first run: creates an overlay with authority, one adapter and the users "alice" and "bob",
and prints what to type into a phone. After that: runs this box, like "chordial start".
On a terminal the log goes to DIR/chordial.log unless log.file says otherwise.

Example: npm start`;

interface NewAccount {
  readonly name: string;
  readonly password: string;
}

export const quickstartCommand: Command = {
  name: 'quickstart',
  summary: 'init on the first run, then start (what npm start does)',
  help,
  async run(args) {
    const parsed = parseCommand(args, { name: 'quickstart' });
    const { dir, json } = parsed;
    const isFirst = !existsSync(authorityDirectory(dir)) && !isMember(dir);
    const accounts = ['alice', 'bob'].map((name) => ({ name, password: newPassword() }));
    if (isFirst) {
      progress('Creating the overlay: keys, certificates, accounts …');
      await initOverlay({
        dir,
        settings: settingsOf(parsed),
        remember: rememberedFlags(parsed.flags),
        bootstrap: [],
        users: accounts,
      });
    }
    const settings = withLogFile(settingsOf(parsed), dir);
    progress(isFirst ? 'Starting …' : `Starting with what is in ${dir} …`);
    const shown = { accounts: !isFirst };
    try {
      return await runBox(settings, dir, async (box) => {
        shown.accounts = true;
        const report = await describe(settings, dir, box, isFirst ? accounts : undefined);
        print(json, report.value, report.lines);
      });
    } catch (error) {
      // Nobody would ever learn the passwords.
      if (!shown.accounts) print(json, { accounts }, accountLines(settings, accounts));
      throw error;
    }
  },
};

function progress(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** On a terminal the log would bury what a person is to read. */
function withLogFile(settings: Settings, dir: string): Settings {
  if (settings.log.file !== '' || !process.stderr.isTTY) return settings;
  return { ...settings, log: { ...settings.log, file: join(dir, 'chordial.log') } };
}

async function describe(
  settings: Settings,
  dir: string,
  box: Box,
  created: readonly NewAccount[] | undefined,
): Promise<{ readonly value: object; readonly lines: readonly string[] }> {
  const { domain, sip, log } = settings;
  const [outward = '127.0.0.1'] = machineAddresses();
  const host = isSpecific(sip.address) ? sip.address : outward;
  const server =
    sip.port === 5060 ? host : `${host.includes(':') ? `[${host}]` : host}:${sip.port}`;
  const dashboard = `${adminUrl(settings)}/`;
  const token = created === undefined ? undefined : await box.joinToken();
  const join = token === undefined ? undefined : shell(`join ${token}`);
  const users = box.authority?.admin.listUsers() as readonly { aor: string }[] | undefined;
  const ports = [
    ...(sip.port === 0 ? [] : [`UDP and TCP on ${sip.port}`]),
    ...(sip.tlsPort === 0 ? [] : [`TLS on ${sip.tlsPort}`]),
    ...(sip.wsPort === 0 ? [] : [`WebSocket on ${sip.wsPort}`]),
  ];
  const known = users === undefined ? [] : users.map((user) => user.aor);
  const value = {
    domain,
    sip: server,
    ports: { udp: sip.port, tcp: sip.port, tls: sip.tlsPort, ws: sip.wsPort },
    dashboard,
    firstRun: created !== undefined,
    accounts: created?.map(({ name, password }) => ({
      name,
      address: `sip:${name}@${domain}`,
      password,
    })),
    users: known,
    token,
    join,
    dir,
  };
  const lines = [
    '',
    created === undefined
      ? `Chordial serves ${domain} again, from the data in ${dir}.`
      : `Chordial serves ${domain}. Everything is new, in ${dir}.`,
    '',
    `  SIP server   ${server}   (${ports.join(', ')})`,
    ...(created === undefined
      ? knownLines(dir, known, box.authority !== undefined)
      : accountLines(settings, created)),
    `  dashboard    ${dashboard}`,
    ...nextBox(dir, join, box.authority !== undefined),
    ...(log.file === '' ? [] : [`  log          ${log.file}`]),
    '',
    'Type server, account and password into any SIP phone. Ctrl-C ends.',
    '',
  ];
  return { value, lines };
}

function accountLines(settings: Settings, accounts: readonly NewAccount[]): string[] {
  return accounts.map(
    ({ name, password }) =>
      `  account      ${name.padEnd(6)} password ${password}   (sip:${name}@${settings.domain})`,
  );
}

function knownLines(dir: string, known: readonly string[], isAuthority: boolean): string[] {
  if (!isAuthority) return [];
  const shown = known.slice(0, 5).join(', ') + (known.length > 5 ? `, … (${known.length})` : '');
  return [
    `  accounts     ${shown === '' ? `none; ${shell('user add NAME', dir)}` : shown}`,
    `  password     a new one: ${shell('user passwd NAME', dir)}`,
  ];
}

function nextBox(dir: string, join: string | undefined, isAuthority: boolean): string[] {
  if (!isAuthority) return [];
  if (join === undefined) return [`  next box     ${shell('token create', dir)}`];
  return [
    `  next box     ${join}`,
    `               works once, for 24 hours; ${shell('token create', dir)} makes another`,
  ];
}

/** How to call the program from here, on that data directory. */
function shell(words: string, dir = '.chordial'): string {
  const program = process.env['npm_execpath'] === undefined ? 'chordial' : 'npx chordial';
  const isDefault = dir === (process.env['CHORDIAL_DIR'] ?? '.chordial');
  return `${program} ${words}${isDefault || dir === '.chordial' ? '' : ` --dir ${dir}`}`;
}
