/** Character classes and small scanners of the SIP grammar. RFC 3261 §25.1. */

const TOKEN = 1;
const SPACE = 2;
const DIGIT = 4;
const URI_UNSAFE = 8;

const classes = new Uint8Array(256);
for (const c of "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.!%*_+`'~") {
  classes[c.charCodeAt(0)] = TOKEN;
}
for (const c of '0123456789') classes[c.charCodeAt(0)] = TOKEN | DIGIT;
for (let code = 0; code <= 32; code++) classes[code] = URI_UNSAFE;
for (const c of '<>"\x7f') classes[c.charCodeAt(0)] = URI_UNSAFE;
for (const c of ' \t\r\n') classes[c.charCodeAt(0)] = SPACE | URI_UNSAFE;

export const noParams: ReadonlyMap<string, string | undefined> = new Map();

export function isTokenCode(code: number): boolean {
  return ((classes[code] ?? 0) & TOKEN) !== 0;
}

/** SP, HTAB and the CR and LF of a folded line. */
export function isSpaceCode(code: number): boolean {
  return code <= 32 && ((classes[code] ?? 0) & SPACE) !== 0;
}

export function isToken(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (!isTokenCode(text.charCodeAt(i))) return false;
  return text.length > 0;
}

/** Position of the first character at or after `from` that is no white space. */
export function skipSpace(text: string, from: number): number {
  let i = from;
  while (i < text.length && isSpaceCode(text.charCodeAt(i))) i++;
  return i;
}

/** True when `text[start, end)` holds white space, controls, quotes or angle brackets, none of which a URI may. */
export function hasUriUnsafe(text: string, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    if (((classes[text.charCodeAt(i)] ?? URI_UNSAFE) & URI_UNSAFE) !== 0) return true;
  }
  return false;
}

/** An unsigned decimal number of digits only, at most `max`; else `undefined`. */
export function parseUnsigned(text: string, max: number): number | undefined {
  let value = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
    if (value > max) return undefined;
  }
  return text.length > 0 ? value : undefined;
}

/** Position after the closing quote of the quoted string that opens at `open`, or -1 when it never closes. */
export function endOfQuoted(text: string, open: number): number {
  for (let i = open + 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x5c) i++;
    else if (code === 0x22) return i + 1;
  }
  return -1;
}

/** The content of a quoted string (given with its quotes), escapes resolved. */
export function unquote(quoted: string): string {
  const inner = quoted.slice(1, -1);
  return inner.includes('\\') ? inner.replace(/\\(.)/gs, '$1') : inner;
}

/** As a quoted string, with quotes and escapes. */
export function quote(text: string): string {
  const isPlain = !text.includes('"') && !text.includes('\\');
  return `"${isPlain ? text : text.replace(/["\\]/g, '\\$&')}"`;
}

/** Where {@link nextParam} found the parts of a parameter; overwritten by the next call. */
export const param = { nameStart: 0, nameEnd: 0, valueStart: -1, valueEnd: -1 };

/**
 * Reads one `;name=value` at `from` (a semicolon) into {@link param}, without making strings;
 * `valueStart` is -1 for a flag. The position after it and its white space, or -1 when malformed.
 */
export function nextParam(text: string, from: number): number {
  if (text.charCodeAt(from) !== 0x3b) return -1;
  const nameStart = skipSpace(text, from + 1);
  let i = nameStart;
  while (i < text.length && isParamCode(text.charCodeAt(i))) i++;
  if (i === nameStart) return -1;
  param.nameStart = nameStart;
  param.nameEnd = i;
  param.valueStart = -1;
  i = skipSpace(text, i);
  if (text.charCodeAt(i) !== 0x3d) return i;
  const valueStart = skipSpace(text, i + 1);
  i = valueStart;
  if (text.charCodeAt(i) === 0x22) {
    i = endOfQuoted(text, i);
    if (i < 0) return -1;
  } else {
    while (i < text.length && isParamValueCode(text.charCodeAt(i))) i++;
  }
  param.valueStart = valueStart;
  param.valueEnd = i;
  return skipSpace(text, i);
}

/** True when the parameter read last has that name (given in lower case). */
export function isParamNamed(text: string, lower: string): boolean {
  const { nameStart, nameEnd } = param;
  if (nameEnd - nameStart !== lower.length) return false;
  for (let i = 0; i < lower.length; i++) {
    let code = text.charCodeAt(nameStart + i);
    if (code >= 65 && code <= 90) code += 32;
    if (code !== lower.charCodeAt(i)) return false;
  }
  return true;
}

/** Value of the parameter read last, quotes resolved; `undefined` for a flag. */
export function paramValue(text: string): string | undefined {
  const { valueStart, valueEnd } = param;
  if (valueStart < 0) return undefined;
  const value = text.slice(valueStart, valueEnd);
  return value.charCodeAt(0) === 0x22 ? unquote(value) : value;
}

/**
 * All parameters from `from` to the end; names in lower case, quoted values resolved, the first of
 * two equal names wins. `undefined` when malformed (such as an empty parameter).
 */
export function parseParams(
  text: string,
  from: number,
): ReadonlyMap<string, string | undefined> | undefined {
  let i = skipSpace(text, from);
  if (i >= text.length) return noParams;
  const params = new Map<string, string | undefined>();
  while (i < text.length) {
    i = nextParam(text, i);
    if (i < 0) return undefined;
    const name = text.slice(param.nameStart, param.nameEnd).toLowerCase();
    if (!params.has(name)) params.set(name, paramValue(text));
  }
  return params;
}

function isParamCode(code: number): boolean {
  return code !== 0x3d && isParamValueCode(code);
}

/** Anything visible but `;`, `,`, quotes and angle brackets: more than the grammar, as phones need. */
function isParamValueCode(code: number): boolean {
  return code !== 0x3b && code !== 0x2c && ((classes[code] ?? URI_UNSAFE) & URI_UNSAFE) === 0;
}

/** Writes parameters, quoting values that are neither token, host nor address. */
export function formatParams(params: Iterable<readonly [string, string | undefined]>): string {
  let text = '';
  for (const [name, value] of params) {
    if (value === undefined) text += `;${name}`;
    else text += `;${name}=${/^[\w.!%*+`'~:[\]/-]*$/.test(value) ? value : quote(value)}`;
  }
  return text;
}

/**
 * Position of the next comma outside quoted strings and angle brackets at or after `from`, or the
 * length when there is none. An unclosed quote or bracket extends to the end.
 */
export function nextComma(text: string, from: number): number {
  for (let i = from; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x2c) return i;
    if (code === 0x22) {
      i = endOfQuoted(text, i) - 1;
      if (i < 0) return text.length;
    } else if (code === 0x3c) {
      i = text.indexOf('>', i);
      if (i < 0) return text.length;
    }
  }
  return text.length;
}

/** Appends the comma-separated values of one row to `into` until that holds `limit`. Empty values are left out. */
export function splitValues(text: string, into: string[], limit: number): void {
  let start = 0;
  while (start < text.length && into.length < limit) {
    const comma = nextComma(text, start);
    const value = text.slice(start, comma).trim();
    if (value !== '') into.push(value);
    start = comma + 1;
  }
}
