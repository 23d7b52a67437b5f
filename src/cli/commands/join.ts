import { joinOverlay } from '../join-overlay.ts';
import { CommandError, parseCommand, print, readSecret, type Command } from '../command.ts';
import { rememberedFlags, settingsOf } from '../data-dir.ts';

const help = `Usage: chordial join TOKEN
       chordial join --token-stdin

Makes this box a member of an overlay. The token comes from "chordial token create" on the box
that runs the authority; with --token-stdin it does not show up in the process list.

Example: chordial join chordial1.eyJ1cmwiOi...`;

export const joinCommand: Command = {
  name: 'join',
  summary: 'join an overlay with a token',
  help,
  async run(args) {
    const parsed = parseCommand(args, {
      name: 'join',
      words: 1,
      options: { 'token-stdin': { type: 'boolean' } },
    });
    const token =
      parsed.options['token-stdin'] === true
        ? await readSecret('Token')
        : (parsed.positionals[0] ?? '');
    if (token === '') throw new CommandError(`join needs a token\n\n${help}`, 2);
    const joined = await joinOverlay({
      dir: parsed.dir,
      settings: settingsOf(parsed),
      token,
      remember: rememberedFlags(parsed.flags),
    });
    print(parsed.json, joined, [
      `Joined ${joined.domain} as node ${joined.nodeId}.`,
      `Next: chordial start --dir ${parsed.dir}`,
    ]);
    return 0;
  },
};
