import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createDrachtioFront, edgeHosts } from '../../../src/cli/box/drachtio-front.ts';
import { edgePolicies, portSetting, sipListeners } from '../../../src/cli/box/sip-listeners.ts';
import { CommandError } from '../../../src/cli/command.ts';
import { loadSettings, type Settings } from '../../../src/node/settings.ts';
import { silentTrace } from '../../../src/ports/trace.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const deps = {
  nodeKey: privateKey,
  nowMs: () => 0,
  trace: silentTrace,
  events: { message: () => undefined },
};

function settingsOf(flags: Record<string, string>): Settings {
  const settings = loadSettings([], {}, flags);
  assert.ok(settings.ok, settings.ok ? '' : settings.error);
  return settings.value;
}

const drachtio = { 'sip.edge': 'drachtio' };
const withSecret = { CHORDIAL_DRACHTIO_SECRET: 'cymru' };

test('the embedded edge is the default, and needs nothing', async () => {
  const settings = settingsOf({});
  assert.equal(await createDrachtioFront(settings, deps, {}), undefined);
  assert.deepEqual(edgePolicies(settings), []);
  assert.deepEqual(edgeHosts(settings), []);
});

test('with a drachtio server no listener of phones is opened but those listed', async () => {
  const settings = settingsOf({ ...drachtio, 'sip.digest': 'SHA-256' });
  assert.deepEqual(await sipListeners(settings, '/nowhere', []), []);
  const [first] = edgePolicies(settings);
  assert.deepEqual(first, [
    'edge-udp',
    { algorithms: ['SHA-256'], role: 'proxy', acceptsOutsideCalls: settings.sip.outsideCalls },
  ]);
  assert.deepEqual(edgeHosts(settings), ['127.0.0.1', '127.0.0.1']);
  assert.equal(portSetting('edge-hop'), 'sip.drachtio.listen');
});

test('the secret comes from the environment or a file', async () => {
  const file = join(temporaryFolder('chordial-front'), 'secret');
  writeFileSync(file, 'from-a-file\n');
  assert.ok(await createDrachtioFront(settingsOf(drachtio), deps, withSecret));
  const named = settingsOf({ ...drachtio, 'sip.drachtio.secretFile': file });
  assert.ok(await createDrachtioFront(named, deps, {}));
});

for (const [what, flags, environment, expected] of [
  ['no secret', {}, {}, /put it in a file .* sip\.drachtio\.secretFile, or in CHORDIAL_DRACHTIO_/],
  [
    'no file',
    { 'sip.drachtio.secretFile': '/no/such' },
    {},
    /\/no\/such cannot be read \(ENOENT\)/,
  ],
  ['an odd secret', {}, { CHORDIAL_DRACHTIO_SECRET: 'a|b' }, /without "\|"/],
  ['an odd hop', { 'sip.drachtio.hop': 'here' }, withSecret, /drachtio\.hop: must look like/],
  ['an odd address', { 'sip.drachtio.listen': ':1' }, withSecret, /drachtio\.listen: must look/],
  ['an odd front', { 'sip.drachtio.advertised': 'a:1' }, withSecret, /advertised: must look like/],
] as const) {
  test(`${what} ends the command with status 2 and says what to do`, async () => {
    const settings = settingsOf({ ...drachtio, ...flags });
    await assert.rejects(createDrachtioFront(settings, deps, environment), (error) => {
      assert.ok(error instanceof CommandError);
      assert.equal(error.exitCode, 2);
      assert.match(error.message, expected);
      assert.ok(!error.message.includes('a|b'));
      return true;
    });
  });
}
