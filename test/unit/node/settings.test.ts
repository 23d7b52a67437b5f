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

function refusal(text: string): string {
  const settings = loadSettings([file('refused.yaml', text)], {}, {});
  assert.ok(!settings.ok, text);
  assert.ok(!settings.error.includes('\n'));
  return settings.error.slice(settings.error.indexOf('refused.yaml: ') + 14);
}

test('an object or nothing where a list belongs is refused, with the key and what is expected', () => {
  assert.equal(
    refusal('sip: { aliases: { pbx: home } }'),
    'sip.aliases: must be a list of strings, got {"pbx":"home"}',
  );
  assert.equal(refusal('sip:\n  aliases:\n'), 'sip.aliases: must be a list of strings, got null');
  assert.equal(
    refusal('sip: { digest: { MD5: true } }'),
    'sip.digest: must be a non-empty list of MD5, SHA-256 and SHA-512-256, got {"MD5":true}',
  );
  assert.equal(
    refusal('sip: { certificates: { cert: a.pem, key: b.pem } }'),
    'sip.certificates: must be a list of {cert: text, key: text}, got {"cert":"a.pem","key":"b.pem"}',
  );
  assert.match(
    refusal('sip: { numberRoutes: { prefix: "+" } }'),
    /^sip\.numberRoutes: must be a list/,
  );
  assert.equal(
    refusal('log: { level: { info: true } }'),
    'log.level: must be one of debug, info, warn, error, silent, got {"info":true}',
  );
  assert.equal(
    refusal('sip: { port: { udp: 1 } }'),
    'sip.port: must be an integer from 0 to 65535, got {"udp":1}',
  );
  assert.equal(refusal('domain: { a: b }'), 'domain: must be text, got {"a":"b"}');
  assert.match(refusal('constructor: 1'), /^unknown setting "constructor"/);
});

test('a list of objects is checked field by field', () => {
  const listener = (more: string): string =>
    `sip: { listeners: [{ name: x, transport: udp, address: 127.0.0.1, port: 5070${more} }] }`;
  assert.ok(
    loadSettings([file('good.yaml', listener(', role: redirect, digest: [MD5]'))], {}, {}).ok,
  );
  for (const more of [', role: redirct', ', digest: [MD6]', ', colour: red', ', name: ""']) {
    const text = more.includes('name')
      ? listener('').replace('name: x', 'name: ""')
      : listener(more);
    assert.match(refusal(text), /^sip\.listeners: must be a list of \{name: text, .*role\?: /);
  }
  const trunk = refusal('sip: { trunks: [{ name: pbx, password: geheim }] }');
  assert.match(trunk, /^sip\.trunks: must be a list of \{name: string, uri: string, /);
  assert.ok(!trunk.includes('geheim'), 'no password in an error');
  assert.ok(!refusal('sip: { trunks: { password: geheim } }').includes('geheim'));
});

test('flags: a group is no setting, and a list that is no JSON is named', () => {
  const flag = (key: string, value: string): string => {
    const settings = loadSettings([], {}, { [key]: value });
    assert.ok(!settings.ok);
    return settings.error;
  };
  assert.equal(
    flag('sip', '{"port":5070}'),
    '--set sip={"port":5070}: "sip" is a group of settings; set them one by one, as sip.address',
  );
  assert.match(flag('sip.drachtio', 'x'), /"sip\.drachtio" is a group .* as sip\.drachtio\.host$/);
  assert.match(flag('sip.listeners', '{}'), /sip\.listeners: must be a list of \{name: /);
  assert.match(flag('sip.listeners', '[{]'), /sip\.listeners: must be a list of \{name: /);
  assert.match(flag('sip.port.x', '1'), /unknown setting "sip\.port\.x"/);
  assert.match(flag('__proto__.x', '1'), /unknown setting/);
  const environment = loadSettings([], { CHORDIAL_SIP_LISTENERS: '{' }, {});
  assert.ok(!environment.ok);
  assert.match(environment.error, /^environment or flags: sip\.listeners: must be a list/);
});

test('docs/settings.md lists every setting as the program knows it', () => {
  assert.equal(readFileSync('docs/settings.md', 'utf8'), settingsReference());
});
