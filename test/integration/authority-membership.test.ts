/** A box and its overlay across the directory in which its membership is kept. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, statSync, unlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import type { Outcome } from '../../src/base/outcome.ts';
import { keepConfiguration } from '../../src/cli/box/configuration-keeper.ts';
import { loadMembership, membershipDirectory } from '../../src/cli/box/membership.ts';
import type { Platform } from '../../src/cli/box/platform.ts';
import { joinOverlay } from '../../src/cli/join-overlay.ts';
import { createClock } from '../../src/node/clock.ts';
import { fetchConfig } from '../../src/node/enrollment-client.ts';
import { connectAuthority } from '../../src/node/enrollment-request.ts';
import { loadSettings } from '../../src/node/settings.ts';
import type { ConfigurationKeeper, UpdateRefusal } from '../../src/overlay-config/keeper.ts';
import { silentTrace } from '../../src/ports/trace.ts';
import {
  overlayName,
  random,
  signatures,
  startLab,
  valueOf,
  verifier,
} from './authority-support.ts';
import type { Lab } from './authority-support.ts';
import { temporaryFolder } from '../support/temporary-folder.ts';

const settings = valueOf(loadSettings([], {}, {}));
const documentFile = 'overlay.relo';

async function joinedBox(t: TestContext, lab: Lab): Promise<string> {
  const dir = temporaryFolder('chordial-member');
  t.after(() => {
    rmSync(dir, { recursive: true });
  });
  assert.throws(() => loadMembership(dir, verifier), /not a member of an overlay yet/);
  const { token } = valueOf(await lab.authority.createToken({}));
  await joinOverlay({ dir, settings, token });
  return dir;
}

function keeperOf(t: TestContext, dir: string): ConfigurationKeeper {
  const clock = createClock();
  t.after(() => {
    clock.close();
  });
  const platform = { clock, random, signatures, trace: silentTrace, verifier };
  const { configuration } = loadMembership(dir, verifier);
  return keepConfiguration(platform as unknown as Platform, dir, configuration);
}

function kept(dir: string): Uint8Array {
  return new Uint8Array(readFileSync(join(membershipDirectory(dir), documentFile)));
}

test('[R6940-11.3-01][R6940-11.3-02] without a certificate a box does not run; joining asks the enrollment server for one', async (t) => {
  const lab = await startLab(t);
  assert.equal([...lab.authority.listAdapters()].length, 0);
  const dir = await joinedBox(t, lab);
  const { nodeCertificate, authority } = loadMembership(dir, verifier);
  assert.ok(verifier.isIssuedBy(nodeCertificate, lab.authority.rootCertificate));
  assert.equal(nodeCertificate.userName, authority?.account);
  unlinkSync(join(membershipDirectory(dir), 'node.der'));
  assert.throws(() => loadMembership(dir, verifier), /not a member of an overlay yet/);
});

test('[R6940-4.6.1-01][R6940-11.2-10] a box starts from the document in its directory, with nobody to ask', async (t) => {
  const lab = await startLab(t);
  const dir = await joinedBox(t, lab);
  await lab.authority.stop();
  const keeper = keeperOf(t, dir);
  assert.equal(keeper.current().overlayName, overlayName);
  assert.deepEqual(new Uint8Array(keeper.current().document), lab.authority.configDocument());
});

test('[R6940-11.2-09][R6940-11.1-52][R6940-14.16-01] a fetched document replaces the kept one byte for byte', async (t) => {
  const lab = await startLab(t);
  const dir = await joinedBox(t, lab);
  const keeper = keeperOf(t, dir);
  const before = kept(dir);
  await lab.authority.addBootstrapNode({ address: '192.0.2.9', port: 7000 });
  const root = lab.authority.rootCertificate.der;
  const connection = connectAuthority({ rootCertificates: [root], overlayName });
  const fetched = valueOf(await fetchConfig(lab.url, connection));
  connection.close();
  assert.notDeepEqual(fetched, before);
  const offer = (document: Uint8Array): Promise<Outcome<void, UpdateRefusal>> =>
    new Promise((resolve) => {
      keeper.offer(document, resolve, { fromServer: true });
    });
  const text = Buffer.from(fetched).toString();
  const unsigned = text.replace(/<signature>.*<\/signature>/, '');
  assert.equal((await offer(Buffer.from(unsigned))).ok, false);
  assert.deepEqual(kept(dir), before);
  assert.ok((await offer(fetched)).ok);
  assert.deepEqual(kept(dir), new Uint8Array(fetched));
  assert.deepEqual(keeper.current().bootstrapNodes.at(-1), { address: '192.0.2.9', port: 7000 });
});

test('[R6940-14.16-02][R6940-14.16-04] a document with a shared secret is shown to members only and kept private', async (t) => {
  const values = { sharedSecret: 'not for everybody' };
  const lab = await startLab(t, { create: { keyType: 'ecdsa-p256', values } });
  const dir = await joinedBox(t, lab);
  const folder = membershipDirectory(dir);
  assert.ok(readdirSync(folder).includes(documentFile));
  assert.equal(statSync(join(folder, documentFile)).mode & 0o777, 0o600);
  assert.equal(statSync(folder).mode & 0o777, 0o700);
  assert.match(Buffer.from(kept(dir)).toString(), /not for everybody/);

  const trust = { rootCertificates: [lab.authority.rootCertificate.der], overlayName };
  const stranger = connectAuthority(trust);
  const refused = await fetchConfig(lab.url, stranger);
  assert.match(refused.ok ? '' : refused.error, /answers 403/);
  stranger.close();
  const { nodeCertificate, nodeKey } = loadMembership(dir, verifier);
  const member = connectAuthority(trust, {
    certificateDer: nodeCertificate.der,
    privateKeyPem: nodeKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  });
  assert.deepEqual(new Uint8Array(valueOf(await fetchConfig(lab.url, member))), kept(dir));
  member.close();
});

test('[R6940-14.2-01] overlay links listen on port 6084 by default', () => {
  assert.equal(settings.link.port, 6084);
});

test('a box refuses an overlay whose configuration it cannot meet, by name', async (t) => {
  const values = { mandatoryExtensions: ['urn:example:more'] };
  const lab = await startLab(t, { create: { keyType: 'ecdsa-p256', values } });
  const dir = await joinedBox(t, lab);
  assert.throws(() => keeperOf(t, dir), /it lacks mandatory-extension urn:example:more/);
});

test('[R6940-13.6.5-01] the initial TTL fits the expected number of peers', async (t) => {
  const ttl = async (expectedPeers: number): Promise<number> => {
    const lab = await startLab(t, { create: { keyType: 'ecdsa-p256', expectedPeers } });
    return keeperOf(t, await joinedBox(t, lab)).current().initialTtl;
  };
  assert.equal(await ttl(1000), 15);
  assert.equal(await ttl(1), 5);
  assert.equal(await ttl(1_000_000), 25);
});
