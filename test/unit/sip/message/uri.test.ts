import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  canonicalAor,
  decodeEscapes,
  escapeUser,
  formatUri,
  parseUri,
  uriEquals,
} from '../../../../src/sip/message/uri.ts';
import type { SipUri } from '../../../../src/sip/message/uri.ts';

function uri(text: string): SipUri {
  const parsed = parseUri(text);
  assert.ok(parsed.ok, `${text}: ${parsed.ok ? '' : parsed.error}`);
  return parsed.value;
}

function equal(a: string, b: string): boolean {
  const forward = uriEquals(uri(a), uri(b));
  assert.equal(uriEquals(uri(b), uri(a)), forward, 'comparison is symmetric');
  return forward;
}

test('reads all parts of a SIP URI', () => {
  const parsed = uri(
    'sips:alice:secret@[2001:DB8::9:1]:5071;transport=tcp;lr;x=a%20b?Subject=hi&a=b',
  );
  assert.equal(parsed.scheme, 'sips');
  assert.equal(parsed.user, 'alice');
  assert.equal(parsed.password, 'secret');
  assert.equal(parsed.host, '[2001:DB8::9:1]');
  assert.equal(parsed.port, 5071);
  assert.deepEqual(
    [...parsed.params],
    [
      ['transport', 'tcp'],
      ['lr', undefined],
      ['x', 'a%20b'],
    ],
  );
  assert.equal(parsed.headers, 'Subject=hi&a=b');
});

test('writes what it read', () => {
  for (const text of [
    'sip:example.com',
    'sip:alice@example.com:5060;transport=udp;ob',
    'sips:1;2@[::1]:5061;lr?x=y',
    'tel:+49-30-123;phone-context=example.com',
    'nobodyknowsthisscheme:totallyopaquecontent',
  ]) {
    assert.equal(formatUri(uri(text)), text);
  }
});

test('[S4475-3.1.1.9-01] a semicolon and an escaped @ belong to the user part', () => {
  const parsed = uri('sip:user;par=u%40example.net@example.com');
  assert.equal(decodeEscapes(parsed.user ?? ''), 'user;par=u@example.net');
  assert.equal(parsed.host, 'example.com');
  assert.equal(parsed.params.size, 0);
});

test('[S5118-4.3-01] [S5118-4.4-01] the port stands outside the brackets', () => {
  assert.equal(uri('sip:[2001:db8::10:5070]').port, undefined);
  assert.equal(uri('sip:[2001:db8::10]:5070').port, 5070);
});

test('[S5954-4.1-01] reads compressed and mixed IPv6 literals', () => {
  for (const literal of ['[::]', '[::1]', '[2001:db8::192.0.2.1]', '[1:2:3:4:5:6:7:8]']) {
    assert.equal(uri(`sip:a@${literal}`).host, literal);
  }
});

test('refuses what is no URI', () => {
  for (const text of [
    '',
    'sip:',
    'alice@example.com',
    'sip:@example.com',
    'sip:2001:db8::10',
    'sip:[2001:db8::10',
    'sip:[1:2:3]',
    'sip:[1::2::3]',
    'sip:a@b:65536',
    'sip:a@b:-1',
    'sip:a@b:',
    'sip:a b@c',
    'sip:a@b;;c',
    'sip:a@b,c',
    '<sip:a@b>',
    'sip:a@b\r\nX: y',
  ]) {
    assert.equal(parseUri(text).ok, false, JSON.stringify(text));
  }
});

test('[S3261-19.1.4-01] sip and sips never match', () => {
  assert.equal(equal('sip:a@h', 'sips:a@h'), false);
});

test('[S3261-19.1.4-02] the user is case-sensitive, the rest is not, an escape equals its character', () => {
  assert.ok(equal('sip:%61lice@atlanta.com;transport=TCP', 'sip:alice@AtLanTa.CoM;Transport=tcp'));
  assert.ok(!equal('SIP:ALICE@AtLanTa.CoM', 'sip:alice@atlanta.com'));
});

test('[S3261-19.1.4-03] an explicit default port or transport differs from none', () => {
  assert.ok(!equal('sip:bob@biloxi.com', 'sip:bob@biloxi.com:5060'));
  assert.ok(!equal('sip:bob@biloxi.com', 'sip:bob@biloxi.com;transport=udp'));
  assert.ok(!equal('sip:bob@biloxi.com', 'sip:bob@biloxi.com:6000;transport=tcp'));
});

test('[S3261-19.1.4-04] some parameters must be on both sides, others only agree', () => {
  assert.ok(equal('sip:carol@chicago.com', 'sip:carol@chicago.com;newparam=5'));
  assert.ok(equal('sip:carol@chicago.com;security=on', 'sip:carol@chicago.com;newparam=5'));
  assert.ok(!equal('sip:carol@chicago.com;security=on', 'sip:carol@chicago.com;security=off'));
  for (const parameter of ['user=phone', 'ttl=3', 'method=INVITE', 'maddr=10.0.0.1']) {
    assert.ok(!equal('sip:carol@chicago.com', `sip:carol@chicago.com;${parameter}`), parameter);
  }
});

test('[S3261-19.1.4-05] headers must be equal, in any order', () => {
  const base = 'sip:biloxi.com;transport=tcp;method=REGISTER';
  assert.ok(
    equal(
      `${base}?to=sip:bob%40biloxi.com`,
      `sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com`,
    ),
  );
  assert.ok(
    equal(
      'sip:alice@atlanta.com?subject=x&priority=urgent',
      'sip:alice@atlanta.com?priority=urgent&subject=x',
    ),
  );
  assert.ok(!equal('sip:carol@chicago.com', 'sip:carol@chicago.com?Subject=next%20meeting'));
});

test('[S3261-19.1.2-01] escapes in the host are not decoded', () => {
  assert.ok(!equal('sip:a@ex%61mple.com', 'sip:a@example.com'));
});

test('[S5954-4.2-01] spellings of one IPv6 address are equal', () => {
  assert.ok(equal('sip:a@[2001:db8::9:1]', 'sip:a@[2001:DB8:0:0:0:0:9:01]'));
  assert.ok(equal('sip:a@[::ffff:192.0.2.1]', 'sip:a@[::ffff:c000:201]'));
  assert.ok(!equal('sip:a@[2001:db8::9:1]', 'sip:a@[2001:db8::9:10]'));
});

test('[S3261-10.3-08] [S3261-16.5-02] one AOR for every spelling', () => {
  assert.equal(canonicalAor(uri('sip:%61lice@EX.com:5070;user=phone')), 'sip:alice@ex.com');
  assert.equal(canonicalAor(uri('sip:null-%00-null@example.com')), 'sip:null-%00-null@example.com');
  assert.equal(canonicalAor(uri('sip:a%3ab@[2001:DB8::0:1]')), 'sip:a%3Ab@[2001:db8::1]');
});

test('escapes what may not stand in a user part', () => {
  assert.equal(escapeUser('a b@c"'), 'a%20b%40c%22');
  assert.ok(uri(`sip:${escapeUser('ü #%')}@h`).user !== undefined);
});
