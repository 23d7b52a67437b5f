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
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

/**
 * Reads `;name=value` pairs from `from` to the end; names in lower case, quoted values resolved, the
 * first of two equal names wins. `undefined` when malformed (such as an empty parameter).
 */
export function parseParams(
  text: string,
  from: number,
): ReadonlyMap<string, string | undefined> | undefined {
  let i = skipSpace(text, from);
  if (i >= text.length) return noParams;
  const params = new Map<string, string | undefined>();
  while (i < text.length) {
    if (text.charCodeAt(i) !== 0x3b) return undefined;
    const nameStart = skipSpace(text, i + 1);
    i = nameStart;
    while (i < text.length && isParamCode(text.charCodeAt(i))) i++;
    if (i === nameStart) return undefined;
    const name = text.slice(nameStart, i).toLowerCase();
    i = skipSpace(text, i);
    let value: string | undefined;
    if (text.charCodeAt(i) === 0x3d) {
      const valueStart = skipSpace(text, i + 1);
      i = valueStart;
      if (text.charCodeAt(i) === 0x22) {
        i = endOfQuoted(text, i);
        if (i < 0) return undefined;
        value = unquote(text.slice(valueStart, i));
      } else {
        while (i < text.length && isParamValueCode(text.charCodeAt(i))) i++;
        value = text.slice(valueStart, i);
      }
      i = skipSpace(text, i);
    }
    if (!params.has(name)) params.set(name, value);
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
