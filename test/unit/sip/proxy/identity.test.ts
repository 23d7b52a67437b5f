/** How addresses are spelled for each side, and what is left of callers nobody has proved. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseNameAddr } from '../../../../src/sip/message/name-addr.ts';
import type { NameAddr } from '../../../../src/sip/message/name-addr.ts';
import {
  anonymousValue,
  canonicalValue,
  ownUriParam,
  readHiddenCaller,
  readSpelling,
  spelledValue,
  spellingOf,
  spellingParams,
} from '../../../../src/sip/proxy/identity.ts';
import { domain, domains, serverAddress } from '../core/rig.ts';

function address(text: string): NameAddr {
  const parsed = parseNameAddr(text);
  assert.ok(parsed.ok, text);
  return parsed.value;
}

test('addresses of ours get the canonical host, every other byte stays', () => {
  const table: readonly (readonly [string, string | undefined])[] = [
    [`<sip:a@${serverAddress}>;tag=1`, `<sip:a@${domain}>;tag=1`],
    [`"A <x>" <sip:a@${serverAddress}:5060;x>;tag=1`, `"A <x>" <sip:a@${domain};x>;tag=1`],
    [`"q\\"<" <sips:a:pw@${serverAddress}>`, `"q\\"<" <sips:a:pw@${domain}>`],
    [`sip:a@${serverAddress};tag=1`, `sip:a@${domain};tag=1`],
    [`<sip:${serverAddress}>`, `<sip:${domain}>`],
    [`<sip:a@${domain}:5060>`, `<sip:a@${domain}>`],
    [`sip:a@${serverAddress};x="<"`, `sip:a@${domain};x="<"`],
    [`<sip:a@${domain}>`, undefined],
    [`<sip:a@${domain.toUpperCase()}>`, undefined],
    ['<sip:a@other.example>', undefined],
    ['<tel:1>', undefined],
    ['<sip:[::x]>', undefined],
  ];
  for (const [text, expected] of table) {
    assert.equal(canonicalValue(address(text), domains), expected, text);
  }
});

test('the spelling of a phone is what differs from the canonical host', () => {
  const spelled = (text: string) => spellingOf(address(text), domains);
  assert.equal(spelled(`<sip:a@${serverAddress}:5060>`), `${serverAddress}:5060`);
  assert.equal(spelled(`<sip:a@${serverAddress}>`), serverAddress);
  assert.equal(spelled(`<sip:a@${domain}>`), undefined);
  assert.equal(spelled('<sip:a@other.example>'), undefined);
  assert.equal(spelled('<sip:[::x]>'), undefined);
  const put = (text: string) => spelledValue(address(text), '192.0.2.1:5060', domains);
  assert.equal(put(`"A" <sip:a@${domain};x>;tag=1`), '"A" <sip:a@192.0.2.1:5060;x>;tag=1');
  assert.equal(put('<sip:a@other.example>'), undefined);
  assert.equal(put('<sip:[::x]>'), undefined);
});

test('spellings travel as parameters, and come back when they stand for a domain of ours', () => {
  assert.equal(spellingParams({ from: undefined, to: undefined }), '');
  assert.equal(spellingParams({ from: 'a:1', to: undefined }), ';fh=a:1');
  assert.equal(spellingParams({ from: undefined, to: 'b' }), ';th=b');
  assert.equal(spellingParams({ from: 'a', to: 'b' }), ';fh=a;th=b');
  const read = (params: string) => readSpelling(`sip:~t@${domain};lr${params}`, domains);
  assert.equal(read(''), undefined);
  const both = { from: serverAddress, to: `${domain}:5060` };
  assert.deepEqual(read(spellingParams(both)), both);
  assert.deepEqual(read(`;th=${domain}`), { from: undefined, to: domain });
  assert.deepEqual(read(`;fh=${domain}`), { from: domain, to: undefined });
  for (const bad of ['other.example', `x@other.example`, '[x', `${domain}:99999`]) {
    assert.deepEqual(read(`;fh=${bad}`), { from: undefined, to: undefined }, bad);
  }
  assert.equal(readSpelling('sip:[::x];fh=a', domains), undefined);
});

test('an unproved caller keeps its tag only; its own URI comes back from the Route', () => {
  assert.equal(
    anonymousValue(address('"A" <sip:a@b>;tag=7')),
    '"Anonymous" <sip:anonymous@anonymous.invalid>;tag=7',
  );
  assert.equal(
    anonymousValue(address('<sip:a@b>')),
    '"Anonymous" <sip:anonymous@anonymous.invalid>',
  );
  const route = (params: string): string => `sip:~t@${domain};lr${params}`;
  assert.equal(readHiddenCaller(route('')), undefined);
  assert.deepEqual(readHiddenCaller(route(';anon')), { staysAnonymous: true, ownUri: undefined });
  const uri = 'sip:a%20b@c.example;x=y?z';
  assert.deepEqual(readHiddenCaller(route(ownUriParam(uri))), {
    staysAnonymous: false,
    ownUri: uri,
  });
  for (const bad of ['nonsense', 'sip:a@b%0d%0aX', 'sip:a@b>', 'sip:a@b<', 'sip:a b@c', '']) {
    const given = `;ou=${encodeURIComponent(decodeURIComponent(bad))};anon`;
    assert.deepEqual(
      readHiddenCaller(route(given)),
      { staysAnonymous: true, ownUri: undefined },
      bad,
    );
  }
  assert.equal(readHiddenCaller('sip:[::x];anon'), undefined);
});
