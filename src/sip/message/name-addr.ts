import { failure, success } from '../../base/outcome.ts';
import type { Outcome } from '../../base/outcome.ts';
import {
  endOfQuoted,
  formatParams,
  hasUriUnsafe,
  isParamNamed,
  isSpaceCode,
  isToken,
  isTokenCode,
  nextParam,
  noParams,
  paramValue,
  parseParams,
  quote,
  skipSpace,
  unquote,
} from './scan.ts';
import { parseUri } from './uri.ts';
import type { SipUri } from './uri.ts';

/** A `name-addr` or `addr-spec` with header parameters (From, To, Contact, Route …). RFC 3261 §20.10, §25.1. */
export interface NameAddr {
  /** Display name without quotes and escapes; `undefined` when absent. */
  readonly display: string | undefined;
  /** The URI as received, without `<>`. */
  readonly uri: string;
  /** The parsed URI; parsed on first use. */
  readonly parsedUri: Outcome<SipUri>;
  /** Header parameters: lower-case names; values without quotes; `undefined` for a flag. */
  readonly params: ReadonlyMap<string, string | undefined>;
  /** The `tag` parameter. */
  readonly tag: string | undefined;
  /** The whole value as received. */
  readonly raw: string;
}

/** A class, because several are made for every message; URI and parameters are parsed when asked for. */
class ParsedNameAddr implements NameAddr {
  readonly raw: string;
  readonly display: string | undefined;
  readonly uri: string;
  readonly tag: string | undefined;
  readonly #paramsStart: number;
  #params: ReadonlyMap<string, string | undefined> | undefined = undefined;
  #parsedUri: Outcome<SipUri> | undefined = undefined;

  constructor(
    raw: string,
    display: string | undefined,
    uri: string,
    paramsStart: number,
    tag: string | undefined,
  ) {
    this.raw = raw;
    this.display = display;
    this.uri = uri;
    this.#paramsStart = paramsStart;
    this.tag = tag;
  }

  get params(): ReadonlyMap<string, string | undefined> {
    return (this.#params ??= parseParams(this.raw, this.#paramsStart) ?? noParams);
  }

  get parsedUri(): Outcome<SipUri> {
    return (this.#parsedUri ??= parseUri(this.uri));
  }
}

/** Checks the parameters from `start` on and makes the value. */
function withParams(
  text: string,
  display: string | undefined,
  uri: string,
  start: number,
): Outcome<NameAddr> {
  let tag: string | undefined;
  let hasTag = false;
  let i = skipSpace(text, start);
  while (i < text.length) {
    i = nextParam(text, i);
    if (i < 0) return failure('bad-header-parameter');
    if (hasTag || !isParamNamed(text, 'tag')) continue;
    hasTag = true;
    tag = paramValue(text);
  }
  return success(new ParsedNameAddr(text, display, uri, start, tag));
}

/** Reads one value (not a comma-separated list). Errors are a stable kebab-case word. */
export function parseNameAddr(text: string): Outcome<NameAddr> {
  let i = skipSpace(text, 0);
  const start = i;
  let display: string | undefined;
  if (text.charCodeAt(i) === 0x22) {
    const end = endOfQuoted(text, i);
    if (end < 0) return failure('unterminated-quote');
    display = unquote(text.slice(i, end));
    i = skipSpace(text, end);
    if (text.charCodeAt(i) !== 0x3c) return failure('bad-name-addr');
  } else {
    while (i < text.length && isDisplayCode(text.charCodeAt(i))) i++;
    if (text.charCodeAt(i) !== 0x3c) return parseAddrSpec(text, start);
    if (i > start) display = text.slice(start, i).trim();
  }
  const close = text.indexOf('>', i);
  if (close < 0) return failure('unterminated-bracket');
  if (!looksLikeUri(text, i + 1, close)) return failure('bad-uri');
  return withParams(text, display, text.slice(i + 1, close), close + 1);
}

/** A URI without brackets: everything after `;` belongs to the header, and `?` and `,` are not allowed (RFC 3261 §20). */
function parseAddrSpec(text: string, start: number): Outcome<NameAddr> {
  let end = text.indexOf(';', start);
  if (end < 0) end = text.length;
  let uriEnd = end;
  while (uriEnd > start && isSpaceCode(text.charCodeAt(uriEnd - 1))) uriEnd--;
  if (!looksLikeUri(text, start, uriEnd)) return failure('bad-uri');
  const uri = text.slice(start, uriEnd);
  if (uri.includes('?') || uri.includes(',')) return failure('uri-needs-brackets');
  return withParams(text, undefined, uri, end);
}

function isDisplayCode(code: number): boolean {
  return isTokenCode(code) || isSpaceCode(code) || code > 127;
}

/** A scheme, a colon and something after it, without white space. */
function looksLikeUri(text: string, start: number, end: number): boolean {
  const colon = text.indexOf(':', start);
  return colon > start && colon < end - 1 && !hasUriUnsafe(text, start, end);
}

/** Writes `"display" <uri>;params`; always with brackets. */
export function formatNameAddr(parts: {
  readonly display?: string | undefined;
  readonly uri: string;
  readonly params?: Iterable<readonly [string, string | undefined]>;
}): string {
  const { display } = parts;
  let text = '';
  if (display !== undefined && display !== '') {
    text = `${isToken(display) ? display : quote(display)} `;
  }
  return `${text}<${parts.uri}>${formatParams(parts.params ?? [])}`;
}
