import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadSettings, settingsReference } from '../../../src/node/settings.ts';
import { temporaryFolder } from '../../support/temporary-folder.ts';

const folder = temporaryFolder('chordial-settings');

function file(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

test('defaults are complete without any source', () => {
  const settings = loadSettings([], {}, {});
  assert.ok(settings.ok);
  assert.equal(settings.value.sip.port, 5060);
  assert.deepEqual(settings.value.sip.digest, ['MD5']);
});

test('files, environment and flags win in that order', () => {
  const yaml = file('a.yaml', 'sip:\n  port: 5070\n  tlsPort: 5071\n  wsPort: 5072\n');
  const json = file('b.json', '{"sip":{"tlsPort":5081,"wsPort":5082}}');
  const settings = loadSettings(
    [yaml, json],
    { CHORDIAL_SIP_WS_PORT: '5092' },
    { 'admin.port': '81' },
  );
  assert.ok(settings.ok);
  assert.equal(settings.value.sip.port, 5070);
  assert.equal(settings.value.sip.tlsPort, 5081);
  assert.equal(settings.value.sip.wsPort, 5092);
  assert.equal(settings.value.admin.port, 81);
});

test('a wrong type names file, key, value and expected type on one line', () => {
  const path = file('wrong.yaml', 'sip:\n  port: loud\n');
  const settings = loadSettings([path], {}, {});
  assert.ok(!settings.ok);
  assert.match(settings.error, /^[^\n]*wrong\.yaml[^\n]*sip\.port[^\n]*integer[^\n]*"loud"[^\n]*$/);
});

test('an unknown key and broken syntax are refused by name', () => {
  const unknown = loadSettings([file('unknown.yaml', 'sip:\n  prot: 5060\n')], {}, {});
  assert.ok(!unknown.ok);
  assert.match(unknown.error, /unknown setting "sip\.prot"/);
  const broken = loadSettings([file('broken.json', '{"sip":')], {}, {});
  assert.ok(!broken.ok);
  assert.match(broken.error, /broken\.json/);
  assert.ok(!loadSettings([join(folder, 'none.yaml')], {}, {}).ok);
  assert.ok(!loadSettings([], {}, { 'sip.nothing': '1' }).ok);
});

test('docs/settings.md lists every setting as the program knows it', () => {
  assert.equal(readFileSync('docs/settings.md', 'utf8'), settingsReference());
});
