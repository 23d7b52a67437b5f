import { existsSync } from 'node:fs';
import { rememberedFlags, settingsFiles, settingsOf } from '../data-dir.ts';
import { initOverlay } from '../init-overlay.ts';
import { parseCommand, print, type Command } from '../command.ts';
import { authorityDirectory } from '../box/authority-role.ts';
import { machineAddresses, isSpecific } from '../box/own-addresses.ts';
import { runBox } from '../run-box.ts';
import { newPassword } from './user.ts';

const help = `Usage: chordial quickstart

On the first run: creates an overlay with authority, one adapter and the users "alice" and "bob",
and prints what to type into a phone. After that: runs this box, like "chordial start".

Example: npm start`;

export const quickstartCommand: Command = {
  name: 'quickstart',
  summary: 'init on the first run, then start (what npm start does)',
  help,
  async run(args) {
    const parsed = parseCommand(args);
    const isFirst =
      settingsFiles(parsed.dir, []).length === 0 && !existsSync(authorityDirectory(parsed.dir));
    const users = ['alice', 'bob'].map((name) => ({ name, password: newPassword() }));
    if (isFirst) {
      process.stderr.write('Creating the overlay: keys, certificates, accounts …\n');
      await initOverlay({
        dir: parsed.dir,
        settings: settingsOf(parsed),
        remember: rememberedFlags(parsed.flags),
        bootstrap: [],
        users,
      });
    }
    const settings = settingsOf(parsed);
    return await runBox(settings, parsed.dir, async (box) => {
      const [outward = '127.0.0.1'] = machineAddresses();
      const host = isSpecific(settings.sip.address) ? settings.sip.address : outward;
      const sip = settings.sip.port === 5060 ? host : `${host}:${settings.sip.port}`;
      const dashboard = `http://${settings.admin.address}:${settings.admin.port}/`;
      const token = isFirst ? await box.joinToken() : undefined;
      const accounts = isFirst ? users : undefined;
      print(parsed.json, { domain: settings.domain, sip, dashboard, token, accounts }, [
        '',
        `Chordial serves ${settings.domain}.`,
        '',
        `  SIP server   ${sip}   (UDP and TCP; TLS on ${settings.sip.tlsPort}, WebSocket on ${settings.sip.wsPort})`,
        ...(accounts ?? []).map(
          ({ name, password }) => `  account      ${name}   password ${password}`,
        ),
        ...(isFirst ? [] : ['  accounts     chordial user list']),
        `  dashboard    ${dashboard}`,
        token === undefined
          ? '  next box     chordial token create'
          : `  next box     chordial join ${token}`,
        '',
        `Type server, account and password into any SIP phone. Ctrl-C ends. Data: ${parsed.dir}`,
        '',
      ]);
    });
  },
};
