import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseKindBlock } from '../../../src/overlay-config/kind-update.ts';
import { bytesOf, document, parse, xml } from './support.ts';

const kind = `<kind id="4026531841" ext:x="1">
  <data-model>SINGLE</data-model><access-control>USER-MATCH</access-control>
  <max-count>1</max-count>  <max-size>9</max-size><ext:more>ü</ext:more></kind>`;
const block = `<kind-block>${kind}<kind-signature> AQID </kind-signature></kind-block>`;
const whole = document(`\n   <required-kinds> ${block} </required-kinds>`);

function read(text: string, inForce = whole) {
  return parseKindBlock(bytesOf(text), xml, bytesOf(inForce));
}

test('[R6940-11.1-50] a kind-block of the document is kept byte for byte and can be read alone', () => {
  const parsed = parse(whole);
  assert.ok(parsed.ok);
  const [kept] = parsed.value.config.requiredKinds;
  assert.deepEqual(kept?.block, bytesOf(block));
  const alone = read(block);
  assert.ok(alone.ok, alone.ok ? '' : alone.error);
  assert.deepEqual(alone.value.parameters, kept);
  const [inDocument] = parsed.value.kindSignatures;
  assert.deepEqual(alone.value.signature, inDocument);
  assert.deepEqual(alone.value.signature.signedBytes, bytesOf(kind));
});

test('[R6940-6.5.4.1-02] a kind-block is UTF-8 and needs no xmlns: its namespace is that of configurations', () => {
  const plain = block.replace(/ ext:x="1"|<ext:more>.*<\/ext:more>/g, '');
  assert.ok(!plain.includes('xmlns') && !plain.includes('ext'));
  const alone = read(plain, '');
  assert.ok(alone.ok, alone.ok ? '' : alone.error);
  assert.equal(alone.value.parameters.kind, 4_026_531_841);
  const foreign = plain.replace('<kind-block>', '<kind-block xmlns="urn:example:other">');
  assert.equal(read(foreign, '').ok, false);
  const latin1 = new Uint8Array(
    Buffer.from(plain.replace('<kind-block>', '<kind-block> é'), 'latin1'),
  );
  assert.equal(parseKindBlock(latin1, xml, bytesOf('')).ok, false);
  const named = bytesOf(plain.replace('id="4026531841"', 'name="ü"'));
  const unknown = parseKindBlock(named, xml, bytesOf(''));
  assert.match(unknown.ok ? '' : unknown.error, /ü/, 'read as UTF-8');
});

test('prefixes come from the document in force', () => {
  const prefixed = block.replaceAll(/<(\/?)(kind|data|access|max)/g, '<$1p:$2');
  const other = `<?xml version="1.0"?><p:overlay xmlns:p='urn:ietf:params:xml:ns:p2p:config-base'>
    <p:configuration instance-name="x" xmlns:ext="urn:example:ext" xmlns:p="urn:other">`;
  assert.equal(read(prefixed, other).ok, true);
  assert.equal(read(prefixed).ok, false);
  assert.match(errorOf(read(block, '')), /kind-block: .*ext/);
  assert.equal(read(block.replaceAll('ext:', 'chord:'), '').ok, false);
});

test('what is not exactly one valid kind-block is refused', () => {
  for (const text of [
    '',
    'kind',
    `${block} `,
    block + block,
    `${block}</overlay>`,
    `${block}<!DOCTYPE x>`,
    kind,
    block.replace('SINGLE', 'NONE'),
    block.replace('<max-count>1', '<max-count>x'),
    block.replace(/<kind-signature>.*<\/kind-signature>/, ''),
    block.replace('<kind-block>', '<kind-block id="1">'),
    `<overlay>${block}</overlay>`,
  ]) {
    assert.match(errorOf(read(text)), /^kind-block: /, text);
  }
});

function errorOf(outcome: ReturnType<typeof read>): string {
  return outcome.ok ? '' : outcome.error;
}
