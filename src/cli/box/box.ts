/** Puts the roles of one box together. */
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { failure, success, type Outcome } from '../../base/outcome.ts';
import { createAdminServer } from '../../admin/server.ts';
import type { AdminSources } from '../../admin/sources.ts';
import { createAdapterRole, type AdapterRole } from './adapter-role.ts';
import { authorityDirectory, createAuthorityRole, type AuthorityRole } from './authority-role.ts';
import { createPlatform, type Platform } from './platform.ts';
import { version } from './version.ts';
import { CommandError } from '../command.ts';
import { adminTokenFile, prepareDirectory } from '../data-dir.ts';
import { writeFileAtomically } from '../../node/files.ts';
import type { Settings } from '../../node/settings.ts';
import type { HostTrace } from '../../node/trace.ts';

export interface Box {
  readonly trace: HostTrace;
  readonly adapter: AdapterRole | undefined;
  readonly authority: AuthorityRole | undefined;
  status(): object;
  /** A join token for one more box; `undefined` on a box without the authority. */
  joinToken(): Promise<string | undefined>;
  /** Graceful: leaves the ring, keeps registrations, tears no call down. */
  stop(): Promise<void>;
}

/** Starts every role the settings ask for; rejects with a sentence that says what to do. */
export async function startBox(settings: Settings, dir: string): Promise<Box> {
  const startedMs = performance.now();
  if (!settings.authority.enabled && !settings.adapter.enabled) {
    throw new CommandError(
      'nothing to run: authority.enabled and adapter.enabled are both false',
      2,
    );
  }
  prepareDirectory(dir);
  const platform = createPlatform(settings);
  const { trace } = platform;
  const stops: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    for (const one of stops.reverse()) await one();
    trace.log('info', 'stopped');
    trace.flush();
    platform.clock.close();
  };
  try {
    const authority = settings.authority.enabled
      ? await createAuthorityRole(settings, authorityDirectory(dir), platform)
      : undefined;
    if (authority !== undefined) {
      stops.push(async () => await authority.stop());
      await authority.listen();
    }
    const adapter = settings.adapter.enabled
      ? await createAdapterRole(settings, dir, platform)
      : undefined;
    if (adapter !== undefined) {
      stops.push(async () => await adapter.stop());
      await adapter.start();
    }
    const status = (): object => boxStatus(settings, startedMs, authority, adapter);
    const admin = createAdminServer(
      adminSources(platform, authority, adapter, status),
      adminToken(dir),
      trace,
    );
    await admin.start(settings.admin.address, settings.admin.port).catch((error: unknown) => {
      throw new CommandError((error as Error).message);
    });
    stops.push(async () => await admin.stop());
    trace.log('info', 'serving', {
      domain: settings.domain,
      startupMs: Math.round(performance.now() - startedMs),
    });
    return {
      trace,
      adapter,
      authority,
      status,
      stop,
      async joinToken() {
        const issued = await authority?.authority.createToken({ uses: 1 });
        return issued?.ok === true ? issued.value.token : undefined;
      },
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function boxStatus(
  settings: Settings,
  startedMs: number,
  authority: AuthorityRole | undefined,
  adapter: AdapterRole | undefined,
): object {
  const health = healthOf(adapter);
  return {
    health: health.ok ? 'ok' : health.error,
    version,
    pid: process.pid,
    uptimeS: (performance.now() - startedMs) / 1000,
    domain: settings.domain,
    roles: [
      ...(authority === undefined ? [] : ['authority']),
      ...(adapter === undefined ? [] : ['adapter']),
    ],
    ...(authority === undefined ? {} : { users: authority.admin.listUsers().length }),
    ...adapter?.status(),
  };
}

function healthOf(adapter: AdapterRole | undefined): Outcome<void> {
  if (adapter === undefined) return success(undefined);
  const state = adapter.overlay.state();
  return adapter.overlay.isReady() ? success(undefined) : failure(`the overlay is ${state}`);
}

function adminSources(
  platform: Platform,
  authority: AuthorityRole | undefined,
  adapter: AdapterRole | undefined,
  status: () => object,
): AdminSources {
  return {
    status,
    ring: () => adapter?.ring(),
    health: () => healthOf(adapter),
    lookup: adapter === undefined ? undefined : async (aor) => await adapter.lookup(aor),
    bans: adapter?.bans,
    metrics: async () => await platform.registry.metrics(),
    authority: authority?.admin ?? adapter?.users,
  };
}

/** The bearer token of the admin port, made on the first start. */
function adminToken(dir: string): string {
  const file = adminTokenFile(dir);
  if (!existsSync(file)) {
    writeFileAtomically(file, `${randomBytes(32).toString('base64url')}\n`, 0o600);
  }
  return readFileSync(file, 'utf8').trim();
}
