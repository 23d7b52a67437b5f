import { parseCommand, type Command } from '../command.ts';
import { runBox } from '../run-box.ts';
import { settingsOf } from '../data-dir.ts';

const help = `Usage: chordial start

Runs this box in the foreground until SIGINT or SIGTERM. A stop keeps the registrations; calls in
progress go on after the next start.

Example: chordial start --dir /var/lib/chordial`;

export const startCommand: Command = {
  name: 'start',
  summary: 'run this box',
  help,
  async run(args) {
    const parsed = parseCommand(args, { name: 'start' });
    return await runBox(settingsOf(parsed), parsed.dir);
  },
};
