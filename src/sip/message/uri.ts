import { failure, success } from '../../base/outcome.ts';
import type { Outcome } from '../../base/outcome.ts';
import { canonicalHost, parseIpv6 } from './ip.ts';
import { hasUriUnsafe, noParams, parseUnsigned } from './scan.ts';

/** A SIP, SIPS or other URI in its parts. RFC 3261 §19.1. */
export interface SipUri {
  /** Lower case: `sip`, `sips`, `tel` or any other. */
  readonly scheme: string;
  /** As received (percent-escapes kept); the number for `tel`; `undefined` when absent. */
  readonly user: string | undefined;
  readonly password: string | undefined;
  /** As received; an IPv6 reference keeps its brackets; for other schemes everything after the colon. */
  readonly host: string;
  readonly port: number | undefined;
  /** Lower-case names without needless escapes, values as received, `undefined` for a flag. */
  readonly params: ReadonlyMap<string, string | undefined>;
  /** Text after `?`. */
  readonly headers: string | undefined;
}

/** Reads a URI. Errors are a stable kebab-case word. */
export function parseUri(text: string): Outcome<SipUri> {
  const colon = text.indexOf(':');
  if (colon <= 0) return failure('uri-without-scheme');
  const scheme = schemeOf(text, colon);
  if (scheme === undefined) return failure('bad-uri-scheme');
  if (hasUriUnsafe(text, colon, text.length)) return failure('bad-uri-character');
  if (scheme === 'sip' || scheme === 'sips') return parseSipUri(scheme, text, colon + 1);
  if (scheme === 'tel') return parseTelUri(text, colon + 1);
  const host = text.slice(colon + 1);
  if (host === '') return failure('empty-uri');
  return success({ ...blank, scheme, host });
}

const blank = {
  user: undefined,
  password: undefined,
  port: undefined,
  params: noParams,
  headers: undefined,
} as const;

function schemeOf(text: string, colon: number): string | undefined {
  if (colon === 3 && text.startsWith('sip')) return 'sip';
  if (colon === 4 && text.startsWith('sips')) return 'sips';
  const scheme = text.slice(0, colon);
  return /^[A-Za-z][A-Za-z0-9+.-]*$/.test(scheme) ? scheme.toLowerCase() : undefined;
}

function parseTelUri(text: string, from: number): Outcome<SipUri> {
  const semicolon = text.indexOf(';', from);
  const user = semicolon < 0 ? text.slice(from) : text.slice(from, semicolon);
  if (user === '') return failure('empty-uri');
  const params = semicolon < 0 ? noParams : parseUriParams(text, semicolon, text.length);
  if (params === undefined) return failure('bad-uri-parameter');
  return success({ ...blank, scheme: 'tel', user, host: '', params });
}

function parseSipUri(scheme: string, text: string, from: number): Outcome<SipUri> {
  let user: string | undefined;
  let password: string | undefined;
  let i = from;
  const at = text.indexOf('@', from);
  if (at >= 0) {
    const colon = text.indexOf(':', from);
    const userEnd = colon >= 0 && colon < at ? colon : at;
    user = text.slice(from, userEnd);
    if (user === '') return failure('empty-user');
    if (userEnd < at) password = text.slice(userEnd + 1, at);
    i = at + 1;
  }
  const hostStart = i;
  if (text.charCodeAt(i) === 0x5b) {
    const close = text.indexOf(']', i);
    if (close < 0 || parseIpv6(text.slice(i + 1, close)) === undefined) return failure('bad-ipv6');
    i = close + 1;
  } else {
    while (i < text.length && isHostCode(text.charCodeAt(i))) i++;
  }
  const host = text.slice(hostStart, i);
  if (host === '') return failure('empty-host');
  let port: number | undefined;
  if (text.charCodeAt(i) === 0x3a) {
    const portStart = ++i;
    while (i < text.length && isDigitCode(text.charCodeAt(i))) i++;
    port = parseUnsigned(text.slice(portStart, i), 65535);
    if (port === undefined) return failure('bad-port');
  }
  if (i === text.length) {
    return success({ scheme, user, password, host, port, params: noParams, headers: undefined });
  }
  const question = text.indexOf('?', i);
  const headers = question < 0 ? undefined : text.slice(question + 1);
  const params = parseUriParams(text, i, question < 0 ? text.length : question);
  if (params === undefined) return failure('bad-uri-parameter');
  return success({ scheme, user, password, host, port, params, headers });
}

function isDigitCode(code: number): boolean {
  return code >= 48 && code <= 57;
}

/** Letters, digits, `-`, `.`; beyond the grammar `_` and `%`, which some phones and tests send. */
function isHostCode(code: number): boolean {
  return (
    (code >= 97 && code <= 122) ||
    (code >= 65 && code <= 90) ||
    isDigitCode(code) ||
    code === 0x2d ||
    code === 0x2e ||
    code === 0x5f ||
    code === 0x25
  );
}

function parseUriParams(
  text: string,
  from: number,
  end: number,
): ReadonlyMap<string, string | undefined> | undefined {
  if (from === end) return noParams;
  const params = new Map<string, string | undefined>();
  let i = from;
  while (i < end) {
    if (text.charCodeAt(i) !== 0x3b) return undefined;
    let next = text.indexOf(';', i + 1);
    if (next < 0 || next > end) next = end;
    const param = text.slice(i + 1, next);
    const equals = param.indexOf('=');
    const name = normalizeEscapes(equals < 0 ? param : param.slice(0, equals)).toLowerCase();
    if (name === '') return undefined;
    if (!params.has(name)) params.set(name, equals < 0 ? undefined : param.slice(equals + 1));
    i = next;
  }
  return params;
}

/** Parts of a URI to be written; missing ones are absent. */
export interface UriParts {
  readonly scheme: string;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly host: string;
  readonly port?: number | undefined;
  readonly params?: Iterable<readonly [string, string | undefined]>;
  readonly headers?: string | undefined;
}

/** Writes a URI; `user` and parameter values must already be percent-escaped ({@link escapeUser}). */
export function formatUri(parts: UriParts): string {
  let text = `${parts.scheme}:`;
  if (parts.user !== undefined) {
    text += parts.user;
    if (parts.password !== undefined) text += `:${parts.password}`;
    if (parts.scheme !== 'tel') text += '@';
  }
  text += parts.host;
  if (parts.port !== undefined) text += `:${String(parts.port)}`;
  for (const [name, value] of parts.params ?? []) {
    text += value === undefined ? `;${name}` : `;${name}=${value}`;
  }
  return parts.headers === undefined ? text : `${text}?${parts.headers}`;
}

/**
 * Percent-escapes in one spelling: those of unreserved characters decoded, the others in upper case.
 * Two texts that RFC 3261 §19.1.4 calls equal come out the same.
 */
export function normalizeEscapes(text: string): string {
  if (!text.includes('%')) return text;
  return text.replace(/%[0-9a-fA-F]{2}/g, (escape) => {
    const char = String.fromCharCode(Number.parseInt(escape.slice(1), 16));
    return /[A-Za-z0-9\-_.!~*'()]/.test(char) ? char : escape.toUpperCase();
  });
}

/** All percent-escapes decoded once, to latin1 code units; malformed ones stay. For comparing with account names. */
export function decodeEscapes(text: string): string {
  if (!text.includes('%')) return text;
  return text.replace(/%[0-9a-fA-F]{2}/g, (escape) =>
    String.fromCharCode(Number.parseInt(escape.slice(1), 16)),
  );
}

/** Escapes what may not stand in the user part as it is. RFC 3261 §25.1. */
export function escapeUser(user: string): string {
  return user.replace(
    /[^A-Za-z0-9\-_.!~*'()&=+$,;?/]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0').slice(-2)}`,
  );
}

/** `scheme:user@host` for sip and sips: escapes normalised, host in one spelling, no port, no parameters. RFC 3261 §10.3. */
export function canonicalAor(uri: SipUri): string {
  const host = canonicalHost(uri.host);
  if (uri.user === undefined) return `${uri.scheme}:${host}`;
  const user = normalizeEscapes(uri.user);
  return uri.scheme === 'tel' ? `tel:${user}` : `${uri.scheme}:${user}@${host}`;
}

const mustMatch = ['user', 'ttl', 'method', 'maddr', 'transport'];

/** RFC 3261 §19.1.4; IPv6 hosts by value (RFC 5954 §4.2). */
export function uriEquals(a: SipUri, b: SipUri): boolean {
  if (a.scheme !== b.scheme || a.port !== b.port) return false;
  if (!sameText(a.user, b.user, true) || !sameText(a.password, b.password, true)) return false;
  if (a.host !== b.host && canonicalHost(a.host) !== canonicalHost(b.host)) return false;
  if (a.params !== b.params) {
    for (const name of mustMatch) if (a.params.has(name) !== b.params.has(name)) return false;
    for (const [name, value] of a.params) {
      if (b.params.has(name) && !sameText(value, b.params.get(name), false)) return false;
    }
  }
  return sameHeaders(a.headers, b.headers);
}

function sameText(a: string | undefined, b: string | undefined, cased: boolean): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined) return false;
  const [x, y] = [normalizeEscapes(a), normalizeEscapes(b)];
  return cased ? x === y : x.toLowerCase() === y.toLowerCase();
}

function sameHeaders(a: string | undefined, b: string | undefined): boolean {
  if (a === b) return true;
  if (a === undefined || b === undefined) return false;
  return sortedHeaders(a) === sortedHeaders(b);
}

function sortedHeaders(headers: string): string {
  return headers
    .split('&')
    .map((header) => {
      const [name = '', ...value] = normalizeEscapes(header).split('=');
      return `${name.toLowerCase()}=${value.join('=')}`;
    })
    .sort()
    .join('&');
}
