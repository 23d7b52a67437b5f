/** The bytes of GRUU tokens, and which URIs are GRUUs at all. RFC 5627 §5, §6. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hexDecode } from '../../../../src/base/text.ts';
import { contactRefusal, isGruu } from '../../../../src/sip/gruu/checks.ts';
import { parseUri } from '../../../../src/sip/message/uri.ts';
import { requestOf } from '../core/request-of.ts';
import { domain, domains } from '../core/rig.ts';
import { testGruus } from './support.ts';

const aor = `alice@${domain}`;

function tokenOf(uri: string): Uint8Array {
  return hexDecode(/;gr=here-([0-9a-f]+)/.exec(uri)?.[1] ?? '') ?? assert.fail(uri);
}

function read(gruus: ReturnType<typeof testGruus>, text: string) {
  const uri = parseUri(text);
  assert.ok(uri.ok, text);
  return gruus.read(uri.value);
}

test('a public GRUU is 25 bytes: its mark, the instance, the proof', () => {
  const gruus = testGruus();
  const uri = gruus.publicGruu('a b@lab.example', 'urn:x', 'sips');
  assert.match(uri, /^sips:a%20b@lab\.example;gr=here-[0-9a-f]{50}$/);
  assert.equal(tokenOf(uri)[0], 1);
  assert.ok(gruus.isGenuine(tokenOf(uri)));
  assert.ok(!gruus.isGenuine(tokenOf(uri).subarray(1)));
  assert.ok(!gruus.isGenuine(tokenOf(uri).subarray(0, 24)));
});

test('temporary GRUUs come in lengths that tell nothing, up to what an opaque id holds', () => {
  const gruus = testGruus();
  const length = (user: number): number => {
    const uri = gruus.temporaryGruu(`${'a'.repeat(user)}@h`, 'urn:x', 1, 'sip');
    return uri === undefined ? 0 : tokenOf(uri).length;
  };
  // 13 bytes of head and 12 of proof round blocks of 32; 19 bytes stand before the address.
  assert.deepEqual([1, 11, 12, 43, 44].map(length), [57, 57, 89, 89, 121]);
  assert.deepEqual([171, 172, 203].map(length), [217, 249, 249]);
  assert.equal(length(204), 0, 'a block more would be too long');
  const uri = gruus.temporaryGruu(aor, 'urn:x', 1, 'sips') ?? '';
  assert.match(uri, new RegExp(`^sips:anonymous@${domain};gr=here-02`));
});

test('a temporary GRUU tells address, instance and epoch to this server only', () => {
  const gruus = testGruus();
  for (const epochMs of [0, 1, 255, 256, 1_700_000_000_123, 2 ** 48 - 1]) {
    const meaning = read(gruus, gruus.temporaryGruu(aor, 'urn:x', epochMs, 'sip') ?? '');
    assert.ok(meaning !== undefined && meaning !== 'invalid');
    assert.deepEqual([meaning.kind, meaning.aor], ['temporary', aor]);
    const names = (instance: string | undefined, gruuEpochMs: number | undefined): boolean =>
      meaning.names({ instance, gruuEpochMs });
    assert.ok(names('urn:x', epochMs), String(epochMs));
    assert.ok(!names('urn:x', epochMs + 1) && !names('urn:x', undefined));
    assert.ok(!names('urn:y', epochMs) && !names(undefined, epochMs));
  }
  const long = `${'u'.repeat(190)}@h`;
  const meaning = read(gruus, gruus.temporaryGruu(long, 'urn:x', 5, 'sip') ?? '');
  assert.ok(meaning !== undefined && meaning !== 'invalid' && meaning.aor === long);
});

test('every byte of a token is protected', () => {
  const gruus = testGruus();
  for (const uri of [
    gruus.publicGruu(aor, 'urn:x', 'sip'),
    gruus.temporaryGruu(aor, 'urn:x', 5, 'sip') ?? '',
  ]) {
    const at = uri.indexOf('here-') + 5;
    for (let i = at; i < uri.length; i++) {
      const changed = uri.slice(0, i) + (uri[i] === '0' ? '1' : '0') + uri.slice(i + 1);
      assert.equal(read(gruus, changed), 'invalid', changed);
    }
    for (const cut of [2, 24, 26]) assert.equal(read(gruus, uri.slice(0, -cut)), 'invalid');
    assert.equal(read(gruus, `${uri}00`), 'invalid');
  }
});

test('a GRUU is read of sip and sips URIs of served domains', () => {
  const gruus = testGruus();
  const gr = gruus.publicGruu(aor, 'urn:x', 'sip').slice(`sip:${aor}`.length);
  for (const scheme of ['sip', 'sips']) {
    const meaning = read(gruus, `${scheme}:${aor}${gr}`);
    assert.ok(meaning !== undefined && meaning !== 'invalid');
    assert.deepEqual([meaning.kind, meaning.aor], ['public', aor]);
    assert.ok(meaning.names({ instance: 'urn:x', gruuEpochMs: undefined }));
    assert.ok(!meaning.names({ instance: 'urn:y', gruuEpochMs: undefined }));
    assert.ok(!meaning.names({ instance: undefined, gruuEpochMs: undefined }));
  }
  assert.equal(read(gruus, `sip:bob@${domain}${gr}`), 'invalid', 'made for another address');
  for (const other of [
    `sip:alice@other.example${gr}`,
    `sip:${domain}${gr}`,
    `sip:${aor}`,
    `sip:${aor};gr`,
    `sip:${aor};gr=there-00`,
    `tel:1${gr}`,
  ]) {
    assert.equal(read(gruus, other), undefined, other);
  }
});

test('a request to a GRUU is one to a served domain with gr', () => {
  const to = (uri: string): boolean => isGruu(requestOf([], { uri }), domains);
  assert.ok(to(`sip:a@${domain};gr`) && to(`sip:a@${domain};gr=x`));
  assert.ok(!to(`sip:a@${domain}`) && !to('sip:a@other.example;gr'));
  assert.ok(!to(`sip:a@${domain};grx`) && !to(`sip:a;gr@${domain}`));
});

test('a GRUU in Contact must be one of the sender', () => {
  const gruus = testGruus();
  const refusal = (contact: string, known: typeof gruus | undefined = gruus): number | undefined =>
    contactRefusal(requestOf([`Contact: ${contact}`]), aor, domains, known)?.status;
  const mine = gruus.publicGruu(aor, 'urn:x', 'sip');
  const temporary = gruus.temporaryGruu(aor, 'urn:x', 1, 'sip') ?? '';
  const theirs = gruus.publicGruu(`bob@${domain}`, 'urn:x', 'sip');
  assert.equal(refusal(`<${mine}>`), undefined);
  assert.equal(refusal(`<${temporary}>`), undefined);
  assert.equal(refusal(`<${theirs}>`), 403);
  assert.equal(refusal(`<${gruus.temporaryGruu(`bob@${domain}`, 'x', 1, 'sip') ?? ''}>`), 403);
  assert.equal(refusal(`<${mine.slice(0, -2)}>`), 403, 'nobody made it');
  assert.equal(refusal(`<sip:${aor};gr=there>`), undefined, 'of another server, the own address');
  assert.equal(refusal(`<sip:bob@${domain};gr=there>`), 403);
  assert.equal(
    refusal(`<sip:anonymous@${domain};gr=there>`),
    undefined,
    'whose it is nobody knows',
  );
  assert.equal(refusal(`<sip:bob@${domain};gr=there>`, undefined), 403);
  assert.equal(refusal('<sip:bob@other.example;gr=1>'), undefined);
  assert.equal(refusal(`<sip:bob@${domain};grx=1>`), undefined);
  assert.equal(refusal('<sip:a@b;gr'), 400);
  assert.equal(refusal('<sip:[x];gr>'), 400);
  assert.equal(contactRefusal(requestOf([]), aor, domains, gruus), undefined);
});
