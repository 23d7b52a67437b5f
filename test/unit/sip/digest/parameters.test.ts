import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createPrng } from '../../../../src/base/prng.ts';
import { withCredentials } from '../../../../src/sip/digest/answer.ts';
import {
  computeHa1,
  computeResponse,
  formatChallenge,
  formatCredentials,
  parseChallenge,
  parseCredentials,
  verifyCredentials,
} from '../../../../src/sip/digest/digest.ts';
import { readDigestParameters } from '../../../../src/sip/digest/parameters.ts';
import { createResponse } from '../../../../src/sip/message/message.ts';
import { requestOf } from '../core/request-of.ts';

test('parameters of a digest: quoted or not, spaces allowed, the first of two counts', () => {
  const table: readonly (readonly [string, readonly (readonly [string, string])[]])[] = [
    [
      'Digest a="1", b=2',
      [
        ['a', '1'],
        ['b', '2'],
      ],
    ],
    [
      ' \tdIgEsT\tA = "x\\"y" ,B=c d ',
      [
        ['a', 'x"y'],
        ['b', 'c d'],
      ],
    ],
    ['Digest a=1,a=2', [['a', '1']]],
    ['Digest a=', [['a', '']]],
    [
      'Digest a="",b=1',
      [
        ['a', ''],
        ['b', '1'],
      ],
    ],
    ['Digest a=1,', [['a', '1']]],
    ['Digest a=x/y+z==', [['a', 'x/y+z==']]],
    ['Digest a=b"c', [['a', 'b"c']]],
  ];
  for (const [text, expected] of table) {
    assert.deepEqual([...(readDigestParameters(text) ?? [])], expected, text);
    assert.ok(readDigestParameters(text) !== undefined, text);
  }
});

test('other schemes and malformed lists are none', () => {
  for (const text of [
    ...[
      '',
      'Basic a=b',
      'Digesta=b',
      'Digest',
      'Digest ',
      'Diges t a=b',
      'Digest a',
      'Digest a b=c',
      'Digest =b',
    ],
    ...['Digest a="b', 'Digest a="b"c', 'Digest a="b" c=d', 'Digest a=b,,c=d', 'Digest "a"=b'],
  ]) {
    assert.equal(readDigestParameters(text), undefined, text);
  }
});

const whole = {
  username: 'u',
  realm: 'r',
  nonce: 'n',
  uri: 'sip:x',
  response: 'ab'.repeat(16),
} as const;

test('credentials need user, realm, nonce, uri and response; the rest may be missing', () => {
  const text = (left: string): string =>
    `Digest ${Object.entries(whole)
      .filter(([name]) => name !== left)
      .map(([name, value]) => `${name}="${value}"`)
      .join(', ')}`;
  for (const name of Object.keys(whole)) {
    const parsed = parseCredentials(text(name));
    assert.deepEqual(parsed, { ok: false, error: 'incomplete-credentials' }, name);
  }
  const nothing = { cnonce: undefined, opaque: undefined, qop: undefined, nc: undefined };
  assert.deepEqual(parseCredentials(text('')), {
    ok: true,
    value: { ...whole, algorithm: 'MD5', ...nothing },
  });
  const more = `${text('')}, algorithm=sha-512-256, cnonce="c", opaque="o", qop=auth, nc=00000001`;
  assert.deepEqual(parseCredentials(more), {
    ok: true,
    value: {
      ...whole,
      algorithm: 'SHA-512-256',
      cnonce: 'c',
      opaque: 'o',
      qop: 'auth',
      nc: '00000001',
    },
  });
  assert.deepEqual(parseCredentials('Basic x'), { ok: false, error: 'not-digest' });
  const upper = parseCredentials(text('').replace(whole.response, whole.response.toUpperCase()));
  assert.ok(upper.ok && upper.value.response === whole.response);
});

test('[S8760-2.1-01] algorithms are known by name in any case, others are named as unknown', () => {
  for (const algorithm of [
    ...(['MD5', 'SHA-256', 'SHA-512-256'] as const),
    ...(['MD5-sess', 'SHA-256-sess', 'SHA-512-256-sess'] as const),
  ]) {
    const parsed = parseChallenge(
      `Digest realm="r", nonce="n", algorithm=${algorithm.toLowerCase()}`,
    );
    assert.ok(parsed.ok && parsed.value.algorithm === algorithm);
  }
  const table: readonly (readonly [string, string])[] = [
    ['Basic realm="r"', 'not-digest'],
    ['Digest nonce="n"', 'incomplete-challenge'],
    ['Digest realm="r"', 'incomplete-challenge'],
    ['Digest realm="r", nonce="n", algorithm=MD4', 'unknown-algorithm'],
  ];
  for (const [text, error] of table) assert.deepEqual(parseChallenge(text), { ok: false, error });
});

test('a challenge tells qop, opaque and whether the nonce was stale', () => {
  const read = (text: string) => {
    const parsed = parseChallenge(`Digest realm="r", nonce="n"${text}`);
    assert.ok(parsed.ok);
    const { qop, opaque, stale } = parsed.value;
    return [qop, opaque, stale];
  };
  assert.deepEqual(read(''), [[], undefined, false]);
  assert.deepEqual(read(', qop="AUTH , auth-int,other", opaque="o", stale=True'), [
    ['auth', 'auth-int'],
    'o',
    true,
  ]);
  assert.deepEqual(read(', stale=false'), [[], undefined, false]);
});

test('challenges and credentials are written part by part', () => {
  const challenge = { realm: 'a"b', nonce: 'n', algorithm: 'MD5', qop: [] } as const;
  assert.equal(formatChallenge(challenge), 'Digest realm="a\\"b", nonce="n", algorithm=MD5');
  assert.equal(
    formatChallenge({
      ...challenge,
      realm: 'r',
      qop: ['auth', 'auth-int'],
      opaque: 'o',
      stale: true,
    }),
    'Digest realm="r", nonce="n", opaque="o", stale=TRUE, algorithm=MD5, qop="auth,auth-int"',
  );
  const nothing = { algorithm: undefined, cnonce: undefined, opaque: undefined, qop: undefined };
  assert.equal(
    formatCredentials({ ...whole, ...nothing, nc: undefined }),
    `Digest username="u", realm="r", nonce="n", uri="sip:x", response="${whole.response}"`,
  );
  assert.equal(
    formatCredentials({
      ...whole,
      algorithm: 'SHA-256',
      cnonce: 'c',
      opaque: 'o',
      qop: 'auth',
      nc: '00000001',
    }),
    `Digest username="u", realm="r", nonce="n", uri="sip:x", response="${whole.response}", ` +
      'algorithm=SHA-256, cnonce="c", opaque="o", qop=auth, nc=00000001',
  );
});

test('[S8760-2.6-01] with qop a response needs cnonce and nc; an unknown qop or algorithm never fits', () => {
  const ha1 = computeHa1('MD5', 'u', 'r', 'p');
  const body = Uint8Array.of(1, 2);
  for (const qop of [undefined, 'auth', 'AUTH-INT']) {
    const input = { algorithm: 'MD5', uri: 'sip:x', nonce: 'n', cnonce: 'c', nc: '1' } as const;
    const response = computeResponse({
      ...input,
      ha1,
      method: 'M',
      qop: qop?.toLowerCase(),
      body,
    });
    const given = { ...whole, ...input, opaque: undefined, qop, response };
    assert.ok(verifyCredentials(given, 'M', ha1, body), qop);
    const isBound = qop !== undefined;
    assert.equal(verifyCredentials({ ...given, cnonce: undefined }, 'M', ha1, body), !isBound);
    assert.equal(verifyCredentials({ ...given, nc: undefined }, 'M', ha1, body), !isBound);
    assert.equal(verifyCredentials(given, 'M', ha1, new Uint8Array(0)), qop !== 'AUTH-INT');
    assert.ok(!verifyCredentials({ ...given, qop: 'other' }, 'M', ha1, body));
    assert.ok(!verifyCredentials({ ...given, algorithm: undefined }, 'M', ha1, body));
  }
});

test('a client answers the topmost challenge it can, in the place it was asked', () => {
  const request = requestOf(['Authorization: Digest old'], { method: 'REGISTER', uri: 'sip:x' });
  const random = createPrng('answer');
  const login = { user: 'jö', password: 'pä' };
  const answer = (status: number, rows: readonly string[]) => {
    const name = status === 407 ? 'Proxy-Authenticate' : 'WWW-Authenticate';
    const headers = rows.map((row) => [name, row] as const);
    const sent = withCredentials(
      request,
      createResponse(request, status, undefined, { headers }),
      login,
      random,
    );
    const row = sent?.rows(status === 407 ? 'Proxy-Authorization' : 'Authorization').at(-1);
    const parsed = row === undefined ? undefined : parseCredentials(row);
    return parsed?.ok === true ? parsed.value : undefined;
  };
  const challenge = (algorithm: string, more = ', qop="auth"'): string =>
    `Digest realm="r", nonce="${algorithm}", algorithm=${algorithm}, opaque="o"${more}`;
  for (const status of [401, 407]) {
    const given = answer(status, [
      'Basic realm="r"',
      challenge('SHA-1'),
      challenge('SHA-256', ', qop="auth-int"'),
      challenge('SHA-512-256'),
      challenge('MD5'),
    ]);
    assert.equal(given?.algorithm, 'SHA-512-256');
    assert.deepEqual([given.nonce, given.opaque, given.uri], ['SHA-512-256', 'o', 'sip:x']);
    assert.deepEqual([given.qop, given.nc, given.cnonce?.length], ['auth', '00000001', 16]);
    assert.equal(given.username, 'j\xc3\xb6', 'UTF-8 byte by byte');
    const ha1 = computeHa1('SHA-512-256', 'j\xc3\xb6', 'r', 'p\xc3\xa4');
    assert.ok(verifyCredentials(given, 'REGISTER', ha1, new Uint8Array(0)));
  }
  const old = answer(401, [challenge('MD5', '')]);
  assert.deepEqual([old?.qop, old?.nc, old?.cnonce], [undefined, undefined, undefined]);
  assert.equal(answer(401, [challenge('MD5', ', qop="auth-int"')]), undefined);
  assert.equal(answer(401, []), undefined);
});
