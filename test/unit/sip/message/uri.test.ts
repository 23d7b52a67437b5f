import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  canonicalAor,
  decodeEscapes,
  escapeUser,
  formatUri,
  normalizeEscapes,
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

test('what is no URI is refused with a word', () => {
  const table: readonly (readonly [string, string])[] = [
    ['', 'uri-without-scheme'],
    ['alice@example.com', 'uri-without-scheme'],
    [':x', 'uri-without-scheme'],
    ['<sip:a@b>', 'bad-uri-scheme'],
    ['1sip:a@b', 'bad-uri-scheme'],
    ['s_p:a@b', 'bad-uri-scheme'],
    ['sip:', 'empty-host'],
    ['sip:a@', 'empty-host'],
    ['sip:a@:5060', 'empty-host'],
    ['sip:;lr', 'empty-host'],
    ['sip:@example.com', 'empty-user'],
    ['sip::pw@example.com', 'empty-user'],
    ['sip:2001:db8::10', 'bad-port'],
    ['sip:[2001:db8::10', 'bad-ipv6'],
    ['sip:[1:2:3]', 'bad-ipv6'],
    ['sip:[1::2::3]', 'bad-ipv6'],
    ['sip:[x::1]', 'bad-ipv6'],
    ['sip:a@b:65536', 'bad-port'],
    ['sip:a@b:-1', 'bad-port'],
    ['sip:a@b:', 'bad-port'],
    ['sip:a@b:;lr', 'bad-port'],
    ['sip:a@b:5x', 'bad-uri-parameter'],
    ['sip:a@[::1]x', 'bad-uri-parameter'],
    ['sip:a@b;;c', 'bad-uri-parameter'],
    ['sip:a@b;', 'bad-uri-parameter'],
    ['sip:a@b;=c', 'bad-uri-parameter'],
    ['sip:a@b,c', 'bad-uri-parameter'],
    ['sip:a@b/c', 'bad-uri-parameter'],
    ['sip:a@b{', 'bad-uri-parameter'],
    ['sip:a b@c', 'bad-uri-character'],
    ['sip:a@b\r\nX: y', 'bad-uri-character'],
    ['tel:', 'empty-uri'],
    ['tel:;x', 'empty-uri'],
    ['tel:1;;', 'bad-uri-parameter'],
    ['urn:', 'empty-uri'],
  ];
  for (const [text, error] of table) {
    assert.deepEqual(parseUri(text), { ok: false, error }, JSON.stringify(text));
  }
});

test('the parts of a URI at their edges', () => {
  const blank = { user: undefined, password: undefined, port: undefined, headers: undefined };
  const table: readonly (readonly [string, Partial<SipUri>])[] = [
    ['sip:h', { ...blank, scheme: 'sip', host: 'h' }],
    ['SIPS:h', { ...blank, scheme: 'sips', host: 'h' }],
    ['Sip:azAZ09-._%', { ...blank, scheme: 'sip', host: 'azAZ09-._%' }],
    ['sip:u@h', { ...blank, scheme: 'sip', user: 'u', host: 'h' }],
    ['sip:u:p:q@h', { ...blank, scheme: 'sip', user: 'u', password: 'p:q', host: 'h' }],
    ['sip:u:@h:0', { ...blank, scheme: 'sip', user: 'u', password: '', host: 'h', port: 0 }],
    ['sip:h:65535', { ...blank, scheme: 'sip', host: 'h', port: 65_535 }],
    ['sip:[::1]', { ...blank, scheme: 'sip', host: '[::1]' }],
    ['sip:h?', { ...blank, scheme: 'sip', host: 'h', headers: '' }],
    ['sip:h:5?a=b?c', { ...blank, scheme: 'sip', host: 'h', port: 5, headers: 'a=b?c' }],
    ['TEL:+1-2', { ...blank, scheme: 'tel', user: '+1-2', host: '' }],
    ['a+b.c-d:x;y?z', { ...blank, scheme: 'a+b.c-d', host: 'x;y?z' }],
    ['sipx:h', { ...blank, scheme: 'sipx', host: 'h' }],
    ['si:h', { ...blank, scheme: 'si', host: 'h' }],
  ];
  for (const [text, expected] of table) {
    assert.deepEqual(uri(text), { ...expected, params: new Map() }, text);
  }
});

test('URI parameters: names in one spelling, the first of two counts, values as they are', () => {
  const params = (text: string): readonly unknown[] => [...uri(text).params];
  assert.deepEqual(params('sip:h;A=1;%61=2;b;c=x=y;D='), [
    ['a', '1'],
    ['b', undefined],
    ['c', 'x=y'],
    ['d', ''],
  ]);
  assert.deepEqual(params('sip:h;a;b=1?c;d'), [
    ['a', undefined],
    ['b', '1'],
  ]);
  assert.deepEqual(params('tel:1;ext=2;Isub'), [
    ['ext', '2'],
    ['isub', undefined],
  ]);
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
  assert.equal(canonicalAor(uri('sips:EX.com:5070')), 'sips:ex.com');
  assert.equal(canonicalAor(uri('tel:%2B1;x')), 'tel:%2B1');
  assert.equal(canonicalAor(uri('sip:%61lice@EX.com:5070;user=phone')), 'sip:alice@ex.com');
  assert.equal(canonicalAor(uri('sip:null-%00-null@example.com')), 'sip:null-%00-null@example.com');
  assert.equal(canonicalAor(uri('sip:a%3ab@[2001:DB8::0:1]')), 'sip:a%3Ab@[2001:db8::1]');
});

test('escapes are decoded once, to one character each; malformed ones stay', () => {
  assert.equal(decodeEscapes('a%41%7e%00%ff%2541'), 'aA~\0\xff%41');
  assert.equal(decodeEscapes('%4%zz%'), '%4%zz%');
  assert.equal(normalizeEscapes('%41%2d%2E%7E%2a%27%28%29%5f%21'), "A-.~*'()_!");
  assert.equal(normalizeEscapes('%3a%40%2f%20%zz'), '%3A%40%2F%20%zz');
  assert.equal(normalizeEscapes('plain'), 'plain');
});

test('parts that are missing are not written', () => {
  assert.equal(formatUri({ scheme: 'sip', host: 'h' }), 'sip:h');
  assert.equal(formatUri({ scheme: 'sip', user: 'u', host: 'h', port: 5 }), 'sip:u@h:5');
  assert.equal(formatUri({ scheme: 'tel', user: '1', host: '' }), 'tel:1');
  const params = [
    ['a', undefined],
    ['b', 'c'],
  ] as const;
  assert.equal(
    formatUri({ scheme: 'sip', user: 'u', password: 'p', host: 'h', params, headers: 'x=y' }),
    'sip:u:p@h;a;b=c?x=y',
  );
});

test('comparison looks at every part', () => {
  const table: readonly (readonly [string, string, boolean])[] = [
    ['sip:u:p@h', 'sip:u:p@h', true],
    ['sip:u:p@h', 'sip:u:P@h', false],
    ['sip:u:p@h', 'sip:u@h', false],
    ['sip:u@h', 'sip:h', false],
    ['sip:u@h', 'sip:u@H', true],
    ['sip:u@h', 'sip:u@h2', false],
    ['sip:h:5060', 'sip:h:5061', false],
    ['sip:h;x=A', 'sip:h;x=a', true],
    ['sip:h;x=%41', 'sip:h;x=a', true],
    ['sip:h;x', 'sip:h;x=a', false],
    ['sip:h;x;y=1', 'sip:h;z;y=2', false],
    ['sip:h;ttl=1', 'sip:h;ttl=1', true],
    ['sip:h;user=phone;x', 'sip:h;user=ip;x', false],
    ['sip:h?a=b&c=d', 'sip:h?C=d&a=b', true],
    ['sip:h?a=b', 'sip:h?a=B', false],
    ['sip:h?a=b=c', 'sip:h?a=b', false],
    ['sip:h?a=%62', 'sip:h?a=b', true],
    ['sip:h?a=b', 'sip:h?a=b&c=d', false],
    ['tel:1', 'tel:1', true],
    ['tel:1', 'tel:2', false],
  ];
  for (const [left, right, expected] of table) assert.equal(equal(left, right), expected, left);
});

test('escapes what may not stand in a user part', () => {
  assert.equal(escapeUser("Az09-_.!~*'()&=+$,;?/"), "Az09-_.!~*'()&=+$,;?/");
  assert.equal(escapeUser('\n:[]\xe9'), '%0A%3A%5B%5D%E9');
  assert.equal(escapeUser('a b@c"'), 'a%20b%40c%22');
  assert.ok(uri(`sip:${escapeUser('ü #%')}@h`).user !== undefined);
});
