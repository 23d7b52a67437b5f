import { initOverlay } from '../init-overlay.ts';
import { parseCommand, print, type Command } from '../command.ts';
import { rememberedFlags, settingsOf } from '../data-dir.ts';

const help = `Usage: chordial init [--bootstrap ADDRESS:PORT]

Creates an overlay on this box: root key and certificate, configuration document, accounts. The
overlay's name is the setting "domain". With "adapter.enabled" (the default) this box also becomes
the first peer. Refuses to touch a directory that already holds an overlay.

Example: chordial init --set domain=phones.example.com`;

export const initCommand: Command = {
  name: 'init',
  summary: 'create an overlay with its authority on this box',
  help,
  async run(args) {
    const parsed = parseCommand(args, { name: 'init', options: { bootstrap: { type: 'string' } } });
    const bootstrap = parsed.options['bootstrap'];
    const created = await initOverlay({
      dir: parsed.dir,
      settings: settingsOf(parsed),
      remember: rememberedFlags(parsed.flags),
      bootstrap: typeof bootstrap === 'string' ? [bootstrap] : [],
    });
    print(parsed.json, created, [
      `Overlay ${created.domain} created in ${parsed.dir}.`,
      `Root certificate fingerprint: ${created.rootFingerprint}`,
      `Next: chordial start --dir ${parsed.dir}`,
    ]);
    return 0;
  },
};
