/** `chordial init`: a new overlay with its authority, and this box as its first peer. */
import { existsSync, renameSync, rmSync } from 'node:fs';
import type { Settings } from '../node/settings.ts';
import { CommandError } from './command.ts';
import { authorityDirectory, createAuthorityRole } from './box/authority-role.ts';
import { isMember, membershipDirectory } from './box/membership.ts';
import { publicAddresses } from './box/overlay-role.ts';
import { createPlatform } from './box/platform.ts';
import { joinOverlay } from './join-overlay.ts';
import { prepareDirectory, saveSettings } from './data-dir.ts';
import { linkValues } from './link-protocol.ts';

export interface InitOptions {
  readonly dir: string;
  readonly settings: Settings;
  /** Settings to remember in the directory. */
  readonly remember?: object;
  /** `address:port` of the bootstrap nodes; default: this box. */
  readonly bootstrap: readonly string[];
  /** Known to all members; keys their links in place of certificates (RFC 6940 §13.4). */
  readonly sharedSecret?: string | undefined;
  readonly users?: readonly { readonly name: string; readonly password: string }[];
}

export interface CreatedOverlay {
  readonly domain: string;
  readonly rootFingerprint: string;
  readonly nodeId: string | undefined;
}

/** Rejects with CommandError when the directory already holds an overlay. */
export async function initOverlay(options: InitOptions): Promise<CreatedOverlay> {
  const { dir } = options;
  const settings: Settings = {
    ...options.settings,
    authority: { ...options.settings.authority, enabled: true },
  };
  // Takes its final name when all is done: an attempt that was cut short does not stand in the way.
  const unfinished = `${authorityDirectory(dir)}.new`;
  if (existsSync(authorityDirectory(dir))) {
    throw new CommandError(
      `${dir} already holds an overlay; "chordial start --dir ${dir}" runs it. To begin anew, remove the directory.`,
    );
  }
  if (isMember(dir) && !existsSync(unfinished)) {
    throw new CommandError(
      `${dir} is already a member of an overlay; use another directory for a new one`,
    );
  }
  const remove = (): void => {
    rmSync(unfinished, { recursive: true, force: true });
    rmSync(membershipDirectory(dir), { recursive: true, force: true });
  };
  prepareDirectory(dir);
  if (existsSync(unfinished)) remove();
  try {
    const created = await create(options, settings, unfinished);
    renameSync(unfinished, authorityDirectory(dir));
    return created;
  } catch (error) {
    remove();
    throw error;
  }
}

async function create(
  options: InitOptions,
  settings: Settings,
  directory: string,
): Promise<CreatedOverlay> {
  const { dir } = options;
  const platform = createPlatform({ log: { level: 'warn', file: '' } });
  const role = await createAuthorityRole(settings, directory, platform, {
    keyType: settings.identity.keyType === 'rsa' ? 'rsa' : 'ecdsa-p256',
    values: {
      ...linkValues(settings, options.sharedSecret),
      ...(options.sharedSecret === undefined ? {} : { sharedSecret: options.sharedSecret }),
    },
  });
  try {
    for (const node of bootstrapNodes(options)) await role.authority.addBootstrapNode(node);
    for (const { name, password } of options.users ?? []) {
      const added = await role.authority.addUser(name, password);
      if (!added.ok) throw new CommandError(`user ${name}: ${added.error}`);
    }
    let nodeId: string | undefined;
    if (settings.adapter.enabled) {
      await role.listen();
      const token = await role.authority.createToken({ uses: 1 });
      if (!token.ok) throw new CommandError(token.error);
      nodeId = (await joinOverlay({ dir, settings, token: token.value.token })).nodeId;
    }
    saveSettings(dir, options.remember ?? {}, {
      domain: settings.domain,
      authority: { enabled: true },
    });
    return {
      domain: settings.domain,
      rootFingerprint: role.authority.rootCertificate.fingerprint,
      nodeId,
    };
  } finally {
    await role.stop();
  }
}

/** Those named, else this box. Throws CommandError. */
export function bootstrapNodes(
  options: Pick<InitOptions, 'settings' | 'bootstrap'>,
): { address: string; port: number }[] {
  const { settings } = options;
  if (options.bootstrap.length === 0) {
    const [address = '127.0.0.1'] = publicAddresses(settings);
    return [{ address, port: settings.link.port }];
  }
  return options.bootstrap.map((entry) => {
    const colon = entry.lastIndexOf(':');
    const port = Number(entry.slice(colon + 1));
    if (colon < 1 || !Number.isInteger(port)) {
      throw new CommandError(`--bootstrap: "${entry}" is not ADDRESS:PORT`, 2);
    }
    return { address: entry.slice(0, colon).replace(/^\[|\]$/g, ''), port };
  });
}
