import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  computeHa1,
  computeResponse,
  formatChallenge,
  formatCredentials,
  parseChallenge,
  parseCredentials,
  verifyCredentials,
} from '../../../../src/sip/digest/digest.ts';
import type { DigestCredentials } from '../../../../src/sip/digest/digest.ts';

/** The example of RFC 7616 §3.9.1. */
const example = {
  method: 'GET',
  uri: '/dir/index.html',
  nonce: '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v',
  cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
  nc: '00000001',
  qop: 'auth',
} as const;
const responses = {
  MD5: '8ca523f5e9506fed4657c9700eebdbec',
  'SHA-256': '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1',
} as const;
const noBody = new Uint8Array(0);

function header(algorithm: string, response: string): string {
  return (
    `Digest username="Mufasa", realm="http-auth@example.org", uri="${example.uri}", ` +
    `algorithm=${algorithm}, nonce="${example.nonce}", nc=${example.nc}, cnonce="${example.cnonce}", ` +
    `qop=${example.qop}, response="${response}", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`
  );
}

function credentials(value: string): DigestCredentials {
  const parsed = parseCredentials(value);
  assert.ok(parsed.ok, parsed.ok ? '' : parsed.error);
  return parsed.value;
}

for (const algorithm of ['MD5', 'SHA-256'] as const) {
  test(`[S8760-2.1-01] [S8760-2.2-01] the example of RFC 7616 with ${algorithm}`, () => {
    const ha1 = computeHa1(algorithm, 'Mufasa', 'http-auth@example.org', 'Circle of Life');
    assert.equal(computeResponse({ algorithm, ha1, ...example }), responses[algorithm]);
    const given = credentials(header(algorithm.toLowerCase(), responses[algorithm]));
    assert.equal(given.algorithm, algorithm);
    assert.ok(verifyCredentials(given, 'GET', ha1, noBody));
    assert.ok(!verifyCredentials(given, 'POST', ha1, noBody));
    assert.ok(!verifyCredentials({ ...given, uri: '/other' }, 'GET', ha1, noBody));
    assert.ok(!verifyCredentials({ ...given, nc: '00000002' }, 'GET', ha1, noBody));
    assert.ok(
      !verifyCredentials({ ...given, response: given.response.slice(0, 31) }, 'GET', ha1, noBody),
    );
    assert.ok(!verifyCredentials(given, 'GET', computeHa1(algorithm, 'Mufasa', 'x', 'y'), noBody));
  });
}

test('[S8760-2.2-01] a 32-digit answer to SHA-256 fails', () => {
  const ha1 = computeHa1('SHA-256', 'Mufasa', 'http-auth@example.org', 'Circle of Life');
  const given = credentials(header('SHA-256', responses['SHA-256'].slice(0, 32)));
  assert.ok(!verifyCredentials(given, 'GET', ha1, noBody));
});

test('[S8760-2.6-01] [S3261-22.4-02] an answer without qop is verified in the old way', () => {
  // RFC 2069 §2.4 with the correction of its errata 749.
  const ha1 = computeHa1('MD5', 'Mufasa', 'testrealm@host.com', 'CircleOfLife');
  const given = credentials(
    'Digest username="Mufasa", realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093", ' +
      'uri="/dir/index.html", response="1949323746fe6a43ef61f9606e7febea", opaque="5ccc069c403ebaf9f0171e9517f40e41"',
  );
  assert.equal(given.algorithm, 'MD5');
  assert.equal(given.qop, undefined);
  assert.ok(verifyCredentials(given, 'GET', ha1, noBody));
});

test('auth-int covers the body, -sess the cnonce', () => {
  const body = Buffer.from('v=0');
  for (const algorithm of ['MD5-sess', 'SHA-256-sess'] as const) {
    const ha1 = computeHa1(algorithm, 'a', 'r', 'p');
    const parts = {
      algorithm,
      ha1,
      method: 'INVITE',
      uri: 'sip:b@r',
      nonce: 'n',
      cnonce: 'c',
      nc: '00000001',
      qop: 'auth-int',
    };
    const given = credentials(
      formatCredentials({
        username: 'a',
        realm: 'r',
        opaque: undefined,
        ...parts,
        response: computeResponse({ ...parts, body }),
      }),
    );
    assert.ok(verifyCredentials(given, 'INVITE', ha1, body));
    assert.ok(!verifyCredentials(given, 'INVITE', ha1, Buffer.from('v=1')));
    assert.ok(!verifyCredentials({ ...given, cnonce: 'd' }, 'INVITE', ha1, body));
  }
});

test('[S3261-22.4-01] [S4475-3.3.7-01] other schemes are not read', () => {
  for (const value of [
    'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==',
    'NoOneKnowsThisScheme opaque-data=here',
    '',
    'Digest',
    'Digestx="1"',
  ]) {
    assert.equal(parseCredentials(value).ok, false, value);
  }
});

test('an unknown algorithm or qop never verifies', () => {
  const ha1 = computeHa1('MD5', 'Mufasa', 'http-auth@example.org', 'Circle of Life');
  const foreign = credentials(header('SHA-512', responses.MD5));
  assert.equal(foreign.algorithm, undefined);
  assert.ok(!verifyCredentials(foreign, 'GET', ha1, noBody));
  const given = credentials(header('MD5', responses.MD5));
  assert.ok(!verifyCredentials({ ...given, qop: 'auth-conf' }, 'GET', ha1, noBody));
  assert.ok(!verifyCredentials({ ...given, cnonce: undefined }, 'GET', ha1, noBody));
});

test('challenges and credentials are written and read back', () => {
  const challenge = {
    realm: 'a "b" \\',
    nonce: 'n,1',
    algorithm: 'SHA-256',
    qop: ['auth', 'auth-int'],
    opaque: 'o',
    stale: true,
  } as const;
  const parsed = parseChallenge(formatChallenge(challenge));
  assert.deepEqual(parsed, { ok: true, value: challenge });
  const given = credentials(header('MD5', responses.MD5));
  assert.deepEqual(credentials(formatCredentials(given)), given);
});

test('[S8760-2.6-01] a challenge always carries the qop it was given', () => {
  assert.match(
    formatChallenge({ realm: 'r', nonce: 'n', algorithm: 'MD5', qop: ['auth'] }),
    /, algorithm=MD5, qop="auth"$/,
  );
});

test('any text is read or refused', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('Digest ', 'a', '=', '"', '\\', ',', ' ', 'nonce', '\0', '\xff')),
      (parts) => {
        parseCredentials(`Digest ${parts.join('')}`);
        parseChallenge(parts.join(''));
      },
    ),
  );
  const start = process.threadCpuUsage();
  parseCredentials(`Digest ${'a="b",'.repeat(100_000)}`);
  parseCredentials(`Digest ${' '.repeat(100_000)}`);
  parseCredentials(`Digest a="${'\\'.repeat(100_000)}`);
  assert.ok(process.threadCpuUsage(start).user < 1_000_000);
});
