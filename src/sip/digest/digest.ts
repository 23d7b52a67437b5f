import { constantTimeEqual, md5Hex, sha256Hex, sha512t256Hex } from '../../base/hash.ts';
import { failure, success } from '../../base/outcome.ts';
import type { Outcome } from '../../base/outcome.ts';
import { latin1Decode, latin1Encode } from '../../base/text.ts';
import { quote } from '../message/scan.ts';
import { readDigestParameters } from './parameters.ts';
import type { DigestAlgorithm, DigestChallenge, DigestCredentials } from './types.ts';

export type {
  DigestAlgorithm,
  DigestChallenge,
  DigestCredentials,
  NonceVerdict,
  Nonces,
} from './types.ts';

const algorithms: readonly DigestAlgorithm[] = [
  'MD5',
  'SHA-256',
  'SHA-512-256',
  'MD5-sess',
  'SHA-256-sess',
  'SHA-512-256-sess',
];

/** Names compare without case; a missing one means MD5 (RFC 8760 §2.1). */
function algorithmOf(name: string | undefined): DigestAlgorithm | undefined {
  if (name === undefined) return 'MD5';
  return algorithms.find((known) => known.toLowerCase() === name.toLowerCase());
}

/** Reads Authorization or Proxy-Authorization. Errors are a stable kebab-case word. */
export function parseCredentials(value: string): Outcome<DigestCredentials> {
  const found = readDigestParameters(value);
  if (found === undefined) return failure('not-digest');
  const username = found.get('username');
  const realm = found.get('realm');
  const nonce = found.get('nonce');
  const uri = found.get('uri');
  const response = found.get('response');
  if (
    username === undefined ||
    realm === undefined ||
    nonce === undefined ||
    uri === undefined ||
    response === undefined
  ) {
    return failure('incomplete-credentials');
  }
  return success({
    username,
    realm,
    nonce,
    uri,
    response: response.toLowerCase(),
    algorithm: algorithmOf(found.get('algorithm')),
    cnonce: found.get('cnonce'),
    opaque: found.get('opaque'),
    qop: found.get('qop'),
    nc: found.get('nc'),
  });
}

/** Reads WWW-Authenticate or Proxy-Authenticate. Errors are a stable kebab-case word. */
export function parseChallenge(value: string): Outcome<DigestChallenge> {
  const found = readDigestParameters(value);
  if (found === undefined) return failure('not-digest');
  const realm = found.get('realm');
  const nonce = found.get('nonce');
  const algorithm = algorithmOf(found.get('algorithm'));
  if (realm === undefined || nonce === undefined) return failure('incomplete-challenge');
  if (algorithm === undefined) return failure('unknown-algorithm');
  const qop = (found.get('qop') ?? '')
    .split(',')
    .map((option) => option.trim().toLowerCase())
    .filter((option) => option === 'auth' || option === 'auth-int');
  const stale = found.get('stale')?.toLowerCase() === 'true';
  return success({ realm, nonce, algorithm, qop, opaque: found.get('opaque'), stale });
}

/** The value of WWW-Authenticate or Proxy-Authenticate. */
export function formatChallenge(challenge: DigestChallenge): string {
  const { realm, nonce, algorithm, qop, opaque, stale } = challenge;
  let text = `Digest realm=${quote(realm)}, nonce=${quote(nonce)}`;
  if (opaque !== undefined) text += `, opaque=${quote(opaque)}`;
  if (stale === true) text += ', stale=TRUE';
  text += `, algorithm=${algorithm}`;
  return qop.length === 0 ? text : `${text}, qop="${qop.join(',')}"`;
}

/** The value of Authorization or Proxy-Authorization. */
export function formatCredentials(credentials: DigestCredentials): string {
  const { username, realm, nonce, uri, response, algorithm, cnonce, opaque, qop, nc } = credentials;
  let text = `Digest username=${quote(username)}, realm=${quote(realm)}, nonce=${quote(nonce)}`;
  text += `, uri=${quote(uri)}, response="${response}"`;
  if (algorithm !== undefined) text += `, algorithm=${algorithm}`;
  if (cnonce !== undefined) text += `, cnonce=${quote(cnonce)}`;
  if (opaque !== undefined) text += `, opaque=${quote(opaque)}`;
  if (qop !== undefined) text += `, qop=${qop}`;
  return nc === undefined ? text : `${text}, nc=${nc}`;
}

function hashOf(algorithm: DigestAlgorithm): (latin1Text: string) => string {
  if (algorithm.startsWith('MD5')) return md5Hex;
  return algorithm.startsWith('SHA-256') ? sha256Hex : sha512t256Hex;
}

/**
 * H(username:realm:password) in lower-case hexadecimal; what an account keeps per algorithm (the
 * `-sess` forms share it). Texts are latin1: encode others as UTF-8 first (RFC 7616 §4).
 */
export function computeHa1(
  algorithm: DigestAlgorithm,
  username: string,
  realm: string,
  password: string,
): string {
  return hashOf(algorithm)(`${username}:${realm}:${password}`);
}

/** The expected `response` (RFC 7616 §3.4.1; without qop as RFC 2069). `body` matters for auth-int only. */
export function computeResponse(input: {
  readonly algorithm: DigestAlgorithm;
  readonly ha1: string;
  readonly method: string;
  readonly uri: string;
  readonly nonce: string;
  readonly cnonce?: string | undefined;
  readonly nc?: string | undefined;
  readonly qop?: string | undefined;
  readonly body?: Uint8Array | undefined;
}): string {
  const { algorithm, method, uri, nonce, cnonce = '', nc = '', qop } = input;
  const hash = hashOf(algorithm);
  const ha1 = algorithm.endsWith('-sess') ? hash(`${input.ha1}:${nonce}:${cnonce}`) : input.ha1;
  const bodyHash =
    qop === 'auth-int' ? `:${hash(input.body === undefined ? '' : latin1Decode(input.body))}` : '';
  const ha2 = hash(`${method}:${uri}${bodyHash}`);
  if (qop === undefined) return hash(`${ha1}:${nonce}:${ha2}`);
  return hash(`${ha1}:${nonce}:${nc}:${cnonce}:${qop}:${ha2}`);
}

/**
 * True when the response fits method, `uri` as given in the credentials, `ha1` (of the algorithm the
 * credentials name) and body. Constant time in the response. False for an algorithm or qop unknown here.
 */
export function verifyCredentials(
  credentials: DigestCredentials,
  method: string,
  ha1: string,
  body: Uint8Array,
): boolean {
  const { algorithm, uri, nonce, cnonce, nc, response } = credentials;
  if (algorithm === undefined) return false;
  const qop = credentials.qop?.toLowerCase();
  if (qop !== undefined && qop !== 'auth' && qop !== 'auth-int') return false;
  if (qop !== undefined && (cnonce === undefined || nc === undefined)) return false;
  const expected = computeResponse({ algorithm, ha1, method, uri, nonce, cnonce, nc, qop, body });
  return constantTimeEqual(latin1Encode(expected), latin1Encode(response));
}
