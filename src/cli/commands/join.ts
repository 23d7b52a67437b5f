import { joinOverlay } from '../join-overlay.ts';
import { CommandError, parseCommand, print, readSecret, type Command } from '../command.ts';
import { rememberedFlags, settingsOf } from '../data-dir.ts';
import { joinSelfSigned } from '../self-signed-overlay.ts';

const help = `Usage: chordial join TOKEN
       chordial join --token-stdin
       chordial join --document FILE

Makes this box a member of an overlay. The token comes from "chordial token create" on the box
that runs the authority; with --token-stdin it does not show up in the process list. With --document this box joins an overlay
without authority (chordial init --self-signed) by the configuration document of another member.

Example: chordial join chordial1.eyJ1cmwiOi...`;

export const joinCommand: Command = {
  name: 'join',
  summary: 'join an overlay with a token',
  help,
  async run(args) {
    const parsed = parseCommand(args, {
      name: 'join',
      words: 1,
      options: { 'token-stdin': { type: 'boolean' }, document: { type: 'string' } },
    });
    const file = parsed.options['document'];
    if (typeof file === 'string') {
      const settings = settingsOf(parsed);
      const remember = rememberedFlags(parsed.flags);
      const { dir } = parsed;
      const member = await joinSelfSigned({ dir, settings, remember, documentFile: file });
      print(parsed.json, member, [
        `Joined ${member.domain} as node ${member.nodeId}.`,
        `Next: chordial start --dir ${dir}`,
      ]);
      return 0;
    }
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
