import { endOfQuoted, isTokenCode, skipSpace, unquote } from '../message/scan.ts';

/**
 * The `name=value` list behind an authentication scheme, names in lower case, quotes resolved. The
 * first of two equal names wins; `undefined` when it is another scheme or malformed. RFC 7616 §3.
 */
export function readDigestParameters(value: string): ReadonlyMap<string, string> | undefined {
  let i = skipSpace(value, 0);
  if (value.slice(i, i + 6).toLowerCase() !== 'digest') return undefined;
  i += 6;
  if (skipSpace(value, i) === i) return undefined;
  const found = new Map<string, string>();
  while (i < value.length) {
    i = skipSpace(value, i);
    const nameStart = i;
    while (i < value.length && isTokenCode(value.charCodeAt(i))) i++;
    const name = value.slice(nameStart, i).toLowerCase();
    i = skipSpace(value, i);
    if (name === '' || value.charCodeAt(i) !== 0x3d) return undefined;
    const start = skipSpace(value, i + 1);
    i = value.charCodeAt(start) === 0x22 ? endOfQuoted(value, start) : endOfPlain(value, start);
    if (i < 0) return undefined;
    const raw = value.slice(start, i);
    if (!found.has(name)) found.set(name, raw.startsWith('"') ? unquote(raw) : raw.trimEnd());
    i = skipSpace(value, i);
    if (i < value.length && value.charCodeAt(i) !== 0x2c) return undefined;
    i++;
  }
  return found;
}

/** Unquoted values end at a comma; more than tokens is let pass, as some phones leave quotes out. */
function endOfPlain(value: string, start: number): number {
  const comma = value.indexOf(',', start);
  return comma < 0 ? value.length : comma;
}
