import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type SipUri, parseUri } from '../../../../src/sip/message/uri.ts';
import { domain } from '../core/rig.ts';
import { testGruus } from './support.ts';

const aor = `alice@${domain}`;
const instance = 'urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6';
const epochMs = 1_700_000_000_123;

function uri(text: string | undefined): SipUri {
  const parsed = parseUri(text ?? '');
  assert.ok(parsed.ok, text);
  return parsed.value;
}

test('[S5627-5.1-02] a public GRUU is the address with gr, always the same', () => {
  const gruu = testGruus('one').publicGruu(aor, instance, 'sip');
  assert.match(gruu, /^sip:alice@lab\.example;gr=.+$/);
  assert.equal(testGruus('another seed').publicGruu(aor, instance, 'sip'), gruu);
  assert.notEqual(testGruus('one').publicGruu(aor, 'urn:uuid:2', 'sip'), gruu);
  assert.notEqual(testGruus('one', 9).publicGruu(aor, instance, 'sip'), gruu);
  assert.match(testGruus().publicGruu(aor, instance, 'sips'), /^sips:alice@/);
});

test('a public GRUU names its instance and no other', () => {
  const gruus = testGruus();
  const meaning = gruus.read(uri(gruus.publicGruu(aor, instance, 'sip')));
  assert.ok(meaning !== undefined && meaning !== 'invalid');
  assert.equal(meaning.kind, 'public');
  assert.equal(meaning.aor, aor);
  assert.ok(meaning.names({ instance, gruuEpochMs: 5 }));
  assert.ok(!meaning.names({ instance: 'urn:uuid:2', gruuEpochMs: 5 }));
  assert.ok(!meaning.names({ instance: undefined, gruuEpochMs: undefined }));
});

test('[S5627-5.1-06] temporary GRUUs of one instance share nothing that those of others do not share', () => {
  const gruus = testGruus();
  const of = (who: string, what: string): string =>
    gruus.temporaryGruu(`${who}@${domain}`, what, epochMs, 'sip') ?? '';
  const one = of('alice', instance);
  const two = of('alice', instance);
  const foreign = of('bo', 'urn:uuid:2');
  assert.notEqual(one, two);
  assert.equal(one.length, foreign.length, 'the length tells nothing');
  const shared = commonPrefix(one, foreign);
  assert.match(shared, /^sip:anonymous@lab\.example;gr=here-02/);
  assert.ok(!one.includes('alice') && !one.includes(Buffer.from('alice').toString('hex')));
  // What is left of two texts of the same plain content has no eight digits in common.
  const rest = one.slice(shared.length);
  for (let i = 0; i + 8 <= rest.length; i++) assert.ok(!two.includes(rest.slice(i, i + 8)));
});

function commonPrefix(a: string, b: string): string {
  let i = 0;
  while (i < a.length && a[i] === b[i]) i++;
  return a.slice(0, i);
}

test('a temporary GRUU counts for its instance and epoch, and outlives the rotation of keys', () => {
  const made = testGruus().temporaryGruu(aor, instance, epochMs, 'sip');
  const meaning = testGruus('later', 1, [3, 2]).read(uri(made));
  assert.ok(meaning !== undefined && meaning !== 'invalid');
  assert.equal(meaning.kind, 'temporary');
  assert.equal(meaning.aor, aor);
  assert.ok(meaning.names({ instance, gruuEpochMs: epochMs }));
  assert.ok(!meaning.names({ instance, gruuEpochMs: epochMs + 1 }));
  assert.ok(!meaning.names({ instance: 'urn:uuid:2', gruuEpochMs: epochMs }));
  assert.equal(testGruus('later', 1, [3]).read(uri(made)), 'invalid');
});

test('[S5627-6.1-01] nobody but this server can make them', () => {
  const gruus = testGruus();
  const temporary = gruus.temporaryGruu(aor, instance, epochMs, 'sip') ?? '';
  for (const made of [gruus.publicGruu(aor, instance, 'sip'), temporary]) {
    const from = made.indexOf('here-') + 'here-'.length;
    for (let at = from; at < made.length; at++) {
      const changed = made[at] === '0' ? '1' : '0';
      const forged = made.slice(0, at) + changed + made.slice(at + 1);
      assert.equal(gruus.read(uri(forged)), 'invalid', forged);
    }
    for (let end = from; end < made.length; end += 2) {
      assert.equal(gruus.read(uri(made.slice(0, end))), 'invalid', String(end));
    }
  }
  const stolen = gruus.publicGruu(aor, instance, 'sip').replace('alice', 'bob');
  assert.equal(gruus.read(uri(stolen)), 'invalid');
});

test('other URIs are no GRUUs of this server', () => {
  const gruus = testGruus();
  for (const text of [
    `sip:${aor}`,
    `sip:${aor};gr`,
    `sip:${aor};gr=elsewhere-01`,
    'sip:alice@other.example;gr=here-01',
    'tel:+1;gr=here-01',
  ]) {
    assert.equal(gruus.read(uri(text)), undefined, text);
  }
});

test('an address too long to hide gets no temporary GRUU', () => {
  const gruus = testGruus();
  const long = (length: number): string => `${'a'.repeat(length - domain.length - 1)}@${domain}`;
  assert.ok(gruus.temporaryGruu(long(173), instance, epochMs, 'sip') !== undefined);
  assert.equal(gruus.temporaryGruu(long(206), instance, epochMs, 'sip'), undefined);
});

test('opaque ids are taken for ours only when they are', () => {
  const gruus = testGruus();
  const token = (text: string | undefined): Uint8Array =>
    Buffer.from(/here-([0-9a-f]+)/.exec(text ?? '')?.[1] ?? '', 'hex');
  assert.ok(gruus.isGenuine(token(gruus.publicGruu(aor, instance, 'sip'))));
  const temporary = token(gruus.temporaryGruu(aor, instance, epochMs, 'sip'));
  assert.ok(gruus.isGenuine(temporary));
  temporary[20] = (temporary[20] ?? 0) ^ 1;
  assert.ok(!gruus.isGenuine(temporary));
  assert.ok(!gruus.isGenuine(new Uint8Array(0)));
});
