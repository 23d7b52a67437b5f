/** What a box needs before it opens a link. RFC 6940 §6.3.2.1, §11.1. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { startBox } from '../../src/cli/box/box.ts';
import { documentFile } from '../../src/cli/box/membership.ts';
import { settingsFiles } from '../../src/cli/data-dir.ts';
import { joinSelfSigned, initSelfSigned } from '../../src/cli/self-signed-overlay.ts';
import { loadSettings, type Settings } from '../../src/node/settings.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const host = '127.0.0.47';

/** Somebody's listener, for a box to dial; tells how many came. */
async function trap(): Promise<{ readonly port: number; came(): number; close(): void }> {
  let came = 0;
  const server = createServer((socket) => {
    came++;
    socket.destroy();
  });
  server.listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { port, came: () => came, close: () => server.close() };
}

async function freePort(): Promise<number> {
  const taken = await trap();
  taken.close();
  return taken.port;
}

async function settingsOf(dir: string): Promise<Settings> {
  const flags = {
    'link.address': host,
    'link.port': String(await freePort()),
    'link.sipPort': String(await freePort()),
    'link.sipsPort': String(await freePort()),
    'sip.address': host,
    'sip.port': '0',
    'sip.tlsPort': '0',
    'sip.wsPort': '0',
    'admin.port': '0',
    'log.level': 'silent',
  };
  const settings = loadSettings(settingsFiles(dir, []), {}, flags);
  assert.ok(settings.ok, settings.ok ? '' : settings.error);
  return settings.value;
}

async function accepts(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

test('[R6940-6.3.2.1-01] without its configuration document a box opens no link and no port; with it, it does', async () => {
  const bootstrap = await trap();
  const first = temporaryFolder('chordial-start');
  await initSelfSigned({
    dir: first,
    settings: await settingsOf(first),
    digest: 'sha256',
    bootstrap: [{ address: host, port: bootstrap.port }],
  });
  const dir = temporaryFolder('chordial-start');
  const source = join(first, documentFile);
  await joinSelfSigned({ dir, settings: await settingsOf(dir), documentFile: source });
  const settings = await settingsOf(dir);

  const box = await startBox(settings, dir);
  assert.ok(await accepts(settings.link.port));
  for (let i = 0; i < 100 && bootstrap.came() === 0; i++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.ok(bootstrap.came() > 0, 'it looks for its bootstrap node');
  await box.stop();

  const before = bootstrap.came();
  const document = join(dir, documentFile);
  rmSync(document);
  await assert.rejects(startBox(settings, dir), /overlay\.relo is damaged/);
  writeFileSync(document, '<overlay/>');
  await assert.rejects(startBox(settings, dir), /overlay\.relo is damaged/);
  assert.ok(!(await accepts(settings.link.port)));
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.equal(bootstrap.came(), before);
  bootstrap.close();
});
