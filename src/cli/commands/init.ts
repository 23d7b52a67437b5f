import { readFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { bootstrapNodes, initOverlay } from '../init-overlay.ts';
import { CommandError, parseCommand, print, type Command } from '../command.ts';
import { rememberedFlags, settingsOf } from '../data-dir.ts';
import { initSelfSigned } from '../self-signed-overlay.ts';

const help = `Usage: chordial init [--bootstrap ADDRESS:PORT] [--links TYPE] [--shared-secret [--secret-file FILE]]
       chordial init --self-signed [--digest sha1|sha256] [--bootstrap ADDRESS:PORT] …

Creates an overlay on this box: root key and certificate, configuration document, accounts. The
overlay's name is the setting "domain". With "adapter.enabled" (the default) this box also becomes
the first peer. Refuses to touch a directory that already holds an overlay.

--links           how boxes connect: tls (the default), dtls, tls+dtls, or dtls-ice, which finds ways
                  through NATs. The same as the setting link.protocol.
--shared-secret   the links between boxes are keyed by one secret instead of certificates. It is read
                  from the file or from CHORDIAL_SHARED_SECRET, else made. Members get it with the
                  configuration document; who does not know it cannot even connect.
--self-signed     no authority: every box signs its own certificate, its Node-ID is a digest of its
                  key. Each box keeps its own users ("chordial user add"); nothing protects names.
                  Other boxes join with a copy of the document: chordial join --document FILE

Example: chordial init --set domain=phones.example.com`;

export const initCommand: Command = {
  name: 'init',
  summary: 'create an overlay with its authority on this box',
  help,
  async run(args) {
    const given = parseCommand(args, {
      name: 'init',
      options: {
        bootstrap: { type: 'string' },
        links: { type: 'string' },
        'shared-secret': { type: 'boolean' },
        'secret-file': { type: 'string' },
        'self-signed': { type: 'boolean' },
        digest: { type: 'string' },
      },
    });
    const { links } = given.options;
    const flags = typeof links === 'string' ? { 'link.protocol': links } : {};
    const parsed = { ...given, flags: { ...given.flags, ...flags } };
    const { dir, json, options } = parsed;
    const named = options['bootstrap'];
    const settings = settingsOf(parsed);
    const bootstrap = typeof named === 'string' ? [named] : [];
    const remember = rememberedFlags(parsed.flags);
    const sharedSecret = secretOf(options, process.env);
    if (options['self-signed'] === true) {
      const created = await initSelfSigned({
        dir,
        settings,
        remember,
        sharedSecret,
        digest: digestOf(options['digest']),
        bootstrap: bootstrapNodes({ settings, bootstrap }),
      });
      print(json, created, [
        `Overlay ${created.domain} created in ${dir}; this box is node ${created.nodeId}.`,
        `Next boxes: copy ${created.document} there, then chordial join --document FILE`,
        `Next: chordial start --dir ${dir}`,
      ]);
      return 0;
    }
    if (options['digest'] !== undefined) {
      throw new CommandError('--digest goes with --self-signed', 2);
    }
    const created = await initOverlay({ dir, settings, remember, bootstrap, sharedSecret });
    print(json, created, [
      `Overlay ${created.domain} created in ${dir}.`,
      `Root certificate fingerprint: ${created.rootFingerprint}`,
      `Next: chordial start --dir ${dir}`,
    ]);
    return 0;
  },
};

type Options = Readonly<Record<string, string | boolean | undefined>>;

/** Never from an argument, which everybody on the machine can see. */
function secretOf(options: Options, environment: NodeJS.ProcessEnv): string | undefined {
  const file = options['secret-file'];
  if (options['shared-secret'] !== true) {
    if (file !== undefined) throw new CommandError('--secret-file goes with --shared-secret', 2);
    return undefined;
  }
  if (typeof file === 'string') {
    try {
      return usable(readFileSync(file, 'utf8').trim(), file);
    } catch (error) {
      if (error instanceof CommandError) throw error;
      throw new CommandError(`cannot read the secret: ${(error as Error).message}`, 2);
    }
  }
  const given = environment['CHORDIAL_SHARED_SECRET'];
  if (given !== undefined) return usable(given, 'CHORDIAL_SHARED_SECRET');
  return randomBytes(32).toString('base64url');
}

/** One who overhears a handshake can try secrets at leisure, so short ones protect nothing (RFC 6940 §13.4). */
function usable(secret: string, source: string): string {
  const { length } = Buffer.from(secret);
  if (length < 16 || length > 256) {
    throw new CommandError(`the secret in ${source} has ${length} bytes; it needs 16 to 256`, 2);
  }
  return secret;
}

function digestOf(option: string | boolean | undefined): 'sha1' | 'sha256' {
  if (option === undefined || option === 'sha256') return 'sha256';
  if (option === 'sha1') return 'sha1';
  throw new CommandError('--digest is sha1 or sha256', 2);
}
